"""benchmarks/experiments/full_length.py: the published settings, in which order, and what the table says."""

import functools
import shlex
from pathlib import Path

import pytest

from benchmarks.experiments import full_length
from emmental.common.errors import InputError
from tests.helpers.runs import drawn, finished, last


@pytest.fixture
def script(experiment):
    """The script with a folder of its own: script(flag, …) -> what it printed."""
    return functools.partial(experiment, full_length)


@pytest.fixture
def commands(script, tmp_path):
    """The words of each command of a dry run by its folder, in their order."""

    def planned(*flags):
        lines = [shlex.split(line) for line in script("--dry_run", *flags).splitlines()]
        return {str(Path(last(words, "--output_dir")).relative_to(tmp_path)): words for words in lines}

    return planned


def test_settings_are_the_published_ones_but_for_lambda(commands):
    found = commands("--tasks", "mrpc", "sst2", "--seeds", "3")
    for task, epochs, batch in (("mrpc", "60", "32"), ("sst2", "12", "64")):
        masks = {name: words for name, words in found.items() if name.startswith(task) and "finetune" not in name}
        for name, words in masks.items():
            assert last(words, "--num_train_epochs") == epochs
            assert "--max_steps" not in words
            if not any(method in name for method in full_length.OURS):
                assert last(words, "--per_device_train_batch_size") == batch
                assert not {"--mask_init", "--warmup_threshold_step"} & set(words)
        for density in ("0.1", "0.03", "0.8"):
            lambdas = {
                name: last(masks[f"{folder}_{density}/seed_3"], "--final_lambda")
                for name, folder in (("smp-s", f"{task}/smp-s"), ("published", f"{task}_lambda_400/smp-s"))
            }
            assert lambdas == {"smp-s": "50", "published": "400"}
            assert last(masks[f"{task}/smp-s_{density}/seed_3"], "--mask_scores_learning_rate") == "0.02"
        soft = [last(words, "--final_lambda") for name, words in masks.items() if "soft_movement" in name]
        assert soft == ["40", "120", "400"]


def test_what_is_not_published_is_ours_alone(commands):
    found = commands("--tasks", "mrpc", "--seeds", "1", "--densities", "0.1", "--methods", *full_length.OURS)
    starts = {name: (last(words, "--mask_init"), last(words, "--final_lambda")) for name, words in found.items()}
    assert starts == {
        "mrpc/smp-s+magnitude_init_0.1/seed_1": ("magnitude", "0"),
        "mrpc/movement+magnitude_init_0.1/seed_1": ("magnitude", "0"),
        "mrpc/smp-s+lkd_0.1/seed_1": ("wanda", "400"),
    }


def test_one_task_of_one_seed_is_finished_before_the_next_and_pupils_follow_their_teacher(commands, tmp_path):
    found = commands("--tasks", "cola", "mrpc", "--seeds", "1", "2")
    order = list(found)
    firsts = [order.index(f"{task}/finetune/seed_{seed}") for seed in (1, 2) for task in ("cola", "mrpc")]
    assert firsts == [0, 24, 48, 72]
    assert len(order) == 96
    for name, words in found.items():
        if "+kd" in name or "+lkd" in name:
            teacher = Path(last(words, "--teacher_model_name_or_path")).relative_to(tmp_path)
            assert str(teacher) == f"{Path(name).parts[0]}/finetune/{Path(name).name}"
            assert order.index(str(teacher)) < order.index(name)


def test_the_table_and_the_picture_tell_of_every_task(script, tmp_path):
    finished(tmp_path / "mrpc", "finetune", 1.0, 0.8)
    finished(tmp_path / "mrpc", "smp-s_0.1", 0.1, 0.75, 0.25)
    finished(tmp_path / "mrpc", "smp-s_0.03", 0.03, 0.5)
    finished(tmp_path / "mrpc", "soft_movement_lambda_120", 0.1, 0.5)
    finished(tmp_path / "mrpc", "soft_movement_lambda_40", 0.2, 0.5)
    finished(tmp_path / "mrpc", "smp-s+magnitude_init_0.1", 0.1, 0.625)
    finished(tmp_path / "mrpc", "smp-s+lkd_0.1", 0.1, 0.75)
    finished(tmp_path / "mrpc_lambda_400", "smp-s_0.1", 0.1, 0.9, last_eval_accuracy=0.625)
    finished(tmp_path / "sst2", "smp-l_0.1", 0.1, 0.75)
    finished(tmp_path / "sst2", "smp-s_0.1", 0.1, 0.875)
    finished(tmp_path / "rte", "finetune", 1.0, 0.625)
    shown = script("--report_only", "--picture", str(tmp_path / "shown.png"))
    assert shown.splitlines() == [
        "|  | weights | mrpc (accuracy) | rte (accuracy) | sst2 (accuracy) |",
        "| --- | --- | --- | --- | --- |",
        "| SMP-L | 10 % | – | – | 75.0 |",
        "| SMP-S | 10 % | 50.0 ± 35.4 | – | 87.5 |",
        "| SMP-S | 3 % | 50.0 | – | – |",
        "| SMP-S, lambda 400 | 10 % | 62.5 | – | – |",
        "| SMP-S, magnitude init | 10 % | 62.5 | – | – |",
        "| SMP-S + LKD | 10 % | 75.0 | – | – |",
        "| SMvP, lambda 40 |  | 50.0 at 20.0 % | – | – |",
        "| SMvP, lambda 120 |  | 50.0 at 10.0 % | – | – |",
        "| fine-tuned | 100 % | 80.0 | 62.5 | – |",
    ]
    assert (tmp_path / "table.md").read_text() == shown
    assert (tmp_path / "shown.png").exists()
    assert (tmp_path / "mrpc" / "comparison.csv").exists()


def test_the_picture_has_a_column_for_tasks_with_masks_and_hollow_points_for_the_published_lambda(tmp_path):
    for task, folder, accuracy in (
        ("mrpc", "finetune", 0.75), ("mrpc", "smp-s_0.5", 0.25), ("mrpc_lambda_400", "smp-s_0.5", 0.5),
        ("rte_lambda_400", "smp-s_0.5", 0.5), ("cola", "finetune", 0.75),
        ("sst2", "finetune", 0.75), ("sst2", "smp-s+magnitude_init_0.5", 0.625),
    ):  # fmt: skip
        finished(tmp_path / task, folder, 1.0 if folder == "finetune" else 0.5, accuracy, eval_matthews=accuracy)
    panels = full_length.draw(full_length.collected(tmp_path)).axes
    assert [axes.get_title().partition(",")[0] for axes in panels] == 2 * ["mrpc", "rte", "sst2"]
    hollow = {"SMP-S, lambda 400": [(50, 50)]}
    assert [drawn(axes)[0] for axes in panels] == [
        {"SMP-S": [(50, 25)], **hollow}, hollow, {},
        {}, {}, {"SMP-S": [(50, 62.5)]},
    ]  # fmt: skip


def test_nothing_finished_is_said(script):
    with pytest.raises(InputError, match="no run is finished"):
        script("--report_only")
