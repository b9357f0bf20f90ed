"""A task of one's own through the launchers: its folders, its teacher's data, its plan without a model or data loaded,
and a comparison."""

import json
import shlex
import subprocess
import sys

import pytest

from emmental.common.errors import InputError
from emmental.launch import compare, compare_report
from emmental.launch.jobs import launch
from tests.helpers.tiny import ROOT, environment

FILES = ("--train_file", "train.csv", "--validation_file", "dev.csv")


@pytest.fixture
def dry(tmp_path, monkeypatch, capsys):
    """What a dry run of run.sh prints, with a training file of 640 examples."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.csv").write_text("text,label\n" + "a film,x\n" * 640)

    def start(tag, *words, launcher="run.sh", **variables):
        launch(launcher, [tag, *words, "--dry_run"], variables)
        return capsys.readouterr().out

    return start


def flag(command, name):
    words = shlex.split(command)
    return words[words.index(name) + 1]


def test_folders_have_the_label_s_name(dry):
    shown = dry("custom_0.10_kd", *FILES, "--task_label", "topics")
    command = shown.splitlines()[-1]
    assert flag(command, "--output_dir") == "models/topics_0.10_kd"
    assert flag(command, "--teacher_model_name_or_path") == "teachers/topics"
    assert flag(command, "--mask_init") == "magnitude"
    made = dry("custom", *FILES, "--task_label", "topics", launcher="run_teacher.sh").splitlines()[-1]
    assert flag(made, "--output_dir") == "teachers/topics"
    assert flag(dry("custom_0.10", *FILES).splitlines()[-1], "--output_dir") == "models/custom_0.10"
    set_by_hand = dry("custom_0.10", *FILES, "--task_label", "topics", OUTPUT_DIR="custom/mine").splitlines()[-1]
    assert flag(set_by_hand, "--output_dir") == "custom/mine"


def test_the_teacher_that_is_made_first_reads_the_same_data(dry):
    columns = ("--text_column", "a b", "--answer", "several", "--label_separator", ";", "--metric", "f1_macro")
    teacher, student = dry("custom_0.10_lkd", *FILES, *columns, "--task_label", "topics").splitlines()[-2:]
    for name in ("--train_file", "--validation_file", "--task_label", *columns[::2]):
        assert flag(teacher, name) == flag(student, name)
    assert flag(teacher, "--output_dir") == flag(student, "--teacher_model_name_or_path") == "teachers/topics"


def test_the_plan_counts_a_file_s_lines(dry):
    shown = dry("custom_0.10", *FILES, "--task_label", "topics", "--metric", "f1_macro,accuracy")
    assert "T = 60, 20 an epoch with 640 examples" in shown
    assert "by f1_macro" in shown
    assert "train.csv, dev.csv" in shown
    assert "plan of custom_0.10\n  task         topics" in shown
    assert "by f1_micro" in dry("custom_0.10", *FILES, "--answer", "several")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--task_name custom takes --train_file and --validation_file, or --dataset_name"),
        (FILES[:2], "--train_file and --validation_file go together"),
        ((*FILES, "--dataset_name", "x"), "takes --train_file and --validation_file, or --dataset_name"),
        ((*FILES, "--task_label", "sst2"), "no name of a task that there is"),
        ((*FILES, "--metric", "bleu"), "--metric bleu: there are accuracy"),
        (("--train_file", "none.csv", "--validation_file", "dev.csv"), "none.csv: no such file"),
    ],
)
def test_what_a_dry_run_refuses(dry, words, message):
    with pytest.raises(InputError, match=message):
        dry("custom_0.10", *words)


def test_a_dry_run_loads_nothing_heavy(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\na,x\n" * 40)
    words = ["run.sh", "custom_0.10", *FILES, "--dry_run"]
    code = f"import sys; from emmental.launch.jobs import launch; launch({words[0]!r}, {words[1:]!r}, {{}})"
    code += "; print(sorted({'torch', 'transformers', 'datasets', 'numpy'} & sys.modules.keys()))"
    where = {"cwd": tmp_path, "env": environment({"PYTHONPATH": str(ROOT)})}
    ran = subprocess.run([sys.executable, "-c", code], **where, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.endswith("[]\n")


def write_result(folder, density, **metrics):
    folder.mkdir(parents=True)
    trace = dict.fromkeys(compare_report.TRACE, "")
    about = {"task": "films", "model": "tiny", "seed": 42, "trained_parameters": 1, "global_step": 4, "seconds": 1.0}
    (folder / "all_results.json").write_text(json.dumps(trace | about | {"density": density} | metrics))


@pytest.mark.parametrize(("metric", "shown"), [("f1_macro", "50.0 % | 75.0 |"), ("neg_mean_absolute_error", "0.7500")])
def test_a_comparison_is_by_the_run_s_own_metric(tmp_path, metric, shown):
    measured = {f"eval_{metric}": 0.75, "eval_other": 0.1, f"majority_eval_{metric}": 0.25}
    write_result(tmp_path / "smp-l_0.5" / "seed_42", 0.5, **measured)
    write_result(tmp_path / "finetune" / "seed_42", 1.0, **measured)
    text = compare_report.write(tmp_path, "custom", "command", log_axis=False)
    assert text.startswith("**films**, tiny")
    assert f"| {metric} |" in text
    assert shown in text
    assert "| majority class |" in text


def test_runs_of_a_comparison_meet_no_other_task(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["custom", "0.5", "smp-l+kd", "finetune", *FILES, "--task_label", "films", "--dry_run"]
    compare.compare(words, {})
    pruned, dense = capsys.readouterr().out.splitlines()
    assert flag(pruned, "--output_dir") == "comparisons/films/smp-l+kd_0.5/seed_42"
    assert flag(pruned, "--teacher_model_name_or_path") == "teachers/films"
    assert flag(dense, "--task_label") == "films"
