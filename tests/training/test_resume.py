"""Runs that are stopped: killed and resumed, finished and repeated, unfinished with other settings."""

import json
import re
import subprocess

import pytest

from tests.helpers.tiny import command_line, environment, short_run, write_reviews


def kill_during_evaluation(arguments, variables, folder, step):
    """Start the command and kill it when it shows the evaluation of this step: its checkpoint may be half written."""
    process = subprocess.Popen(
        command_line(arguments), cwd=folder, env=environment(variables), stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    seen = any(re.match(rf"step +{step} ", line) for line in process.stdout)
    process.kill()
    process.wait()
    return seen


def test_a_finished_run_is_not_overwritten(finished, tiny_bert, reviews, command):
    output_dir, _ = finished
    left, before = sorted(output_dir.iterdir()), (output_dir / "all_results.json").read_bytes()
    arguments, variables = short_run(tiny_bert, reviews)
    again = command(*arguments, **variables, OUTPUT_DIR=str(output_dir))
    assert again.returncode == 2
    assert "holds a finished run" in again.stderr
    assert (output_dir / "all_results.json").read_bytes() == before
    assert sorted(output_dir.iterdir()) == left


@pytest.mark.parametrize("strategy", ["group_by_length", "random"])
def test_killed_and_resumed_equals_undisturbed(finished, tiny_bert, reviews, tmp_path, command, strategy):
    arguments, variables = short_run(tiny_bert, reviews, "--train_sampling_strategy", strategy)
    variables["PYTHONUNBUFFERED"] = "1"
    for step in (6, 9):  # in the second epoch before, and after the density has reached its end
        assert kill_during_evaluation(arguments, variables, tmp_path, step)
    folder = tmp_path / "models" / "sst2_0.25_mag"
    assert not (folder / "all_results.json").exists()
    resumed = command(*arguments, **variables)
    assert resumed.returncode == 0, resumed.stderr
    assert re.search(r"resumes +checkpoint-\d", resumed.stdout)
    undisturbed = finished[0]
    if strategy == "random":
        whole = command(*arguments, **variables, OUTPUT_DIR="whole")
        assert whole.returncode == 0
        undisturbed = tmp_path / "whole"
    assert (folder / "mask.safetensors").read_bytes() == (undisturbed / "mask.safetensors").read_bytes()
    results = [json.loads((path / "all_results.json").read_text()) for path in (folder, undisturbed)]
    assert results[0]["best_step"] == results[1]["best_step"]
    assert results[0]["eval_loss"] == results[1]["eval_loss"]


def test_killed_after_the_last_step(tiny_bert, reviews, tmp_path, command):
    arguments, variables = short_run(tiny_bert, reviews)
    whole = command(*arguments, **variables, OUTPUT_DIR="whole")
    assert whole.returncode == 0
    assert kill_during_evaluation(arguments, variables | {"PYTHONUNBUFFERED": "1"}, tmp_path, 15)
    assert command(*arguments, **variables).returncode == 0
    resumed = (tmp_path / "models" / "sst2_0.25_mag" / "mask.safetensors").read_bytes()
    assert resumed == (tmp_path / "whole" / "mask.safetensors").read_bytes()


def test_an_unfinished_run_is_only_resumed_with_its_settings(tiny_bert, reviews, tmp_path, command):
    arguments, variables = short_run(tiny_bert, reviews)
    variables["PYTHONUNBUFFERED"] = "1"
    assert kill_during_evaluation(arguments, variables, tmp_path, 6)
    other = command(*arguments, **variables | {"LR": "1e-2"})
    assert other.returncode == 2
    assert "mask_scores_learning_rate was 0.05, is 0.01" in other.stderr
    folder = tmp_path / "models" / "sst2_0.25_mag"
    (folder / "notes.txt").write_text("mine")
    anew = command(*arguments, "--overwrite_output_dir", **variables | {"LR": "1e-2"})
    assert anew.returncode == 0
    assert "resumes" not in anew.stdout
    assert (folder / "notes.txt").exists()
    assert not list(folder.glob("checkpoint-*"))


def test_same_command_same_mask(tiny_bert, command, tmp_path, finished):
    write_reviews(tmp_path / "train.csv", 40)
    write_reviews(tmp_path / "dev.csv", 12, seed=1)
    arguments, variables = short_run(tiny_bert, {"train": "train.csv", "validation": "dev.csv"})
    assert command(*arguments, **variables).returncode == 0
    again = (tmp_path / "models" / "sst2_0.25_mag" / "mask.safetensors").read_bytes()
    assert again == (finished[0] / "mask.safetensors").read_bytes()
