"""Tiny runs of every kind, started as a user would, killed and repeated. Used by the other files here."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.helpers.tiny import (
    ROOT,
    command_line,
    data_flags,
    environment,
    save_tiny_bert,
    short_run,
    tiny_config,
    write_questions,
    write_reviews,
)  # fmt: skip

MASK = "mask.safetensors"
PATIENCE = 300  # seconds that no tiny run needs
PYTEST = [sys.executable, "-m", "pytest", "--quiet", f"--rootdir={ROOT}"]


@dataclass
class Run:
    """A command, its variables, and the mask that it leaves when nothing disturbs it."""

    words: list[str]
    variables: dict[str, str]
    seconds: float = 0.0
    mask: bytes = field(default=b"", repr=False)

    def start(self, folder: Path, **variables: str) -> subprocess.Popen:
        """Start it in a folder, as the head of a process group of its own."""
        folder.mkdir(parents=True, exist_ok=True)
        variables = self.variables | {"OUTPUT_DIR": "out"} | variables
        return subprocess.Popen(
            command_line(self.words),
            cwd=folder,
            env=environment(variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def finish(self, folder: Path, **variables: str) -> tuple[int, str]:
        """Run it to its end: exit status, and what it printed."""
        process = self.start(folder, **variables)
        printed = process.communicate(timeout=PATIENCE)[0]
        return process.returncode, printed

    def is_whole(self, folder: Path) -> bool:
        """Whether the folder holds the mask that an undisturbed run leaves."""
        mask = folder / "out" / MASK
        return mask.exists() and mask.read_bytes() == self.mask


def all_kinds(folder: Path) -> dict[str, Run]:
    """The runs by name, each run once without disturbance. folder: for models and data."""
    backbone = save_tiny_bert(folder / "bert", tiny_config())
    reviews = {name: write_reviews(folder / f"{name}.csv", rows) for name, rows in (("train", 40), ("validation", 12))}
    questions = {name: write_questions(folder / f"{name}.json", 24, seed) for seed, name in enumerate(("train", "dev"))}
    glue, variables = short_run(backbone, reviews)
    teacher = folder / "teacher"
    dense = Run(
        ["bash", "run_teacher.sh", "sst2", *data_flags(reviews), "--max_steps", "60"],
        {"MODEL": str(backbone), "BATCH_SIZE": "8", "LR": "1e-2"},
    )
    status, printed = dense.finish(folder, OUTPUT_DIR=str(teacher))
    assert status == 0, printed
    span = (
        "bash", "run_squad.sh", "squad_0.50", "--train_file", questions["train"], "--validation_file", questions["dev"],
        "--max_steps", "9", "--eval_steps", "3", "--max_seq_length", "20", "--doc_stride", "4",
    )  # fmt: skip
    runs = {
        "GLUE": Run([*glue], variables),
        "SQuAD": Run([*span], {"MODEL": str(backbone), "BATCH_SIZE": "8", "LR": "5e-2", "LAMBDA": "10"}),
        "with a teacher": Run([*glue, "--teacher_model_name_or_path", str(teacher)], variables),
        "with snapshots": Run([*glue, "--snapshot_densities", "0.25,0.5"], variables),
        "two processes": Run([*glue], variables | {"NPROC": "2"}),
    }
    for name, run in runs.items():
        started = time.monotonic()
        status, printed = run.finish(folder / name)
        assert status == 0, printed
        run.seconds = time.monotonic() - started
        run.mask = (folder / name / "out" / MASK).read_bytes()
    return runs


def kill(run: Run, folder: Path, moment: float) -> bool:
    """Start the run and kill all of its processes after so many seconds; whether it had not ended by then."""
    process = run.start(folder)
    try:
        process.communicate(timeout=moment)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True


def killed_again_and_again(run: Run, folder: Path, draw: random.Random, most: int = 4) -> tuple[int, bool]:
    """Kill a run at random moments, up to so often, and let it finish: how often it was killed, and whether the mask is
    the undisturbed one. Two of three moments lie in the second half, where it trains."""
    killed = 0
    while killed < most:
        begin = 0.5 if draw.random() < 0.67 else 0.0
        if not kill(run, folder, run.seconds * draw.uniform(begin, 1.0)):
            break
        killed += 1
    if not (folder / "out" / "all_results.json").exists():
        run.finish(folder)
    return killed, run.is_whole(folder)


def checkpoint_of(run: Run, folder: Path, step: int) -> None:
    """Leave a run as it is when it is killed right after the checkpoint of a step was sealed."""
    process = run.start(folder)
    sealed = folder / "out" / f"checkpoint-{step}" / "sealed"
    while not sealed.exists() and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert sealed.exists(), "the run ended before it could be killed"
