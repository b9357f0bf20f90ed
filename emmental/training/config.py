"""The training configuration: transformers' TrainingArguments with the settings of pruning."""

from dataclasses import dataclass

import torch
from accelerate.utils import parse_flag_from_env
from transformers import TrainingArguments

from emmental.common.errors import InputError
from emmental.pruning.method import Selection
from emmental.recipes.plan import Plan, in_steps
from emmental.recipes.settings import LARGEST, RunSettings, check_bounds, flag
from emmental.training import refused

# What numbers may be, both ends among it, beside those of RunSettings.
BOUNDS = {
    "adam_beta1": (0, 0.99999),
    "adam_beta2": (0, 0.99999),
    "adam_epsilon": (0, LARGEST),
    "max_grad_norm": (0, LARGEST),
    "label_smoothing_factor": (0, 1),
    "torch_empty_cache_steps": (1, 10**12),
    "logging_steps": (1e-12, 10**12),
    "save_steps": (1e-12, 10**12),
    "save_total_limit": (1, 10**12),
    "eval_delay": (0, 10**12),
    "per_device_eval_batch_size": (1, 10**6),
    "eval_accumulation_steps": (1, 10**12),
    "data_seed": (0, 2**32 - 1),
    "dataloader_num_workers": (0, 1000),
    "dataloader_prefetch_factor": (1, 10**6),
    "ddp_bucket_cap_mb": (1, 10**6),
    "ddp_timeout": (1, 10**9),
}


@dataclass
class SMPConfig(RunSettings, TrainingArguments):
    """transformers' TrainingArguments and what is particular to pruning. Defaults are the published recipe.

    Raises InputError for the flags that training.refused names, and for numbers that no run can have.
    """

    per_device_eval_batch_size: int = flag("Examples per evaluation batch.", 64)
    train_sampling_strategy: str = flag(
        "Batches of examples of similar length (group_by_length: less padding), or at random (random).",
        "group_by_length",
        ("group_by_length", "random", "sequential"),
    )
    logging_steps: float = flag("Steps between two log entries; a share of all steps below 1.", 0.01)
    save_steps: float | None = flag("Steps between checkpoints to resume from. Default: as eval_steps.")
    save_total_limit: int | None = flag("Checkpoints kept while training; below 2 a killed run may lose all.", 2)
    logging_nan_inf_filter: bool = flag("Leave a loss that is not finite out of the logs.", False)
    dataloader_pin_memory: bool = flag("Hand batches over in pinned memory.", torch.cuda.is_available())
    ddp_find_unused_parameters: bool | None = flag("Look for scores that a batch does not use.", False)
    remove_unused_columns: bool = flag("Drop data columns that the model does not take.", False)

    def __post_init__(self):
        # Without this processes on a machine with CPUs alone would not find each other, and each train by itself.
        # `accelerate launch --cpu` sets the variable, which transformers minds by halves.
        on_cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available()
        self.use_cpu = self.use_cpu or on_cpu
        refused.check_flags(self)
        check_bounds(self, BOUNDS)
        asked = self.eval_steps, self.save_steps
        self.eval_steps = self.eval_steps or 1  # transformers wants numbers here
        self.save_steps = self.save_steps or self.eval_steps
        self.dataloader_pin_memory = self.dataloader_pin_memory and not self.use_cpu  # it would set up the GPU
        if self.dataloader_pin_memory:
            self.accelerator_config = {"non_blocking": True}  # batches come while the GPU computes
        super().__post_init__()
        self.eval_steps, self.save_steps = asked  # None where the plan is to say it: see set_intervals

    def selection(self) -> Selection:
        """What sets the masks."""
        return self.method.selection_class()(self.allocation, self.magnitude_topk_threshold_p, self.seed)

    def autocast(self) -> torch.autocast:
        """While it is open, models compute in the run's precision, as they do in its steps."""
        half = torch.float16 if self.fp16 else torch.bfloat16
        return torch.autocast(self.device.type, half, enabled=self.fp16 or self.bf16)

    def set_intervals(self, plan: Plan) -> None:
        """All intervals in steps, as checkpoints name them: those asked for as a share of the run, and defaults."""
        self.eval_steps = plan.eval_steps
        self.save_steps = in_steps(self.save_steps or plan.eval_steps, plan.total_steps)
        self.logging_steps = in_steps(self.logging_steps, plan.total_steps)

    def check(self) -> None:
        """As of RunSettings, and InputError for a process with more than one GPU."""
        super().check()
        if self.n_gpu > 1:
            raise InputError(
                f"{self.n_gpu} GPUs in one process (DataParallel) break learned masks: start a process per GPU with "
                f"NPROC={self.n_gpu} or torchrun, or show one GPU with CUDA_VISIBLE_DEVICES=0"
            )
