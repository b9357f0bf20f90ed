"""Runs of an experiment side by side, each a command of one thread with a log of its own, teachers first."""

import os
import subprocess
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Protocol, Self

from emmental.common.run_folder import RESULTS
from emmental.launch.seeds import by_this_python


class Run(Protocol):
    """What an experiment knows of a run: where it goes below the output folder, and the run that it learns from."""

    teacher: Self | None

    def folder(self, output: Path) -> Path: ...


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
