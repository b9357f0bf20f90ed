"""What a mask gains on this machine: time and memory of each way to compute it, measured in turn, and sizes on disk.

Tables and pictures of it are made in benchmark_report.py.
"""

import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch
from torch import nn

from emmental import masks, runtimes
from emmental.backbones import Backbone
from emmental.errors import InputError
from emmental.heads import LabelWordModel, SequenceClassifier
from emmental.inference import load_pruned

SETTINGS = tuple(product((1, 8, 32), (32, 128)))  # texts, tokens of each
ROUNDS = 3, 21  # at least and at most
SECONDS = 15.0  # of one setting; after them no further round begins
BASELINE = "dense fp32"


@dataclass(frozen=True)
class Contender:
    """A way to compute a pruned model. logits: [texts, …] of the model's inputs by name; memory: bytes of weights."""

    name: str
    logits: Callable[..., torch.Tensor]
    memory: int


@dataclass(frozen=True)
class Timing:
    """Seconds of one contender in one setting: median and quartiles."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """What a benchmark found. timings: by setting (texts, tokens) and contender; sizes: bytes on disk."""

    timings: dict[tuple[int, int], dict[str, Timing]]
    memory: dict[str, int]
    difference: dict[str, float]  # largest of any logit from BASELINE's
    sizes: dict[str, int]

    def speed(self, name: str) -> float:
        """Geometric mean over the settings of how much faster than BASELINE."""
        ratios = [timing[BASELINE].median / timing[name].median for timing in self.timings.values()]
        return statistics.geometric_mean(ratios)

    def best(self) -> str:
        """The contender that is fastest over all settings."""
        return max(self.memory, key=self.speed)


def benchmark(mask: masks.Mask, path: Path, backbone: Backbone | str | None = None, force: bool = False) -> Measured:
    """Time a mask in every way there is. Arguments and errors as of load_pruned; path: the mask's file."""
    dense = load_pruned(mask, backbone, force).model
    ways = contenders(dense)
    config = dense.backbone.config
    timings, difference = {}, dict.fromkeys((way.name for way in ways), 0.0)
    for setting in SETTINGS:
        texts, tokens = setting
        if tokens > config.max_position_embeddings:
            continue
        inputs = random_texts([tokens] * texts, config.vocab_size)
        timings[setting], apart = timed(ways, inputs, SECONDS)
        difference = {name: max(difference[name], apart[name]) for name in difference}
    parameters = sum(parameter.numel() for parameter in dense.backbone.parameters())
    sizes = {"mask": path.stat().st_size, "folded model fp32": 4 * parameters, "folded model bf16": 2 * parameters}
    return Measured(timings, {way.name: way.memory for way in ways}, difference, sizes)


def contenders(dense: LabelWordModel) -> list[Contender]:
    """The ways to compute a folded model on this machine; sparse ones where its architecture has them."""
    ways = [contender(BASELINE, dense), contender("dense bf16", copy.deepcopy(dense).to(torch.bfloat16))]
    for runtime in ("sparse", "auto"):
        try:
            ways.append(contender(runtime, with_runtime(dense, runtime)))
        except InputError:
            continue
    return ways


def contender(name: str, model: LabelWordModel) -> Contender:
    """A classifier or a question answerer as a contender."""
    return Contender(name, lambda **inputs: torch.cat(list(model(**inputs).values()), 1), weights_in_memory(model))


def with_runtime(dense: LabelWordModel, runtime: str, whole: bool = False) -> LabelWordModel:
    """The model by another runtime, sharing the weights that both need. whole: compute all tokens in the last layer,
    though a classifier needs no more than the first ones."""
    model = copy.copy(dense)
    model._modules = dict(dense._modules)
    model.backbone = runtimes.prepared(dense.backbone, runtime, isinstance(dense, SequenceClassifier) and not whole)
    return model


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
        for way in ways:
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


def weights_in_memory(model: nn.Module) -> int:
    """Bytes of all weights that a model holds, those that it shares with others included, each counted once."""
    tensors = [part for tensor in (*model.parameters(), *model.buffers()) for part in _parts(tensor)]
    return sum({tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}.values())


def _parts(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    if tensor.layout == torch.sparse_csr:
        return tensor.crow_indices(), tensor.col_indices(), tensor.values()
    return (tensor,)


def _timing(seconds: list[float]) -> Timing:
    low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return Timing(median, low, high)
