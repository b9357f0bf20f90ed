"""Scoring a mask, or a model that needs none, on its task's validation set."""

from dataclasses import replace
from pathlib import Path

from emmental import masks
from emmental.common.text import file_size, listing, readable, some
from emmental.export import shrunk_folder
from emmental.inference.load import load_pruned, set_runtime
from emmental.inference.pruned import PrunedModel
from emmental.inference.sentences import Pruned, dataset_logits
from emmental.inference.subjects import Subject, label_words
from emmental.inference.words import best_tags
from emmental.models.backbones import Backbone
from emmental.pruning.matrices import encoder_linears
from emmental.recipes import paper_results
from emmental.recipes.kinds import Kind
from emmental.tasks import metrics, sentences, squad, words
from emmental.tasks.sentence_task import answers, tokenized
from emmental.tasks.source import Source


def score(
    mask: masks.Mask,
    source: Source,
    backbone: Backbone | str | None,
    reading: dict,
    force: bool = False,
    runtime: str = "dense",
    dtype: str = "fp32",
) -> dict[str, float]:
    """The task's metrics on each validation set, named as in all_results.json without ``eval_``.

    reading: how texts become features where not by default: ``max_length``; for questions what squad.Reading has.
    runtime, dtype: as of load_pruned.
    """
    info = mask.info
    if info.kind is Kind.SPAN:
        given = squad.with_words(info.label_words)
    else:
        given = sentences.of_model(info.task, info.kind, info.label_words, source).words
    mask = replace(mask, info=replace(info, label_words=given))
    return _measure(load_pruned(mask, backbone, force, runtime, dtype=dtype), source, reading)


def score_standalone(
    path: Path,
    source: Source,
    backbone: str | None,
    reading: dict,
    runtime: str = "dense",
    dtype: str = "fp32",
) -> tuple[PrunedModel, int, dict[str, float]]:
    """A model that needs no mask (see load.is_standalone), the weights in its encoder that are not zero, and its
    metrics as of ``score``."""
    pruned = load_pruned(path, backbone)
    weights = sum(int(linear.weight.count_nonzero()) for linear in encoder_linears(pruned.model).values())
    return pruned, weights, _measure(set_runtime(pruned, runtime, dtype), source, reading)


def _measure(pruned: PrunedModel, source: Source, reading: dict) -> dict[str, float]:
    if pruned.info.kind is Kind.SPAN:
        label_words(pruned.info.task)
        examples = squad.load(squad.TASKS[pruned.info.task], source, "validation")
        questions = pruned.questions(examples, squad.Reading(**reading))
        return questions.score(questions.answers(*pruned.logits(questions.windows))[0])
    info = pruned.info
    task = sentences.of_model(info.task, info.kind, info.label_words, source)
    if info.kind is Kind.TOKENS:
        length = pruned.reading_length(reading.get("max_length"))
        texts = words.Texts(task, sentences.load_validation(task, source)[""], pruned.tokenizer, length)
        return texts.score(best_tags(pruned.model, pruned.tokenizer, texts))
    in_order = [pruned.labels.index(label) for label in task.labels]  # of the data
    measured = {}
    for name, split in sentences.load_validation(task, source).items():
        features = tokenized(split, pruned.tokenizer, pruned.reading_length(reading.get("max_length")))
        logits = dataset_logits(pruned.model, pruned.tokenizer, features)[:, in_order]
        figures = metrics.score(task, answers(task, logits), features["labels"][:])
        measured |= {f"{name}_{metric}".removeprefix("_"): value for metric, value in figures.items()}
    return measured


def show_standalone(path: Path, pruned: Pruned, weights: int, measured: dict[str, float]) -> str:
    """The table of measured figures of a model that needs no mask; weights: those that are not zero."""
    rows = {metric: readable(value) for metric, value in measured.items()}
    rows |= {
        "label words": some(f"{label}={word}" for label, word in pruned.info.label_words.items() if label != word)
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
        "label words": some(f"{label}={word}" for label, word in mask.info.label_words.items()),
        "density": f"{mask.density():.4f}",
        "mask": f"{subject.path}, {file_size(subject.path)}",
        "backbone": mask.info.base_model,
    }
    return listing(f"{mask.info.task} on its validation set", rows)
