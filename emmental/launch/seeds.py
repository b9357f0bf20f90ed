"""Several runs one after another, and the mean of what runs of several seeds measured. Knows of runs only their output
folders."""

import difflib
import json
import shlex
import signal
import statistics
import subprocess
import sys
from pathlib import Path

from emmental.common.errors import InputError
from emmental.common.run_folder import NOT_METRICS, RESULTS, SETTINGS
from emmental.common.text import listing
from emmental.recipes import paper_results


def run(commands: dict[Path, list[str]], published: dict[str, float], again: bool) -> None:
    """Run the command of each seed's output folder, but for finished runs unless ``again``; print the mean over all.

    published: figures in percent to show beside.
    """
    finish(commands, again)
    print(summary(list(commands), published))


def finish(commands: dict[Path, list[str]], again: bool = False) -> None:
    """Run the command of each output folder, but for finished runs unless ``again``. Ends with a failed run's exit
    status at once."""
    for folder, command in commands.items():
        if (folder / RESULTS).exists() and not again:
            print(f"{folder} is finished and stays", flush=True)
            continue
        print(shlex.join(command), flush=True)
        if status := _run(command):
            print(f"error: the run of {folder} ended with exit status {status}", file=sys.stderr)
            sys.exit(status)


def check_command(folder: Path, words: list[str]) -> None:
    """Raise InputError where the folder holds a finished run of another command than that with these flags."""
    if not (folder / RESULTS).exists():
        return
    before = shlex.split(json.loads((folder / RESULTS).read_text())["command"])[2:]
    if before != words:
        other = ", ".join(word for word in difflib.ndiff(before, words) if word[0] in "-+")
        raise InputError(
            f"{folder} holds a run of another command (- it, + this one: {other}): set another OUTPUT_DIR, or "
            f"remove that folder"
        )


def by_this_python(command: list[str]) -> list[str]:
    """A command as it is shown, which begins with ``python``, as this process starts it."""
    return [sys.executable, *command[1:]]


def _run(command: list[str]) -> int:
    child = subprocess.Popen(by_this_python(command))
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())  # which saves itself; the series ends with it
    return child.wait()


def summary(folders: list[Path], published: dict[str, float]) -> str:
    """Mean, standard deviation (n - 1) and single values of the metrics in these folders.

    Raises InputError where the runs differ in more than their seed.
    """
    check_alike(folders)
    results = [json.loads((folder / RESULTS).read_text()) for folder in folders]
    rows = {}
    for name in results[0]:
        if name.startswith("eval_") and not name.endswith(NOT_METRICS):
            metric, values = name.removeprefix("eval_"), [result[name] for result in results]
            spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
            beside = paper_results.beside(results[0]["task"], published.get(metric))
            single = " ".join(f"{value:.4f}" for value in values)
            rows[metric] = f"{statistics.mean(values):.4f}{spread}  (of {single}){beside}"
    seeds = " ".join(str(result["seed"]) for result in results)
    return listing(f"mean ± standard deviation of {folders[0].parent} over seeds {seeds}", rows)


def check_alike(folders: list[Path]) -> None:
    """Raise InputError where a run's settings are not those of the first, seeds apart."""
    first, *others = [json.loads((folder / SETTINGS).read_text()) for folder in folders]
    for folder, settings in zip(folders[1:], others, strict=True):
        differing = [name for name in first if name != "seed" and first[name] != settings.get(name)]
        if differing:
            raise InputError(
                f"{folders[0]} and {folder} differ in {', '.join(differing)}, so there is no mean over them: set "
                f"another OUTPUT_DIR, or add --overwrite_output_dir to run all seeds anew"
            )
