"""Requests of several tasks over one backbone of BERT-base's shape, in random order: how long all answers take.

    OMP_NUM_THREADS=1 python -m benchmarks.inference.mixed_batches

Compares each request by itself, MaskedBackbone.predict (a pass per task), and what a pass per task might be replaced
by: one pass in which every matrix is multiplied with each task's rows apart. Weights and masks are random, all texts
have one length; the ways take turns, medians. Answers must be equal.
"""

import random
import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch.nn import functional as F

from benchmarks.inference.mask_switch import random_mask, save_bert_base_shape
from emmental.inference.switching import MaskedBackbone
from emmental.pruning.masked_product import masked

CASES = ((2, 8), (8, 8), (8, 64))  # tasks, requests
WORDS = 14  # of a text
ROUNDS = 3
DENSITY = 0.1


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        save_bert_base_shape(Path(folder))
        shared = MaskedBackbone(folder)
        for number in range(max(tasks for tasks, _ in CASES)):
            shared.add(f"task {number}", random_mask(folder, DENSITY))
        print("tasks  requests  one by one  a pass per task  one pass for all")
        for tasks, count in CASES:
            draw = random.Random(0)
            requests = [
                (f"task {n % tasks}", " ".join(draw.choices(["great", "film", "a"], k=WORDS))) for n in range(count)
            ]
            draw.shuffle(requests)
            ways = {"one by one": one_by_one, "a pass per task": MaskedBackbone.predict, "one pass": one_pass}
            seconds = {name: [] for name in ways}
            answers = {}
            for _ in range(ROUNDS):
                for name, way in ways.items():
                    started = time.perf_counter()
                    answers[name] = way(shared, requests)
                    seconds[name].append(time.perf_counter() - started)
            assert answers["one by one"] == answers["a pass per task"] == answers["one pass"]
            medians = [f"{statistics.median(times):.2f} s" for times in seconds.values()]
            print(f"{tasks:5}  {count:8}  {medians[0]:>10}  {medians[1]:>15}  {medians[2]:>16}")


def one_by_one(shared: MaskedBackbone, requests: list[tuple[str, str]]) -> list[str]:
    """A pass for each request, in the order that they come in."""
    return [shared.activate(name).predict([text])[0] for name, text in requests]


@torch.inference_mode()
def one_pass(shared: MaskedBackbone, requests: list[tuple[str, str]]) -> list[str]:
    """All rows in one batch, and for each matrix a product per task with its own masked weight."""
    rows = {}
    for row, (name, _) in enumerate(requests):
        rows.setdefault(name, []).append(row)
    own = {name: shared._tasks[name].mask for name in rows}

    def product(matrix, layer):
        def forward(input):
            output = input.new_empty(*input.shape[:-1], layer.out_features)
            for name, of_task in rows.items():
                output[of_task] = F.linear(input[of_task], masked(layer.weight, own[name].bits(matrix)), layer.bias)
            return output

        return forward

    pruned = shared.activate(requests[0][0])
    for matrix, layer in shared._layers.items():
        layer.forward = product(matrix, layer)
    try:
        answers = pruned.predict([text for _, text in requests])
    finally:
        for layer in shared._layers.values():
            del layer.forward
    return answers


if __name__ == "__main__":
    main()
