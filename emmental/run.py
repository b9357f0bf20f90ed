"""From the flags to a run: which model the method needs, and what trains it."""

from collections.abc import Callable

import transformers
from transformers import PreTrainedTokenizerBase

from emmental.arguments import BackboneArguments, SMPConfig
from emmental.backbones import Backbone, load_backbone, load_dense, load_tokenizer
from emmental.fine_tuning import fine_tune
from emmental.problem import Problem
from emmental.students import FrozenBackbone, TrainedBackbone
from emmental.training import prune


def run(config: SMPConfig, base: BackboneArguments, problem: Callable[[PreTrainedTokenizerBase], Problem]) -> dict:
    """Train by the configured method; ``problem`` makes the task's features. Returns what all_results.json holds.

    Raises InputError before anything is created where the run cannot be done as asked.
    """
    place = base.model_name_or_path, base.model_revision, base.cache_dir
    if config.pruning_method != "finetune" and config.freeze_bert:
        with config.main_process_first(desc="the backbone and its features"):
            backbone = load_backbone(*place)
            task = problem(backbone.tokenizer)
        return prune(config, FrozenBackbone(backbone, task), task)
    with config.main_process_first(desc="the tokenizer and its features"):
        tokenizer = load_tokenizer(*place)
        task = problem(tokenizer)
    transformers.set_seed(config.seed)  # the head is drawn at random
    model = load_dense(task.dense_model, list(task.label_words), *place)
    if config.pruning_method == "finetune":
        return fine_tune(config, model, tokenizer, place[0], task)
    commit = getattr(model.config, "_commit_hash", None) or ""
    return prune(config, TrainedBackbone(Backbone(model, tokenizer, place[0], commit, random_head=False)), task)
