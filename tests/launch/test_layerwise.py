"""Tag _lkd: one command makes the teacher where there is none, and learns from its layers."""

import json
import random
import re
import shlex

import pytest

from emmental import masks
from tests.helpers.tiny import WORDS, data_flags, short_run

TAG = "sst2_0.25_lkd_mag"


def commands(printed):
    return [shlex.split(line) for line in printed.splitlines() if line.startswith("python ")]


def test_a_dry_run_shows_both_steps(command, tiny_bert, tmp_path):
    shown = command(
        "bash", "run.sh", TAG, "--dry_run", MODEL=str(tiny_bert), DATA_DIR="glue", MAX_LENGTH="64", LR="5e-2"
    )
    assert shown.returncode == 0, shown.stderr
    teacher, student = commands(shown.stdout)
    for words in (teacher, student):
        assert words[words.index("--model_name_or_path") + 1] == str(tiny_bert)
        assert words[words.index("--data_dir") + 1] == "glue"
        assert words[words.index("--max_seq_length") + 1] == "64"
    assert teacher[teacher.index("--output_dir") + 1] == "teachers/sst2"
    assert teacher[teacher.index("--learning_rate") + 1] == "3e-05"  # LR is the scores'
    assert student[student.index("--teacher_model_name_or_path") + 1] == "teachers/sst2"
    assert student[student.index("--mask_scores_learning_rate") + 1] == "5e-2"
    assert student[student.index("--alpha_hidden") + 1] == "30"
    assert student[student.index("--mask_init") + 1] == "wanda"
    assert re.search(r"published +no figure for this run", shown.stdout)
    other = command("bash", "run.sh", TAG, "--dry_run", MODEL=str(tiny_bert), TEACHER="mine")
    assert len(commands(other.stdout)) == 1


def test_one_command_makes_the_teacher_and_then_learns_from_it(command, tiny_bert, reviews, tmp_path):
    _, variables = short_run(tiny_bert, reviews)
    words = ("bash", "run.sh", TAG, *data_flags(reviews), "--max_steps", "6", "--eval_steps", "3")
    first = command(*words, **variables)
    assert first.returncode == 2  # what a tiny teacher learns in 6 steps at 3e-5
    assert "no better than chance" in first.stderr
    made = json.loads((tmp_path / "teachers" / "sst2" / "all_results.json").read_text())
    assert (made["method"], made["global_step"]) == ("finetune", 6)
    again = command(*words, "--dry_run", **variables)
    assert len(commands(again.stdout)) == 1  # the teacher is there


OFFICIAL = {
    "qnli": ("index\tquestion\tsentence\tlabel", "{n}\t{a}\t{b}\t{label}", ("not_entailment", "entailment")),
    "qqp": ("id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate", "{n}\t1\t2\t{a}\t{b}\t{label}", ("0", "1")),
}


@pytest.mark.parametrize("task", OFFICIAL)
def test_a_task_of_glue_s_official_files(command, tiny_bert, tmp_path, task):
    """The same command for tasks whose data are not here: pairs alike where the second text says so."""
    head, row, labels = OFFICIAL[task]
    folder, draw = tmp_path / "glue" / task.upper(), random.Random(0)
    folder.mkdir(parents=True)
    for name, rows in (("train.tsv", 48), ("dev.tsv", 16)):
        lines = [head]
        for n in range(rows):
            texts = [" ".join(draw.choices(WORDS[14:30], k=draw.randint(2, 6))) for _ in "ab"]
            second = f"{texts[1]} {('bad', 'good')[n % 2]}"
            lines.append(row.format(n=n, a=texts[0], b=second, label=labels[n % 2]))
        (folder / name).write_text("\n".join(lines) + "\n")
    variables = {"MODEL": str(tiny_bert), "DATA_DIR": "glue", "BATCH_SIZE": "8"}
    steps = ("--max_steps", "60", "--eval_steps", "30")
    taught = command("bash", "run_teacher.sh", task, *steps, **variables, LR="1e-2")
    assert taught.returncode == 0, taught.stderr
    run = command("bash", "run.sh", f"{task}_0.25_lkd_mag", *steps, **variables)
    assert run.returncode == 0, run.stderr
    mask = masks.load(tmp_path / "models" / f"{task}_0.25_lkd_mag" / "mask.safetensors")
    assert mask.info.task == task
    assert mask.density() == pytest.approx(0.25, abs=0.01)
    assert mask.vectors
