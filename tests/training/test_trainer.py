"""Invariants of training: frozen weights, accumulation, the optimiser, the loss, one selection per step."""

import copy
import math
from functools import partial

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from emmental.common.errors import InputError
from emmental.masks import capture
from emmental.models.backbones import load_backbone
from emmental.pruning import at_once
from emmental.pruning import masked_linear as layers_module
from emmental.pruning.masked_linear import masked_layers
from emmental.training import trainer as trainer_module
from emmental.training.trainer import SMPTrainer
from tests.helpers.small_run import STEPS, build, scores_of


@pytest.mark.parametrize("soft", [True, False])
def test_only_scores_change(device, tiny_bert, tmp_path, soft):
    trainer = build(tiny_bert, tmp_path, magnitude_topk_threshold=soft)
    assert {tensor.device.type for tensor in trainer.model.state_dict().values()} == {device.type}
    before = {name: tensor.clone() for name, tensor in trainer.model.named_parameters()}
    trainer.train()
    for name, tensor in trainer.model.named_parameters():
        assert torch.equal(tensor, before[name]) != name.endswith("mask_scores"), name
    assert layers_module.density(trainer.masked_layers) == pytest.approx(0.2, abs=12 / 4096)


def test_one_large_batch_equals_eight_small_ones(device, tiny_bert, tmp_path):
    whole = build(tiny_bert, tmp_path, dropout=0.0)
    whole.train()
    parts = build(tiny_bert, tmp_path, dropout=0.0, per_device_train_batch_size=1, gradient_accumulation_steps=8)
    parts.train()
    losses = [[entry["loss"] for entry in t.state.log_history if "loss" in entry] for t in (whole, parts)]
    assert len(losses[0]) == STEPS
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    for name, scores in scores_of(whole).items():
        torch.testing.assert_close(scores_of(parts)[name], scores, rtol=0, atol=1e-4)


def test_weights_that_are_made_at_once_train_the_same_scores(device, tiny_bert, tmp_path, monkeypatch):
    """On the CPU as on an accelerator; over all layers, and over blocks that are computed anew."""
    alone = build(tiny_bert, tmp_path)
    with monkeypatch.context() as one_by_one:
        one_by_one.setattr(at_once, "pays", lambda input: False)
        alone.train()
    monkeypatch.setattr(at_once, "pays", lambda input: torch.is_grad_enabled())
    for checkpoints in (False, True):
        together = build(tiny_bert, tmp_path)
        if checkpoints:
            together.model.backbone.base_model.encoder.apply(checkpointed)
        together.train()
        for name, scores in scores_of(alone).items():
            torch.testing.assert_close(scores_of(together)[name], scores, rtol=0, atol=1e-4)


def checkpointed(module):
    """Let a layer of an encoder compute its activations anew, as transformers does."""
    if hasattr(module, "gradient_checkpointing"):
        module.gradient_checkpointing = True
        module._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)


def test_same_seed_same_scores(device, tiny_bert, tmp_path):
    first = build(tiny_bert, tmp_path)
    first.train()
    second = build(tiny_bert, tmp_path)
    second.train()
    assert all(torch.equal(scores_of(first)[name], scores) for name, scores in scores_of(second).items())


@pytest.mark.parametrize("settings", [{}, {"global_topk": True}])
def test_masks_are_those_that_a_cpu_selects_from_the_scores(device, settings, tiny_bert, tmp_path):
    trainer = build(tiny_bert, tmp_path, **settings)
    trainer.train()
    selected = capture(trainer.masked_layers)
    trainer.model.to("cpu")
    trainer.select_masks()
    again = capture(trainer.masked_layers)
    assert all(torch.equal(again[name], mask) for name, mask in selected.items())


def test_evaluating_and_loading_draw_nothing(device, tiny_bert, tmp_path):
    """Neither from the CPU's generator nor from the device's."""
    sources = [torch] if device.type == "cpu" else [torch, torch.get_device_module(device)]
    trainer = build(tiny_bert, tmp_path)
    before = [source.get_rng_state() for source in sources]
    trainer.evaluate()
    load_backbone(str(tiny_bert))
    assert all(torch.equal(source.get_rng_state(), state) for source, state in zip(sources, before, strict=True))


def test_masks_are_selected_once_per_step(tiny_bert, tmp_path, monkeypatch):
    trainer = build(tiny_bert, tmp_path, per_device_train_batch_size=1, gradient_accumulation_steps=8)
    selections = []
    original = layers_module.select
    monkeypatch.setattr(layers_module, "select", lambda *args: selections.append(1) or original(*args))
    trainer.train()
    assert len(selections) == 12 * (STEPS + 1)  # before the first step, and after each


def test_regulariser_is_computed_once_per_step(tiny_bert, tmp_path, monkeypatch):
    trainer = build(tiny_bert, tmp_path, per_device_train_batch_size=1, gradient_accumulation_steps=8)
    computed = []
    original = trainer_module.add_regulariser
    monkeypatch.setattr(trainer_module, "add_regulariser", lambda *args: computed.append(1) or original(*args))
    trainer.train()
    assert len(computed) == STEPS


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns_what_fp32_learns(device, precision, tiny_bert, tmp_path):
    if precision == "fp16" and device.type != "cuda":
        pytest.skip("fp16 takes a GPU")
    exact = build(tiny_bert, tmp_path, dropout=0.0)
    exact.train()
    short = build(tiny_bert, tmp_path, dropout=0.0, **{precision: True})
    short.train()
    losses = [[entry["task_loss"] for entry in t.state.log_history if "loss" in entry] for t in (exact, short)]
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.05 if precision == "bf16" else 0.2)  # fp16 skips steps at first
    assert all(scores.dtype == torch.float32 for scores in scores_of(short).values())
    assert layers_module.density(short.masked_layers) == layers_module.density(exact.masked_layers)


def test_update_is_adam_with_the_uncorrected_epsilon(device, tiny_bert, tmp_path):
    """Two steps against the formula of the published runs, written down, with its loss and its clipping."""
    trainer = build(tiny_bert, tmp_path, dropout=0.0, adam_epsilon=1e-3, lr_scheduler_type="constant")
    model, schedule, rate = copy.deepcopy(trainer.model), trainer.schedule, 0.05
    batches = []
    trainer.compute_loss = lambda m, inputs, *a, **k: (
        batches.append(inputs) or SMPTrainer.compute_loss(trainer, m, inputs, *a, **k)
    )
    trainer.train()

    literal = masked_layers(model.backbone)
    first = {name: torch.zeros_like(layer.mask_scores) for name, layer in literal.items()}
    second = copy.deepcopy(first)
    for step, inputs in enumerate(batches):
        for layer in literal.values():
            layer.select(schedule.density(step))
        model.zero_grad()
        regulariser = sum(layer.mask_scores.sigmoid().mean() for layer in literal.values()) / len(literal)
        (model(**inputs)["loss"] + schedule.regulariser_weight(step) * regulariser).backward()
        norm = math.sqrt(sum(float(layer.mask_scores.grad.square().sum()) for layer in literal.values()))
        for name, layer in literal.items():
            gradient = layer.mask_scores.grad * min(1.0, 1.0 / (norm + 1e-6))
            first[name] = 0.9 * first[name] + 0.1 * gradient
            second[name] = 0.999 * second[name] + 0.001 * gradient**2
            corrected = rate * math.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
            layer.mask_scores.data -= corrected * first[name] / (second[name].sqrt() + 1e-3)
    assert len(batches) == STEPS
    for name, layer in literal.items():
        torch.testing.assert_close(trainer.masked_layers[name].mask_scores, layer.mask_scores, rtol=1e-4, atol=1e-6)


def test_logs_hold_density_lambda_and_losses(device, tiny_bert, tmp_path):
    trainer = build(tiny_bert, tmp_path)
    trainer.train()
    entry = next(entry for entry in trainer.state.log_history if entry["step"] == 2)
    assert entry["density"] == trainer.schedule.density(2)
    assert entry["lambda"] == trainer.schedule.regulariser_weight(2)
    # the loss of step 2 was computed with lambda(1)
    expected = entry["task_loss"] + trainer.schedule.regulariser_weight(1) * entry["regulariser"]
    assert entry["loss"] == pytest.approx(expected, rel=1e-5)


def spoil_after(trainer, step):
    """From the step after this one on the losses are not finite."""
    embeddings = trainer.model.backbone.bert.embeddings.LayerNorm.weight
    original = trainer.select_masks

    def spoil():
        original()
        if trainer.state.global_step == step:
            embeddings.data.fill_(float("nan"))

    trainer.select_masks = spoil


def test_a_loss_that_is_not_finite_stops_the_run(device, tiny_bert, tmp_path):
    trainer = build(tiny_bert, tmp_path)
    spoil_after(trainer, 3)
    with pytest.raises(InputError, match="the loss is nan at step 4"):
        trainer.train()


class Late:
    """An event of a device that is behind: nothing has arrived until it is waited for."""

    def query(self):
        return False

    record = synchronize = lambda self: None


@pytest.mark.parametrize("saved", [True, False])
def test_a_loss_that_arrives_late_leaves_no_checkpoint_behind(tiny_bert, tmp_path, monkeypatch, saved):
    """As on an accelerator at its slowest: no loss is seen unless it is waited for."""
    monkeypatch.setattr(torch.cpu, "Event", Late)
    strategy = {"save_strategy": "steps", "save_steps": 2} if saved else {}
    trainer = build(tiny_bert, tmp_path, **strategy)
    spoil_after(trainer, 2)
    with pytest.raises(InputError, match="the loss is nan at step 3: training stops here"):
        trainer.train()
    assert trainer.state.global_step == (4 if saved else STEPS)
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == (["checkpoint-2"] if saved else [])


def test_a_step_waits_for_no_loss(tiny_bert, tmp_path, monkeypatch):
    waited = []
    monkeypatch.setattr(Late, "synchronize", lambda self: waited.append(1))
    monkeypatch.setattr(torch.cpu, "Event", Late)
    trainer = build(tiny_bert, tmp_path)
    original, seen = trainer.select_masks, []
    trainer.select_masks = lambda: (original(), seen.append(len(waited)))
    trainer.train()
    assert seen == [0] * (STEPS + 1)
    assert len(waited) == STEPS  # at the end
