"""What a mask gains on this machine: time and memory of each way to compute it, measured in turn, and sizes on disk.

The ways are in contenders.py, tables and pictures in report.py.
"""

import statistics
import tempfile
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from emmental import masks
from emmental.benchmark import serving
from emmental.benchmark.contenders import BASELINE, contenders, written
from emmental.benchmark.memory import peak_memory
from emmental.benchmark.timing import Timing, random_texts, timed
from emmental.inference.load import load_pruned
from emmental.models.backbones import Backbone

SETTINGS = tuple(product((1, 8, 32), (32, 128)))  # texts, tokens of each
SECONDS = 15.0  # of one setting; after them no further round begins


@dataclass(frozen=True)
class Measured:
    """What a benchmark found, settings being (texts, tokens), sizes bytes on disk, missing lines for a reader.

    memory: bytes of weights that a contender holds. peaks: bytes that the process needs beyond those for one pass;
    None where the system does not tell. passes: by tokens and texts, of the contenders that were within the latency
    (seconds) with fewer texts.
    """

    timings: dict[tuple[int, int], dict[str, Timing]]
    peaks: dict[tuple[int, int], dict[str, int | None]]
    memory: dict[str, int]
    difference: dict[str, float]  # largest of any logit from BASELINE's
    sizes: dict[str, int]
    missing: list[str]
    latency: float
    passes: dict[int, dict[int, dict[str, Timing]]]

    def speed(self, name: str) -> float:
        """Geometric mean over the settings of how much faster than BASELINE."""
        ratios = [timing[BASELINE].median / timing[name].median for timing in self.timings.values()]
        return statistics.geometric_mean(ratios)

    def best(self) -> str:
        """The contender that is fastest over all settings."""
        return max(self.memory, key=self.speed)

    def served(self) -> dict[int, dict[str, serving.Served]]:
        """By tokens, the most that each contender serves within the latency; without those that are never within it."""
        return {tokens: serving.best(passes, self.latency) for tokens, passes in self.passes.items()}


def benchmark(
    mask: masks.Mask, path: Path, latency: float, backbone: Backbone | str | None = None, force: bool = False
) -> Measured:
    """Time a mask in every way there is. path: the mask's file; latency: seconds that a pass may take where texts per
    second are counted. Other arguments and errors as of load_pruned."""
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
    passes = {}
    for length in dict.fromkeys(tokens for _, tokens in timings):
        known = {texts: timing for (texts, tokens), timing in timings.items() if tokens == length}
        passes[length] = serving.sweep(ways, length, config.vocab_size, known, latency)
    memory = {way.name: way.memory for way in ways}
    return Measured(timings, peaks, memory, difference, sizes, missing, latency, passes)
