"""Scores to try selections on, and the definition of a selection, written down."""

import torch
from hypothesis import strategies as st


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
