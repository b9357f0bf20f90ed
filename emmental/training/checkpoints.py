"""The output folder of a run: what it was asked to do, checkpoints that are whole, the best mask so far.

A run may be killed at any moment. A checkpoint counts once it is sealed; it carries the best mask of its time, so
that a resumed run knows what an uninterrupted one would.
"""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from transformers import TrainerCallback

from emmental.common.errors import InputError, refusing
from emmental.common.files import write_json
from emmental.common.run_folder import ASIDE, BEST, CONFIG, LOCK, MASK, PAGE, RESULTS, SEAL, SETTINGS
from emmental.pruning.schedule import Schedule
from emmental.training import seals
from emmental.training.claim import claim, is_claimed, release

WRITTEN = (
    MASK, RESULTS, SETTINGS, BEST, PAGE, "density.png", "curves.png", "densities.csv", "densities.png",
    "snapshot_*.safetensors", "checkpoint-*", "runs", "predictions", "predictions.json", "nbest_predictions.json",
    CONFIG, "model*.safetensors*", "training_args.bin", "tokenizer*", "vocab*", "merges.txt",
)  # fmt: skip


def prepare(output_dir: Path, settings: dict, overwrite: bool) -> Path | None:
    """Claim the output folder for a run with these settings; returns the checkpoint to resume from, if any.

    Raises InputError where another run has the folder, where it holds a finished run, an unfinished one with other
    settings, or one whose checkpoints are all damaged.
    """
    claim(output_dir)
    if overwrite:
        set_aside(output_dir)
        clear(output_dir)
    if (output_dir / RESULTS).exists():
        release(output_dir)
        (output_dir / LOCK).unlink(missing_ok=True)  # the folder stays as its run left it
        raise InputError(
            f"{output_dir} holds a finished run: set OUTPUT_DIR (--output_dir) to another folder, or add "
            f"--overwrite_output_dir to start it anew"
        )
    if (output_dir / SETTINGS).exists():
        before = read_settings(output_dir)
        differing = [
            f"{name} was {before.get(name)}, is {value}"
            for name, value in settings.items()
            if before.get(name) != value
        ]
        if differing:
            raise InputError(
                f"{output_dir} holds an unfinished run with other settings ({'; '.join(differing)}): repeat its "
                f"command to resume it, choose another --output_dir, or add --overwrite_output_dir"
            )
    clear_half_written(output_dir)
    checkpoint = last_whole(output_dir)
    write_json(output_dir / SETTINGS, settings)
    return checkpoint


def read_settings(output_dir: Path) -> dict:
    """What a run in this folder was asked to do. Raises InputError where the file is damaged."""
    with refusing(f"{output_dir / SETTINGS} is damaged; --overwrite_output_dir starts anew"):
        return dict(json.loads((output_dir / SETTINGS).read_text()))


def settings_begun(output_dir: Path) -> dict:
    """Those of the unfinished run in this folder; none where there is none."""
    unfinished = (output_dir / SETTINGS).exists() and not (output_dir / RESULTS).exists()
    return read_settings(output_dir) if unfinished else {}


def written(output_dir: Path) -> list[Path]:
    """What a run left in the folder, and nothing else."""
    return [path for pattern in WRITTEN for path in output_dir.glob(pattern)]


def clear(output_dir: Path) -> None:
    """Remove what a run left in the folder."""
    for path in written(output_dir):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def set_aside(output_dir: Path) -> None:
    """Move a finished run away until another is finished in its place. One that stands aside already stays there."""
    aside = output_dir / ASIDE
    if (output_dir / RESULTS).exists() and not aside.exists():
        found = written(output_dir)
        aside.mkdir()
        for path in sorted(found, key=lambda path: path.name != RESULTS):  # first what makes it a finished run
            path.rename(aside / path.name)


def put_back(output_dir: Path) -> None:
    """Give a finished run its place again where the one that was to replace it, this process's, came to nothing: there
    is no checkpoint to go on from."""
    aside = output_dir / ASIDE
    if is_claimed(output_dir) and aside.exists() and not (output_dir / RESULTS).exists() and not sealed(output_dir):
        clear(output_dir)
        for path in sorted(aside.iterdir(), key=lambda path: path.name == RESULTS):
            path.rename(output_dir / path.name)
        aside.rmdir()


def clear_half_written(output_dir: Path) -> None:
    """Remove checkpoints without a seal, so that they are not among the few that are kept."""
    for checkpoint in output_dir.glob("checkpoint-*"):
        if not (checkpoint / SEAL).exists():
            shutil.rmtree(checkpoint)


def sealed(output_dir: Path) -> list[Path]:
    """The checkpoints that were whole when they were written, the newest first."""
    found = [seal.parent for seal in output_dir.glob(f"checkpoint-*/{SEAL}")]
    return sorted(found, key=lambda folder: int(folder.name.split("-")[1]), reverse=True)


def last_whole(output_dir: Path) -> Path | None:
    """The newest checkpoint that is still what it was; damaged ones that are newer are named and removed. Raises
    InputError where there are checkpoints, but none is whole."""
    damaged = {}
    for checkpoint in sealed(output_dir):
        file = seals.damage(checkpoint)
        if not file:
            for path, damage in damaged.items():
                print(f"{path}: {damage} is damaged, going on from {checkpoint.name}", file=sys.stderr)
                shutil.rmtree(path)
            return checkpoint
        damaged[checkpoint] = file
    if damaged:
        named = ", ".join(f"{damage} of {path.name}" for path, damage in damaged.items())
        raise InputError(f"{output_dir}: no checkpoint is whole ({named}): --overwrite_output_dir starts the run anew")
    return None


def restore_best(output_dir: Path, checkpoint: Path | None) -> None:
    """Put back the best mask that the checkpoint knew, or none."""
    (output_dir / BEST).unlink(missing_ok=True)
    if checkpoint and (checkpoint / BEST).exists():
        shutil.copyfile(checkpoint / BEST, output_dir / BEST)


def finish(output_dir: Path) -> None:
    """Keep the mask and drop what was only needed to resume."""
    for checkpoint in output_dir.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    (output_dir / BEST).unlink(missing_ok=True)
    shutil.rmtree(output_dir / ASIDE, ignore_errors=True)
    (output_dir / LOCK).unlink(missing_ok=True)  # who comes now finds a finished run


def best_evaluation(log_history: list[dict], metric: str, schedule: Schedule) -> dict | None:
    """The first of the best log entries among evaluations at the final density."""
    final = final_evaluations(log_history, metric, schedule)
    return max(final, key=lambda entry: entry[metric], default=None)


def final_evaluations(log_history: list[dict], metric: str, schedule: Schedule) -> list[dict]:
    """The log entries that hold the metric at the final density, in the order of their steps."""
    return [entry for entry in log_history if metric in entry and schedule.is_final(entry["step"])]


class Best(TrainerCallback):
    """Keeps the state of the best evaluation at the final density."""

    def __init__(self, metric: str, schedule: Schedule, keep: Callable[[Path], None]):
        self.metric, self.schedule, self.keep = metric, schedule, keep

    def on_evaluate(self, args, state, control, metrics, **kwargs):
        best = best_evaluation(state.log_history, self.metric, self.schedule)
        if state.is_world_process_zero and self.metric in metrics and best and best["step"] == state.global_step:
            self.keep(Path(args.output_dir) / BEST)


class Seal(TrainerCallback):
    """Marks a checkpoint as whole after everything in it is written, by all processes."""

    def on_save(self, args, state, control, **kwargs):
        args.distributed_state.wait_for_everyone()
        if state.is_world_process_zero:
            output_dir = Path(args.output_dir)
            checkpoint = output_dir / f"checkpoint-{state.global_step}"
            if (output_dir / BEST).exists():
                shutil.copyfile(output_dir / BEST, checkpoint / BEST)
            seals.seal(checkpoint)
