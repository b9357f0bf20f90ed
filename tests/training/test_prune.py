"""A whole run in this process: its results are those of the best masks, and its settings are all that decides them."""

import csv
import json
import random
import re

import pytest

from tests.helpers.tiny import WORDS, data_flags


def write_pairs(path, rows, seed):
    """Pairs of random words with random scores: there is nothing to learn in them."""
    draw = random.Random(seed)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sentence1", "sentence2", "label"])
        for _ in range(rows):
            texts = [" ".join(draw.choices(WORDS[14:30], k=draw.randint(2, 9))) for _ in range(2)]
            writer.writerow([*texts, round(draw.uniform(0, 5), 2)])
    return path


@pytest.fixture
def train(glue_script, tiny_bert, tmp_path):
    """Run masked_run_glue.py: train(flag, value, …) -> what it printed, or what it said of bad input with status=2."""
    names = ("train", "validation")
    data = data_flags({name: write_pairs(tmp_path / f"{name}.csv", 30, seed) for seed, name in enumerate(names)})

    def run(*flags, status=0):
        words = (
            "--task_name", "stsb", "--model_name_or_path", tiny_bert, *data, "--output_dir", tmp_path / "out",
            "--per_device_train_batch_size", 8, "--logging_steps", 1, "--final_threshold", 0.3, "--report_to", "none",
            *flags,
        )  # fmt: skip
        return glue_script(*words, status=status)

    return run


METHODS = {
    "masks": ("--final_lambda", 1),
    "weights": ("--pruning_method", "magnitude", "--freeze_bert", False, "--learning_rate", 3e-2, "--final_lambda", 0),
}


@pytest.mark.parametrize("trained", METHODS)
def test_results_are_those_of_the_best_step_and_not_of_the_last(train, emmental, tmp_path, trained):
    """With random data and a learning rate at which the metric jumps up and down from step to step. Where the last step
    happens to be the best, which another processor's rounding may bring about, another seed is tried."""
    steps = ("--max_steps", 20, "--eval_steps", 1, "--mask_scores_learning_rate", 1, "--lr_scheduler_type", "constant")
    for seed in range(5):
        printed = train(*steps, *METHODS[trained], "--seed", seed, "--overwrite_output_dir")
        seen = {int(step): float(value) for step, value in re.findall(r"step +(\d+) .* pearson (\S+)", printed)}
        results = json.loads((tmp_path / "out" / "all_results.json").read_text())
        final = {step: value for step, value in seen.items() if step >= results["pruning_steps"]}
        if final[20] < max(final.values()):
            break
    assert len(final) == results["evaluations_at_final_density"] > 5
    assert results["best_step"] == max(final, key=final.get) < 20
    assert results["eval_pearson"] == pytest.approx(max(final.values()), abs=1e-4)
    assert results["last_eval_pearson"] == pytest.approx(final[20], abs=1e-4)
    shown = emmental("eval", tmp_path / "out", "--validation_file", tmp_path / "validation.csv")
    of_verb = float(re.search(r"pearson +(-?[\d.]+)\n", shown)[1])  # its batches are others: the last digit may round
    assert of_verb == pytest.approx(results["eval_pearson"], abs=1e-4)


DECIDING = {  # flag -> another value than the run's
    "mask_init": "uniform",
    "mask_scale": 0.5,
    "mask_scores_learning_rate": 0.1,
    "final_threshold": 0.4,
    "final_lambda": 7.0,
    "initial_threshold": 0.9,
    "magnitude_topk_threshold_p": 2.0,
    "max_seq_length": 64,
    "seed": 7,
    "data_seed": 7,
    "gradient_accumulation_steps": 2,
    "max_grad_norm": 2.0,
    "warmup_steps": 1,
    "train_sampling_strategy": "random",
}
CALLED = {
    "final_threshold": "final_density",
    "initial_threshold": "initial_density",
    "magnitude_topk_threshold_p": "p",
    "max_seq_length": "max_length",
}


def test_an_unfinished_run_is_not_resumed_with_other_settings(train, tmp_path):
    """What stands in the folder of a run that was killed before it had results."""
    same = ("--max_steps", 3)
    train(*same)
    before = json.loads((tmp_path / "out" / "settings.json").read_text())
    (tmp_path / "out" / "all_results.json").unlink()
    for flag, value in DECIDING.items():
        said = train(*same, f"--{flag}", value, status=2)
        name = CALLED.get(flag, flag)
        assert f"{name} was {before[name]}, is {value}" in said, flag
    train(*same)
