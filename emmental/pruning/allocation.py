"""One density for the whole encoder to one density per matrix: local (SMP-L) or soft (SMP-S). The third allocation,
global, gives no matrix a density of its own: see ranking.py.

Works on named score matrices; which names belong to one matrix type is the caller's word.
"""

from collections import defaultdict
from collections.abc import Callable

import torch

from emmental.pruning.selection import kept_weights
from emmental.pruning.stacks import upload


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


def local_kept(scores: dict[str, torch.Tensor], density: float) -> torch.Tensor:
    """What ``local`` keeps of every matrix: int64 [matrices], on their device."""
    kept = [kept_weights(density, matrix.numel()) for matrix in scores.values()]
    return upload(kept, next(iter(scores.values())).device)


@torch.no_grad()
def soft_kept(
    scores: dict[str, torch.Tensor], density: float, p: float, matrix_type: Callable[[str], str]
) -> torch.Tensor:
    """What ``soft`` keeps of every matrix: int64 [matrices], on their device, which nothing waits for.

    As many operators for any number of matrices. A matrix of sigmoids per matrix lives for a moment: computed 340 MB
    for BERT-base, 1.2 GB for BERT-large.
    """
    matrices = [*scores.values()]
    scaled = torch._foreach_div(matrices, p) if p != 1 else matrices
    sums = torch.stack(torch._foreach_norm(torch._foreach_sigmoid(scaled), 1))
    types = {kind: number for number, kind in enumerate(dict.fromkeys(map(matrix_type, scores)))}
    table = [[types[matrix_type(name)] for name in scores], [matrix.numel() for matrix in matrices]]
    kinds, sizes = upload(table, sums.device)
    return (shares(sums.double() / sizes, kinds, density) * sizes).long()


def shares(importance: torch.Tensor, kinds: torch.Tensor, density: float) -> torch.Tensor:
    """``share_out`` of every type's budget on the device; the types' numbers are ``kinds``. All are [matrices].

    Were the m most important of a type full, the others would get (budget - m) / (sum of the others' importance) times
    their own. This factor grows with m as long as the next one would exceed 1, and falls from there: the highest is
    theirs.
    """
    same = kinds == kinds[:, None]
    full = same & (importance > importance[:, None])  # where a row's own matrix is the first that is not
    rest = importance.where(same & ~full, 0).sum(1)
    factors = (density * same.sum(1, dtype=torch.float64) - full.sum(1)) / rest
    return (importance * factors.where(same & (rest > 0), 0).amax(1)).clamp(max=1)


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
