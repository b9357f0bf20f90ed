"""What a person reads: the plan before a run, the result table after it, and the progress in between."""

from collections.abc import Callable
from pathlib import Path

import torch
from transformers import ProgressCallback

from emmental.common.processor import multiplies_in_bf16
from emmental.common.run_folder import MASK, MODEL, PAGE
from emmental.common.text import duration, file_size, listing, readable, some
from emmental.masks.mask import Mask
from emmental.recipes import paper_results
from emmental.recipes.plan import density_row, pruning_row, rate_row, score_rows, title


def plan_title(config, plan, problem) -> str:
    """What a pruning run is, in a few words."""
    return f"{problem.task} with {title(config, plan)}"


def plan_rows(config, plan, backbone, problem, layers, teacher, taught_layers, checkpoint) -> dict[str, str]:
    """The table that is shown before training; see training.prune for what goes in."""
    weights = sum(layer.weight.numel() for layer in layers.values())
    return {
        "backbone": f"{backbone.name} ({type(backbone.model).__name__})"
        + (", its masked-LM head drawn at random: the checkpoint has none" if backbone.random_head else ""),
        "masked": f"{len(layers)} matrices, {weights:,} weights; "
        + ("everything is frozen" if config.freeze_bert else "encoder and head are trained, the embeddings are frozen")
        + (", but for norms and biases" if config.norms_learning_rate else ""),
        "density": density_row(config, plan),
        **(
            {"label words": some(f"{label}={word}" for label, word in problem.label_words.items())}
            if config.freeze_bert
            else {"labels": some(problem.label_words)}
        ),
        **_data_rows(problem),
        "steps": _steps(plan),
        "pruning": pruning_row(plan),
        **score_rows(config, plan),
        **({} if config.freeze_bert else {"learning rate": rate_row(config)}),
        **({"teacher": _teacher_row(config, problem, teacher)} if teacher else {}),
        **({"its layers": f"{taught_layers}{_each(config)}"} if taught_layers else {}),
        **_place_rows(config, checkpoint),
    }


def dense_title(problem) -> str:
    """What a dense run is, in a few words."""
    return f"{problem.task}, fine-tuned densely"


def dense_rows(config, plan, name, model, problem, checkpoint) -> dict[str, str]:
    """The table that is shown before fine-tuning; see fine_tune.fine_tune for what goes in."""
    return {
        "model": f"{name} ({type(model).__name__}), {model.num_parameters():,} parameters, all trained",
        **_data_rows(problem),
        "steps": _steps(plan),
        "learning rate": rate_row(config),
        **_place_rows(config, checkpoint),
    }


def _steps(plan) -> str:
    return f"T = {plan.total_steps:,} of {plan.batch} examples"


def _data_rows(problem) -> dict[str, str]:
    validation = " + ".join(f"{len(dataset):,} {name}".strip() for name, dataset in problem.validation.items())
    return {
        "data": f"{len(problem.train):,} {problem.unit} to train, {validation} to validate",
        "length": f"up to {problem.max_length} tokens, padded to the longest of a batch",
    }


def _teacher_row(config, problem, teacher) -> str:
    labels = list(problem.label_words)
    order = some(labels[teacher.order.index(number)] for number in range(len(labels)))
    return (
        f"{teacher.name} ({type(teacher.model).__name__}), its logits in the order {order}; {config.alpha_distil:g} x "
        f"distillation at T = {config.temperature:g} + {config.alpha_ce:g} x the task's own loss"
        + (f" + {config.alpha_hidden:g} x the layers' distance" if config.alpha_hidden else "")
    )


def _each(config) -> str:
    return " in each process" if config.world_size > 1 else ""


def _place_rows(config, checkpoint) -> dict[str, str]:
    rows = {
        "device": f"{config.device}, {_precision(config)}, "
        f"{config.world_size} process{'es' if config.world_size > 1 else ''}, seed {config.seed}",
        "output": config.output_dir,
    }
    return rows | ({"resumes": checkpoint.name} if checkpoint else {})


def _precision(config) -> str:
    if config.bf16 and config.device.type == "cpu" and not multiplies_in_bf16():
        return "bf16 (this processor is faster in fp32)"
    return "bf16" if config.bf16 else "fp16" if config.fp16 else "fp32"


def results(measured: dict, metrics: tuple[str, ...], mask: Mask, output_dir: Path, published: dict[str, float]) -> str:
    """The table that is shown after training, from what all_results.json holds; beside it the published figures."""
    metric = f"eval_{metrics[0]}"
    kept, weights = (sum(int(f(m)) for m in mask.bits.values()) for f in (torch.sum, torch.numel))
    rows = _metric_rows(measured, metrics, published)
    rows[metrics[0]] += (
        f"  (best of {measured['evaluations_at_final_density']} evaluations at this density, "
        f"step {measured['best_step']:,}; the last {readable(measured[f'last_{metric}'])})"
    )
    rows |= {
        "density": f"{measured['density']:.4f}  ({kept:,} of {weights:,} weights)",
        "mask": f"{MASK}, {file_size(output_dir / MASK)}",
        **({"model": f"{MODEL}, {file_size(output_dir / MODEL)}"} if (output_dir / MODEL).exists() else {}),
        "time": duration(measured["seconds"]),
        "report": PAGE,
        "pictures": "density.png, curves.png",
    }
    return listing(f"results of {output_dir}", rows)


def dense_results(measured: dict, metrics: tuple[str, ...], output_dir: Path, published: dict[str, float]) -> str:
    """The table that is shown after fine-tuning."""
    rows = _metric_rows(measured, metrics, published) | {
        "model": f"{MODEL}, {file_size(output_dir / MODEL)}",
        "time": duration(measured["seconds"]),
        "report": PAGE,
    }
    return listing(f"results of {output_dir}", rows)


def _metric_rows(measured: dict, metrics: tuple[str, ...], published: dict[str, float]) -> dict[str, str]:
    shown = {
        name.removeprefix("eval_"): value
        for name, value in measured.items()
        if name.startswith("eval_") and name.endswith(metrics)
    }
    task = measured["task"]
    rows = {name: readable(value) + paper_results.beside(task, published.get(name)) for name, value in shown.items()}
    baseline = measured.get(f"majority_eval_{metrics[0]}")
    return rows if baseline is None else rows | {"majority class": readable(baseline)}


class Progress(ProgressCallback):
    """Trainer's progress bar with loss and current density, and a line for every evaluation.

    density: at the moment; metrics: the logged ones that the line shows.
    """

    def __init__(self, density: Callable[[], float], metrics: list[str]):
        super().__init__()
        self.density, self.metrics = density, metrics

    def on_prediction_step(self, args, state, control, **kwargs):
        """No second bar: evaluations are short, and their result gets a line."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        if not state.is_world_process_zero or self.training_bar is None:
            return
        if "loss" in logs:
            density = self.density()
            self.training_bar.set_postfix(loss=f"{logs['loss']:.3f}", density=f"{density:.3f}")
        measured = [f"{name.removeprefix('eval_')} {readable(logs[name])}" for name in self.metrics if name in logs]
        if measured:
            density = self.density()
            self.training_bar.write(f"step {state.global_step:>6}  density {density:.4f}  {'  '.join(measured)}")
