"""What a step asks of the device: kernels, copies, and waits of the host for it. In bf16, at the smallest batch."""

import contextlib
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch
from torch.autograd import DeviceType
from torch.profiler import profile

from benchmarks.gpu.scale import Scale
from benchmarks.gpu.steps import ALLOCATIONS, allocate
from benchmarks.gpu.timing import free, now
from benchmarks.training.around import Around
from benchmarks.training.training_steps import DenseStep, OurRun, batches

WAIT = "called a synchronizing CUDA operation"  # what torch says of each
PLACES = 6  # that a row names


def rows(scale: Scale) -> Iterator[dict]:
    """One for each kind of step."""
    workload = scale.workload(scale.batch())
    settings = {"bf16": True, "shape": scale.base, "device": scale.device}
    batch = {name: values.to(scale.device) for name, values in batches(workload, 1)[0].items()}
    counts = Counts(scale.device), Counts(scale.device), Counts(scale.device), Counts(scale.device)
    dense = DenseStep(workload, **settings)
    for context in counts[0].steps():
        with context:
            dense(batch)
    yield {"step": "dense"} | counts[0].row()
    with tempfile.TemporaryDirectory() as folder:
        run = OurRun(workload, [batch] * 3 * len(ALLOCATIONS), folder, **settings)
        around = [
            allocated(run, allocation, context)
            for allocation, own in zip(ALLOCATIONS, counts[1:], strict=True)
            for context in own.steps()
        ]
        run.add_callback(Around(around))
        run.train()
    for allocation, own in zip(ALLOCATIONS, counts[1:], strict=True):
        yield {"step": allocation} | own.row()
    free(scale.device)


@contextlib.contextmanager
def allocated(run: OurRun, allocation: str, inner: contextlib.AbstractContextManager) -> Iterator[None]:
    """Around a step: it selects by this allocation, within the other context."""
    allocate(run, allocation)
    with inner:
        yield


class Counts:
    """Kernels of one step and waits of another, after one that warms up."""

    def __init__(self, device: str):
        self.device = device
        self.kernels: list = []
        self.places: Counter[str] = Counter()

    def steps(self) -> list[contextlib.AbstractContextManager]:
        """The contexts to open around three steps."""
        return [contextlib.nullcontext(), self.profiled(), self.waiting()]

    @contextlib.contextmanager
    def profiled(self) -> Iterator[None]:
        """Keeps what the device does."""
        now(self.device)
        with profile() as recorded:
            yield
            now(self.device)
        events = recorded.events()
        self.kernels = [e for e in events if e.device_type == DeviceType.CUDA and not e.is_user_annotation]

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Keeps where the host waits for the device."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            sync_debug_mode("warn", self.device)
            yield
            sync_debug_mode("default", self.device)
        self.places.update(
            "/".join(Path(one.filename).parts[-2:]) + f":{one.lineno}" for one in caught if WAIT in str(one.message)
        )

    def row(self) -> dict:
        """Numbers by name; busy_ms: in which the device worked."""
        copies = [event for event in self.kernels if event.name.startswith(("Memcpy", "Memset"))]
        return {
            "kernels": len(self.kernels) - len(copies),
            "copies": len(copies),
            "busy_ms": sum(event.time_range.elapsed_us() for event in self.kernels) / 1e3,
            "host_waits": self.places.total(),
            "waited_at": dict(self.places.most_common(PLACES)),
        }


def sync_debug_mode(mode: str, device: str) -> None:
    """Whether torch warns of what waits for the device; a CPU waits for nothing."""
    if device == "cuda":
        torch.cuda.set_sync_debug_mode(mode)
