"""The pruning methods: masks against literal definitions, gradients against autograd, flags that contradict them."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from emmental.common.errors import InputError
from emmental.pruning import gates, masked_linear
from emmental.pruning.l0 import HardConcrete
from emmental.pruning.magnitude import Magnitude
from emmental.pruning.masked_linear import MaskedLinear
from emmental.pruning.masked_product import MaskedProduct, masked
from emmental.pruning.regulariser import add_regulariser
from emmental.pruning.soft_movement import SigmoidThreshold
from emmental.pruning.top_k import TopK
from emmental.recipes.lengths import GLUE
from emmental.recipes.methods import METHODS as PRUNING_METHODS
from emmental.recipes.plan import make_plan
from emmental.recipes.settings import RunSettings
from emmental.training.config import SMPConfig


def two_layers(seed=0, device="cpu", rows=12, columns=20):
    draw = torch.Generator().manual_seed(seed)
    found = {f"encoder.layer.{n}.dense": MaskedLinear(columns, rows) for n in range(2)}
    for layer in found.values():
        layer.weight.data = torch.randn(rows, columns, generator=draw)
        layer.mask_scores.data = 4 * torch.randn(rows, columns, generator=draw)
        layer.to(device)
    return found


def highest(values, kept):
    """The first ``kept`` of a stable sort."""
    mask = torch.zeros(values.numel(), dtype=torch.bool, device=values.device)
    mask[values.flatten().sort(descending=True, stable=True).indices[:kept]] = True
    return mask.view_as(values)


@settings(deadline=None)  # the first call on a GPU takes its time
@given(st.integers(0, 10**6), st.floats(0.01, 1))
def test_movement_keeps_the_highest_scores_and_magnitude_the_largest_weights(device, seed, density):
    found = two_layers(seed, device)
    for method, ranked in (
        (TopK(), lambda layer: layer.mask_scores),
        (Magnitude(), lambda layer: layer.weight.abs()),
    ):
        method.select(found, density, 0)
        for layer in found.values():
            assert torch.equal(layer.mask, highest(ranked(layer), int(density * 240)))


@settings(deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 0.999))
def test_soft_movement_keeps_what_is_above_the_threshold_and_half_a_percent(device, seed, threshold):
    found = two_layers(seed, device)
    SigmoidThreshold().select(found, threshold, 0)
    for layer in found.values():
        above = 1 / (1 + torch.exp(-layer.mask_scores)) > threshold
        floor = highest(layer.mask_scores, 2)  # 0.5 % of 240 are 1.2
        expected = above if above.sum() >= 2 else floor
        ambiguous = (torch.sigmoid(layer.mask_scores) - threshold).abs() < 1e-6
        assert torch.equal(layer.mask | ambiguous, expected | ambiguous)
        assert layer.mask.sum() >= 2


def test_l0_gates_are_the_stretched_concrete_distribution(device):
    found = two_layers(device=device)
    method = HardConcrete(seed=3)
    method.settle(found)
    for layer in found.values():
        literal = torch.clamp(torch.sigmoid(layer.mask_scores) * 1.2 - 0.1, 0, 1)
        torch.testing.assert_close(layer.mask, literal)
    method.select(found, 1.0, step=5)
    draw = torch.Generator(device).manual_seed((3 << 32) + 5)
    draws = torch.rand(len(found), 12, 20, generator=draw, device=device)  # accelerators draw for all of one shape
    for u, layer in zip(draws, found.values(), strict=True):
        noisy = torch.sigmoid((torch.log(u) - torch.log(1 - u) + layer.mask_scores) / (2 / 3))
        torch.testing.assert_close(layer.mask, torch.clamp(noisy * 1.2 - 0.1, 0, 1), rtol=1e-4, atol=1e-5)
    first = [layer.mask for layer in found.values()]
    method.select(found, 1.0, step=6)
    assert not any(torch.equal(before, layer.mask) for before, layer in zip(first, found.values(), strict=True))
    method.select(found, 1.0, step=5)
    assert all(torch.equal(before, layer.mask) for before, layer in zip(first, found.values(), strict=True))


@pytest.mark.parametrize("score", [-4.0, -1.0, 0.0, 2.197])
def test_l0_expected_density_against_monte_carlo(device, score):
    scores = torch.full((400, 500), score, device=device)
    open_gates = (gates.sampled(scores, torch.Generator(device).manual_seed(1)) > 0).float().mean().cpu()
    expected = torch.sigmoid(torch.tensor(score + gates.OPEN_SHIFT))
    deviation = math.sqrt(expected * (1 - expected) / scores.numel())
    assert abs(open_gates - expected) < 5 * deviation + 1e-7
    scores.grad = torch.zeros_like(scores)
    regulariser = add_regulariser([scores], 1.0, shift=gates.OPEN_SHIFT).item()
    assert regulariser == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("shift", [0.0, gates.OPEN_SHIFT])
def test_regulariser_pulls_as_autograd_says(device, shift):
    scores = [nn.Parameter(torch.randn(shape, device=device)) for shape in ((5, 7), (3, 4))]
    (20 * sum(torch.sigmoid(matrix + shift).mean() for matrix in scores) / 2).backward()
    literal = [matrix.grad.clone() for matrix in scores]
    for matrix in scores:
        matrix.grad.zero_()
    add_regulariser(scores, 20.0, shift=shift)
    for matrix, expected in zip(scores, literal, strict=True):
        torch.testing.assert_close(matrix.grad, expected)


def test_gradients_of_movement_equal_autograd_on_an_explicit_mask(device):
    layer, inputs = two_layers(device=device)["encoder.layer.0.dense"], torch.randn(4, 3, 20, device=device)
    layer.requires_grad_(True)
    layer.select(0.3)
    (layer(inputs) ** 3).sum().backward()
    weight, bias = (value.detach().clone().requires_grad_() for value in (layer.weight, layer.bias))
    mask = layer.mask.float().requires_grad_()  # straight through: the scores get the mask's gradient
    (nn.functional.linear(inputs, weight * mask, bias) ** 3).sum().backward()
    for ours, theirs in ((layer.weight, weight), (layer.mask_scores, mask), (layer.bias, bias)):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-4)
    assert (layer.weight.grad[~layer.mask] == 0).all()
    assert (layer.mask_scores.grad[~layer.mask] != 0).any()


def test_gradients_of_l0_equal_autograd_through_its_gates(device):
    layer, inputs = two_layers(device=device)["encoder.layer.0.dense"], torch.randn(4, 3, 20, device=device)
    layer.requires_grad_(True)
    layer.mask_scores.data /= 4
    layer.mask = gates.sampled(layer.mask_scores, torch.Generator(device).manual_seed(7))
    (layer(inputs) ** 2).sum().backward()
    weight, scores = (value.detach().clone().requires_grad_() for value in (layer.weight, layer.mask_scores))
    noise = torch.rand(12, 20, generator=torch.Generator(device).manual_seed(7), device=device).logit()
    literal = torch.clamp(torch.sigmoid((noise + scores) / (2 / 3)) * 1.2 - 0.1, 0, 1)
    (nn.functional.linear(inputs, weight * literal, layer.bias.detach()) ** 2).sum().backward()
    assert 0 < int((literal == 0).sum()) < literal.numel()
    torch.testing.assert_close(layer.weight.grad, weight.grad, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(layer.mask_scores.grad, scores.grad, rtol=1e-3, atol=1e-3)


def test_without_scores_nothing_is_computed_for_them(device):
    layer = MaskedLinear.from_linear(nn.Linear(20, 12, device=device), scores=False)
    layer.requires_grad_(True)
    Magnitude().select({"a": layer}, 0.5, 0)
    layer(torch.randn(2, 20, device=device)).sum().backward()
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    output = MaskedProduct.apply(torch.randn(2, 20, device=device), None, layer.weight, layer.mask, layer.bias)
    assert output.requires_grad


def test_masked_gates_leave_the_gates_alone():
    mask = torch.rand(3, 4)
    before = mask.clone()
    masked(torch.randn(3, 4), mask)
    assert torch.equal(mask, before)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pruning_method": "magnitude"}, "nothing would be trained; add --freeze_bert False"),
        ({"pruning_method": "l0", "regularization": "l0"}, "no mask of ones and zeros; add --freeze_bert False"),
        ({"pruning_method": "l0", "freeze_bert": False}, "--regularization l1 does not belong to"),
        ({"regularization": "l0"}, "--regularization l0 does not belong to --pruning_method topK"),
        ({"pruning_method": "magnitude", "freeze_bert": False}, "has no scores to regularise: set --final_lambda 0"),
        (
            {"pruning_method": "magnitude", "magnitude_topk_threshold": True, "freeze_bert": False},
            "only topK shares a budget",
        ),
        ({"pruning_method": "sigmoied_threshold", "freeze_bert": False}, "--initial_threshold 1.0: soft movement's"),
        ({"freeze_bert": False, "snapshot_densities": "0.5"}, "only for topK over a frozen backbone"),
    ],
)
def test_flags_that_contradict_a_method(settings, message, tmp_path):
    with pytest.raises(InputError, match=message):
        SMPConfig(output_dir=str(tmp_path), **settings).check()


def test_lambda_follows_the_threshold_of_the_baselines():
    lengths = {"smp": 100, "movement": 100, "soft_movement": 59, "l0": 0}
    for name, expected in lengths.items():
        method = PRUNING_METHODS[name]
        settings = RunSettings(
            pruning_method=method.flag, regularization=method.regularization, freeze_bert=not method.trains_weights,
            max_steps=100, initial_threshold=0.0 if name == "soft_movement" else 1.0,
        )  # fmt: skip
        assert make_plan(settings, 1000, GLUE, 1).ramp_steps == expected


def test_every_method_is_reached_by_its_flags(tmp_path):
    kinds = {
        ("topK", True): ("smp", TopK), ("topK", False): ("movement", TopK),
        ("sigmoied_threshold", False): ("soft_movement", SigmoidThreshold),
        ("sigmoied_threshold", True): ("soft_movement", SigmoidThreshold),
        ("magnitude", False): ("magnitude", Magnitude), ("l0", False): ("l0", HardConcrete),
    }  # fmt: skip
    for (flag, frozen), (name, kind) in kinds.items():
        method = SMPConfig(output_dir=str(tmp_path), pruning_method=flag, freeze_bert=frozen).method
        assert (method.name, method.selection_class()) == (name, kind)
    assert masked_linear.density(two_layers()) == 1.0
