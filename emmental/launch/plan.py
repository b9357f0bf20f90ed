"""What a launcher's command is going to do, read from its flags: the plan that a dry run shows.

The number of training steps is that of the published data set. Loads nothing but the recipes.
"""

import argparse
import math
from argparse import Namespace
from pathlib import Path

from emmental.common.errors import InputError
from emmental.common.text import listing
from emmental.recipes import methods, paper_results, table
from emmental.recipes.lengths import pruning_length, ramp_length

DEFAULTS = {  # of the Python scripts, where a launcher passes nothing
    "model_name_or_path": "", "data_dir": "", "train_file": "", "output_dir": "", "teacher_model_name_or_path": "",
    "pruning_method": "topK", "freeze_bert": "True", "density_schedule": "cubic", "eval_strategy": "steps",
    "mask_init": "constant", "mask_scale": 0.0,
    "num_train_epochs": 0.0, "per_device_train_batch_size": 0, "gradient_accumulation_steps": 1,
    "max_steps": -1, "max_seq_length": 0, "doc_stride": 0, "eval_steps": 0.0, "seed": 42, "initial_threshold": 1.0,
    "final_threshold": 1.0, "warmup_threshold_step": 0, "magnitude_topk_threshold_p": 1.0, "final_lambda": 0.0,
    "mask_scores_learning_rate": 0.0, "learning_rate": 0.0, "warmup_steps": 0.0, "weight_decay": 0.0,
}  # fmt: skip


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise InputError(message)


def read(words: list[str]) -> Namespace:
    """The flags that a plan tells of; of a flag given twice the last, as for the scripts. Others are passed over.

    Raises InputError where a number is none.
    """
    parser = _Parser(add_help=False, allow_abbrev=False)
    for name, default in DEFAULTS.items():
        parser.add_argument(f"--{name}", f"--{name.replace('_', '-')}", type=type(default), default=default, dest=name)
    switch = {"nargs": "?", "const": True, "default": False, "type": lambda word: word.lower() in ("true", "1", "yes")}
    for name in ("magnitude_topk_threshold", "global_topk", "version_2_with_negative"):
        parser.add_argument(f"--{name}", f"--{name.replace('_', '-')}", dest=name, **switch)
    return parser.parse_known_args(words)[0]


def show(name: str, task: str, settings: Namespace, processes: int, seeds: list[int]) -> str:
    """The plan as a table. seeds: of a run that is repeated; else the settings' own counts."""
    per_epoch, total = steps(task, settings, processes)
    batch = settings.per_device_train_batch_size * settings.gradient_accumulation_steps * processes
    dense = settings.pruning_method == "finetune"
    rows = {"task": task, "backbone": settings.model_name_or_path}
    rows |= finetuning_rows(settings) if dense else pruning_rows(task, settings, total)
    rows |= {
        "epochs": f"{settings.num_train_epochs:g}" if settings.max_steps <= 0 else f"until step {settings.max_steps:,}",
        "batch": f"{batch} examples" + (f" in {processes} processes" if processes > 1 else ""),
        "steps": f"T = {total:,}, {per_epoch:,} an epoch with the published data",
        "length": f"{settings.max_seq_length} tokens" + (f", stride {settings.doc_stride}" if task == "squad" else ""),
        "evaluation": f"{interval(settings, total, per_epoch)}, by {table.RECIPES[task].metric}",
        "data": settings.data_dir or settings.train_file or ("PyPI" if task == "reviews" else "the Hub"),
        "seed": " ".join(map(str, seeds or [settings.seed])),
        "output": settings.output_dir + ("/seed_<seed>" if seeds else ""),
        "published": ", ".join(f"{metric} {figure}" for metric, figure in published(task, settings).items())
        or "no figure for this run",
    }
    return listing(f"plan of {name}", rows)


def pruning_rows(task: str, settings: Namespace, total: int) -> dict[str, str]:
    """What only a pruning run has."""
    density = settings.final_threshold
    allocation = methods.allocation(settings.magnitude_topk_threshold, settings.global_topk)
    method = method_of(settings)
    lengths = table.RECIPES[task].lengths
    length = settings.warmup_threshold_step or pruning_length(max(total, 2), density, lengths)
    ramp = ramp_length(total, density, lengths)
    falling = f"{settings.initial_threshold:g} -> {density:g}, {settings.density_schedule}"
    by_penalty = {"soft_movement": f"set by lambda, with a threshold {falling}", "l0": "set by lambda"}
    rising = {"soft_movement": f"rising over {length:,} steps", "l0": "constant"}
    rows = {"method": method, "density": by_penalty.get(method, falling)}
    if method == "smp":
        rows["allocation"] = methods.allocation_title(allocation, settings.magnitude_topk_threshold_p)
    else:
        rows |= {"weights": "encoder and head are trained, too", "learning rate": weight_rate(settings)}
        rows["allocation"] = allocation
    rows["pruning"] = f"N = {length:,} steps ({100 * length / total:.0f} %)"
    if method != "magnitude":
        rows["regulariser"] = f"lambda {settings.final_lambda:g}, " + rising.get(method, f"rising over {ramp:,} steps")
        rows["scores"] = (
            f"{settings.mask_init} init, scale {settings.mask_scale:g}, "
            f"learning rate {settings.mask_scores_learning_rate:g}"
        )
    return rows | {"teacher": settings.teacher_model_name_or_path or "none"}


def finetuning_rows(settings: Namespace) -> dict[str, str]:
    """What only dense fine-tuning has."""
    return {"weights": "all are fine-tuned, none is pruned", "learning rate": weight_rate(settings)}


def weight_rate(settings: Namespace) -> str:
    """How weights are trained."""
    warmup = f"{100 * settings.warmup_steps:g} %" if settings.warmup_steps < 1 else f"{settings.warmup_steps:,g} steps"
    return f"{settings.learning_rate:g}, warm-up {warmup}, weight decay {settings.weight_decay:g}"


def method_of(settings: Namespace) -> str:
    """The METHOD of these flags."""
    return methods.method_name(settings.pruning_method, settings.freeze_bert.lower() != "false")


def steps(task: str, settings: Namespace, processes: int) -> tuple[int, int]:
    """Steps per epoch and in all, as training counts them, for the published number of examples."""
    batch = settings.per_device_train_batch_size * settings.gradient_accumulation_steps * processes
    if batch < 1:
        raise InputError(f"{batch} examples a step: at least 1 is needed (BATCH_SIZE, NPROC)")
    per_epoch = math.ceil(table.RECIPES[task].examples / batch)
    total = settings.max_steps if settings.max_steps > 0 else math.ceil(settings.num_train_epochs * per_epoch)
    return per_epoch, total


def interval(settings: Namespace, total: int, per_epoch: int) -> str:
    """How often the validation set is scored."""
    if settings.eval_strategy != "steps":
        return {"epoch": "every epoch", "no": "once at the end"}.get(settings.eval_strategy, settings.eval_strategy)
    every = settings.eval_steps or table.evaluation_interval(total, per_epoch)
    every = math.ceil(every * total) if every < 1 else int(every)
    return "every epoch" if every == per_epoch else f"every {every:,} steps"


def published(task: str, settings: Namespace) -> dict[str, float]:
    """The paper's figures in percent for such a run."""
    backbone, kd = settings.model_name_or_path, bool(settings.teacher_model_name_or_path)
    if settings.version_2_with_negative:  # the paper's are for v1.1
        return {}
    if settings.pruning_method == "finetune":
        return paper_results.published(task, 1.0, paper_results.FINETUNED, kd, backbone)
    allocation = methods.allocation(settings.magnitude_topk_threshold, settings.global_topk)
    ranked = paper_results.ranked_by(method_of(settings), allocation)
    return paper_results.published(task, settings.final_threshold, ranked, kd, backbone)


def check_teacher(settings: Namespace, default: str | None) -> None:
    """Raise InputError where a run counts on the default teacher and nobody has made it."""
    teacher = settings.teacher_model_name_or_path
    if teacher and teacher == default and not Path(teacher).is_dir():
        raise InputError(
            f"there is no teacher in {teacher}: make it with bash run_teacher.sh {Path(teacher).name}, or set TEACHER"
        )
