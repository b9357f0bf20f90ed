"""Where a training step waits for a tensor's value: on a GPU the host then stands still until all is computed that was
asked for before."""

import contextlib
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import TrainerCallback

OPERATORS = "_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "_unique2", "unique_dim"
METHODS = "tolist", "cpu"  # no operators where the tensor is on the host already
FIRST, LAST = 2, 5  # steps between which is counted: neither the first ones, which set things up, nor the last


class HostWaits(TrainerCallback):
    """Counts over the steps after FIRST up to LAST, by place in the code; to be added after all other callbacks.

    On the CPU it counts what would wait on an accelerator, from operators and methods; on CUDA what torch itself finds.
    """

    def __init__(self, device: torch.device):
        self.device, self.places, self.open = device, Counter(), contextlib.ExitStack()

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == FIRST:
            watch = _synchronisations if self.device.type == "cuda" else _asked
            self.open.enter_context(watch(self.places))
        elif state.global_step == LAST:
            self.open.close()

    def per_step(self) -> dict[str, float]:
        """Waits per step by file and line."""
        return {place: count / (LAST - FIRST) for place, count in self.places.items()}


@contextlib.contextmanager
def _asked(places: Counter) -> Iterator[None]:
    with _Operators(places), _Methods(places):
        yield


@contextlib.contextmanager
def _synchronisations(places: Counter) -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            yield
    finally:
        torch.cuda.set_sync_debug_mode("default")
    waits = [warning for warning in seen if "synchronizing CUDA operation" in str(warning.message)]
    places.update(f"{_short(wait.filename)}:{wait.lineno}" for wait in waits)


class _Operators(TorchDispatchMode):
    def __init__(self, places: Counter):
        super().__init__()
        self.places = places

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket.__name__ in OPERATORS:
            self.places[_place()] += 1
        return func(*args, **(kwargs or {}))


class _Methods(TorchFunctionMode):
    def __init__(self, places: Counter):
        super().__init__()
        self.places = places

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if getattr(func, "__name__", "") in METHODS:
            self.places[_place()] += 1
        return func(*args, **(kwargs or {}))


def _place() -> str:
    """The innermost line that is neither torch's nor this file's."""
    frames = reversed([frame for frame in traceback.extract_stack() if frame.filename != __file__])
    return next(place for f in frames if not (place := f"{_short(f.filename)}:{f.lineno}").startswith("torch/"))


def _short(filename: str) -> str:
    """A file from its package on."""
    path = Path(filename)
    packages = [parent for parent in path.parents if (parent / "__init__.py").is_file()]
    return str(path.relative_to(packages[-1].parent)) if packages else path.name
