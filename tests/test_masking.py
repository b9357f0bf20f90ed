"""Selection against a full stable sort; the straight-through gradient against autograd on an explicit mask."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from emmental import masking
from emmental.masking import StraightThrough, kept_weights, select


def by_stable_sort(scores: torch.Tensor, kept: int) -> torch.Tensor:
    """The definition, written down: sort everything, keep the first; equal scores stay in index order."""
    order = torch.sort(scores.flatten(), descending=True, stable=True).indices
    mask = torch.zeros(scores.numel(), dtype=torch.bool)
    mask[order[:kept]] = True
    return mask.view_as(scores)


FLOATS = st.one_of(
    st.floats(-10, 10, width=32),
    st.sampled_from([0.0, -0.0, 1.0]),  # two values and both zeros
    st.sampled_from([1e-45, 3e-45, 1e-40, -1e-42, 0.0]),  # subnormal
    st.sampled_from([float("inf"), -float("inf"), 3.0]),
)


@given(hnp.arrays("float32", hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=FLOATS), st.floats(0, 1))
def test_equals_stable_sort(array, density):
    scores = torch.from_numpy(array)
    kept = kept_weights(density, scores.numel())
    mask = select(scores, kept)
    assert int(mask.sum()) == kept
    assert torch.equal(mask, by_stable_sort(scores, kept))


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
    hidden.view(-1)[:: masking.SAMPLE_STRIDE] += 1000
    yield "misleading sample", hidden


@pytest.mark.parametrize(("kind", "scores"), list(large_matrices()))
def test_large_matrices_equal_stable_sort(kind, scores):
    assert scores.numel() > masking.SMALL
    for density in (0.0, 1e-5, 0.03, 0.1, 0.5, 0.9, 0.99999, 1.0):
        kept = kept_weights(density, scores.numel())
        assert torch.equal(select(scores, kept), by_stable_sort(scores, kept)), density


def test_never_sorts_or_searches_a_whole_random_matrix(monkeypatch):
    sizes = []
    for name in ("sort", "argsort", "topk", "kthvalue"):
        original = getattr(torch.Tensor, name)

        def counted(tensor, *args, original=original, **kwargs):
            sizes.append(tensor.numel())
            return original(tensor, *args, **kwargs)

        monkeypatch.setattr(torch.Tensor, name, counted)
    scores = torch.randn(768, 3072, generator=torch.Generator().manual_seed(0))
    for density in (0.9, 0.5, 0.03):
        select(scores, kept_weights(density, scores.numel()))
    assert sizes
    assert max(sizes) < scores.numel() / 20


def test_refuses_an_impossible_count():
    with pytest.raises(ValueError, match="cannot keep 5 of 4"):
        select(torch.zeros(2, 2), 5)


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.floats(0, 1))
def test_straight_through_gradient(seed, density):
    torch.manual_seed(seed)
    weight, inputs = torch.randn(5, 7), torch.randn(3, 7)
    scores = torch.randn(5, 7, requires_grad=True)
    mask = select(scores, kept_weights(density, 35))
    masked = StraightThrough.apply(scores, weight, mask)
    assert torch.equal(masked, weight * mask)
    (inputs @ masked.T).square().sum().backward()

    explicit = (weight * mask).requires_grad_()
    (inputs @ explicit.T).square().sum().backward()
    torch.testing.assert_close(scores.grad, explicit.grad * weight)  # removed weights included
