"""Masks beside parameter-efficient training in as many steps on the same data: LoRA, BitFit, a linear probe, dense.

    python -m benchmarks.experiments.adapters --data_dir glue --output_dir runs/adapters --at_once 2
    python -m benchmarks.experiments.adapters … --part choice       # learning rates, on held-back training data
    python -m benchmarks.experiments.adapters … --dry_run           # the commands
    python -m benchmarks.experiments.adapters --output_dir runs/adapters --report_only

Masks are those of layerwise.py, which learn from the dense model. A finished run is not repeated. What is trained, what
a task costs in bytes, and seconds stand beside the metrics; what a text costs is measured by `smp benchmark`: a merged
LoRA, BitFit and the probe cost what the dense model costs. All other flags go to every run.
"""

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.experiments import held_back, layerwise_report
from benchmarks.experiments.layerwise_runs import CHIEF, DENSE, FULL, MASKS, Places, Run
from benchmarks.experiments.side_by_side import conduct, parser_of
from emmental.common.errors import exit_on_input_error
from emmental.common.files import write_json, write_text
from emmental.common.text import markdown, volume
from emmental.recipes.table import RECIPES

RATES = {"lora8": "1e-3", "lora16": "1e-3", "bitfit": "3e-3", "probe": "3e-1"}  # the best of TRIED, see docs/LOG.md
TRIED = {  # both ranks take the rate of rank 8, as alpha grows with the rank
    "lora8": ("3e-4", "1e-3", "3e-3", "1e-2"),
    "bitfit": ("3e-4", "1e-3", "3e-3", "1e-2"),
    "probe": ("1e-3", "3e-3", "1e-2", "3e-2", "1e-1", "3e-1"),
}
TRIED_ON = ("stsb", "cola")
MASKED = ((FULL, CHIEF), (MASKS, CHIEF), (FULL, 0.03))
TASKS = ("mnli", "sst2", "stsb", "mrpc", "cola")
TITLES = {  # rows in this order
    DENSE: "dense",
    "lora8": "LoRA, rank 8",
    "lora16": "LoRA, rank 16",
    "bitfit": "BitFit",
    "probe": "linear probe",
    FULL: "mask, norms and biases",
    MASKS: "mask",
}
WRITTEN = ("adapter.safetensors", "mask.safetensors", "model.safetensors")  # what a task costs, the first that is there


@dataclass(frozen=True)
class Adapted(Run):
    """A run of adapter_run.py. method: the adapter, with ``=`` and a learning rate where that is tried."""

    teacher = None  # it learns from the labels alone

    def command(self, places: Places) -> list[str]:
        """The dense run's with the adapter in place of all weights."""
        words = Run(self.task, DENSE, 1.0, self.seed, self.times, self.held_back).command(places)[2:]
        adapter, _, rate = self.method.partition("=")
        flags = dict(zip(words[::2], words[1::2], strict=True)) | {
            "--learning_rate": rate or RATES[adapter],
            "--output_dir": str(self.folder(places.output)),
        }
        script = ["python", "-m", "benchmarks.experiments.adapter_run", "--adapter", adapter]
        return [*script, *(word for pair in flags.items() for word in pair)]


def main() -> None:
    """Run what is not finished, then write the table. Raises InputError where nothing is finished."""
    arguments, flags = parse()
    output = arguments.output_dir
    places = Places(arguments.data_dir, Path(), arguments.backbone, output)
    planned = choices(arguments) if arguments.part == "choice" else compared(arguments)
    commands = {run: [*run.command(places), *flags] for run in planned}

    def prepare(commands):
        if arguments.part == "choice":
            held_back.write(places.glue, places.held_back)

    conduct(arguments, commands, lambda: write(output), prepare)


def parse() -> tuple[argparse.Namespace, list[str]]:
    """Our flags, and those of the runs."""
    parser = parser_of(__doc__)
    parser.add_argument("--part", choices=("main", "choice"), default="main")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=["mnli", "sst2", "stsb"])
    return parser.parse_known_args()


def compared(arguments: argparse.Namespace) -> Iterator[Run]:
    """All ways on all tasks, dense models first: masks learn from them."""
    pairs = [(seed, task) for seed in arguments.seeds for task in arguments.tasks]
    yield from (Run(task, DENSE, 1.0, seed) for seed, task in pairs)
    yield from (Adapted(task, adapter, 1.0, seed) for adapter in RATES for seed, task in pairs)
    yield from (Run(task, method, density, seed) for method, density in MASKED for seed, task in pairs)


def choices(arguments: argparse.Namespace) -> Iterator[Run]:
    """Each adapter at several learning rates, on training data that were held back."""
    for seed in arguments.seeds:
        for adapter, rates in TRIED.items():
            for rate in rates:
                yield from (Adapted(task, f"{adapter}={rate}", 1.0, seed, held_back=True) for task in TRIED_ON)


def write(output: Path) -> str:
    """Write table.md and table.json of what is finished; returns the tables. Raises InputError where nothing is."""
    runs = layerwise_report.collect(output)
    runs["bytes"] = [written(Run(*row).folder(output)) for row in runs[list(Run.__dataclass_fields__)].to_numpy()]
    parts = {
        "Beside masks": runs[~runs["held_back"]],
        "Learning rates, on training data held back": runs[runs["held_back"]],
    }
    text = "\n\n".join(f"**{title}**\n\n{markdown(table(part))}" for title, part in parts.items() if len(part))
    write_text(output / "table.md", f"{text}\n")
    write_json(output / "table.json", layerwise_report.records(runs))
    return text


def written(folder: Path) -> float:
    """Bytes of what a run leaves for its task, NaN where only its results were kept."""
    return next((float((folder / name).stat().st_size) for name in WRITTEN if (folder / name).exists()), math.nan)


def place(way: tuple[str, float]) -> tuple:
    """Where the row of a method at a density stands: in the order of TITLES, then by learning rate, then the higher
    density first."""
    method, density = way
    name, _, rate = method.partition("=")
    return list(TITLES).index(name), float(rate or 0), -density


def table(runs: pd.DataFrame) -> list[list[str]]:
    """A row per way: metrics in percent with their share of the dense model's, and what it costs."""
    tasks = [task for task in TASKS if task in set(runs["task"])]
    head = [*(f"{task} ({RECIPES[task].metric})" for task in tasks), "trained numbers", "bytes of a task", "s per run"]
    rows = [["", "weights", *head]]
    points = layerwise_report.over_seeds(runs)
    ways = dict(list(runs.groupby(["method", "density"])))
    for method, density in sorted(ways, key=place):
        of_way, (name, _, rate) = ways[method, density], method.partition("=")
        found = {task: points.loc[(task, method, density)].iloc[0] for task in tasks if task in set(of_way["task"])}
        rows.append(
            [
                TITLES[name] + (f", {rate}" if rate else ""),
                f"{100 * density:g} %",
                *(layerwise_report.cell(found[task]) if task in found else "–" for task in tasks),
                f"{of_way['trained_parameters'].median():,.0f}",
                "–" if of_way["bytes"].isna().all() else volume(of_way["bytes"].median()),
                f"{of_way['seconds'].median():.0f}",
            ]
        )
    return rows


if __name__ == "__main__":
    with exit_on_input_error():
        main()
