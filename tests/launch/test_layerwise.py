"""Tag _lkd: one command makes the teacher where there is none, and learns from its layers."""

import json
import re
import shlex

from tests.helpers.tiny import data_flags, short_run

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
    assert student[student.index("--alpha_hidden") + 1] == "10"
    assert student[student.index("--mask_init") + 1] == "wanda"
    assert re.search(r"published +no figure for this run", shown.stdout)
    other = command("bash", "run.sh", TAG, "--dry_run", MODEL=str(tiny_bert), TEACHER="mine")
    assert len(commands(other.stdout)) == 1


def test_one_command_makes_the_teacher_and_then_learns_from_it(command, tiny_bert, reviews, tmp_path):
    _, variables = short_run(tiny_bert, reviews)
    words = ("bash", "run.sh", TAG, *data_flags(reviews), "--max_steps", "6", "--eval_steps", "3")
    first = command(*words, **variables)
    assert first.returncode == 2  # what a tiny teacher learns in 15 steps at 3e-5
    assert "no better than chance" in first.stderr
    assert json.loads((tmp_path / "teachers" / "sst2" / "all_results.json").read_text())["method"] == "finetune"
    again = command(*words, "--dry_run", **variables)
    assert len(commands(again.stdout)) == 1  # the teacher is there
