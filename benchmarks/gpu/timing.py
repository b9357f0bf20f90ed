"""Time on a device, which goes on working after it was told what to do: the clock is read when it has done it."""

import contextlib
import gc
import statistics
import time
from collections.abc import Iterator

import torch


def now(device: str) -> float:
    """Seconds, once the device has done all that it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


@contextlib.contextmanager
def timed(seconds: list[float], device: str) -> Iterator[None]:
    """Appends the seconds that it was open."""
    started = now(device)
    yield
    seconds.append(now(device) - started)


def spread(name: str, values: list[float], factor: float = 1.0) -> dict[str, float]:
    """A row's entries of the values' median and quartiles, each times a factor."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return {name: factor * median, f"{name}_low": factor * low, f"{name}_high": factor * high}


def over(name: str, ours: list[float], others: list[float]) -> dict[str, float]:
    """A row's entries of the ratio of medians, and of the quartiles of the ratios turn by turn."""
    ratios = spread(name, [a / b for a, b in zip(ours, others, strict=True)])
    return ratios | {name: statistics.median(ours) / statistics.median(others)}


def free(device: str) -> None:
    """Let go of what nothing refers to any more: trainers and their callbacks refer to each other."""
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
