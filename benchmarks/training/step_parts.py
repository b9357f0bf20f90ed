"""What a training step on the CPU has that a dense fine-tuning step has not: both by their parts, in turn.

    python -m benchmarks.training.step_parts              # in bf16, SMP-S; --local: SMP-L; --fp32; --rounds 16

BERT-base's shape, batches of 32 x 41 tokens (MNLI's median). Medians in milliseconds and quartiles. The last line is
arithmetic, no measurement: what the ratio would be where the products took a part of their time and all else as long.
"""

import argparse
import statistics
import tempfile
import time
from collections import defaultdict

import datasets
from torch.profiler import profile
from transformers import TrainerCallback

from benchmarks.training.train_step import machine, ratios, take_turns
from benchmarks.training.training_steps import MNLI, Batch, DenseStep, OurRun, batches

PARTS = ("forward", "backward", "clipping", "optimiser", "selection")
PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm")
CHEAPER = 5  # as products on a processor with AMX may be


class Parts:
    """Milliseconds of each part of each step, by the part's name."""

    def __init__(self):
        self.milliseconds = defaultdict(list)

    def begin(self) -> None:
        self.since = time.perf_counter()

    def done(self, part: str) -> None:
        now = time.perf_counter()
        self.milliseconds[part].append(1000 * (now - self.since))
        self.since = now


class Clipped(TrainerCallback):
    """Notes when gradients are clipped."""

    def __init__(self, parts: Parts):
        self.parts = parts

    def on_pre_optimizer_step(self, *arguments, **settings):
        self.parts.done("clipping")


class OurParts(OurRun):
    """A training run that notes when its parts are over; the regulariser belongs to the backward pass."""

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self.parts = Parts()
        self.add_callback(Clipped(self.parts))

    def training_step(self, *arguments):
        self.parts.begin()
        loss = super().training_step(*arguments)
        self.parts.done("backward")
        return loss

    def compute_loss(self, *arguments, **settings):
        result = super().compute_loss(*arguments, **settings)
        self.parts.done("forward")
        return result

    def select_masks(self, density: float | None = None) -> None:
        begun = bool(self.parts.milliseconds)
        if begun:
            self.parts.done("optimiser")
        super().select_masks(density)
        if begun:
            self.parts.done("selection")


def dense_parts(bf16: bool, parts: Parts):
    """A dense step that notes its parts."""
    dense = DenseStep(MNLI, bf16=bf16)

    def step(batch: Batch) -> None:
        parts.begin()
        dense(batch, parts.done)

    return step


def of_products(bf16: bool) -> float:
    """Milliseconds that the products of a dense step take under the profiler: the second one's."""
    dense, (batch,) = DenseStep(MNLI, bf16=bf16), batches(MNLI, 1)
    dense(batch)
    with profile() as recorded:
        dense(batch)
    return sum(some.self_cpu_time_total for some in recorded.key_averages() if some.key in PRODUCTS) / 1000


def row(name: str, *some: list[float]) -> str:
    return f"| {name} | " + " | ".join(with_quartiles(values) for values in some) + " |"


def with_quartiles(values: list[float], digits: int = 0) -> str:
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--local", action="store_true", help="SMP-L instead of SMP-S")
    parser.add_argument("--fp32", action="store_true", help="in fp32 instead of bf16")
    parser.add_argument("--rounds", type=int, default=16, help="steps of each")
    arguments = parser.parse_args()
    bf16 = not arguments.fp32
    datasets.disable_progress_bars()
    parts = Parts()
    with tempfile.TemporaryDirectory() as folder:
        todo = batches(MNLI, 1) * (arguments.rounds + 1)
        run = OurParts(MNLI, todo, folder, bf16=bf16, soft=not arguments.local)
        seconds = take_turns(run, dense=(dense_parts(bf16, parts), len(todo)))
    ours, dense = run.parts.milliseconds, parts.milliseconds
    print("| part | ours, ms | dense, ms |\n|---|---|---|")
    for part in PARTS:
        print(row(part, ours[part][1:], dense[part][1:]) if part in dense else row(part, ours[part][1:]) + " |")
    whole = {name: [1000 * step for step in some] for name, some in seconds.items()}
    print(row("whole step", whole["ours"], whole["dense"]))
    print(f"\nours over dense: {with_quartiles(ratios(whole['ours'], whole['dense']), 3)}; {machine()}")
    products, saved = of_products(bf16), 1 - 1 / CHEAPER
    us, them = (statistics.median(whole[name]) for name in ("ours", "dense"))
    cheaper = (us - saved * products) / (them - saved * products)
    print(f"products {products:.0f} ms; were they {CHEAPER} times cheaper, by arithmetic: {cheaper:.2f} times dense")


if __name__ == "__main__":
    main()
