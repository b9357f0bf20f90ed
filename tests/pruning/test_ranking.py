"""One ranking over all matrices: against a full stable sort of them in a row, on the CPU's path and the devices'."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from emmental.common.errors import InputError
from emmental.pruning import ranking
from emmental.pruning.ranking import select_together
from emmental.pruning.selection import SAMPLE_STRIDE, kept_weights
from emmental.training.config import SMPConfig
from tests.helpers.scores import FLOATS, by_stable_sort
from tests.helpers.small_run import build

MATRICES = st.lists(
    hnp.arrays("float32", hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=FLOATS), min_size=1, max_size=5
)


def in_a_row(matrices) -> torch.Tensor:
    return torch.cat([matrix.flatten() for matrix in matrices])


@settings(deadline=None)  # the first call on a GPU takes its time
@given(MATRICES, st.floats(0, 1))
def test_equals_stable_sort_of_the_row(device, arrays, density):
    scores = [torch.from_numpy(array) for array in arrays]
    row = in_a_row(scores)
    kept = kept_weights(density, row.numel())
    masks = select_together([matrix.to(device) for matrix in scores], kept)
    assert [mask.shape for mask in masks] == [matrix.shape for matrix in scores]
    assert torch.equal(in_a_row(masks).cpu(), by_stable_sort(row, kept))


@settings(deadline=None)  # many counts, each on threads
@given(MATRICES, st.data())
def test_counting_alone_finds_the_same(arrays, data):
    """As on large matrices: no few values are ever left to search, every bound comes from a count."""
    parts = [array.reshape(-1) for array in arrays]
    row = np.sort(np.concatenate(parts))[::-1]
    k = data.draw(st.integers(1, row.size))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "SMALL", 0)
        patch.setattr(ranking, "SAMPLE_STRIDE", data.draw(st.integers(1, 40)))
        assert ranking.kth_highest(parts, k) == row[k - 1]


@given(MATRICES, st.data())
def test_other_devices_select_the_same(arrays, data):
    flat = [torch.from_numpy(array).reshape(-1) for array in arrays]
    row = in_a_row(flat)
    kept = data.draw(st.integers(1, row.numel() - 1)) if row.numel() > 1 else 1
    assert torch.equal(in_a_row(ranking._select_on_device(flat, kept)), by_stable_sort(row, kept))


def test_other_devices_never_wait_for_the_host():
    scores = [torch.empty(30, 40, device="meta"), torch.empty(20, 40, device="meta")]  # no values to ask for
    assert [mask.shape for mask in select_together(scores, 100)] == [(30, 40), (20, 40)]


def large_matrices():
    draw = torch.Generator().manual_seed(0)
    normal = [torch.randn(384, 384 * (1 + number % 2), generator=draw) * (1 + number) for number in range(6)]
    yield "random", normal
    yield "constant", [torch.zeros_like(matrix) for matrix in normal]
    yield "two-valued", [matrix.sign() for matrix in normal]
    yield "few values", [matrix.round() / 50 for matrix in normal]
    yield "mostly tied", [matrix.clamp(min=1) for matrix in normal]
    yield "one matrix above all others", [matrix + 1000 * (number == 3) for number, matrix in enumerate(normal)]


def misleading():
    """What a sample at a regular distance sees is far from what it does not see."""
    hidden = next(large_matrices())[1]
    for matrix in hidden:
        matrix.view(-1)[::SAMPLE_STRIDE] += 1000
    return hidden


@pytest.mark.parametrize(("kind", "scores"), [*large_matrices(), ("misleading sample", misleading())])
def test_large_matrices_equal_stable_sort_and_are_never_sorted(device, kind, scores, monkeypatch):
    row, sizes, searched = in_a_row(scores), [], np.partition
    monkeypatch.setattr(np, "partition", lambda array, *args: sizes.append(array.size) or searched(array, *args))
    placed = [matrix.to(device) for matrix in scores]
    for density in (1e-5, 0.03, 0.1, 0.4999, 0.5, 0.9, 0.99999):
        kept = kept_weights(density, row.numel())
        assert torch.equal(in_a_row(select_together(placed, kept)).cpu(), by_stable_sort(row, kept)), density
    assert max(sizes, default=0) <= row.numel() / 16


def test_refuses_an_impossible_count():
    with pytest.raises(ValueError, match="cannot keep 9 of 8"):
        select_together([torch.zeros(2, 2)] * 2, 9)


def test_training_ranks_all_matrices_together(tiny_bert, tmp_path):
    trainer = build(tiny_bert, tmp_path, global_topk=True)
    trainer.train()
    layers = trainer.masked_layers.values()
    row = in_a_row([layer.mask_scores.detach() for layer in layers])
    assert torch.equal(in_a_row([layer.mask for layer in layers]), by_stable_sort(row, kept_weights(0.2, row.numel())))


def test_not_together_with_soft_allocation(tmp_path):
    with pytest.raises(InputError, match="--global_topk and --magnitude_topk_threshold"):
        SMPConfig(output_dir=str(tmp_path), global_topk=True, magnitude_topk_threshold=True).check()
