"""Many matrices in few operators, for devices that take longer to be told than to compute.

An encoder has 72 to 144 matrices of three shapes or so. Those of one shape are stacked; on the CPU, where a call costs
nothing beside what it does, a stack would only be a copy.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

import torch


def by_shape(matrices: Sequence[torch.Tensor]) -> list[list[int]]:
    """The numbers of the matrices of each shape."""
    found = defaultdict(list)
    for number, matrix in enumerate(matrices):
        found[matrix.shape].append(number)
    return [*found.values()]


def in_stacks(function: Callable[..., torch.Tensor], matrices: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """``function`` of stacks [count, *shape], which returns as many matrices, in the order of ``matrices``."""
    results: list = [None] * len(matrices)
    for numbers in by_shape(matrices):
        stack = function(torch.stack([matrices[number] for number in numbers]))
        for number, result in zip(numbers, stack.unbind(), strict=True):
            results[number] = result
    return results


def upload(values: Sequence, device: torch.device, dtype: torch.dtype = torch.int64) -> torch.Tensor:
    """Numbers of the host as a tensor on the device; from pinned memory, so that the host need not wait."""
    table = torch.tensor(values, dtype=dtype, pin_memory=device.type in ("cuda", "xpu"))
    return table.to(device, non_blocking=True)
