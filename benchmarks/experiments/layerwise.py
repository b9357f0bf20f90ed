"""Masks that learn from their teacher's layers beside dense fine-tuning in as many steps: runs, tables and a picture.

    python -m benchmarks.experiments.layerwise --data_dir glue --squad_dir squad --output_dir runs/layerwise --at_once 2
    python -m benchmarks.experiments.layerwise … --part choice          # settings, on held-back training data
    python -m benchmarks.experiments.layerwise … --dry_run              # the commands
    python -m benchmarks.experiments.layerwise --output_dir runs/layerwise --report_only --picture gap.png

Parts: main (six tasks at 10, 3 and 50 %), longer (MNLI in 2 and 4 times the steps), ablation (each piece of the recipe
left out, and alone), choice. The dense models come first, then what says most; a finished run is not repeated. All
other flags go to every run.
"""

import argparse
from pathlib import Path

from benchmarks.experiments import held_back, layerwise_report
from benchmarks.experiments.layerwise_runs import PARTS, TASKS, Places, planned
from benchmarks.experiments.side_by_side import conduct, parser_of
from emmental.common.errors import exit_on_input_error
from emmental.launch.flags import read_flags
from emmental.launch.jobs import is_span


def main() -> None:
    """Run what is not finished, then write tables and picture. Raises InputError for flags that no run knows, and where
    nothing is finished."""
    arguments, flags = parse()
    output = arguments.output_dir
    places = Places(arguments.data_dir, arguments.squad_dir, arguments.backbone, output)
    runs = planned(arguments.part, arguments.tasks, arguments.seeds, arguments.densities)
    commands = {run: [*run.command(places), *flags] for run in runs}
    for run, command in commands.items():
        read_flags(command[2:], is_span(run.task))  # before anything starts

    def prepare(commands):
        if any(run.held_back for run in commands):
            held_back.write(places.glue, places.held_back)
            held_back.write_questions(places.squad_files()[0], places.questions)

    conduct(arguments, commands, lambda: layerwise_report.write(output, arguments.picture), prepare)


def parse() -> tuple[argparse.Namespace, list[str]]:
    """Our flags, and those of the runs."""
    parser = parser_of(__doc__)
    parser.add_argument("--squad_dir", type=Path, default=Path("squad"), help="folder with SQuAD's files")
    parser.add_argument("--picture", type=Path, help="where the picture goes (default: the output folder)")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=["main"])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--densities", nargs="+", type=float, default=[0.1, 0.03, 0.5], help="of the main part")
    return parser.parse_known_args()


if __name__ == "__main__":
    with exit_on_input_error():
        main()
