"""How fast we train: our step against a dense fine-tuning step and against one of the reference code's kind.

    python -m benchmarks.training.train_step              # the table
    python -m benchmarks.training.train_step --quick      # fewer steps, below 5 minutes
    python -m benchmarks.training.train_step --json       # one JSON object

BERT-base's shape, random weights, lengths of MNLI and SQuAD. What is compared takes turns in one process, by batch;
bf16 takes its own with the dense steps. Ratios are of medians over the rounds, the spread is that of
single turns. What the steps are stands in training_steps.py; memory is measured by train_memory.py.
"""

import argparse
import contextlib
import json
import platform
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable

import datasets
import torch
import transformers
from transformers import TrainerCallback

from benchmarks.training import train_memory
from benchmarks.training.training_steps import (
    MNLI,
    SHORT,
    SQUAD,
    Batch,
    DenseStep,
    OurDistillingRun,
    OurRun,
    ReferenceStep,
    ReferenceTeacher,
    Workload,
    batches,
)
from emmental.common.processor import name_of

DENSITIES = (0.9, 0.3, 0.03)
CASES = [("local", 0.3), ("global", 0.3), *(("soft", density) for density in DENSITIES)]
GOALS = {
    "step_over_dense": ("our step / dense step, MNLI, batch 32", "<= 1.10"),
    "selection_share": ("selection and allocation, share of a step", "<= 0.04"),
    "global_over_local": ("selection from one ranking / of each matrix by itself", "<= 3"),
    "throughput_over_reference": ("examples/s over the reference's kind, MNLI, batch 32", ">= 4.5"),
    "throughput_over_reference_kd": ("the same with a teacher, ours cached", ">= 5.5"),
    "throughput_over_reference_squad": ("the same, SQuAD, batch 8", ">= 3"),
    "memory_over_dense": ("peak memory less a copy of the matrices / dense, 8 x 128", "<= 1.12"),
    "bf16_over_fp32": ("our step in fp32 / in bf16, MNLI, batch 32", ">= 1.6"),
    "bf16_over_dense": ("our step / dense step, both in bf16, SMP-S", "<= 1.15"),
    "bf16_over_dense_local": ("the same, SMP-L", "<= 1.15"),
}


class InTurn(TrainerCallback):
    """Times a run's own steps and, after each, the same batch in the hands of its rivals, each so many times."""

    def __init__(self, run: OurRun, rivals: dict[str, tuple[Callable[[Batch], None], int]]):
        self.run, self.rivals = run, rivals
        self.seconds = defaultdict(list)

    def on_step_begin(self, args, state, control, **kwargs):
        self.started = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        self.seconds["ours"].append(time.perf_counter() - self.started)
        for name, (step, turns) in self.rivals.items():
            if len(self.seconds[name]) < turns:
                started = time.perf_counter()
                step(self.run.batch)
                self.seconds[name].append(time.perf_counter() - started)


def take_turns(run: OurRun, **rivals: tuple[Callable[[Batch], None], int]) -> dict[str, list[float]]:
    """Seconds of the run's steps ("ours") and of its rivals'. What takes every turn warms up in the first."""
    timer = InTurn(run, rivals)
    run.add_callback(timer)
    run.train()
    steps = len(timer.seconds["ours"])
    return {name: some[1:] if len(some) == steps else some for name, some in timer.seconds.items()}


def selections(run: OurRun) -> dict[tuple[str, float], list[float]]:
    """Seconds that allocation and selection take after every step of the run, by allocation and density."""
    timer = Selections(run)
    run.add_callback(timer)
    run.train()
    return timer.seconds


class Selections(TrainerCallback):
    """Selects again after every step, in all cases, and puts back the step's masks."""

    def __init__(self, run: OurRun):
        self.run, self.seconds = run, defaultdict(list)

    def on_step_end(self, args, state, control, **kwargs):
        for allocation, density in CASES:
            args.magnitude_topk_threshold, args.global_topk = allocation == "soft", allocation == "global"
            self.run.selection = args.selection()
            started = time.perf_counter()
            self.run.select_masks(density)
            self.seconds[allocation, density].append(time.perf_counter() - started)
        self.run.select_masks()


class Benchmark:
    """Takes the measurements; ``figures`` holds the ratios by name and ``<name>_spread``, the least and greatest turn.

    beside_dense: batches of different lengths, and how often each is computed; beside_reference: the same. A reference
    step takes half a minute; ratios of 4 to 9 need fewer turns than one near 1.
    """

    def __init__(self, beside_dense: tuple[int, int], beside_reference: tuple[int, int], folder: str):
        self.beside_dense, self.beside_reference, self.folder = beside_dense, beside_reference, folder
        self.figures: dict = {}

    def measure(self) -> dict:
        """All figures."""
        for part in (
            self.over_dense,
            self.over_dense_bf16,
            self.selection,
            self.over_reference,
            self.squad,
            self.memory,
        ):
            started = time.perf_counter()
            part()
            print(f"{part.__name__}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
        return self.figures

    def over_dense(self) -> None:
        """Ours against dense, in fp32 and in bf16."""
        todo = repeated(MNLI, *self.beside_dense)
        dense = DenseStep(MNLI), len(todo)
        fp32 = take_turns(OurRun(MNLI, todo, self.folder), dense=dense)
        bf16 = take_turns(OurRun(MNLI, todo, self.folder, bf16=True), dense=dense)
        _, rounds = self.beside_dense
        self.step = mean(fp32["ours"], rounds)
        over_dense = self.step / mean(fp32["dense"], rounds)
        self.put("step_over_dense", over_dense, ratios(fp32["ours"], fp32["dense"]))
        faster = mean(bf16["dense"], rounds) / mean(bf16["ours"], rounds)
        spread = [over_dense * ratio for ratio in ratios(bf16["dense"], bf16["ours"])]
        self.put("bf16_over_fp32", over_dense * faster, spread)

    def over_dense_bf16(self) -> None:
        """Ours against dense where both compute in bf16."""
        todo = repeated(MNLI, *self.beside_dense)
        _, rounds = self.beside_dense
        for name, soft in (("bf16_over_dense", True), ("bf16_over_dense_local", False)):
            run = OurRun(MNLI, todo, self.folder, bf16=True, soft=soft)
            seconds = take_turns(run, dense=(DenseStep(MNLI, bf16=True), len(todo)))
            turns = ratios(seconds["ours"], seconds["dense"])
            self.put(name, mean(seconds["ours"], rounds) / mean(seconds["dense"], rounds), turns)

    def over_reference(self) -> None:
        """Ours against the reference, without its teacher and with it: ours is the distilling step for both."""
        _, rounds = self.beside_reference
        run = OurDistillingRun(MNLI, repeated(MNLI, *self.beside_reference), self.folder)
        rivals = {"reference": (ReferenceStep(MNLI), rounds), "teacher": (ReferenceTeacher(MNLI), rounds)}
        seconds = take_turns(run, **rivals)
        taught = [sum(pair) for pair in zip(seconds["reference"], seconds["teacher"], strict=True)]
        step = mean(seconds["ours"], rounds)
        for name, some in (("", seconds["reference"]), ("_kd", taught)):
            turns = [turn / step for turn in some]
            self.put(f"throughput_over_reference{name}", statistics.median(turns), turns)

    def selection(self) -> None:
        """The share of allocation and selection in a step: the highest of the medians over densities and starts.

        Scores that start at zero tie in the first steps; the others start as magnitudes. Beside it the time of global
        selection over that of local: the highest of the medians, too.
        """
        shares, over_local = {}, {}
        for start, init, steps in (("from zero", 0.0, 20), ("from magnitudes", 0.5, 3)):
            seconds = selections(OurRun(SHORT, batches(SHORT, 1) * steps, self.folder, init=init))
            over_local[start] = ratios(seconds["global", 0.3], seconds["local", 0.3])
            for density in DENSITIES:
                shares[f"{density:g}, scores {start}"] = [some / self.step for some in seconds["soft", density]]
        self.put_worst("selection_share", shares)
        self.put_worst("global_over_local", over_local)
        self.figures["selection_shares"] = {case: statistics.median(some) for case, some in shares.items()}

    def squad(self) -> None:
        """Ours against the reference on long texts."""
        _, rounds = self.beside_reference
        run = OurRun(SQUAD, repeated(SQUAD, *self.beside_reference), self.folder)
        seconds = take_turns(run, reference=(ReferenceStep(SQUAD), rounds))
        step, reference = mean(seconds["ours"], rounds), seconds["reference"]
        name = "throughput_over_reference_squad"
        self.put(name, statistics.median(reference) / step, [s / step for s in reference])

    def memory(self) -> None:
        """Peak memory, from processes of their own."""
        peaks = train_memory.peaks()
        beyond = (peaks["ours"] - peaks["copy"]) / peaks["dense"]
        self.put("memory_over_dense", beyond, [beyond])
        self.figures["memory_megabytes"] = peaks

    def put(self, name: str, value: float, turns: list[float]) -> None:
        """Keep a figure and its spread."""
        self.figures |= {name: value, f"{name}_spread": [min(turns), max(turns)]}

    def put_worst(self, name: str, cases: dict[str, list[float]]) -> None:
        """Keep the highest of the cases' medians, and the spread of all."""
        self.put(name, max(map(statistics.median, cases.values())), [turn for some in cases.values() for turn in some])


def repeated(workload: Workload, lengths: int, rounds: int) -> list[Batch]:
    """Batches of so many lengths, so many rounds of them, after one that warms up."""
    some = batches(workload, lengths)
    return [some[-1], *some * rounds]


def mean(seconds: list[float], rounds: int) -> float:
    """Seconds per batch: the mean over the batches of the medians over the rounds."""
    count = len(seconds) // rounds
    return statistics.mean(statistics.median(seconds[number::count]) for number in range(count))


def ratios(ours: list[float], others: list[float]) -> list[float]:
    """Turn by turn."""
    return [a / b for a, b in zip(ours, others, strict=True)]


def table(figures: dict) -> str:
    """What is printed without --json."""
    lines = [f"{'':58} {'measured':>8}  {'spread':>13}  goal"]
    for name, (title, goal) in GOALS.items():
        low, high = figures[f"{name}_spread"]
        lines.append(f"{title:58} {figures[name]:8.3f}  {low:5.3f} - {high:5.3f}  {goal}")
    lines += [f"  selection at density {name:27} {share:18.3f}" for name, share in figures["selection_shares"].items()]
    peaks = figures["memory_megabytes"]
    lines.append(f"  peak memory: ours {peaks['ours']:,} MB, dense {peaks['dense']:,} MB, a copy {peaks['copy']} MB")
    lines.append(f"  {figures['machine']}, {figures['versions']}")
    return "\n".join(lines)


def machine() -> str:
    """CPU and threads."""
    model = name_of(torch.device("cpu"))
    return f"{model}, {torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the middle length alone, fewer rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        quick, whole = ((1, 4), (2, 1)), ((3, 3), (2, 3))
        figures = Benchmark(*quick if arguments.quick else whole, folder).measure()
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, transformers {transformers.__version__}"
    figures |= {"machine": machine(), "versions": versions}
    print(json.dumps(figures) if arguments.json else table(figures))


if __name__ == "__main__":
    main()
