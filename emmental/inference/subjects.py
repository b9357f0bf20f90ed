"""What is to be scored: an output folder of run.sh, a mask file, or a published mask by its name."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from emmental import masks
from emmental.common.errors import InputError, refusing
from emmental.common.run_folder import MASK, SETTINGS
from emmental.inference.load import is_standalone
from emmental.masks import published
from emmental.models.backbones import load_backbone
from emmental.pruning.matrices import encoder_linears
from emmental.recipes import table
from emmental.recipes.methods import SMP
from emmental.tasks import glue, squad
from emmental.tasks.source import Source


@dataclass(frozen=True)
class Subject:
    """What is to be scored. ``known`` is set for a published mask, whose file says nothing of itself."""

    path: Path
    known: published.Published | None = None


def find(what: str, base_url: str = published.RELEASE, sha256: str | None = None) -> Subject:
    """The mask that ``what`` means: a folder, a file, or a published name, which is downloaded.

    Raises InputError where it is none of these.
    """
    path = Path(what)
    if path.is_dir() and not is_standalone(path):
        if not (path / MASK).exists():
            raise InputError(f"{path}: no {MASK} in it, so not the folder of a finished run")
        return Subject(path / MASK)
    if path.exists():
        return Subject(path)
    if what not in published.PUBLISHED:
        raise InputError(
            f"{what}: neither a folder, nor a mask file, nor a published mask ({', '.join(published.PUBLISHED)})"
        )
    known = published.PUBLISHED[what]
    return Subject(published.fetch(what, base_url, sha256), known)


def read_mask(path: Path, backbone: str | None = None, task: str | None = None) -> masks.Mask:
    """Read a mask file. A .npy says nothing of itself: its backbone and task are taken at the caller's word, and a line
    on standard error says that nothing in it is checked."""
    if path.suffix != ".npy":
        return masks.load(path)
    if not (backbone and task):
        raise InputError(
            f"{path}: a .npy mask names neither its backbone nor its task: give --backbone and --task_name"
        )
    words = label_words(task)
    print(f"{path}: a .npy mask has no checksum: damage in it goes unnoticed", file=sys.stderr)
    loaded = load_backbone(backbone)
    shapes = {name: tuple(linear.weight.shape) for name, linear in encoder_linears(loaded.model).items()}
    info = masks.MaskInfo(
        base_model=loaded.name,
        base_revision=loaded.revision,
        **loaded.hashes(),
        task=task,
        kind=table.kind_of(task),
        label_words=words,
        density=0.0,
        method=SMP.flag,
        allocation="unknown",
        p=0.0,
    )
    mask = masks.load(path, shapes, info)
    return replace(mask, info=replace(info, density=round(mask.density(), 4)))


def read_subject(subject: Subject, backbone: str | None = None, task: str | None = None) -> masks.Mask:
    """The subject's mask; of a published one everything is known, for MNLI the scrambled label words, too."""
    if not subject.known:
        return read_mask(subject.path, backbone, task)
    mask = read_mask(subject.path, backbone or table.BACKBONE, subject.known.task)
    info = replace(mask.info, density=subject.known.density, allocation=published.ALLOCATION, p=published.P)
    if subject.known.task == "mnli":
        info = replace(info, label_words=published.MNLI_LABEL_WORDS)
    return replace(mask, info=info)


def source_beside(path: Path, given: Source) -> Source:
    """Where the examples of a mask's task are: what is given, and for all else what the settings of its run say, which
    stand beside the mask or in the run's folder."""
    settings = (path if path.is_dir() else path.parent) / SETTINGS
    if not settings.is_file():
        return given
    with refusing(f"{settings} is damaged"):
        return given.beside(json.loads(settings.read_text()).get("examples", {}))


def label_words(task: str) -> dict[str, str]:
    """The task's own label words. Raises InputError for a task that there is not."""
    if task in squad.TASKS:
        return squad.WORDS
    if task not in glue.TASKS:
        raise InputError(f"no task {task!r}: masks can be scored for {', '.join([*glue.TASKS, *squad.TASKS])}")
    return glue.TASKS[task].words
