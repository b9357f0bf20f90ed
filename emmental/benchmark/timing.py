"""Time of contenders that take turns: median and quartiles."""

import functools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from emmental.benchmark.contenders import Contender

ROUNDS = 7, 41  # at least and at most


@dataclass(frozen=True)
class Timing:
    """Seconds of one contender in one setting: median and quartiles."""

    median: float
    low: float
    high: float


@torch.inference_mode()
def timed(
    ways: list[Contender], inputs: dict[str, torch.Tensor], seconds: float
) -> tuple[dict[str, Timing], dict[str, float]]:
    """The contenders' timings, in turn for about so many seconds, and how far their logits are from the first's."""
    logits = {way.name: way.logits(**inputs).float() for way in ways}  # warms up, too
    difference = {name: (own - logits[ways[0].name]).abs().max().item() for name, own in logits.items()}
    return in_turn({way.name: functools.partial(way.logits, **inputs) for way in ways}, seconds), difference


def in_turn(calls: dict[str, Callable[[], object]], seconds: float) -> dict[str, Timing]:
    """Timings of calls that take turns for about so many seconds."""
    taken = {name: [] for name in calls}
    began = time.perf_counter()
    for number in range(ROUNDS[1]):
        if number >= ROUNDS[0] and time.perf_counter() - began > seconds:
            break
        for name in calls if number % 2 else reversed(calls):  # none is always behind the same other
            started = time.perf_counter()
            calls[name]()
            taken[name].append(time.perf_counter() - started)
    return {name: _timing(own) for name, own in taken.items()}


def random_texts(lengths: list[int], vocabulary: int) -> dict[str, torch.Tensor]:
    """Inputs of texts of these lengths in random tokens, padded to the longest."""
    real = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    draw = torch.Generator().manual_seed(0)
    tokens = torch.randint(vocabulary // 2, vocabulary, real.shape, generator=draw)  # the first ones have a meaning
    return {"input_ids": tokens * real, "attention_mask": real}


def _timing(seconds: list[float]) -> Timing:
    low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return Timing(median, low, high)
