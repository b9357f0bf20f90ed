"""What a mask gains on this machine: time and memory of each way to compute it, measured in turn, and sizes on disk.

The ways are in contenders.py, tables and pictures in report.py.
"""

import statistics
import tempfile
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch

from emmental import masks
from emmental.benchmark.contenders import BASELINE, Contender, contenders, written
from emmental.benchmark.memory import peak_memory
from emmental.inference.load import load_pruned
from emmental.models.backbones import Backbone

SETTINGS = tuple(product((1, 8, 32), (32, 128)))  # texts, tokens of each
ROUNDS = 7, 41  # at least and at most
SECONDS = 15.0  # of one setting; after them no further round begins


@dataclass(frozen=True)
class Timing:
    """Seconds of one contender in one setting: median and quartiles."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """What a benchmark found, settings being (texts, tokens), sizes bytes on disk, missing lines for a reader.

    memory: bytes of weights that a contender holds. peaks: bytes that the process needs beyond those for one pass;
    None where the system does not tell.
    """

    timings: dict[tuple[int, int], dict[str, Timing]]
    peaks: dict[tuple[int, int], dict[str, int | None]]
    memory: dict[str, int]
    difference: dict[str, float]  # largest of any logit from BASELINE's
    sizes: dict[str, int]
    missing: list[str]

    def speed(self, name: str) -> float:
        """Geometric mean over the settings of how much faster than BASELINE."""
        ratios = [timing[BASELINE].median / timing[name].median for timing in self.timings.values()]
        return statistics.geometric_mean(ratios)

    def best(self) -> str:
        """The contender that is fastest over all settings."""
        return max(self.memory, key=self.speed)


def benchmark(mask: masks.Mask, path: Path, backbone: Backbone | str | None = None, force: bool = False) -> Measured:
    """Time a mask in every way there is. Arguments and errors as of load_pruned; path: the mask's file."""
    pruned = load_pruned(mask, backbone, force)
    config = pruned.model.backbone.config
    parameters = sum(parameter.numel() for parameter in pruned.model.backbone.parameters())
    sizes = {"mask": path.stat().st_size, "folded model fp32": 4 * parameters, "folded model bf16": 2 * parameters}
    with tempfile.TemporaryDirectory() as folder:
        files, missing = written(pruned, mask, Path(folder))
        sizes |= {name: file.stat().st_size for name, file in files.items()}
        ways = contenders(pruned.model, files)
    timings, peaks, difference = {}, {}, dict.fromkeys((way.name for way in ways), 0.0)
    for setting in SETTINGS:
        texts, tokens = setting
        if tokens > config.max_position_embeddings:
            continue
        inputs = random_texts([tokens] * texts, config.vocab_size)
        timings[setting], apart = timed(ways, inputs, SECONDS)
        peaks[setting] = {way.name: peak_memory(lambda way=way, inputs=inputs: way.logits(**inputs)) for way in ways}
        difference = {name: max(difference[name], apart[name]) for name in difference}
    return Measured(timings, peaks, {way.name: way.memory for way in ways}, difference, sizes, missing)


@torch.inference_mode()
def timed(
    ways: list[Contender], inputs: dict[str, torch.Tensor], seconds: float
) -> tuple[dict[str, Timing], dict[str, float]]:
    """The contenders' timings, in turn for about so many seconds, and how far their logits are from the first's."""
    logits = {way.name: way.logits(**inputs).float() for way in ways}  # warms up, too
    difference = {name: (own - logits[ways[0].name]).abs().max().item() for name, own in logits.items()}
    taken = {way.name: [] for way in ways}
    began = time.perf_counter()
    for number in range(ROUNDS[1]):
        if number >= ROUNDS[0] and time.perf_counter() - began > seconds:
            break
        for way in ways if number % 2 else reversed(ways):  # none is always behind the same other
            started = time.perf_counter()
            way.logits(**inputs)
            taken[way.name].append(time.perf_counter() - started)
    return {name: _timing(own) for name, own in taken.items()}, difference


def random_texts(lengths: list[int], vocabulary: int) -> dict[str, torch.Tensor]:
    """Inputs of texts of these lengths in random tokens, padded to the longest."""
    real = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    draw = torch.Generator().manual_seed(0)
    tokens = torch.randint(vocabulary // 2, vocabulary, real.shape, generator=draw)  # the first ones have a meaning
    return {"input_ids": tokens * real, "attention_mask": real}


def _timing(seconds: list[float]) -> Timing:
    low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return Timing(median, low, high)
