"""Scoring a mask: an output folder of run.sh, a mask file, or a published mask by its name."""

from dataclasses import dataclass, replace
from pathlib import Path

from emmental import masks
from emmental.common.errors import InputError
from emmental.common.run_folder import MASK
from emmental.common.text import file_size, listing, readable
from emmental.export import shrunk_folder
from emmental.inference.load import Pruned, feature_logits, is_standalone, load_pruned, set_runtime
from emmental.inference.spans import PrunedSpans
from emmental.masks import published
from emmental.models.backbones import Backbone, load_backbone
from emmental.pruning.matrices import encoder_linears
from emmental.recipes import paper_results, table
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
    """Read a mask file. A .npy says nothing of itself: its backbone and task are taken at the caller's word."""
    if path.suffix != ".npy":
        return masks.load(path)
    if not (backbone and task):
        raise InputError(
            f"{path}: a .npy mask names neither its backbone nor its task: give --backbone and --task_name"
        )
    loaded = load_backbone(backbone)
    shapes = {name: tuple(linear.weight.shape) for name, linear in encoder_linears(loaded.model).items()}
    info = masks.MaskInfo(
        base_model=loaded.name,
        base_revision=loaded.revision,
        weights_sha256=loaded.weights_sha256(),
        head_sha256=loaded.head_sha256(),
        task=task,
        label_words=label_words(task),
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


def score(
    mask: masks.Mask,
    source: Source,
    backbone: Backbone | str | None,
    reading: dict,
    force: bool = False,
    runtime: str = "dense",
) -> dict[str, float]:
    """The task's metrics on each validation set, named as in all_results.json without ``eval_``.

    reading: how texts become features where not by default: ``max_length``; for questions what squad.Reading has.
    """
    label_words(mask.info.task)
    spans = mask.info.task in squad.TASKS
    given = mask.info.label_words
    words = squad.with_words(given) if spans else glue.with_words(glue.TASKS[mask.info.task], given).words
    mask = replace(mask, info=replace(mask.info, label_words=words))
    return _measure(load_pruned(mask, backbone, force, runtime), source, reading)


def score_standalone(
    path: Path, source: Source, backbone: str | None, reading: dict, runtime: str = "dense"
) -> tuple[Pruned | PrunedSpans, int, dict[str, float]]:
    """A model that needs no mask (see inference.is_standalone), the weights in its encoder that are not zero, and its
    metrics as of ``score``."""
    pruned = load_pruned(path, backbone)
    label_words(pruned.info.task)
    weights = sum(int(linear.weight.count_nonzero()) for linear in encoder_linears(pruned.model).values())
    return pruned, weights, _measure(set_runtime(pruned, runtime), source, reading)


def _measure(pruned: Pruned | PrunedSpans, source: Source, reading: dict) -> dict[str, float]:
    if isinstance(pruned, PrunedSpans):
        examples = squad.load(squad.TASKS[pruned.info.task], source, "validation")
        questions = pruned.questions(examples, squad.Reading(**reading))
        return questions.score(questions.answers(*pruned.logits(questions.windows))[0])
    task = glue.TASKS[pruned.info.task]
    in_order = [pruned.labels.index(label) for label in task.labels]  # of the data
    measured = {}
    for name, split in glue.load_validation(task, source).items():
        features = glue.tokenized(split, pruned.tokenizer, reading.get("max_length", 128))
        logits = feature_logits(pruned.model, pruned.tokenizer, features[:])[:, in_order]
        metrics = glue.score(task, glue.answers(task, logits), features["labels"][:])
        measured |= {f"{name}_{metric}".removeprefix("_"): value for metric, value in metrics.items()}
    return measured


def show_standalone(path: Path, pruned: Pruned, weights: int, measured: dict[str, float]) -> str:
    """The table of measured figures of a model that needs no mask; weights: those that are not zero."""
    rows = {metric: readable(value) for metric, value in measured.items()}
    rows |= {
        "label words": ", ".join(f"{label}={word}" for label, word in pruned.info.label_words.items() if label != word)
        or "none, a head was trained",
        "encoder": f"{weights:,} weights that are not zero",
        "model": f"{path}, {file_size(path / shrunk_folder.WEIGHTS if path.is_dir() else path)}",
    }
    return listing(f"{pruned.info.task} on its validation set", rows)


def show(subject: Subject, mask: masks.Mask, measured: dict[str, float]) -> str:
    """The table of measured and, where there are any, published figures."""
    paper = subject.known.figures if subject.known else {}
    rows = {
        metric: readable(value) + paper_results.beside(mask.info.task, paper.get(metric))
        for metric, value in measured.items()
    }
    rows |= {
        "label words": ", ".join(f"{label}={word}" for label, word in mask.info.label_words.items()),
        "density": f"{mask.density():.4f}",
        "mask": f"{subject.path}, {file_size(subject.path)}",
        "backbone": mask.info.base_model,
    }
    return listing(f"{mask.info.task} on its validation set", rows)


def label_words(task: str) -> dict[str, str]:
    """The task's own label words. Raises InputError for a task that there is not."""
    if task in squad.TASKS:
        return squad.WORDS
    if task not in glue.TASKS:
        raise InputError(f"no task {task!r}: masks can be scored for {', '.join([*glue.TASKS, *squad.TASKS])}")
    return glue.TASKS[task].words
