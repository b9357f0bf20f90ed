"""One table of several tasks' comparisons, in Markdown: methods and densities by task.

DATA_DIR=glue bash benchmarks/glue_table.sh     # makes the runs, see there
python -m benchmarks.glue_table comparisons
"""

import sys
from pathlib import Path

from emmental import recipes
from emmental.comparison_report import after_last_step, collect, label
from emmental.tables import markdown


def main() -> None:
    """Print the metrics after the last step, then the seconds, of all finished runs in the folder of comparisons."""
    folder = Path(sys.argv[1])
    tasks = [task for task in recipes.RECIPES if (folder / task).is_dir()]
    print(markdown(rows(folder, tasks, metric, "")))
    print()
    print(markdown(rows(folder, tasks, lambda run, task: f"{run['seconds']:.0f} s", " s")))


def metric(run: dict, task: str) -> str:
    """The task's metric in percent."""
    return f"{100 * after_last_step(run, recipes.RECIPES[task].metric):.1f}"


def rows(folder: Path, tasks: list[str], shown, unit: str) -> list[list[str]]:
    """The head, then a row per method and density."""
    cells = {}
    for task in tasks:
        for point in collect(folder / task):
            name = label(point.contestant) + (f", {100 * point.asked:g} %" if point.asked else "")
            cells.setdefault(name, {})[task] = shown(point.runs[0], task)
            if not unit:
                name = f"majority_eval_{recipes.RECIPES[task].metric}"
                cells.setdefault("majority class", {})[task] = f"{100 * point.runs[0].get(name, 0):.1f}"
    names = sorted(cells, key=lambda name: name == "majority class")
    head = ["", *(f"{task} ({recipes.RECIPES[task].metric})" if not unit else task for task in tasks)]
    return [head, *([name, *(cells[name].get(task, "") for task in tasks)] for name in names)]


if __name__ == "__main__":
    main()
