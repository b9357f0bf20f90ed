"""transformers' flags that a run here refuses, and why: one that would change nothing, or that a run cannot do, is
named in a sentence before anything is written. Every other flag of transformers does here what its help says.

A flag counts as asked for where its value is not the default. What numbers may be is in config.py; what can only be
tried, an optimiser and its learning rate, in optimiser.py.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import MISSING, Field, fields

import torch
from transformers.integrations import get_available_reporting_integrations
from transformers.training_args import TrainingArguments
from transformers.utils import is_torch_tf32_available

from emmental.common.errors import InputError

HUB = "training sends nothing to the Hub: smp push does, with the finished mask"
BEST = "the best mask at the final density is kept by itself; a fine-tuned model is the last"
COLUMNS = "what is read of an example is settled by the task"
SHARDED = "each process has the whole model; several GPUs share the examples (NPROC)"
LIGER = "Liger has no kernels for masked encoders"
CHECKPOINTS = "there is one way that trains scores over a frozen backbone"

REFUSED = {
    "optim_target_modules": "no optimiser that reads it is taken here",
    "average_tokens_across_devices": "a loss here is a mean over examples, each counted once over all processes",
    "bf16_full_eval": "it would cast the model that is kept; --bf16 evaluates in bf16 without that",
    "fp16_full_eval": "it would cast the model that is kept; --fp16 evaluates in fp16 without that",
    "activation_checkpointing_kwargs": CHECKPOINTS,
    "gradient_checkpointing_kwargs": CHECKPOINTS,
    "use_liger_kernel": LIGER,
    "liger_kernel_config": LIGER,
    "use_cache": "encoders generate nothing that could be cached",
    "neftune_noise_alpha": "it is noise for the tuning of text generators, and no method here has it",
    "auto_find_batch_size": "the plan's steps and the schedule follow from --per_device_train_batch_size",
    "prediction_loss_only": "the best mask is chosen by a metric, which needs predictions",
    "eval_do_concat_batches": "metrics are computed over all batches together",
    "eval_use_gather_object": "predictions here are tensors, which are gathered as such",
    "include_for_metrics": "no metric here reads losses or inputs",
    "batch_eval_metrics": "metrics are computed over all batches together",
    "save_only_model": "a checkpoint is there to resume from, which takes the optimiser's state",
    "save_on_each_node": "several nodes need a file system that they share",
    "enable_jit_checkpoint": "a run saves itself on SIGTERM without it, at the end of a step",
    "push_to_hub": HUB,
    "hub_token": HUB,
    "hub_private_repo": HUB,
    "hub_model_id": HUB,
    "hub_strategy": HUB,
    "hub_always_push": HUB,
    "hub_revision": HUB,
    "load_best_model_at_end": BEST,
    "metric_for_best_model": BEST,
    "greater_is_better": BEST,
    "ignore_data_skip": "a resumed run equals an uninterrupted one, so it meets the same examples",
    "restore_callback_states_from_checkpoint": "no callback here keeps a state; all else is restored without it",
    "accelerator_config": "how processes share a batch is settled here, so that each example counts once",
    "parallelism_config": SHARDED,
    "fsdp": SHARDED,
    "fsdp_config": SHARDED,
    "deepspeed": SHARDED,
    "dataloader_persistent_workers": "they would serve one validation set's examples to the next one",
    "dataloader_in_order": "batches in the order in which workers end are not repeatable",
    "remove_unused_columns": COLUMNS,
    "label_names": COLUMNS,
    "length_column_name": "lengths are counted from the tokens",
    "debug": "a pruning run stops by itself at a loss that is not finite",
    "resume_from_checkpoint": "the same command with the same --output_dir resumes by itself",
    "local_rank": "torchrun tells every process its rank by itself",
}  # fmt: skip

OPTIMISERS = ("adamw_torch_fused", "adamw_torch", "adafactor", "sgd", "adagrad", "rmsprop")  # torch's, transformers'
WITH_ARGUMENTS = ("sgd", "adagrad", "rmsprop")  # read --optim_args
ADAM = OPTIMISERS[:2]  # read --adam_beta1, --adam_beta2, --adam_epsilon
WITHOUT_ARGUMENTS = ("constant", "constant_with_warmup")  # schedules that read no --lr_scheduler_kwargs
WITHOUT_WARMUP = ("constant", "reduce_lr_on_plateau", "greedy")
BACKENDS = ("inductor", "aot_eager", "eager")
MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
NAMED_RUNS = ("wandb", "comet_ml", "mlflow", "dagshub", "swanlab", "trackio")  # read --run_name

EXAMPLE = """'{"num_decay_steps": 100}'"""
SEVERAL = "takes several processes: NPROC=2 or torchrun"
TRACKIO = "takes --report_to trackio"
WORKERS = "takes --dataloader_num_workers above 0"
ADAMW = f"takes --optim {' or '.join(ADAM)}"


def processes() -> int:
    """How many there are, as torchrun says it; transformers does not know before it has set them up."""
    return int(os.environ.get("WORLD_SIZE", 1))


def on_gpu(config) -> bool:
    """Whether the run is on a GPU."""
    return torch.accelerator.is_available() and not config.use_cpu


def has_workers(config) -> bool:
    """Whether batches are made in processes of their own."""
    return config.dataloader_num_workers > 0


def among_others(config) -> bool:
    """Whether this is one of several processes."""
    return processes() > 1


def on_one_of_several_nodes(config) -> bool:
    """Whether there are processes on other machines."""
    return processes() > int(os.environ.get("LOCAL_WORLD_SIZE", processes()))


def reads_arguments(config) -> bool:
    """Whether --lr_scheduler_kwargs are arguments, and are read."""
    given = config.lr_scheduler_kwargs
    try:
        given = given if isinstance(given, dict) else json.loads(given)
    except ValueError:
        return False
    return isinstance(given, dict) and config.lr_scheduler_type not in WITHOUT_ARGUMENTS


def well_formed(config) -> bool:
    """Whether --optim_args are names with values, and are read."""
    return config.optim in WITH_ARGUMENTS and all(word.count("=") == 1 for word in config.optim_args.split(","))


def with_adam(config) -> bool:
    """Whether the optimiser is AdamW."""
    return config.optim in ADAM


def reported_to(config) -> list[str]:
    """The names in --report_to."""
    return [config.report_to] if isinstance(config.report_to, str) else list(config.report_to or ())


def known_places(config) -> bool:
    """Whether all of --report_to is installed."""
    asked = reported_to(config)
    return asked in (["none"], ["all"]) or set(asked) <= set(get_available_reporting_integrations())


def has_trackio(config) -> bool:
    """Whether logs go to Trackio."""
    return "trackio" in reported_to(config)


def known_backend(config) -> bool:
    """Whether --ddp_backend can be had in this run."""
    backend = config.ddp_backend
    return (
        among_others(config)
        and torch.distributed.is_backend_available(backend)
        and (backend != "nccl" or on_gpu(config))
    )


def can_compile(config) -> bool:
    """Whether there is what torch.compile needs: on a CPU a C++ compiler."""
    inductor = config.torch_compile_backend in (None, "inductor")
    return on_gpu(config) or not inductor or shutil.which(os.environ.get("CXX", "g++")) is not None


# Flags that depend on others or on the machine, or some of whose values are refused: what must hold, and its words.
CONDITIONS: dict[str, tuple[Callable[[TrainingArguments], bool], str]] = {
    "lr_scheduler_kwargs": (reads_arguments, f"takes JSON such as {EXAMPLE}, and an --lr_scheduler_type that reads it"),
    "warmup_steps": (lambda c: c.lr_scheduler_type not in WITHOUT_WARMUP, "takes an --lr_scheduler_type that has one"),
    "optim": (lambda c: c.optim in OPTIMISERS, f"takes {', '.join(OPTIMISERS)}"),
    "optim_args": (well_formed, f"takes name=value by commas, and --optim {', '.join(WITH_ARGUMENTS)}"),
    "adam_beta1": (with_adam, ADAMW),
    "adam_beta2": (with_adam, ADAMW),
    "adam_epsilon": (with_adam, ADAMW),
    "fp16": (on_gpu, "needs a GPU; --bf16 works on CPUs, too"),
    "tf32": (lambda c: on_gpu(c) and is_torch_tf32_available(), "needs a GPU of NVIDIA's Ampere generation or later"),
    "torch_empty_cache_steps": (on_gpu, "only a GPU has a cache to empty"),
    "torch_compile": (can_compile, "needs a C++ compiler (g++, or CXX)"),
    "torch_compile_backend": (lambda c: c.torch_compile_backend in BACKENDS, f"takes {', '.join(BACKENDS)}"),
    "torch_compile_mode": (
        lambda c: c.torch_compile_mode in MODES and c.torch_compile_backend in (None, "inductor") and can_compile(c),
        f"takes {', '.join(MODES)}; and inductor",
    ),
    "report_to": (known_places, "takes none, all, or a tracker whose package is installed, such as tensorboard"),
    "run_name": (lambda c: set(reported_to(c)) & set(NAMED_RUNS), f"takes a --report_to of {', '.join(NAMED_RUNS)}"),
    "project": (has_trackio, TRACKIO),
    "trackio_space_id": (has_trackio, TRACKIO),
    "trackio_bucket_id": (has_trackio, TRACKIO),
    "trackio_static_space_id": (has_trackio, TRACKIO),
    "eval_delay": (lambda c: c.eval_strategy != "no", "takes --eval_strategy steps or epoch"),
    "save_strategy": (lambda c: c.save_strategy != "best", "takes no, steps or epoch: the best mask is kept anyway"),
    "dataloader_pin_memory": (on_gpu, "pinned memory needs a GPU"),
    "dataloader_prefetch_factor": (has_workers, WORKERS),
    "dataloader_multiprocessing_context": (has_workers, WORKERS),
    "log_level_replica": (among_others, SEVERAL),
    "log_on_each_node": (on_one_of_several_nodes, "takes several nodes"),
    "ddp_find_unused_parameters": (among_others, SEVERAL),
    "ddp_bucket_cap_mb": (among_others, SEVERAL),
    "ddp_broadcast_buffers": (among_others, SEVERAL),
    "ddp_static_graph": (among_others, SEVERAL),
    "ddp_backend": (known_backend, "takes several processes (NPROC=2 or torchrun), and nccl takes GPUs"),
    "ddp_timeout": (lambda c: among_others(c) and on_gpu(c), "takes several processes, on GPUs"),
}  # fmt: skip


def default(field: Field):
    """The value of a flag that is not given."""
    return field.default if field.default_factory is MISSING else field.default_factory()


def check_flags(config) -> None:
    """Raise InputError for the first flag that is refused. config: as asked, before transformers fills it in."""
    for field in fields(config):
        name, value = field.name, getattr(config, field.name)
        if value is None or value == default(field):  # None: where a parser has no value to give
            continue
        if name in REFUSED:
            raise InputError(f"--{name} is not taken here: {REFUSED[name]}")
        holds, words = CONDITIONS.get(name, (None, ""))
        if holds and not holds(config):
            raise InputError(f"--{name} {value}: {words}")
