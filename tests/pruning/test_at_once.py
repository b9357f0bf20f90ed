"""Weights that are made with others': the same outputs and gradients as layer by layer, nothing stale, nothing
kept. On the CPU as on an accelerator: there ``pays`` says no, and these tests say yes."""

import contextlib
import gc
import weakref

import pytest
import torch
from torch import nn
from transformers import AutoModelForMaskedLM

from emmental.pruning import at_once, gates
from emmental.pruning.masked_linear import MaskedLinear, masked_layers, swap_in
from emmental.pruning.score_init import init_scores
from tests.helpers.architectures import CONFIGS
from tests.helpers.operators import operators

PRECISIONS = [None, torch.bfloat16]
SETTINGS = {  # whether there are scores; what masks are; whether weights and biases are trained
    "smp": (True, "mask", False),
    "movement": (True, "mask", True),
    "magnitude": (False, "mask", True),
    "l0": (True, "gates", True),
}


@pytest.fixture
def together(monkeypatch):
    """From now on weights are made with others' wherever a gradient is recorded: together(False) ends it."""

    def switch(on: bool):
        monkeypatch.setattr(at_once, "pays", lambda input: on and torch.is_grad_enabled())

    switch(True)
    return switch


@pytest.fixture
def model_of():
    """See built; its layers are joined until the test ends."""
    with contextlib.ExitStack() as open_until_then:

        def make(*arguments, by_block=False):
            model = built(*arguments)
            open_until_then.enter_context(at_once.joined(masked_layers(model), by_block))
            return model

        yield make


def built(name, device, setting="smp"):
    """A tiny masked LM in training, with dropout."""
    scores, kind, trained = SETTINGS[setting]
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(CONFIGS[name][0]).to(device).train()
    layers = swap_in(model, scores)
    if scores:
        init_scores(layers, "magnitude", 0.5)
    for layer in layers.values():
        if trained:
            layer.weight.requires_grad_()
            if layer.bias is not None:
                layer.bias.requires_grad_()
        if kind == "mask":
            layer.select(0.4, layer.weight.detach())
        else:
            layer.mask = gates.sampled(layer.mask_scores, torch.Generator(device).manual_seed(7))
    return model


def loss_of(model, dtype=None, seed=1):
    draw = torch.Generator().manual_seed(seed)
    inputs = torch.randint(5, 60, (3, 9), generator=draw).to(model.device)
    torch.manual_seed(seed)
    with torch.autocast(model.device.type, dtype, enabled=dtype is not None):
        return model(inputs, labels=inputs).loss


def gradients(model, dtype=None, seeds=(1,)):
    """Of all that is trained, summed over batches."""
    model.zero_grad()
    for seed in seeds:
        loss_of(model, dtype, seed).backward()
    return {name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad}


def assert_close(some, others, dtype=None):
    assert some.keys() == others.keys()
    for name, gradient in some.items():
        assert gradient.dtype == torch.float32
        assert gradient.any() or name.endswith("key.bias"), name
        rounding = {"rtol": 1e-5, "atol": 1e-8} if dtype is None else {"rtol": 0.02, "atol": 1e-5}
        torch.testing.assert_close(gradient, others[name], **rounding, msg=name)


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("setting", SETTINGS)
def test_gradients_of_every_method_as_layer_by_layer(device, setting, dtype, together, model_of):
    model = model_of("bert", device, setting)
    ours = gradients(model, dtype, (1, 2))
    together(False)
    assert_close(ours, gradients(model, dtype, (1, 2)), dtype)


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("by_block", [False, True])
def test_gradients_of_every_architecture_as_layer_by_layer(device, by_block, name, dtype, together, model_of):
    """DeBERTa's keys are computed twice in a block."""
    model = model_of(name, device, by_block=by_block)
    ours = gradients(model, dtype)
    together(False)
    assert_close(ours, gradients(model, dtype), dtype)


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("name", ["bert", "deberta-v2"])
def test_checkpointed_activations_change_nothing(device, name, reentrant, together, model_of):
    model = model_of(name, device, by_block=True)
    model.get_input_embeddings().weight.requires_grad_()  # reentrant checkpoints want an input with a gradient
    kept = gradients(model, torch.bfloat16, (1, 2))
    newer = getattr(model, "activation_checkpointing_enable", None)  # its name since transformers 5.23
    (newer or model.gradient_checkpointing_enable)({"use_reentrant": reentrant})
    anew = gradients(model, torch.bfloat16, (1, 2))
    if reentrant:  # there autocast sums the gradients of a block's input in half precision
        assert_close(kept, anew, torch.bfloat16)
    else:
        assert all(torch.equal(gradient, anew[name]) for name, gradient in kept.items())


def test_a_mask_that_changes_between_two_passes_counts(device, together, model_of):
    model = model_of("bert", device)
    before = loss_of(model)
    for layer in masked_layers(model).values():
        layer.select(0.1)
    after = loss_of(model)  # the first pass had no backward pass
    together(False)
    assert loss_of(model) == after != before


def test_what_a_broken_pass_left_is_not_used(device, together, model_of):
    model = model_of("bert", device)
    _, second, *_, last = list(masked_layers(model).values())[:6]

    def stop(module, inputs):
        raise KeyboardInterrupt

    stopping = second.register_forward_pre_hook(stop)
    with pytest.raises(KeyboardInterrupt):
        loss_of(model)
    stopping.remove()
    assert last in last.together.made
    last.select(0.1)
    inputs = torch.randn(2, last.in_features, device=device)
    torch.testing.assert_close(last(inputs), nn.functional.linear(inputs, last.masked_weight(), last.bias))


def test_nothing_is_kept_after_the_backward_pass(device, together, model_of):
    model = model_of("bert", device)
    layers = masked_layers(model)
    made = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda kept: made.append(weakref.ref(kept)) or kept, lambda kept: kept
    ):
        loss_of(model, torch.bfloat16).backward()
    gc.collect()
    assert not any(layer.together.made for layer in layers.values())
    shapes = {layer.weight.shape for layer in layers.values()}
    alive = [kept() for kept in made if kept() is not None]
    assert not [kept for kept in alive if kept.dtype == torch.bfloat16 and kept.shape in shapes]


def test_without_a_backward_pass_each_layer_is_by_itself(device, together, model_of):
    model = model_of("bert", device)
    with torch.no_grad():
        loss_of(model)
    assert not any(layer.together.made for layer in masked_layers(model).values())


def test_a_layer_that_is_not_trained_takes_no_product(device, together, model_of):
    model = model_of("bert", device)
    frozen, *others = masked_layers(model).values()
    frozen.mask_scores.requires_grad_(False)
    assert not frozen.together.take(frozen).requires_grad
    assert others[0].together.take(others[0]).requires_grad
    assert len(gradients(model)) == 11


def test_layers_are_joined_for_a_while(device):
    layers = masked_layers(built("bert", device))
    for by_block, sizes in ((True, [6, 6]), (False, [12])):
        with at_once.joined(layers, by_block):
            assert [len(group.layers) for group in {layer.together for layer in layers.values()}] == sizes
        assert {layer.together for layer in layers.values()} == {None}


def test_the_state_dict_has_no_part_in_it(device, together, model_of):
    model = model_of("bert", device)
    before = list(model.state_dict())
    loss_of(model)
    assert list(model.state_dict()) == before


def layers_of(matrices: int) -> list[MaskedLinear]:
    return [MaskedLinear(8, 4, device="meta") for _ in range(matrices)]


@pytest.mark.parametrize(("dtype", "each"), [(torch.float32, 1), (torch.bfloat16, 3)])
def test_a_matrix_more_is_new_memory_and_no_operator_that_computes(dtype, each):
    """In half precision W * M is made of two copies, and its gradient of another."""

    def step(layers):
        scores, weights, masks = zip(*[(layer.mask_scores, layer.weight, layer.mask) for layer in layers], strict=True)
        made = at_once.MaskedWeights.apply(dtype, masks, *scores, *weights)
        torch.autograd.backward(made, [torch.empty_like(weight) for weight in made])

    few, many = operators(step, layers_of(2)), operators(step, layers_of(26))
    more = {name: (many[name] - few[name]) / 24 for name in many if many[name] != few[name]}
    assert more == {"aten.empty_like.default": each + 1, "aten.detach.default": 1}  # 1 of each: the test's, a leaf's
