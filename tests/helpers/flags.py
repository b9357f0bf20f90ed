"""transformers' flags, sorted by how the tests show what they do."""

from dataclasses import fields

import pytest
import torch
import transformers
from packaging.version import Version
from transformers import TrainingArguments

from emmental.recipes.settings import RunSettings
from tests.helpers.small_run import scores_of

FLAGS = {field.name: field for field in fields(TrainingArguments)}
OWN = FLAGS.keys() & {field.name for field in fields(RunSettings)}  # tests/recipes, tests/launch and test_run.py

# Older versions have fewer flags, some by older names only, and one does less.
CURRENT = Version(transformers.__version__) >= Version("5.23")
current_only = pytest.mark.skipif(not CURRENT, reason="transformers before 5.23 has other flags")
CHECKPOINTING = "activation_checkpointing" if CURRENT else "gradient_checkpointing"

# What is tried of flags that are refused and no switches.
ASKED = {
    "activation_checkpointing_kwargs": '{"every_n_layers": 2}',
    "gradient_checkpointing_kwargs": '{"use_reentrant": true}',
    "neftune_noise_alpha": "5",
    "hub_strategy": "end",
    "debug": "underflow_overflow",
    "fsdp": "full_shard",
    "local_rank": "0",
}
# Flags that take other machines or packages than these tests have: what is tried, and what opens them.
GPU = {
    "torch.accelerator.is_available": lambda: True,
    "emmental.training.refused.is_torch_tf32_available": lambda: True,
}
TRACKERS = {"emmental.training.refused.get_available_reporting_integrations": lambda: ["trackio"]}
PROCESSES, NODES = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}, {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1"}
ELSEWHERE = {
    "fp16": (True, GPU, {}),
    "tf32": (False, GPU, {}),
    "torch_empty_cache_steps": (2, GPU, {}),
    "dataloader_pin_memory": (True, GPU, {}),
    "ddp_timeout": (60, GPU, PROCESSES),
    "log_on_each_node": (False, {}, NODES),
    "run_name": ("first", TRACKERS, {}),
    "project": ("films", TRACKERS, {}),
    "trackio_space_id": ("films", TRACKERS, {}),
    "trackio_bucket_id": ("films", TRACKERS, {}),
    "trackio_static_space_id": ("films", TRACKERS, {}),
}
# Flags that change what is learned: a value, beside which others. Scores differ with it and without it.
LEARNED = {
    "lr_scheduler_type": ("constant", {}),
    "lr_scheduler_kwargs": ({"power": 3.0}, {"lr_scheduler_type": "polynomial"}),
    "optim": ("adafactor", {}),
    "optim_args": ("momentum=0.9", {"optim": "sgd"}),
    "adam_beta1": (0.5, {}),
    "adam_beta2": (0.9, {}),
    "adam_epsilon": (0.1, {}),
    "max_grad_norm": (1e-6, {"adam_epsilon": 1e-3}),  # Adam does not see a factor but through its epsilon
    "label_smoothing_factor": (0.5, {}),
    "bf16": (True, {}),
    "data_seed": (3, {}),
    "train_sampling_strategy": ("sequential", {}),
}
# Flags that change when something is logged, evaluated or saved: a value, beside which others, and what it gives.
NOTED = {
    "logging_strategy": ("no", {}, {"logged": []}),
    "logging_steps": (4, {}, {"logged": [4]}),
    "logging_first_step": (True, {"logging_steps": 4}, {"logged": [1, 4]}),
    "eval_delay": (4, {"eval_strategy": "steps", "eval_steps": 2}, {"evaluated": [4, 6]}),
    "eval_on_start": (True, {"eval_strategy": "steps", "eval_steps": 3}, {"evaluated": [0, 3, 6]}),
    "save_strategy": ("epoch", {}, {"saved": ["checkpoint-4", "checkpoint-6"]}),
    "save_steps": (3, {"save_strategy": "steps"}, {"saved": ["checkpoint-3", "checkpoint-6"]}),
    "save_total_limit": (1, {"save_strategy": "epoch"}, {"saved": ["checkpoint-6"]}),
}
# Flags that a test of their own below shows.
SHOWN = """
    activation_checkpointing gradient_checkpointing torch_compile torch_compile_backend torch_compile_mode
    include_num_input_tokens_seen logging_nan_inf_filter log_level log_level_replica disable_tqdm report_to
    skip_memory_metrics per_device_eval_batch_size eval_accumulation_steps full_determinism use_cpu
    dataloader_num_workers dataloader_prefetch_factor dataloader_multiprocessing_context
    ddp_find_unused_parameters ddp_bucket_cap_mb ddp_broadcast_buffers ddp_static_graph ddp_backend do_train do_eval
""".split()


def outcome(trainer, folder):
    """Scores, and at which steps something was noted."""
    history = trainer.state.log_history
    return {
        "scores": torch.cat([matrix.flatten() for matrix in scores_of(trainer).values()]),
        "logged": [entry["step"] for entry in history if "loss" in entry],
        "evaluated": [entry["step"] for entry in history if "eval_loss" in entry],
        "saved": sorted(path.name for path in folder.iterdir()),
    }
