"""Runs that train norms and biases beside the scores: what moves and what does not, resumed, scored, and refused."""

import csv
import json
import re

import pytest
import torch
from torch.nn import functional

from emmental import load_pruned, masks
from emmental.models.backbones import load_backbone
from tests.helpers.tiny import data_flags, run_command, short_run
from tests.training.test_resume import kill_during_evaluation

RATE = ("--norms_learning_rate", "1e-2")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_bert, reviews):
    """The folder of a run, and what it printed."""
    folder = tmp_path_factory.mktemp("norms")
    arguments, variables = short_run(tiny_bert, reviews, *RATE)
    run = run_command(arguments, variables, folder)
    assert run.returncode == 0, run.stderr
    return folder / "models" / "sst2_0.25_mag", run.stdout


def test_only_vectors_of_the_blocks_are_trained(trained, tiny_bert):
    folder, shown = trained
    mask, backbone = masks.load(folder / "mask.safetensors"), load_backbone(str(tiny_bert))
    state = backbone.model.state_dict()
    expected = {name for name, weight in state.items() if ".layer." in name and weight.ndim == 1}
    assert mask.vectors.keys() == expected
    assert all(not torch.equal(vector, state[name]) for name, vector in mask.vectors.items() if ".key." not in name)
    numbers = sum(vector.numel() for vector in mask.vectors.values())
    results = json.loads((folder / "all_results.json").read_text())
    assert results["trained_parameters"] == 4096 + numbers
    assert masks.check_backbone(mask.info, backbone.hashes()) is None  # of the backbone as it was before
    plain = re.sub(r"\s+", " ", shown)
    assert "everything is frozen, but for norms and biases" in plain
    assert "norms, biases learning rate 0.01" in plain


def test_the_mask_s_file_gives_what_training_measured(trained, reviews, command):
    folder, _ = trained
    results = json.loads((folder / "all_results.json").read_text())
    with open(reviews["validation"], newline="") as file:
        rows = list(csv.DictReader(file))
    logits = torch.from_numpy(load_pruned(folder / "mask.safetensors").logits([row["sentence"] for row in rows]))
    loss = functional.cross_entropy(logits, torch.tensor([int(row["label"]) for row in rows]))
    assert loss.item() == pytest.approx(results["eval_loss"], rel=1e-5)
    scored = command("bash", "eval.sh", folder, "--validation_file", reviews["validation"])
    assert scored.returncode == 0, scored.stderr
    assert f"accuracy     {results['eval_accuracy']:.4f}" in scored.stdout


def test_killed_and_resumed_equals_undisturbed(trained, tiny_bert, reviews, tmp_path):
    arguments, variables = short_run(tiny_bert, reviews, *RATE, "--logging_steps", "0.1")
    assert kill_during_evaluation(arguments, variables | {"PYTHONUNBUFFERED": "1"}, tmp_path, 9)
    resumed = run_command(arguments, variables, tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert "resumes" in resumed.stdout
    assert "do not match" not in resumed.stderr  # transformers compares the checkpoint's intervals, which are in steps
    own = tmp_path / "models" / "sst2_0.25_mag"
    assert (own / "mask.safetensors").read_bytes() == (trained[0] / "mask.safetensors").read_bytes()


@pytest.mark.parametrize("flags", [("--freeze_bert", "False"), ("--pruning_method", "finetune")])
def test_refused_where_all_weights_learn(glue_script, tiny_bert, reviews, tmp_path, flags):
    said = glue_script(
        "--model_name_or_path", tiny_bert, *data_flags(reviews), "--output_dir", tmp_path / "run", *RATE, *flags,
        status=2,
    )  # fmt: skip
    assert "--norms_learning_rate: all weights learn by --learning_rate" in said
    assert not list(tmp_path.iterdir())
