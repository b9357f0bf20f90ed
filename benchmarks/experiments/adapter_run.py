"""One parameter-efficient fine-tuning of the same backbone, by the same loop and on the same features as ours.

    python -m benchmarks.experiments.adapter_run --adapter lora8 --task_name sst2 --pruning_method finetune …

Adapters: lora8, lora16 (rank; on queries and values, alpha twice the rank, dropout as --dropout, else 0.1), bitfit (all
biases), probe (nothing). The output layer is trained beside each. All other flags are those of masked_run_glue.py. What
was trained is left as adapter.safetensors: that is what a task costs.
"""

import argparse
from pathlib import Path

import datasets
import transformers
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import save_file
from transformers import PreTrainedModel

from emmental.common.errors import exit_on_input_error
from emmental.models.backbones import load_dense, load_tokenizer
from emmental.recipes.settings import BackboneArguments, SentenceDataArguments
from emmental.scripts.arguments import parse
from emmental.scripts.glue import as_problem, sources, task_name
from emmental.tasks import sentences
from emmental.training.config import SMPConfig
from emmental.training.fine_tune import fine_tune

RANKS = {"lora8": 8, "lora16": 16}
ADAPTERS = *RANKS, "bitfit", "probe"
LORA_DROPOUT = 0.1
LAST = "classifier"  # the output layer's name in BERT's sequence classifier
ADAPTER = "adapter.safetensors"


def main() -> None:
    """Train by the flags."""
    datasets.disable_progress_bars()
    with exit_on_input_error():
        parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        parser.add_argument("--adapter", choices=ADAPTERS, required=True)
        arguments, words = parser.parse_known_args()
        kinds = BackboneArguments, SentenceDataArguments, SMPConfig
        base, data, config = parse(kinds, __doc__.splitlines()[0], words)
        config.check()
        task, examples, validation = sentences.load(task_name(data), sources(data))
        name = base.model_name_or_path
        tokenizer = load_tokenizer(name)
        problem = as_problem(task, examples, validation, tokenizer, data.max_seq_length)
        transformers.set_seed(config.seed)
        dense = load_dense(task.kind, task.labels, name, dropout=config.dropout)
        model = adapted(dense, arguments.adapter, config.dropout)
        fine_tune(config, model, tokenizer, name, problem)
        trained = {name: weight.detach().cpu() for name, weight in model.named_parameters() if weight.requires_grad}
        save_file(trained, Path(config.output_dir) / ADAPTER)


def adapted(model: PreTrainedModel, adapter: str, dropout: float | None) -> PreTrainedModel:
    """The classifier with this adapter, all else frozen but the last layer."""
    if adapter in RANKS:
        rank, dropped = RANKS[adapter], LORA_DROPOUT if dropout is None else dropout
        settings = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=dropped, target_modules=["query", "value"])
        model = inject_adapter_in_model(settings, model)
    for name, weight in model.named_parameters():
        weight.requires_grad_(
            name.startswith(LAST) or "lora_" in name or (adapter == "bitfit" and name.endswith("bias"))
        )
    return model


if __name__ == "__main__":
    main()
