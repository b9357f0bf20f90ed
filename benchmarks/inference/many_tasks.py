"""Several tasks on one backbone in one process: memory, and texts per second of requests of all tasks in random order.

    OMP_NUM_THREADS=2 python -m benchmarks.inference.many_tasks                 # about 3 minutes; 6 GB
    OMP_NUM_THREADS=2 python -m benchmarks.inference.many_tasks MASK MASK …     # masks for single texts

Compares folded models with weights of their own, sparse models that share the backbone's embeddings, and a
MaskedBackbone, one by one and in batches, where each task's texts are computed together. Without MASK: 8 random masks
at 3 % over random weights of BERT-base's shape. Memory is the process's own (Linux). The pages of the backbone's file,
which is mapped into memory and changed by none of them, come on top once for all tasks. The ways take turns, medians
and quartiles. Answers must be equal.
"""

import copy
import gc
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.inference.mask_switch import random_mask, save_bert_base_shape
from emmental import MaskedBackbone, load_pruned, masks
from emmental.benchmark.memory import give_back, resident
from emmental.benchmark.report import machine
from emmental.benchmark.timing import Timing, in_turn
from emmental.common.text import aligned
from emmental.inference.sentences import Pruned
from emmental.models.backbones import Backbone, load_backbone

TASKS, DENSITY = 8, 0.03  # of the random masks
REQUESTS, WORDS = 32, 30
SECONDS = 20.0  # of one number of tasks, and of one way to send requests
Answering = dict[str, Pruned]  # by task


def main(files: list[Path]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = files or random_mask_files(Path(folder))
        folded(files[:1])  # what the first one loads stays
        rows = [["tasks", "", "own memory", "texts/s one by one", f"texts/s in batches of {REQUESTS}"]]
        for count in sorted({1, len(files)}):
            rows += measure(files[:count])
    print(f"{REQUESTS} requests of {WORDS} words; {machine()}")
    print(aligned(rows))


def random_mask_files(folder: Path) -> list[Path]:
    """Files of random masks over random weights of BERT-base's shape."""
    save_bert_base_shape(folder / "bert")
    files = [folder / f"{number}.safetensors" for number in range(TASKS)]
    for file in files:
        masks.save(random_mask(str(folder / "bert"), DENSITY), file)
    return files


def measure(files: list[Path]) -> list[list[str]]:
    """A row for each way to have these tasks ready."""
    memory = {way.__name__: memory_of(way, files) for way in WAYS}  # none while another one is there
    ways = {way.__name__: way(files) for way in WAYS}
    draw = random.Random(0)
    requests = [(str(n % len(files)), " ".join(draw.choices(["great", "film", "a"], k=WORDS))) for n in range(REQUESTS)]
    draw.shuffle(requests)
    single, batched = (served(ways, requests, send) for send in (one_by_one, in_batches))
    return [
        [str(len(files)), name, f"{memory[name] / 1e6:,.0f} MB", *(rate(each[name]) for each in (single, batched))]
        for name in ways
    ]


def folded(files: list[Path]) -> Answering:
    """A dense model for each."""
    return {str(number): load_pruned(file) for number, file in enumerate(files)}


def sparse(files: list[Path]) -> Answering:
    """A sparse model for each, with embeddings of all."""
    backbone = load_backbone(masks.load(files[0]).info.base_model)
    return {str(number): load_pruned(file, beside(backbone), runtime="sparse") for number, file in enumerate(files)}


def beside(backbone: Backbone) -> Backbone:
    """A copy of the backbone that shares its embeddings, which no mask changes."""
    embeddings = backbone.model.get_input_embeddings().weight
    return replace(backbone, model=copy.deepcopy(backbone.model, {id(embeddings): embeddings}))


def switched(files: list[Path]) -> Answering:
    """One backbone that each mask is multiplied in anew."""
    backbone = MaskedBackbone(masks.load(files[0]).info.base_model)
    for number, file in enumerate(files):
        backbone.add(str(number), file)
    return {name: backbone.activate(name) for name in backbone.names()}


WAYS = folded, sparse, switched


def memory_of(way: Callable[[list[Path]], Answering], files: list[Path]) -> int:
    """Bytes of the process's own memory that tasks take which are ready in this way."""
    before = settled()
    answering = way(files)
    took = settled() - before
    del answering
    return took


def settled() -> int:
    """Bytes of the process's own memory when what is no longer needed was given back."""
    gc.collect()
    give_back()
    return resident("RssAnon")


def served(ways: dict[str, Answering], requests: list[tuple[str, str]], send: Callable) -> dict[str, Timing]:
    """Timings of all answers."""
    answers = [send(answering, requests) for answering in ways.values()]  # warms up, too
    assert all(np.allclose(own, answers[0], atol=1e-4) for own in answers)
    return in_turn({name: partial(send, answering, requests) for name, answering in ways.items()}, SECONDS)


def one_by_one(answering: Answering, requests: list[tuple[str, str]]) -> np.ndarray:
    """Probabilities [requests, labels], a pass for each request."""
    return np.concatenate([answering[name].probabilities([text]) for name, text in requests])


def in_batches(answering: Answering, requests: list[tuple[str, str]]) -> np.ndarray:
    """The same in a pass for each task."""
    places = {}
    for place, (name, _) in enumerate(requests):
        places.setdefault(name, []).append(place)
    found = [answering[name].probabilities([requests[place][1] for place in own]) for name, own in places.items()]
    return np.concatenate(found)[np.argsort(np.concatenate(list(places.values())))]


def rate(timing: Timing) -> str:
    """Texts per second: of the median, and of the quartiles."""
    low, median, high = (REQUESTS / seconds for seconds in (timing.high, timing.median, timing.low))
    return f"{median:,.1f} ({low:,.1f} - {high:,.1f})"


if __name__ == "__main__":
    main([Path(word) for word in sys.argv[1:]])
