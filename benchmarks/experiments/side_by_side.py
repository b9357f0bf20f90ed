"""Runs of an experiment side by side, each a command of one thread with a log of its own, teachers first."""

import argparse
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Protocol, Self

from emmental.common.run_folder import MODEL, RESULTS
from emmental.launch.seeds import by_this_python


class Run(Protocol):
    """What an experiment knows of a run: where it goes below the output folder, and the run that it learns from."""

    teacher: Self | None

    def folder(self, output: Path) -> Path: ...


def parser_of(docstring: str) -> argparse.ArgumentParser:
    """The flags that all experiments have. docstring: of the script."""
    parser = argparse.ArgumentParser(description=docstring.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--data_dir", type=Path, default=Path("glue"), help="folder with GLUE's folders")
    parser.add_argument("--backbone", default="minilm", help="folder, Hub name or minilm")
    parser.add_argument("--output_dir", type=Path, required=True, help="where runs and what they show go")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--at_once", type=int, default=1, help="runs side by side, of one thread each")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after which no run is started")
    parser.add_argument("--dry_run", action="store_true", help="print the commands of what is not finished")
    parser.add_argument("--report_only", action="store_true", help="show what is finished, run nothing")
    return parser


def conduct(
    arguments: argparse.Namespace,
    commands: dict[Run, list[str]],
    write: Callable[[], str],
    prepare: Callable[[dict[Run, list[str]]], None] = lambda commands: None,
) -> None:
    """Carry an experiment out as the flags of parser_of say: run what is not finished, then print what write returns.
    Ends with status 1 where a run failed.

    prepare: called with the commands that are to be run before the first of them starts, and not in a dry run.
    """
    output, failed = arguments.output_dir, []
    if not arguments.report_only:
        commands = {run: commands[run] for run in to_do(list(commands), output)}
        if arguments.dry_run:
            print(*map(shlex.join, commands.values()), sep="\n")
            return
        prepare(commands)
        failed = finish(commands, output, arguments.at_once, time.monotonic() + 60 * arguments.minutes)
    print(write())
    if failed:
        sys.exit(f"{len(failed)} runs failed: see {failed[0]}")


def to_do(runs: list[Run], output: Path) -> list[Run]:
    """The runs that are not finished, and the teachers among the others whose weights they lack."""
    unfinished = [run for run in runs if not (run.folder(output) / RESULTS).exists()]
    teachers = {run.teacher for run in unfinished}
    lost = [run for run in runs if run in teachers and not (run.folder(output) / MODEL).exists()]
    return [run for run in runs if run in unfinished or run in lost]


def finish(commands: dict[Run, list[str]], output: Path, at_once: int, deadline: float) -> list[Path]:
    """Run the commands, some at once, each as soon as its teacher is there. Returns the logs of those that failed.

    deadline: the monotonic time after which none is started.
    """
    waiting, going, failed = list(commands), {}, []
    with ThreadPoolExecutor(at_once) as pool:
        while True:
            ready = [run for run in waiting if not run.teacher or (run.teacher not in {*waiting, *going.values()})]
            for run in ready[: at_once - len(going)] if time.monotonic() < deadline else []:
                waiting.remove(run)
                going[pool.submit(start, commands[run], run.folder(output))] = run
            if not going:
                return failed
            for ended in wait(going, return_when=FIRST_COMPLETED).done:
                run, seconds = going.pop(ended), ended.result()
                left = f"{len(going)} going, {len(waiting)} waiting"
                if seconds is None:
                    failed.append(log_of(run.folder(output)))
                    print(f"failed: {failed[-1]}; {left}", flush=True)
                    waiting = [other for other in waiting if other.teacher != run]
                else:
                    print(f"{run.folder(output).relative_to(output)}: {seconds:.0f} s; {left}", flush=True)


def start(command: list[str], folder: Path) -> float | None:
    """Run a command of one thread to its end, its words into a log beside the folder: seconds, None where it failed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    overwrite = ["--overwrite_output_dir"] if (folder / RESULTS).exists() else []
    began = time.monotonic()
    with log_of(folder).open("w") as log:
        done = subprocess.run(
            by_this_python([*command, *overwrite]),
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
    return None if done.returncode else time.monotonic() - began


def log_of(folder: Path) -> Path:
    """Where a run's words go."""
    return folder.with_suffix(".log")
