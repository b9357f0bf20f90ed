"""Many matrices at once on the CPU: NumPy, which releases Python's lock, on as many threads as torch uses.

What is done to one matrix does not depend on the others, so the number of threads changes no result.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch


def each(function: Callable, *items) -> list:
    """``function`` of every item (or of the items side by side), in their order. Meant for NumPy: torch's own
    operators use all threads as it is."""
    return list(_pool(torch.get_num_threads()).map(function, *items))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)
