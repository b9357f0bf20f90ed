"""The published recipes at full length, unchanged but for the backbone, on whole tasks of GLUE: all methods at 10 and
3 %, SMP-S at the paper's 80 % too, beside dense fine-tuning.

    python -m benchmarks.experiments.full_length --data_dir glue --output_dir runs/full_length --at_once 2
    python -m benchmarks.experiments.full_length … --tasks mrpc --seeds 1 --minutes 100
    python -m benchmarks.experiments.full_length … --dry_run            # the commands
    python -m benchmarks.experiments.full_length --output_dir runs/full_length --report_only --picture full_length.png

Init, learning rates, schedule, epochs and batch are those of `python -m emmental.recipes`. Two things have to differ:
on MiniLM, with an eighth of BERT-base's encoder weights, lambda is 50 (the published 400 in runs of SMP-S beside it),
and soft movement's density is lambda's doing, so that it has a run for each of three. What is not published stands
beside: scores that start at the weights' magnitude, and our layer-wise recipe, in as many epochs. A finished run is not
repeated, and one that was stopped goes on from its last checkpoint. Each task has a comparison.md, .csv and .png of its
own below the output folder; table.md and the picture show all of them.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.experiments.side_by_side import conduct, parser_of
from emmental.common.errors import InputError, exit_on_input_error
from emmental.common.files import write_text
from emmental.common.pictures import save
from emmental.common.run_folder import RESULTS
from emmental.common.text import markdown
from emmental.launch import compare, compare_report
from emmental.launch.contestants import Contestant, parse_contestant
from emmental.recipes.table import RECIPES, epochs

TASKS = ("mrpc", "cola", "stsb", "rte", "sst2")  # the shortest first
METHODS = ("finetune", "smp-s", "smp-l", "movement", "magnitude", "soft_movement", "smp-s+kd")
OURS = ("smp-s+magnitude_init", "movement+magnitude_init", "smp-s+lkd")
DENSITIES = {"0.1": (*METHODS, *OURS), "0.03": (*METHODS, *OURS), "0.8": ("smp-s",)}  # and the methods there
PUBLISHED = "_lambda_400"  # ends the folder of the runs with the lambda of BERT-base
OF_BERT_BASE = ", lambda 400"  # ends their title
OF_MINILM = {"SMP_FLAGS": "--final_lambda 50", "SOFT_MOVEMENT_LAMBDAS": "40 120 400"}
FLAGS = ["--bf16", "True", "--disable_tqdm", "True", "--save_strategy", "steps", "--save_steps", "500"]
FLAGS += ["--save_total_limit", "1"]


@dataclass(frozen=True)
class Run:
    """A run by its folder below the output folder."""

    place: Path
    teacher: "Run | None" = None

    def folder(self, output: Path) -> Path:
        """Where it goes."""
        return output / self.place


def main() -> None:
    """Run what is not finished, then write tables and pictures. Raises InputError where nothing is finished."""
    arguments, flags = parse()
    conduct(arguments, planned(arguments, flags), lambda: write(arguments.output_dir, arguments.picture))


def parse() -> tuple[argparse.Namespace, list[str]]:
    """Our flags, and those of the runs."""
    parser = parser_of(__doc__)
    parser.set_defaults(seeds=[1, 2])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--methods", nargs="+", choices=[*METHODS, *OURS], default=[*METHODS, *OURS])
    parser.add_argument("--densities", nargs="+", choices=list(DENSITIES), default=list(DENSITIES))
    parser.add_argument("--picture", type=Path, help="where the picture goes (default: the output folder)")
    return parser.parse_known_args()


def planned(arguments: argparse.Namespace, flags: list[str]) -> dict[Run, list[str]]:
    """Every run's command: seed by seed, task by task, the higher density first, the dense model before all."""
    commands = {}
    for seed in arguments.seeds:
        for task in arguments.tasks:
            for name in (task, task + PUBLISHED):
                for density in arguments.densities:
                    commands |= compared(arguments, flags, seed, name, density)
    return commands


def compared(
    arguments: argparse.Namespace, flags: list[str], seed: int, name: str, density: str
) -> dict[Run, list[str]]:
    """The runs of one comparison, as compare.sh starts them. name: of its folder, see task_of."""
    output, published = arguments.output_dir, name.endswith(PUBLISHED)
    dense = Run(Path(name, "finetune", f"seed_{seed}"))
    environment = {
        "MODEL": arguments.backbone,
        "DATA_DIR": str(arguments.data_dir),
        "OUTPUT_DIR": str(output / name),
        "TEACHER": str(dense.folder(output)),
        "SEEDS": str(seed),
        "REPORT_TO": "none",
        **({} if published else OF_MINILM),
    }
    in_full = {"EPOCHS": str(epochs(task_of(name), float(density))), "SMP_FLAGS": ""}  # our recipe's are fewer
    commands = {}
    for method in arguments.methods:
        if method in DENSITIES[density] and (method == "smp-s" or not published):
            contestant = parse_contestant(method)
            own = environment | (in_full if contestant.lkd else {})
            jobs = compare.jobs(task_of(name), [density], [contestant], [*FLAGS, *flags], own)
            teacher = dense if contestant.taught else None
            commands |= {Run(folder.relative_to(output), teacher): job.command() for folder, job in jobs.items()}
    return commands


def task_of(name: str) -> str:
    """The task of a comparison by its folder's name, which may end with PUBLISHED."""
    return name.removesuffix(PUBLISHED)


def write(output: Path, picture: Path | None) -> str:
    """Write each task's comparison, table.md and the picture of what is finished; returns the table. Raises InputError
    where nothing is."""
    points = collected(output)
    if not points:
        raise InputError(f"{output}: no run is finished")
    command = f"python -m benchmarks.experiments.full_length --output_dir {output}"
    for name in points:
        compare_report.write(output / name, task_of(name), command, log_axis=True)
    text = markdown(table(points))
    write_text(output / "table.md", f"{text}\n")
    save(draw(points), picture or output / "table.png")
    return text


def collected(output: Path) -> dict[str, pd.DataFrame]:
    """What is finished, means over seeds, by the name of each comparison's folder."""
    points = {}
    for name in (name for task in TASKS for name in (task, task + PUBLISHED)):
        if any(output.glob(f"{name}/*/*/{RESULTS}")):
            metric = RECIPES[task_of(name)].metric
            points[name] = compare_report.over_seeds(compare_report.collect(output / name, metric), metric)
    return points


def table(points: dict[str, pd.DataFrame]) -> list[list[str]]:
    """A row per method and density, a column per task: the metric in percent, of soft movement with the density that
    came out, and of one seed where no ± stands. points: what collected returns."""
    tasks = [task for task in TASKS if any(task_of(name) == task for name in points)]
    rows = {}
    for name, found in points.items():
        for point in found.itertuples():
            rows.setdefault(head_of(point, name), {})[task_of(name)] = cell(point, task_of(name))
    head = ["", "weights", *(f"{task} ({RECIPES[task].metric})" for task in tasks)]
    return [head, *([*key[-2:], *(rows[key].get(task, "–") for task in tasks)] for key in sorted(rows))]


def head_of(point, name: str) -> tuple[int, str, float, str, str]:
    """What its row is sorted by, method, lambda and falling density, and the row's first two cells. point: a row of
    over_seeds."""
    title, place = compare_report.label(point.contestant), compare_report.ORDER.index(point.contestant)
    if point.contestant.method.lambda_decides:
        strength = point.Index.rpartition("_")[2]
        return place, "", float(strength), f"{title}, lambda {strength}", ""
    asked = 100 * (compare_report.parse_folder(point.Index)[1] or 1)
    published = OF_BERT_BASE if name.endswith(PUBLISHED) else ""
    return place, published, -asked, title + published, f"{asked:g} %"


def cell(point, task: str) -> str:
    """Mean ± standard deviation of the metric after the last step."""
    kept = f" at {100 * point.density:.1f} %" if point.contestant.method.lambda_decides else ""
    return f"{compare_report.shown_mean(point, RECIPES[task].metric, task)}{kept}"


def draw(points: dict[str, pd.DataFrame]) -> Figure:
    """A column per task that has masks, in the shape of the paper's figure, the metric over the remaining weights: a
    row of panels for each of the scores' starts. points: what collected returns."""
    lines = {name: dict(iter(found.groupby("contestant", sort=False))) for name, found in points.items()}
    tasks = [task for task in TASKS if any(has_masks(lines.get(name, {})) for name in (task, task + PUBLISHED))]
    inits = sorted({contestant.magnitude_init for found in lines.values() for contestant in found})
    figure = Figure(figsize=(2 + 4 * len(tasks), 0.4 + 3.8 * len(inits)), layout="constrained")
    panels = figure.subplots(len(inits), len(tasks), squeeze=False, sharex=True, sharey="col")
    for row, magnitude_init in zip(panels, inits, strict=True):
        for axes, task in zip(row, tasks, strict=True):
            if of_init := compare_report.of_init(lines.get(task, {}), magnitude_init):
                compare_report.draw_panel(axes, of_init, 100)
            if not magnitude_init:
                draw_published(axes, lines.get(task + PUBLISHED, {}))
            compare_report.set_log_axis(axes)
            axes.set_ylabel(f"{RECIPES[task].metric} (%)")
            axes.set_title(f"{task}, {compare_report.INITS[magnitude_init]}", fontsize="medium")
    for axes in panels[-1]:
        axes.set_xlabel("remaining weights (%)")
    compare_report.draw_legend(figure)
    return figure


def has_masks(lines: dict[Contestant, pd.DataFrame]) -> bool:
    """Whether anything but dense models is there."""
    return any(contestant.method.prunes for contestant in lines)


def draw_published(axes: Axes, lines: dict[Contestant, pd.DataFrame]) -> None:
    """Runs with the lambda of BERT-base, hollow."""
    for contestant, line in lines.items():
        title = compare_report.label(contestant) + OF_BERT_BASE
        compare_report.draw_line(axes, contestant, line, 100, title, ":", hollow=True)


if __name__ == "__main__":
    with exit_on_input_error():
        main()
