"""One density for the whole encoder to one density per matrix: local (SMP-L) or soft (SMP-S). The third allocation,
global, gives no matrix a density of its own: see ranking.py.

Works on named score matrices; which names belong to one matrix type is the caller's word.
"""

from collections import defaultdict
from collections.abc import Callable

import torch


def local(scores: dict[str, torch.Tensor], density: float) -> dict[str, float]:
    """SMP-L: every matrix gets the same density."""
    return dict.fromkeys(scores, density)


def soft(
    scores: dict[str, torch.Tensor], density: float, p: float, matrix_type: Callable[[str], str]
) -> dict[str, float]:
    """SMP-S (SMP, equation 5): the layers of one matrix type share its budget by the mean of sigmoid(S / p).

    Matrices of one type have one shape. The mean density of a type is ``density``, no matrix gets more than 1: what
    would exceed it is shared among the others of the type, where the reference code drops it.
    """
    types = defaultdict(list)
    for name in scores:
        types[matrix_type(name)].append(name)
    scaled = (matrix.detach() / p if p != 1 else matrix.detach() for matrix in scores.values())
    means = torch.stack([torch.sigmoid(matrix).mean() for matrix in scaled])
    importance = dict(zip(scores, means.tolist(), strict=True))  # one wait for the device, not one per matrix
    densities = {}
    for names in types.values():
        densities |= share_out({name: importance[name] for name in names}, density * len(names))
    return {name: densities[name] for name in scores}


def share_out(importance: dict[str, float], budget: float) -> dict[str, float]:
    """Split ``budget`` (at most the number of names) in proportion to the importance, none above 1."""
    full: set[str] = set()
    while True:
        rest = {name: value for name, value in importance.items() if name not in full}
        share = (budget - len(full)) / sum(rest.values()) if rest else 0.0
        exceeding = {name for name, value in rest.items() if value * share > 1}
        if not exceeding:
            return {name: 1.0 if name in full else value * share for name, value in importance.items()}
        full |= exceeding
