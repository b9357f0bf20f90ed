"""From the flags to a run: which model the method needs, and what trains it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import transformers
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from emmental.common.errors import InputError
from emmental.models.backbones import Backbone, load_backbone, load_dense, load_tokenizer
from emmental.models.heads import HEADS
from emmental.recipes.settings import BackboneArguments
from emmental.tasks.problem import Problem
from emmental.training import checkpoints, label_words
from emmental.training.config import SMPConfig
from emmental.training.fine_tune import fine_tune
from emmental.training.prune import prune
from emmental.training.students import FrozenBackbone, TrainedBackbone


def run(config: SMPConfig, base: BackboneArguments, problem: Callable[[PreTrainedTokenizerBase], Problem]) -> dict:
    """Train by the configured method; ``problem`` makes the task's features. Returns what all_results.json holds.

    Raises InputError before anything is created where the run cannot be done as asked. A finished run that was to be
    overwritten is put back where this one fails before its first checkpoint.
    """
    if (
        config.full_determinism
    ):  # Trainer asks for it too late: where a teacher has used a GPU, its products are settled
        transformers.enable_full_determinism(config.seed)
    try:
        return _run(config, base, problem)
    except Exception:
        if config.should_save:
            checkpoints.put_back(Path(config.output_dir))
        raise


def _run(config: SMPConfig, base: BackboneArguments, problem: Callable[[PreTrainedTokenizerBase], Problem]) -> dict:
    name, place = base.model_name_or_path, (base.model_revision, base.cache_dir)
    if config.method.prunes and config.freeze_bert:
        with config.main_process_first(desc="the backbone and its features"):
            backbone = load_backbone(name, *place, config.dropout)
            task = problem(backbone.tokenizer)
        if task.finds_words:
            task = replace(task, label_words=label_words.find(config, backbone, task))
        check_fits(config, task, backbone.model)
        return prune(config, FrozenBackbone(backbone, task), task)
    with config.main_process_first(desc="the tokenizer and its features"):
        tokenizer = load_tokenizer(name, *place)
        task = problem(tokenizer)
    transformers.set_seed(config.seed)  # the head is drawn at random
    model = load_dense(task.kind, list(task.label_words), name, *place, config.dropout)
    check_fits(config, task, model)
    if not config.method.prunes:
        return fine_tune(config, model, tokenizer, name, task)
    return prune(config, TrainedBackbone(Backbone(model, tokenizer, name, "", random_head=False)), task)


def check_fits(config: SMPConfig, problem: Problem, model: PreTrainedModel) -> None:
    """Raise InputError for flags that this task, or this encoder, has no use for."""
    if config.label_smoothing_factor and not HEADS[problem.kind].uniform:
        raise InputError(f"--label_smoothing_factor: {problem.task} asks for numbers, and labels alone can be smoothed")
    if config.gradient_checkpointing and not model.supports_gradient_checkpointing:
        raise InputError(f"--gradient_checkpointing: {type(model).__name__} has none; leave it out")
