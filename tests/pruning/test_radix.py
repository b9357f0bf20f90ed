"""The kernels that select on GPUs: on one where there is one, else in Triton's interpreter:

    TRITON_INTERPRET=1 python -m pytest tests/pruning/test_radix.py

Triton is no dependency of ours and comes with torch for GPUs; without it there is nothing to test.
"""

import os

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.helpers.scores import FLOATS, by_stable_sort

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
pytestmark = pytest.mark.skipif(
    DEVICE == "cpu" and "TRITON_INTERPRET" not in os.environ, reason="needs a GPU or TRITON_INTERPRET=1"
)
radix = pytest.importorskip("emmental.pruning.radix", exc_type=ImportError)


@st.composite
def matrices(draw):
    shapes = draw(st.lists(st.sampled_from(((3, 4), (4, 3), (5, 29))), min_size=1, max_size=5))
    return [torch.from_numpy(draw(hnp.arrays("float32", shape, elements=FLOATS))) for shape in shapes]


def masks_of(scores, kept) -> list[torch.Tensor]:
    masks = radix.select([matrix.to(DEVICE) for matrix in scores], torch.tensor(kept, device=DEVICE))
    return [mask.cpu() for mask in masks]


def check(scores, kept):
    """Against full stable sorts, of each matrix or of all in a row."""
    if len(kept) == len(scores):
        for mask, matrix, count in zip(masks_of(scores, kept), scores, kept, strict=True):
            assert torch.equal(mask, by_stable_sort(matrix, count))
    else:
        row, found = (torch.cat([part.flatten() for part in parts]) for parts in (scores, masks_of(scores, kept)))
        assert torch.equal(found, by_stable_sort(row, kept[0]))


@settings(deadline=None, max_examples=30)
@given(matrices(), st.data())
def test_equals_stable_sorts(scores, data):
    check(scores, [data.draw(st.integers(0, matrix.numel())) for matrix in scores])
    check(scores, [data.draw(st.integers(0, sum(matrix.numel() for matrix in scores)))])


@pytest.mark.parametrize("density", [1e-3, 0.1, 0.5, 0.999])
def test_ties_in_more_than_one_block(density):
    """Matrices of several blocks of the kernels, the last of them not full."""
    draw = torch.Generator().manual_seed(0)
    normal = torch.randn(130, 150, generator=draw)
    assert normal.numel() > 2 * max(radix.BLOCK, radix.REPEATS.value * radix.COUNTED)
    scores = [normal, torch.zeros(130, 150), (2 * normal).round(), normal.clamp(min=1)[:100], normal[:, :1]]
    check(scores, [int(density * matrix.numel()) for matrix in scores])
    check(scores, [int(density * sum(matrix.numel() for matrix in scores))])
