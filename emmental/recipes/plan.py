"""What a run is going to do, from its flags and the number of its training examples: computed here once, for the run
itself and for the plan that a dry run shows.
"""

import math
from dataclasses import dataclass

from emmental.common.errors import InputError
from emmental.recipes.lengths import Lengths, pruning_length, ramp_length
from emmental.recipes.methods import Method
from emmental.recipes.settings import RunSettings
from emmental.recipes.table import evaluation_interval


@dataclass(frozen=True)
class Plan:
    """Numbers of optimiser steps, and the method. pruning_steps and ramp_steps are 0 where nothing is pruned."""

    method: Method
    batch: int  # examples of a step, over all processes and micro-batches
    steps_per_epoch: int
    total_steps: int  # T
    eval_steps: int  # between evaluations, where they go by steps
    pruning_steps: int  # N, that lower the density
    ramp_steps: int  # that raise lambda


def make_plan(settings: RunSettings, examples: int, lengths: Lengths, processes: int) -> Plan:
    """The plan of a run with these many training examples. lengths: the rules of the task's recipe for N and the ramp
    of lambda. Raises InputError for flags that contradict each other, and where no valid schedule exists."""
    settings.check()
    batch = settings.per_device_train_batch_size * settings.gradient_accumulation_steps * processes
    per_epoch = _steps_per_epoch(settings, examples, processes)
    total = settings.max_steps if settings.max_steps > 0 else math.ceil(settings.num_train_epochs * per_epoch)
    method = settings.method
    pruning = _pruning_steps(settings, total, lengths) if method.prunes else 0
    falling = ramp_length(total, settings.final_threshold, lengths)
    ramps = {"falling density": falling, "rising threshold": pruning, "": 0}
    return Plan(
        method,
        batch,
        per_epoch,
        total,
        in_steps(settings.eval_steps or evaluation_interval(total, per_epoch), total),
        pruning,
        ramps[method.threshold] if method.prunes else 0,
    )


def _steps_per_epoch(settings: RunSettings, examples: int, processes: int) -> int:
    """As Trainer counts them: every process gets as many batches, an accumulated step may be short."""
    together = settings.per_device_train_batch_size * processes
    batches = examples // together if settings.dataloader_drop_last else -(-examples // together)
    return -(-batches // settings.gradient_accumulation_steps)


def _pruning_steps(settings: RunSettings, total: int, lengths: Lengths) -> int:
    steps = settings.warmup_threshold_step
    if steps is None:
        try:
            steps = pruning_length(total, settings.final_threshold, lengths)
        except ValueError as error:
            raise InputError(str(error)) from None
    steps = in_steps(steps, total)
    if not 0 < steps < total:
        raise InputError(
            f"{steps} pruning steps (PRUNING_STEPS, --warmup_threshold_step) do not fit into a run of {total} "
            f"steps: give 1 to {total - 1}, a share of the steps below 1, or none for the default"
        )
    return steps


def in_steps(asked: float, total: int) -> int:
    """A number of steps, which below 1 is a share of all."""
    return math.ceil(asked * total) if asked < 1 else int(asked)


# --- for a reader ---


def title(settings: RunSettings, plan: Plan) -> str:
    """Method and allocation, as the paper names them."""
    if plan.method.name == "smp":
        return {
            "soft": f"SMP-S (soft), p = {settings.magnitude_topk_threshold_p:g}",
            "global": "SMP with one ranking (global)",
            "local": "SMP-L (local)",
        }[settings.allocation]
    return f"{plan.method.title} ({settings.allocation})"


def density_row(settings: RunSettings, plan: Plan) -> str:
    """How the density goes, or who decides it."""
    course = f"{settings.initial_threshold:g} -> {settings.final_threshold:g}, {settings.density_schedule}"
    if plan.method.lambda_decides:
        return "set by lambda" + (f", with a threshold {course}" if plan.method.threshold else "")
    return course


def score_rows(settings: RunSettings, plan: Plan) -> dict[str, str]:
    """Where scores start, how they learn and what pulls on them; nothing for a method without scores."""
    if not plan.method.learns_scores:
        return {}
    ramp = f"rising over {plan.ramp_steps:,} steps" if plan.ramp_steps else "constant"
    return {
        "regulariser": f"lambda {settings.final_lambda:g}, {ramp}",
        "scores": f"{settings.mask_init} init, scale {settings.mask_scale:g}, "
        f"learning rate {settings.mask_scores_learning_rate:g}",
    } | ({"norms, biases": f"learning rate {settings.norms_learning_rate:g}"} if settings.norms_learning_rate else {})


def pruning_row(plan: Plan) -> str:
    """How many steps prune."""
    return f"N = {plan.pruning_steps:,} steps ({100 * plan.pruning_steps / plan.total_steps:.0f} %)"


def rate_row(settings: RunSettings) -> str:
    """How weights learn, where they are trained."""
    warmup = f"{100 * settings.warmup_steps:g} %" if settings.warmup_steps < 1 else f"{settings.warmup_steps:,g} steps"
    return f"{settings.learning_rate:g}, warm-up {warmup}, weight decay {settings.weight_decay:g}"
