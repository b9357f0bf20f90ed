"""Selection in all matrices at once, for devices other than the CPU: which way is taken.

Both ways are exact, take no value to the host, and have one signature: radix.py, where Triton works, and bisection.py,
which is plain torch, everywhere.
"""

import subprocess
import warnings
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec

import torch

from emmental.pruning import bisection


@torch.no_grad()
def select(scores: Sequence[torch.Tensor], kept: torch.Tensor) -> list[torch.Tensor]:
    """Masks of the highest scores; among equal ones the first matrix, then the lowest flat index wins.

    scores: any shapes, float32 without NaN, on one device. kept: int64, on it; [matrices], how many of
    each, or [1], how many of all together. Returns bool tensors of the scores' shapes, those of one shape in one stack.
    """
    way = _radix() if scores[0].device.type in ("cuda", "xpu") and find_spec("triton") else None
    return (way or bisection).select(scores, kept)


@cache
def _radix():
    """The module, where its kernels compile: that takes a C compiler and Python's headers; else None."""
    from emmental.pruning import radix

    try:
        device = torch.accelerator.current_accelerator()
        radix.select([torch.ones(2, 2, device=device)], torch.ones(1, dtype=torch.int64, device=device))
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        warnings.warn(f"selection takes its slow way, because Triton does not work here: {error}", stacklevel=2)
        return None
    return radix
