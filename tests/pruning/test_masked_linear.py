"""MaskedLinear swapped into masked LMs of several architectures: names, sharing, initialisation, folding out."""

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import (
    AutoModelForMaskedLM,
)

from emmental.models.heads import SequenceClassifier
from emmental.pruning import masked_product
from emmental.pruning.masked_linear import MaskedLinear, density, fold_out, masked_layers, swap_in
from emmental.pruning.masked_product import masked
from emmental.pruning.matrices import matrix_type
from emmental.pruning.score_init import init_scores
from tests.helpers.architectures import CONFIGS


@pytest.fixture(params=CONFIGS)
def architecture(request, device):
    torch.manual_seed(0)
    config, matrices = CONFIGS[request.param]
    return AutoModelForMaskedLM.from_config(config).eval().to(device), matrices


def token_ids(model):
    return torch.randint(5, 60, (3, 9), generator=torch.Generator().manual_seed(1)).to(model.device)


def test_swap_select_and_fold(architecture):
    model, matrices = architecture
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    dense = model(token_ids(model)).logits
    layers = swap_in(model)
    assert len(layers) == 2 * matrices
    assert len({matrix_type(name) for name in layers}) == matrices
    assert {n for n, p in model.named_parameters() if p.requires_grad} == {f"{name}.mask_scores" for name in layers}
    torch.testing.assert_close(model(token_ids(model)).logits, dense, rtol=0, atol=0)  # a full mask changes nothing

    init_scores(layers, "magnitude", 0.5)
    for layer in layers.values():
        layer.select(0.25)
    assert density(layers) == 0.25
    pruned = model(token_ids(model)).logits
    assert not torch.allclose(pruned, dense)

    fold_out(model)
    assert not masked_layers(model)
    torch.testing.assert_close(model(token_ids(model)).logits, pruned, rtol=0, atol=0)
    after = model.state_dict()
    assert after.keys() == before.keys()  # a plain checkpoint again
    masked = {f"{name}.weight" for name in layers}
    assert all(torch.equal(after[name], before[name]) for name in after.keys() - masked)
    assert all(torch.equal(after[name], before[name].where(after[name] != 0, 0)) for name in masked)


def test_narrow_head_gives_the_words_logits(architecture):
    model, _ = architecture
    expected = model(token_ids(model)).logits[:, 0, [7, 50]]
    narrow = SequenceClassifier(model, [7, 50])
    read = []
    model.get_output_embeddings().register_forward_hook(lambda module, inputs, output: read.append(output.shape))
    torch.testing.assert_close(narrow(token_ids(model))["logits"], expected)
    assert read == [(3, 1, 2)]  # the head ran on the position that is read, not on all nine


def test_shares_weights_and_keeps_linears_names():
    linear = nn.Linear(4, 3)
    layer = MaskedLinear.from_linear(linear)
    assert layer.weight is linear.weight
    assert layer.bias is linear.bias
    assert not layer.weight.requires_grad
    assert layer.mask_scores.requires_grad
    assert list(MaskedLinear(4, 3).state_dict()) == ["weight", "bias", "mask_scores"]
    assert MaskedLinear(4, 3, bias=False)(torch.ones(2, 4)).shape == (2, 3)


def test_nothing_to_mask():
    with pytest.raises(ValueError, match="nothing to mask"):
        swap_in(nn.Sequential(nn.Linear(2, 2)))


def masked_layer(device):
    torch.manual_seed(0)
    layer = MaskedLinear.from_linear(nn.Linear(24, 16, device=device))
    init_scores({"": layer}, "magnitude", 0.5)
    layer.select(0.4)
    return layer, torch.randn(2, 5, 24, device=device, requires_grad=True)


def test_masked_weights_are_not_kept_for_the_backward_pass(device):
    layer, inputs = masked_layer(device)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        layer(inputs).sum().backward()
    own = {tensor.data_ptr() for tensor in (layer.weight, layer.mask)}
    assert {tensor.data_ptr() for tensor in kept if tensor.shape == layer.weight.shape} == own


class Returned(TorchDispatchMode):
    """The types of the floating-point tensors that operators return while it is open."""

    def __init__(self):
        super().__init__()
        self.types = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **kwargs or {})
        if result.is_floating_point():
            self.types.add(result.dtype)
        return result


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_in_half_precision_weights_are_masked_once_per_step_and_nothing_is_masked_in_full(dtype, monkeypatch):
    layer, inputs = masked_layer("cpu")
    made = []
    monkeypatch.setattr(masked_product, "masked", lambda *some: made.append(masked(*some)) or made[-1])
    with torch.autocast("cpu", dtype):
        outputs = layer(inputs)
    outputs.sum().backward()
    assert [weight.dtype for weight in made] == [dtype]
    weight = layer.weight.detach()
    with Returned() as returned:
        masked(weight, layer.mask, dtype)
    assert returned.types == {dtype}
    assert torch.equal(made[0], (layer.weight * layer.mask).to(dtype))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_equals_a_plain_linear_under_autocast(device, dtype):
    layer, inputs = masked_layer(device)
    plain_inputs, masked = inputs.detach().clone().requires_grad_(), layer.masked_weight().requires_grad_()
    with torch.autocast(device.type, dtype):
        outputs, plain = layer(inputs), nn.functional.linear(plain_inputs, masked, layer.bias)
    assert outputs.dtype == dtype
    assert torch.equal(outputs, plain)
    outputs.square().sum().backward()
    plain.square().sum().backward()
    assert inputs.grad.dtype == layer.mask_scores.grad.dtype == torch.float32
    rounding = {} if device.type == "cpu" else {"rtol": 0.02, "atol": 1e-3}  # sums in another order, rounded to 8 bits
    torch.testing.assert_close(inputs.grad, plain_inputs.grad, **rounding)
    torch.testing.assert_close(layer.mask_scores.grad, masked.grad * layer.weight, **rounding)


@pytest.mark.parametrize(
    ("method", "check"),
    [
        ("constant", lambda s, w: (s == 0.3).all()),
        ("uniform", lambda s, w: (s.abs() <= 0.3).all() and s.std() > 0.1),
        ("kaiming", lambda s, w: (s.abs() <= (1 / 64) ** 0.5).all() and s.std() > 0.05),
        ("magnitude", lambda s, w: torch.allclose(s, 0.3 * w.abs() / w.std())),
    ],
)
def test_score_init(device, method, check):
    torch.manual_seed(0)
    layer = MaskedLinear.from_linear(nn.Linear(64, 32, device=device))
    init_scores({"": layer}, method, 0.3)
    assert check(layer.mask_scores.detach(), layer.weight)
