"""Every published tag's plan against the papers' figures, written down here by hand; the grammar of tags; figures."""

import itertools
import re

import pytest

from emmental.common.errors import InputError
from emmental.launch.jobs import launch
from emmental.recipes import paper_results, table, tags
from emmental.tasks import glue

# task: epochs, batch, T, steps of an epoch, evaluation and metric, N at 80 %, at 70 % and below
TABLE = {
    "mnli": ("12", 64, "73,632", "6,136", "every 1,000 steps, by accuracy", "3,500", "5,250", "43,632"),
    "qqp": ("12", 64, "68,232", "5,686", "every 1,000 steps, by accuracy", "3,500", "5,250", "38,232"),
    "qnli": ("12", 64, "19,644", "1,637", "every 1,000 steps, by accuracy", "3,500", "5,250", "11,640"),
    "sst2": ("12", 64, "12,636", "1,053", "every 1,000 steps, by accuracy", "3,500", "5,250", "7,487"),
    "mrpc": ("60", 32, "6,900", "115", "every epoch, by accuracy", "3,500", "5,250", "4,088"),
    "cola": ("60", 32, "16,080", "268", "every epoch, by matthews", "3,500", "5,250", "9,528"),
    "stsb": ("60", 32, "10,800", "180", "every epoch, by pearson", "3,500", "5,250", "6,399"),
    "rte": ("100", 32, "7,800", "78", "every epoch, by accuracy", "3,500", "5,250", "4,622"),
}
DENSITIES = {"0.80": "0.8", "0.70": "0.7", "0.50": "0.5", "0.30": "0.3", "0.10": "0.1", "0.05": "0.05", "0.03": "0.03"}
# (density, distilled): p of MNLI, of the other sentence tasks, of SQuAD; 1 where nothing stands
P = {
    ("0.80", False): (4, 4, 4),
    ("0.80", True): (4, 4, 4),
    ("0.70", False): (4, 4, 4),
    ("0.70", True): (4, 4, 4),
    ("0.50", False): (3, 1, 4),
}
SQUAD = {  # epochs, T, N, steps over which lambda rises
    "0.80": ("10", "27,660", "5,000", "27,660"),
    "0.70": ("10", "27,660", "5,000", "27,660"),
    "0.50": ("10", "27,660", "22,660", "27,660"),
    "0.30": ("10", "27,660", "22,660", "27,660"),
    "0.10": ("10", "27,660", "22,660", "27,660"),
    "0.05": ("10", "27,660", "22,660", "27,660"),
    "0.03": ("20", "55,320", "22,650", "27,660"),
}
OPTIONS = ("", "_kd", "_mag", "_kd_mag")


@pytest.fixture
def plan(capsys):
    """The rows of a dry run's plan by their name, and its commands: plan("rte_0.50", SEEDS="1 2")."""

    def read(tag, *flags, launcher="run.sh", **variables):
        launch(launcher, [tag, *flags, "--dry_run"], variables)
        table, commands = capsys.readouterr().out.split("\n\n")
        title, *rows = table.splitlines()
        assert title == f"plan of {tag}"
        return dict(re.split(r"  +", row.strip(), maxsplit=1) for row in rows), commands.splitlines()

    return read


def allocation(p, option):
    return f"SMP-S (soft), p = {p}" if "_mag" in option else "SMP-L (local)"


@pytest.mark.parametrize("task", TABLE)
def test_sentence_tasks(plan, task):
    epochs, batch, total, per_epoch, evaluation, *lengths = TABLE[task]
    for density, option in itertools.product(DENSITIES, OPTIONS):
        tag = f"{task}_{density}{option}"
        rows, (command,) = plan(tag)
        length = lengths[["0.80", "0.70"].index(density)] if density in ("0.80", "0.70") else lengths[2]
        p = P.get((density, "_kd" in option), (1, 1))[0 if task == "mnli" else 1]
        assert rows["task"] == task
        assert rows["backbone"] == "bert-base-uncased"
        assert rows["density"] == f"1 -> {DENSITIES[density]}, cubic"
        assert rows["allocation"] == allocation(p, option)
        assert rows["epochs"] == epochs
        assert rows["batch"] == f"{batch} examples"
        assert rows["steps"] == f"T = {total}, {per_epoch} an epoch with the published data"
        assert rows["pruning"].startswith(f"N = {length} steps ")
        assert rows["regulariser"] == f"lambda 400, rising over {total} steps"
        assert rows["scores"] == "constant init, scale 0, learning rate 0.02"
        assert rows["length"] == "128 tokens"
        assert rows["evaluation"] == evaluation
        assert rows["teacher"] == (f"teachers/{task}" if "_kd" in option else "none")
        assert rows["output"] == f"models/{tag}"
        assert f"--task_name {task} " in command


@pytest.mark.parametrize("density", SQUAD)
def test_squad(plan, density):
    epochs, total, length, ramp = SQUAD[density]
    for option in OPTIONS:
        rows, (command,) = plan(f"squad_{density}{option}", launcher="run_squad.sh")
        p = P.get((density, "_kd" in option), (1, 1, 1))[2]
        assert rows["density"] == f"1 -> {DENSITIES[density]}, cubic"
        assert rows["allocation"] == allocation(p, option)
        assert rows["epochs"] == epochs
        assert rows["batch"] == "32 examples"
        assert rows["steps"] == f"T = {total}, 2,766 an epoch with the published data"
        assert rows["pruning"].startswith(f"N = {length} steps ")
        assert rows["regulariser"] == f"lambda 400, rising over {ramp} steps"
        assert rows["length"] == "384 tokens, stride 128"
        assert rows["evaluation"] == "every 1,000 steps, by f1"
        assert rows["output"] == f"models/squad_{density}{option}"
        assert "masked_run_squad.py --doc_stride 128 " in command
        assert "--task_name" not in command


def test_roberta_has_a_folder_a_teacher_and_a_schedule_of_its_own(plan):
    rows, (command,) = plan("mnli_0.50_roberta_kd_mag")
    assert rows["backbone"] == "roberta-base"
    assert rows["density"] == "1 -> 0.5, linear"
    assert rows["teacher"] == "teachers/mnli_roberta"
    assert rows["output"] == "models/mnli_0.50_roberta_kd_mag"
    assert rows["published"] == "no figure for this run"
    assert "--density_schedule linear " in command


def test_the_demo(plan):
    rows, _ = plan("reviews_0.10_mag")
    assert rows["backbone"] == "minilm"
    assert rows["steps"] == "T = 568, 284 an epoch with the published data"
    assert rows["pruning"] == "N = 336 steps (59 %)"
    assert rows["regulariser"] == "lambda 0, rising over 568 steps"
    assert rows["scores"] == "magnitude init, scale 0.5, learning rate 0.01"


@pytest.mark.parametrize("task", [*TABLE, "squad"])
def test_teachers(plan, task):
    rows, (command,) = plan(task, launcher="run_teacher.sh", TEACHER="x", LAMBDA="3")
    assert (rows["epochs"], rows["batch"]) == ("3", "32 examples")
    assert rows["learning rate"] == "3e-05, warm-up 10 %, weight decay 0.01"
    assert rows["output"] == f"teachers/{task}"
    assert "--pruning_method finetune " in command
    assert "lambda" not in command
    assert "--teacher" not in command
    assert rows["published"] != "no figure for this run"


@pytest.mark.parametrize(
    ("variables", "flags", "expected"),
    [
        ({"EPOCHS": "3"}, (), ("T = 18,408,", "N = 10,908 steps", "every 1,000 steps")),
        ({"BATCH_SIZE": "32", "NPROC": "4"}, (), ("T = 36,816,", "N = 6,816 steps", "every 1,000 steps")),
        ({}, ("--max_steps", "800"), ("T = 800,", "N = 474 steps", "every 80 steps")),
        ({"PRUNING_STEPS": "100"}, ("--max-steps=800",), ("T = 800,", "N = 100 steps", "every 80 steps")),
        ({}, ("--eval_strategy", "epoch"), ("T = 73,632,", "N = 43,632 steps", "every epoch")),
        ({}, ("--eval_steps", "0.5"), ("T = 73,632,", "N = 43,632 steps", "every 36,816 steps")),
        ({}, ("--gradient_accumulation_steps", "2"), ("T = 36,816,", "N = 6,816 steps", "every 1,000 steps")),
    ],
)
def test_variables_and_flags_change_the_plan(plan, variables, flags, expected):
    rows, _ = plan("mnli_0.10", *flags, **variables)
    for name, start in zip(("steps", "pruning", "evaluation"), expected, strict=True):
        assert rows[name].startswith(start), rows[name]


def test_published_figures_are_for_such_runs_alone(plan):
    assert plan("mnli_0.03_mag")[0]["published"] == "accuracy 80.9, mm_accuracy 81.1"
    assert plan("rte_0.80_mag")[0]["published"] == "accuracy 72.3"
    for tag, variables in (("mnli_0.03_mag", {"MODEL": "minilm"}), ("rte_0.80", {}), ("rte_0.80_kd_mag", {})):
        assert plan(tag, **variables)[0]["published"] == "no figure for this run"
    v2 = plan("squad_0.10_mag", "--version_2_with_negative", launcher="run_squad.sh")
    assert v2[0]["published"] == "no figure for this run"
    assert plan("mnli_0.03_mag", "--final_threshold", "0.04")[0]["published"] == "no figure for this run"


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (("mnli", 1.0, "finetuned", False), {"accuracy": 84.5, "mm_accuracy": 84.9}),
        (("cola", 1.0, "finetuned", False), {"matthews": 58.1}),
        (("squad", 0.1, "soft", False), {"exact_match": 75.1, "f1": 84.6}),
        (("qqp", 0.03, "local", True), {"accuracy": 90.1, "f1": 87.0}),
        (("mnli", 0.8, "local", False), {"accuracy": 84.8}),
        (("stsb", 0.8, "soft", False), {"pearson": 89.6}),
        (("qqp", 0.8, "soft", False), {"accuracy": 91.4}),
        (("qqp", 0.1, "local", False), {}),
        (("sst2", 0.5, "soft", True), {}),
    ],
)
def test_figures(run, expected):
    assert paper_results.published(*run) == expected
    assert paper_results.published(*run, backbone="minilm") == {}


def test_steps_and_sizes_of_the_published_data_agree():
    for task, recipe in table.RECIPES.items():
        assert recipe.epochs * -(-recipe.examples // recipe.batch) == recipe.steps, task
        interval = table.evaluation_interval(recipe.steps, recipe.steps // recipe.epochs)
        words = {"1,000 steps": 1000, "epoch": recipe.steps // recipe.epochs, "tenth of the run": recipe.steps // 10}
        assert interval == words[recipe.evaluated], task


def test_metrics_are_the_tasks_own():
    for name, task in glue.TASKS.items():
        assert table.RECIPES[name].metric == task.metrics[0]
    assert set(table.SENTENCE_TASKS) == {*glue.TASKS, table.CUSTOM}


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("mnli_0.30", tags.Tag("mnli_0.30", "mnli", 0.3, False, False, False)),
        ("cola_.07_kd", tags.Tag("cola_.07_kd", "cola", 0.07, False, True, False)),
        ("mnli_0.10_lkd_mag", tags.Tag("mnli_0.10_lkd_mag", "mnli", 0.1, False, True, True, lkd=True)),
        ("squad_1_mag", tags.Tag("squad_1_mag", "squad", 1.0, False, False, True)),
        ("rte_0.123_roberta_kd_mag", tags.Tag("rte_0.123_roberta_kd_mag", "rte", 0.123, True, True, True)),
    ],
)
def test_tags(text, tag):
    assert tags.parse_tag(text) == tag


@pytest.mark.parametrize(
    "text", ["mnli_0.3_kd_roberta", "mnli_0.3_mag_kd", "MNLI_0.3", "mnli_0.3\n", "mnli-0.3", "_0.3"]
)
def test_what_is_no_tag(text):
    with pytest.raises(InputError, match="is not a tag: <task>_<density>"):
        tags.parse_tag(text)
