"""Which method trains: a mask over the frozen backbone, or the whole model densely."""

from collections.abc import Callable

import transformers
from transformers import PreTrainedTokenizerBase

from emmental.arguments import BackboneArguments, SMPConfig
from emmental.backbones import load_backbone, load_dense, load_tokenizer
from emmental.fine_tuning import fine_tune
from emmental.problem import Problem
from emmental.training import prune


def run(config: SMPConfig, base: BackboneArguments, problem: Callable[[PreTrainedTokenizerBase], Problem]) -> dict:
    """Train by the configured method; ``problem`` makes the task's features. Returns what all_results.json holds.

    Raises InputError before anything is created where the run cannot be done as asked.
    """
    place = base.model_name_or_path, base.model_revision, base.cache_dir
    if config.pruning_method != "finetune":
        backbone = load_backbone(*place)
        return prune(config, backbone, problem(backbone.tokenizer))
    tokenizer = load_tokenizer(*place)
    task = problem(tokenizer)
    transformers.set_seed(config.seed)  # the head is drawn at random
    return fine_tune(config, load_dense(task.dense_model, list(task.label_words), *place), tokenizer, place[0], task)
