"""What accelerators take instead of one matrix after the other: the same masks, in as many operators for any number of
matrices, and nothing for the host to wait for."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn

from emmental.pruning import allocation, device_selection, gates, regulariser, soft_movement
from emmental.pruning.l0 import HardConcrete
from emmental.pruning.magnitude import Magnitude
from emmental.pruning.masked_linear import MaskedLinear
from emmental.pruning.masked_product import MaskedProduct, _in_one_kernel, masked
from emmental.pruning.matrices import matrix_type
from emmental.pruning.ranking import select_together
from emmental.pruning.regulariser import add_regulariser
from emmental.pruning.selection import above, select
from emmental.pruning.soft_movement import SigmoidThreshold
from emmental.pruning.stacks import in_stacks
from emmental.pruning.top_k import TopK
from tests.helpers.operators import operators
from tests.helpers.scores import FLOATS

SHAPES = ((3, 4), (4, 3), (2, 7))  # two of one size


@st.composite
def matrices(draw):
    shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=6))
    return [torch.from_numpy(draw(hnp.arrays("float32", shape, elements=FLOATS))) for shape in shapes]


def equal(some, others) -> bool:
    return all(torch.equal(one, other) for one, other in zip(some, others, strict=True))


@settings(deadline=None)
@given(matrices(), st.data())
def test_each_matrix_as_on_the_cpu(scores, data):
    kept = [data.draw(st.integers(0, matrix.numel())) for matrix in scores]
    assert equal(device_selection.select(scores, torch.tensor(kept)), map(select, scores, kept))


@settings(deadline=None)
@given(matrices(), st.data())
def test_all_matrices_together_as_on_the_cpu(scores, data):
    kept = data.draw(st.integers(0, sum(matrix.numel() for matrix in scores)))
    assert equal(device_selection.select(scores, torch.tensor([kept])), select_together(scores, kept))


def test_large_matrices_as_on_the_cpu():
    draw = torch.Generator().manual_seed(0)
    normal = torch.randn(300, 400, generator=draw)
    scores = [normal, normal.T.contiguous(), (3 * normal).round() / 50, torch.zeros(300, 400), normal.clamp(min=1)]
    for density in (1e-5, 0.03, 0.1, 0.5, 0.99999):
        kept = [int(density * 120000)] * 5
        assert equal(device_selection.select(scores, torch.tensor(kept)), map(select, scores, kept)), density
        together = int(density * 600000)
        assert equal(device_selection.select(scores, torch.tensor([together])), select_together(scores, together))


IMPORTANCE = st.lists(st.floats(1e-6, 1), min_size=1, max_size=9)


@given(st.lists(IMPORTANCE, min_size=1, max_size=4), st.floats(0, 1))
def test_shares_as_on_the_cpu(types, density):
    shared = [allocation.share_out(dict(enumerate(values)), density * len(values)) for values in types]
    kinds = torch.tensor([kind for kind, values in enumerate(types) for _ in values])
    importance = torch.tensor([value for values in types for value in values], dtype=torch.float64)
    found = allocation.shares(importance, kinds, density).tolist()
    assert found == pytest.approx([share for some in shared for share in some.values()], abs=1e-9)


def test_what_counts_for_nothing_gets_nothing():
    importance, kinds = torch.tensor([0.0, 0.5, 0.25], dtype=torch.float64), torch.zeros(3, dtype=torch.int64)
    assert allocation.shares(importance, kinds, 0.5).tolist() == pytest.approx([0, 1, 0.5])
    assert allocation.shares(importance, kinds, 0.9).tolist() == pytest.approx([0, 1, 1])


@given(st.integers(0, 10**6), st.floats(0.01, 1), st.sampled_from([1.0, 0.5]))
def test_soft_allocation_as_on_the_cpu(seed, density, p):
    draw = torch.Generator().manual_seed(seed)
    names = [f"layer.{layer}.{kind}" for layer in range(5) for kind in "qk"]
    scores = {name: 6 * torch.randn(8, 9, generator=draw) - 3 for name in names}
    densities = allocation.soft(scores, density, p, matrix_type)
    kept = allocation.soft_kept(scores, density, p, matrix_type)
    # the means are added up in another order: a density may lie on the other side of a whole number
    assert kept.tolist() == pytest.approx([densities[name] * 72 - 0.5 for name in names], abs=0.50001)
    assert allocation.local_kept(scores, density).tolist() == [int(density * 72)] * 10


@pytest.mark.parametrize("shift", [0.0, gates.OPEN_SHIFT])
def test_regulariser_as_on_the_cpu(shift):
    torch.manual_seed(0)
    ours = [nn.Parameter(3 * torch.randn(shape)) for shape in SHAPES]
    for matrix in ours:
        matrix.grad = torch.randn_like(matrix)
    theirs = [nn.Parameter(matrix.detach().clone()) for matrix in ours]
    for matrix, other in zip(theirs, ours, strict=True):
        matrix.grad = other.grad.clone()
    pulls = [1024 * 40 / (3 * matrix.numel()) for matrix in ours]
    value = regulariser._of_all_at_once(ours, pulls, shift)
    torch.testing.assert_close(value, add_regulariser(theirs, 40, 1024, shift))
    for matrix, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(matrix.grad, other.grad)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("gated", [False, True])
def test_masked_weight_as_on_the_cpu(dtype, gated):
    torch.manual_seed(0)
    weight, mask = torch.randn(30, 40), torch.rand(30, 40)
    mask = mask if gated else mask > 0.5
    product = _in_one_kernel(weight, mask, dtype)
    assert product.dtype == dtype
    assert torch.equal(product, masked(weight, mask, dtype))


def test_soft_movement_as_on_the_cpu():
    torch.manual_seed(0)
    scores = [torch.randn(shape) for shape in SHAPES * 2]
    for threshold in (0.0, 0.5, 0.9999):
        ours = soft_movement._above_on_device(scores, threshold, [2] * 6)
        assert equal(ours, [above(matrix, threshold, 2) for matrix in scores])


def test_stacks_leave_the_order():
    scores = [torch.full(shape, float(number)) for number, shape in enumerate(SHAPES * 3)]
    assert equal(in_stacks(lambda stack: 2 * stack, scores), [2 * matrix for matrix in scores])


def encoder(blocks: int) -> dict[str, MaskedLinear]:
    """BERT's six matrices a block, on a device without values."""
    shapes = {"query": (4, 4), "key": (4, 4), "value": (4, 4), "output": (4, 4), "up": (8, 4), "down": (4, 8)}
    return {
        f"layer.{block}.{kind}": MaskedLinear(inputs, outputs, device="meta")
        for block in range(blocks)
        for kind, (outputs, inputs) in shapes.items()
    }


METHODS = {
    "local": TopK(),
    "soft": TopK("soft", 0.5),
    "magnitude": Magnitude(),
    "soft movement": SigmoidThreshold(),
}


@pytest.mark.parametrize("method", METHODS)
def test_selection_takes_as_many_operators_for_any_number_of_matrices(method):
    few, many = (operators(METHODS[method].select, encoder(blocks), 0.3, 0) for blocks in (2, 24))
    assert few == many
    assert few.total() <= 600  # three shapes, 32 counts of five operators each


def test_gates_take_as_many_operators_for_any_number_of_matrices():
    few, many = (operators(HardConcrete().settle, encoder(blocks)) for blocks in (2, 24))
    assert few == many
    assert few.total() < 30


def test_one_ranking_takes_four_views_more_per_matrix():
    few, many = (operators(TopK("global").select, encoder(blocks), 0.3, 0) for blocks in (2, 24))
    views = {name: many[name] - few[name] for name in many if many[name] != few[name]}
    assert set(views) <= {"aten.view.default", "aten.detach.default", "aten._unsafe_view.default"}
    assert sum(views.values()) <= 4 * (144 - 12)


def test_regulariser_takes_as_many_operators_for_any_number_of_matrices():
    def counts(blocks):
        scores = [layer.mask_scores for layer in encoder(blocks).values()]
        for matrix in scores:
            matrix.grad = torch.empty_like(matrix)
        return operators(add_regulariser, scores, 40.0)

    assert counts(2) == counts(24)
    assert counts(2).total() <= 10


@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 7), (torch.bfloat16, 7)])
def test_masked_product_writes_matrices_of_the_weights_size_once_per_use(dtype, most):
    """W * M twice, the products for outputs, inputs and scores, and the scores' gradient: no conversion by itself."""
    layer = next(iter(encoder(1).values()))
    inputs = torch.empty(2, 3, 4, dtype=dtype, device="meta", requires_grad=True)
    bias = layer.bias.to(dtype)

    def step():
        output = MaskedProduct.apply(inputs, layer.mask_scores, layer.weight, layer.mask, bias)
        output.backward(torch.empty_like(output))

    counts = operators(step)
    assert not [name for name in counts if "_to_copy" in name or "copy_" in name]
    computing = {name: count for name, count in counts.items() if any(word in name for word in ("mul", "mm"))}
    assert sum(computing.values()) <= most
