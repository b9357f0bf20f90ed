"""transformers' flags that change what is logged, evaluated, saved and shown, and how processes are joined."""

import json
import subprocess
import sys

import pytest
import torch
import transformers
from transformers.trainer_pt_utils import EvalLoopContainer

from tests.helpers.flags import NOTED, current_only, outcome
from tests.helpers.small_run import build, examples
from tests.helpers.tiny import ROOT, environment

# --- what is noted ---


@pytest.mark.parametrize("name", NOTED)
def test_steps_at_which_something_is_noted(name, tiny_bert, tmp_path, plain):
    value, others, expected = NOTED[name]
    trainer = build(tiny_bert, tmp_path, **others | {name: value})
    trainer.train()
    ((kind, steps),) = expected.items()
    assert outcome(trainer, tmp_path)[kind] == steps != plain(others)[kind]


@pytest.mark.parametrize(("size", "batches"), [(3, 3), (8, 1)])
def test_evaluation_goes_by_batches(size, batches, tiny_bert, tmp_path, monkeypatch):
    """Of 8 examples; results stay on the device for as many batches as --eval_accumulation_steps says."""
    trainer = build(tiny_bert, tmp_path, per_device_eval_batch_size=size, eval_accumulation_steps=2)
    seen, moved = [], []
    monkeypatch.setattr(EvalLoopContainer, "to_cpu_and_numpy", lambda self: moved.append(1))
    trainer.model.register_forward_hook(lambda *arguments: seen.append(1))
    trainer.evaluate()
    assert len(seen) == batches
    assert len(moved) == 4 * (batches // 2) + 4  # losses, predictions, labels, inputs; and what is left at the end


@pytest.mark.parametrize("left_out", [pytest.param(True, marks=current_only), False])
def test_losses_that_are_not_finite_are_logged_or_left_out(left_out, tiny_bert, tmp_path):
    trainer = build(tiny_bert, tmp_path, per_device_eval_batch_size=4, logging_nan_inf_filter=left_out)
    losses = iter([torch.tensor(torch.inf), torch.tensor(2.0)])
    trainer.model.loss = lambda logits, labels: next(losses)
    assert trainer.evaluate()["eval_loss"] == (2.0 if left_out else torch.inf)


def test_tokens_are_counted(tiny_bert, tmp_path):
    trainer = build(tiny_bert, tmp_path, include_num_input_tokens_seen=True, train_sampling_strategy="sequential")
    trainer.train()
    longest = [max(map(len, examples()["input_ids"][start : start + 8])) for start in (0, 8, 16, 24, 0, 8)]
    assert trainer.state.num_input_tokens_seen == 8 * sum(longest)


def test_memory_is_measured(tiny_bert, tmp_path):
    trainer = build(tiny_bert, tmp_path, skip_memory_metrics=False, max_steps=1)
    trainer.train()
    assert "train_mem_cpu_peaked_delta" in trainer.state.log_history[-1]


def test_what_a_script_s_run_shows(run, capsys, caplog):
    """It trains and evaluates, which --do_train and --do_eval say once more; log, progress and places as asked."""
    flags = ("--do_train", "--do_eval", "--report_to", "tensorboard", "--log_level", "info")
    folder = run(*flags, "--disable_tqdm", "true")
    results = json.loads((folder / "all_results.json").read_text())
    assert results["global_step"] == 6
    assert "eval_accuracy" in results
    assert len(list(folder.glob("runs/*/events.out.tfevents.*"))) == 1
    assert "***** Running training *****" in caplog.text
    assert "6/6" not in capsys.readouterr().err
    caplog.clear()
    folder = run("--log_level", "warning", "--disable_tqdm", "false", name="loud")
    assert "***** Running training *****" not in caplog.text
    assert "6/6" in capsys.readouterr().err
    assert not (folder / "runs").exists()


# --- several processes ---

WRAPPED = """
import os
import sys
from pathlib import Path

import torch
import transformers

from tests.helpers.small_run import build

trainer = build(
    Path(sys.argv[1]), Path(sys.argv[2]), max_steps=1, ddp_backend="gloo", ddp_static_graph=True, ddp_bucket_cap_mb=3,
    ddp_broadcast_buffers=False, ddp_find_unused_parameters=True, log_level_replica="error",
)
trainer.train()
wrapped = trainer.model_wrapped
if trainer.args.process_index:
    told = wrapped.static_graph, wrapped.find_unused_parameters, wrapped.broadcast_buffers
    told += wrapped.bucket_bytes_cap >> 20, torch.distributed.get_backend(), transformers.logging.get_verbosity()
    Path("told").write_text(str(told))
trainer.accelerator.wait_for_everyone()
os._exit(0)  # torch's threads may abort an interpreter that ends by itself
"""


def test_processes_are_joined_as_asked(tiny_bert, tmp_path):
    (tmp_path / "joined.py").write_text(WRAPPED)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, "joined.py", tiny_bert, "out"],
        cwd=tmp_path,
        env=environment({"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": ""}),  # accelerate uses an older name
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "told").read_text() == str((True, True, False, 3, "gloo", transformers.logging.ERROR))
