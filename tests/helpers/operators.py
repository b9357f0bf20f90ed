"""How many of torch's operators something calls: on an accelerator each costs about as long as a small kernel."""

from collections import Counter
from collections.abc import Callable

from torch.utils._python_dispatch import TorchDispatchMode


class Operators(TorchDispatchMode):
    """Counts what is dispatched while it is open, by name."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.counts[str(function)] += 1
        return function(*args, **kwargs or {})


def operators(function: Callable, *arguments) -> Counter:
    """The operators that a call takes. On tensors of the meta device it computes nothing, and fails where the host
    wants to know a value."""
    with Operators() as mode:
        function(*arguments)
    return mode.counts
