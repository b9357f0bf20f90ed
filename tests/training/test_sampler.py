"""The order of training examples: every row once, similar lengths together, no drift, repeatable."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emmental.training.sampler import SimilarLengths


@settings(deadline=None)
@given(st.lists(st.integers(3, 400), max_size=300), st.integers(1, 40), st.integers(0, 3))
def test_every_row_comes_once_and_the_order_is_repeatable(lengths, block, epoch):
    sampler = SimilarLengths(lengths, block, seed=7)
    sampler.epoch = epoch
    rows = list(sampler)
    assert sorted(rows) == list(range(len(sampler)))
    assert list(sampler) == rows


def test_epochs_and_seeds_differ():
    lengths = list(range(200))
    first, second, other = SimilarLengths(lengths, 8, 1), SimilarLengths(lengths, 8, 1), SimilarLengths(lengths, 8, 2)
    second.epoch = 1
    assert len({tuple(sampler) for sampler in (first, second, other)}) == 3


@pytest.fixture
def lengths():
    return np.random.default_rng(0).integers(5, 200, 16 * 500 + 3).tolist()


def test_a_step_has_similar_lengths(lengths):
    rows = np.array(list(SimilarLengths(lengths, 16, 0)))[:-3].reshape(-1, 16)
    of_steps = np.array(lengths)[rows]
    assert (of_steps.max(1) - of_steps.min(1)).mean() < 10
    assert of_steps.max(1).sum() * 16 < 1.05 * of_steps.sum()


def test_lengths_do_not_drift(lengths):
    """A step's mean length says nothing of the next step's."""
    rows = np.array(list(SimilarLengths(lengths, 16, 0)))[:-3].reshape(-1, 16)
    means = np.array(lengths)[rows].mean(1)
    assert abs(np.corrcoef(means[1:], means[:-1])[0, 1]) < 0.15
