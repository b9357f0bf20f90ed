"""Selection against a full stable sort; the straight-through gradient against autograd on an explicit mask."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from emmental.pruning import selection
from emmental.pruning.masked_product import MaskedProduct
from emmental.pruning.selection import kept_weights, select
from tests.helpers.scores import FLOATS, by_stable_sort


@settings(deadline=None)  # the first call on a GPU takes its time
@given(hnp.arrays("float32", hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=FLOATS), st.floats(0, 1))
def test_equals_stable_sort(device, array, density):
    scores = torch.from_numpy(array)
    kept = kept_weights(density, scores.numel())
    mask = select(scores.to(device), kept)
    assert mask.device.type == device.type
    assert int(mask.sum()) == kept
    assert torch.equal(mask.cpu(), by_stable_sort(scores, kept))


def large_matrices():
    torch.manual_seed(0)
    normal = torch.randn(384, 384)
    yield "random", normal
    yield "constant", torch.zeros(384, 384)
    yield "two-valued", (normal > 0.3).float()
    yield "subnormal", normal * 1e-42
    yield "mostly tied", torch.where(normal > 1, normal, 0.0)
    yield "sorted", torch.arange(384 * 384.0).view(384, 384)
    # What a sample at a regular distance sees is far from what it does not see: the bracket must miss.
    hidden = normal.clone()
    hidden.view(-1)[:: selection.SAMPLE_STRIDE] += 1000
    yield "misleading sample", hidden


@pytest.mark.parametrize(("kind", "scores"), list(large_matrices()))
def test_large_matrices_equal_stable_sort(device, kind, scores):
    assert scores.numel() > selection.SMALL
    for density in (0.0, 1e-5, 0.03, 0.1, 0.5, 0.9, 0.99999, 1.0):
        kept = kept_weights(density, scores.numel())
        assert torch.equal(select(scores.to(device), kept).cpu(), by_stable_sort(scores, kept)), density


def counted_matrices():
    normal = torch.randn(768, 3072, generator=torch.Generator().manual_seed(0))
    yield "random", normal
    yield "constant", torch.zeros_like(normal)
    yield "two-valued", normal.sign()  # half of them each: densities of 0.5 end where one value does
    yield "few values", (3 * normal).round() / 50


@pytest.mark.parametrize(("kind", "scores"), list(counted_matrices()))
def test_never_sorts_or_searches_a_whole_matrix(kind, scores, monkeypatch):
    sizes = []
    owners = [(torch.Tensor, name) for name in ("sort", "argsort", "topk", "kthvalue")]
    owners += [(np, name) for name in ("sort", "argsort", "partition", "argpartition")]
    for owner, name in owners:
        original = getattr(owner, name)

        def counted(array, *args, original=original, **kwargs):
            sizes.append(len(array.reshape(-1)))
            return original(array, *args, **kwargs)

        monkeypatch.setattr(owner, name, counted)
    for density in (0.9, 0.501, 0.5, 0.499, 0.03):
        select(scores, kept_weights(density, scores.numel()))
    assert sizes
    assert max(sizes) < scores.numel() / 20


@given(hnp.arrays("float32", st.integers(2, 60), elements=FLOATS), st.data())
def test_other_devices_select_the_same(array, data):
    flat = torch.from_numpy(array)
    kept = data.draw(st.integers(1, flat.numel() - 1))
    assert torch.equal(selection._select_on_device(flat, kept), by_stable_sort(flat, kept))


def test_other_devices_never_wait_for_the_host():
    scores = torch.empty(300, 400, device="meta")  # has no values that the host could ask for
    assert select(scores, 100).shape == scores.shape


def test_refuses_an_impossible_count():
    with pytest.raises(ValueError, match="cannot keep 5 of 4"):
        select(torch.zeros(2, 2), 5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.floats(0, 1))
def test_masked_product_and_its_gradients(device, seed, density):
    torch.manual_seed(seed)
    weight, bias = torch.randn(5, 7, device=device), torch.randn(5, device=device)
    inputs = torch.randn(2, 3, 7, device=device, requires_grad=True)
    scores = torch.randn(5, 7, device=device, requires_grad=True)
    mask = select(scores, kept_weights(density, 35))
    MaskedProduct.apply(inputs, scores, weight, mask, bias).square().sum().backward()

    explicit, same_inputs = (weight * mask).requires_grad_(), inputs.detach().clone().requires_grad_()
    (same_inputs @ explicit.T + bias).square().sum().backward()
    torch.testing.assert_close(inputs.grad, same_inputs.grad)
    torch.testing.assert_close(scores.grad, explicit.grad * weight)  # removed weights included
