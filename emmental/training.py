"""One pruning run from start to finish: plan, train or resume, keep the best mask, write and show the results."""

import math
import time
from dataclasses import asdict
from pathlib import Path

import transformers
from transformers import ProgressCallback, TrainerState
from transformers.trainer import TRAINER_STATE_NAME

from emmental import checkpoints, masks, report, snapshots
from emmental.arguments import SMPConfig
from emmental.backbones import Backbone
from emmental.errors import InputError
from emmental.files import write_json
from emmental.heads import label_word_ids
from emmental.layers import init_scores, swap_in
from emmental.problem import Problem
from emmental.schedule import Lengths, Schedule, pruning_length, ramp_length
from emmental.trainer import SMPTrainer


def prune(config: SMPConfig, backbone: Backbone, problem: Problem) -> dict:
    """Train a mask and leave it with its results in ``config.output_dir``. Returns what all_results.json holds.

    Raises InputError before anything is created where the run cannot be done as asked.
    """
    started = time.monotonic()
    check_length(problem.max_length, backbone.tokenizer.model_max_length)
    snapshot_densities(config)
    schedule = plan_schedule(config, len(problem.train), problem.lengths)
    word_ids = label_word_ids(backbone.tokenizer, list(problem.label_words.values()))
    info = mask_info(config, backbone, problem)
    transformers.set_seed(config.seed)
    layers = swap_in(backbone.model)
    init_scores(layers, config.mask_init, config.mask_scale)
    settings = run_settings(config, info, schedule, problem.reading)
    with config.main_process_first(desc="the output folder"):
        checkpoint = checkpoints.prepare(
            Path(config.output_dir), settings, config.overwrite_output_dir and config.should_save
        )
    config.label_names = list(problem.label_names)
    if config.should_save:
        print(report.plan(config, backbone, problem, schedule, layers, checkpoint), flush=True)

    trainer = build_trainer(config, backbone, problem, schedule, problem.model(backbone.model, word_ids), info)
    train(trainer, checkpoint)
    return conclude(trainer, problem, info, time.monotonic() - started)


def check_length(max_length: int, longest: int) -> None:
    """Raise InputError where the backbone cannot read texts of that many tokens."""
    if not 2 < max_length <= longest:
        raise InputError(f"--max_seq_length {max_length}: the backbone reads 3 to {longest} tokens")


def count_steps(config: SMPConfig, examples: int) -> int:
    """Optimiser steps of the whole run; also sets the default evaluation interval by them."""
    batch = config.train_batch_size * config.gradient_accumulation_steps * config.world_size
    per_epoch = math.ceil(examples / batch)
    total = config.max_steps if config.max_steps > 0 else math.ceil(config.num_train_epochs * per_epoch)
    config.set_default_intervals(total, per_epoch)
    return total


def plan_schedule(config: SMPConfig, examples: int, lengths: Lengths) -> Schedule:
    """The run's schedule. Raises InputError where no valid one exists."""
    total = count_steps(config, examples)
    pruning_steps = config.warmup_threshold_step
    if pruning_steps is None:
        try:
            pruning_steps = pruning_length(total, config.final_threshold, lengths)
        except ValueError as error:
            raise InputError(str(error)) from None
    if not 0 < pruning_steps < total:
        raise InputError(
            f"{pruning_steps} pruning steps (PRUNING_STEPS, --warmup_threshold_step) do not fit into a run of {total} "
            f"steps: give 1 to {total - 1}, or none for the default"
        )
    ramp_steps = ramp_length(total, config.final_threshold, lengths)
    return Schedule(
        total, pruning_steps, config.final_threshold, config.final_lambda, config.initial_threshold, ramp_steps
    )


def snapshot_densities(config: SMPConfig) -> list[float]:
    """The densities asked for beside the final one, falling."""
    return (
        snapshots.parse_densities(config.snapshot_densities, config.final_threshold)
        if config.snapshot_densities
        else []
    )


def mask_info(config: SMPConfig, backbone: Backbone, problem: Problem) -> masks.MaskInfo:
    """What the run's mask file will say of itself. To be asked before the head is narrowed."""
    return masks.MaskInfo(
        base_model=backbone.name,
        base_revision=backbone.revision,
        weights_sha256=backbone.weights_sha256(),
        head_sha256=backbone.head_sha256(),
        task=problem.task,
        label_words=problem.label_words,
        density=config.final_threshold,
        method=config.pruning_method,
        allocation=config.allocation,
        p=config.magnitude_topk_threshold_p,
    )


def run_settings(config: SMPConfig, info: masks.MaskInfo, schedule: Schedule, reading: dict) -> dict:
    """Everything that decides the mask: a run is only resumed under the settings that it began with."""
    scores = {name: getattr(config, name) for name in ("mask_scores_learning_rate", "mask_init", "mask_scale")}
    return asdict(info) | asdict(schedule) | scores | loop_settings(config) | reading


def loop_settings(config: SMPConfig) -> dict:
    """The part of the settings that has nothing to do with masks."""
    names = (
        "seed", "data_seed", "per_device_train_batch_size", "gradient_accumulation_steps", "world_size",
        "train_sampling_strategy", "lr_scheduler_type", "warmup_steps", "max_grad_norm", "bf16", "fp16",
    )  # fmt: skip
    return {name: getattr(config, name) for name in names}


def build_trainer(config, backbone, problem, schedule, model, info) -> SMPTrainer:
    """The trainer with its data, callbacks and logs."""
    trainer = SMPTrainer(model, config, schedule, **problem.for_trainer(backbone.tokenizer))

    def save_mask(path: Path):
        masks.save(masks.Mask(masks.capture(trainer.masked_layers), info), path)

    def take_snapshot(density: float):
        trainer.select_masks(density)
        if config.should_save:
            save_mask(Path(config.output_dir) / f"{snapshots.prefix(density)}.safetensors")
        trainer.evaluate(metric_key_prefix=snapshots.prefix(density))
        trainer.select_masks()

    trainer.remove_callback(ProgressCallback)
    if not config.disable_tqdm:
        trainer.add_callback(report.Progress(schedule.density, problem.logged_metrics()))
    trainer.add_callback(checkpoints.BestMask(f"eval_{problem.metrics[0]}", schedule, save_mask))
    trainer.add_callback(checkpoints.Seal())
    if config.snapshot_densities:
        trainer.add_callback(snapshots.Snapshots(snapshot_densities(config), schedule.density, take_snapshot))
    return trainer


def train(trainer: SMPTrainer, checkpoint: Path | None) -> None:
    """Train to the end, from the checkpoint where there is one."""
    output_dir = Path(trainer.args.output_dir)
    if trainer.args.should_save:
        checkpoints.restore_best(output_dir, checkpoint)
    if checkpoint:
        state = TrainerState.load_from_json(checkpoint / TRAINER_STATE_NAME)
        if state.global_step == trainer.schedule.total_steps:  # killed after the last step, before the results
            trainer.state = state
            return
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if not (output_dir / checkpoints.BEST).exists():  # no evaluation was due at the final density
        trainer.evaluate()


def conclude(trainer: SMPTrainer, problem: Problem, info: masks.MaskInfo, seconds: float) -> dict:
    """Evaluate the best mask once more, write the run's files, show the table."""
    output_dir = Path(trainer.args.output_dir)
    metric = f"eval_{problem.metrics[0]}"
    history = trainer.state.log_history.copy()
    evaluations = checkpoints.final_evaluations(history, metric, trainer.schedule)
    best = checkpoints.best_evaluation(history, metric, trainer.schedule)
    mask = masks.load(output_dir / checkpoints.BEST)
    masks.apply(mask.bits, trainer.masked_layers)
    measured = problem.measure(trainer)
    results = {
        "task": problem.task,
        "model": info.base_model,
        "allocation": info.allocation,
        "density": mask.density(),
        "final_threshold": info.density,
        **{name: value for name, value in measured.items() if name.startswith("eval_")},
        "best_step": best["step"],
        f"last_{metric}": evaluations[-1][metric],
        "evaluations_at_final_density": len(evaluations),
        **problem.majority(),
        "pruning_steps": trainer.schedule.pruning_steps,
        "global_step": trainer.state.global_step,
        "seed": trainer.args.seed,
        "seconds": seconds,
    }
    if trainer.args.should_save:
        masks.save(mask, output_dir / checkpoints.MASK)
        title = f"{problem.task}, {100 * mask.density():.2f} % of {info.base_model} remain"
        report.draw_density(mask.bits, title, output_dir / "density.png")
        report.draw_curves(history, trainer.schedule, metric, best["step"], problem.baseline, output_dir / "curves.png")
        if trainer.args.snapshot_densities:
            rows = snapshots.collect(history, snapshot_densities(trainer.args), problem.metrics)
            snapshots.write_csv(rows, output_dir / "densities.csv")
            end = trainer.args.final_threshold, results[metric]
            report.draw_densities(rows, problem.metrics[0], end, problem.baseline, output_dir / "densities.png")
        write_json(output_dir / checkpoints.RESULTS, results)
        checkpoints.finish(output_dir)
        print(report.results(results, problem.metrics, mask, output_dir), flush=True)
    return results
