"""SIGTERM at a chosen step: the run stops there, and what follows equals a run that was left alone."""

import os
import signal

import pytest
import torch
from transformers import TrainerCallback, TrainerState
from transformers.trainer import TRAINER_STATE_NAME

from emmental.training.checkpoints import Seal
from emmental.training.preemption import Preemption
from tests.helpers.small_run import STEPS, build, scores_of


class Terminate(TrainerCallback):
    """Sends SIGTERM to this process in the middle of a step."""

    def __init__(self, step):
        self.step = step

    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        if state.global_step + 1 == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


def preemptible(tiny_bert, folder, strategy, step=None):
    trainer = build(
        tiny_bert, folder, eval_strategy=strategy, eval_steps=2, save_strategy=strategy, save_steps=2,
        per_device_eval_batch_size=8, train_sampling_strategy="random",
    )  # fmt: skip
    for callback in (Seal(), *([Terminate(step)] if step else []), Preemption(trainer.accelerator)):
        trainer.add_callback(callback)
    return trainer


def evaluations(state):
    return [(entry["step"], entry["eval_loss"]) for entry in state.log_history if "eval_loss" in entry]


def stop(tiny_bert, folder, strategy, step):
    """Train until SIGTERM comes in this step; returns the checkpoint."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        preemptible(tiny_bert, folder, strategy, step).train()
    assert ended.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before
    assert (folder / f"checkpoint-{step}" / "sealed").exists()
    return folder / f"checkpoint-{step}"


@pytest.mark.parametrize("strategy", ["steps", "epoch"])
@pytest.mark.parametrize("step", [3, 4])  # 4 ends the first epoch
def test_stopped_and_resumed_equals_undisturbed(device, tiny_bert, tmp_path, capsys, strategy, step):
    whole = preemptible(tiny_bert, tmp_path / "whole", strategy)
    whole.train()
    checkpoint = stop(tiny_bert, tmp_path / "run", strategy, step)
    assert f"SIGTERM: stopped after step {step} of {STEPS} and saved {checkpoint};" in capsys.readouterr().err
    resumed = preemptible(tiny_bert, tmp_path / "run", strategy)
    resumed.train(resume_from_checkpoint=str(checkpoint))
    assert evaluations(resumed.state) == evaluations(whole.state)
    assert all(torch.equal(a, b) for a, b in zip(scores_of(resumed).values(), scores_of(whole).values(), strict=True))


@pytest.mark.parametrize("strategy", ["steps", "epoch"])
def test_stopped_in_the_last_step_leaves_no_evaluation_out(tiny_bert, tmp_path, strategy):
    checkpoint = stop(tiny_bert, tmp_path, strategy, STEPS)
    state = TrainerState.load_from_json(checkpoint / TRAINER_STATE_NAME)
    assert [step for step, _ in evaluations(state)] == ([2, 4, 6] if strategy == "steps" else [4, 6])
