"""Many matrices at once on the CPU: NumPy, which releases Python's lock, on as many threads as torch uses.

What is done to one matrix does not depend on the others, so the number of threads changes no result.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch


def each(function: Callable, *items) -> list:
    """``function`` of every item (or of the items side by side), in their order. It must call no torch operator that
    torch itself spreads over threads."""
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return list(pool.map(function, *items))
