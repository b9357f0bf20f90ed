"""Whole runs on each device that is there: the mask they leave is the CPU's to use, and a stopped run goes on."""

import json
import re

import numpy as np
import pytest

from emmental.common.run_folder import MASK, RESULTS
from emmental.inference.load import load_pruned

RUNS = {
    "soft": ("--magnitude_topk_threshold",),
    "global": ("--global_topk",),
    "wanda": ("--mask_init", "wanda", "--mask_scale", "0.5"),
    "bf16": ("--bf16",),
    "norms": ("--norms_learning_rate", "1e-2"),
    "snapshots": ("--snapshot_densities", "0.5"),
    "deterministic": ("--full_determinism",),
}
TEXTS = ["a good film", "very dull plot , bad music", "the actor was funny"]


@pytest.mark.parametrize("flags", RUNS.values(), ids=RUNS)
def test_a_mask_that_was_trained_there_is_scored_alike_on_the_cpu(
    device, deterministic, flags, run, emmental, reviews, capsys
):
    folder = run(*flags)
    assert re.search(rf"device +{device.type}", capsys.readouterr().out)
    results = json.loads((folder / RESULTS).read_text())
    shown = emmental("eval", folder, "--validation_file", reviews["validation"])
    if "--bf16" not in flags:  # in which two logits may change places
        assert f"accuracy     {results['eval_accuracy']:.4f}" in shown
    logits = [load_pruned(folder / MASK, device=place).logits(TEXTS) for place in ("cpu", device)]
    np.testing.assert_allclose(*logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("flags", [RUNS["soft"], RUNS["global"]], ids=["soft", "global"])
def test_a_stopped_run_goes_on_bit_for_bit(device, flags, run, monkeypatch, capsys):
    """With dropout, whose generator is the device's."""
    whole = run(*flags, name="whole")

    def stop(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("emmental.training.prune.conclude", stop)
        with pytest.raises(KeyboardInterrupt):
            run(*flags, name="parts")
    (whole.with_name("parts") / "checkpoint-6" / "sealed").unlink()
    capsys.readouterr()
    parts = run(*flags, name="parts")
    assert re.search(r"resumes +checkpoint-3", capsys.readouterr().out)
    assert (parts / MASK).read_bytes() == (whole / MASK).read_bytes()
