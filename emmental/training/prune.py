"""One pruning run from start to finish: plan, train or resume, keep the best state, write and show the results."""

import time
from dataclasses import asdict
from pathlib import Path

import transformers
from transformers import ProgressCallback, TrainerState
from transformers.trainer import TRAINER_STATE_NAME

from emmental import masks
from emmental.common import provenance
from emmental.common.errors import InputError
from emmental.common.files import write_csv, write_json
from emmental.common.run_folder import BEST, RESULTS
from emmental.models.backbones import Backbone
from emmental.models.layers import blocks
from emmental.models.tokenizers import check_length, longest_text
from emmental.pruning.masked_linear import density
from emmental.pruning.schedule import POWERS, Schedule
from emmental.pruning.score_init import init_scores
from emmental.recipes import paper_results
from emmental.recipes.plan import Plan, make_plan
from emmental.tasks.problem import Problem
from emmental.training import checkpoints, plots, processes, report, snapshots
from emmental.training.activations import input_norms
from emmental.training.config import SMPConfig
from emmental.training.live_teacher import LiveTeacher, check_layers
from emmental.training.optimiser import check_learning
from emmental.training.preemption import Preemption
from emmental.training.stored_teacher import StoredTeacher
from emmental.training.students import Student
from emmental.training.taught_layers import STORED, choose_layers
from emmental.training.teacher_logits import TeacherLogits, stored_logits
from emmental.training.teachers import Teacher, check_order, load_teacher
from emmental.training.trainer import SMPTrainer


def prune(config: SMPConfig, student: Student, problem: Problem) -> dict:
    """Train masks and leave what came of it in ``config.output_dir``. Returns what all_results.json holds.

    Raises InputError before anything is created where the run cannot be done as asked.
    """
    started = time.monotonic()
    check_length(problem.max_length, longest_text(student.backbone.model, student.tokenizer))
    plan = make_plan(config, len(problem.train), problem.lengths, config.world_size)
    check_learning(config, plan.total_steps)
    config.set_intervals(plan)
    schedule = schedule_of(config, plan)
    teacher = checked_teacher(config, student.backbone, problem) if config.teacher_model_name_or_path else None
    info = mask_info(config, student.backbone, problem)
    masks.check_info(info, Path(config.output_dir))
    transformers.set_seed(config.seed)
    layers = student.begin(info, plan.method.learns_scores, config.norms_learning_rate > 0)
    norms = None
    if config.mask_init == "wanda":
        norms = input_norms(student.backbone.model.to(config.device), layers, problem.train, student.tokenizer)
    init_scores(layers, config.mask_init, config.mask_scale, norms)
    settings = run_settings(config, info, schedule, problem.reading, teacher)
    taught_layers = None
    if config.alpha_hidden:
        taught_layers = choose_layers(config, plan, problem.train, student.backbone.model)
        settings["teacher_layers"] = taught_layers.way
    checkpoint = prepare_output(config, settings)
    config.label_names = list(problem.label_names)
    if config.should_save:
        shown = report.plan(config, plan, student.backbone, problem, layers, teacher, taught_layers, checkpoint)
        print(shown, flush=True)

    taught = None
    if teacher:
        problem = problem.with_numbered_rows()
        if config.alpha_hidden:
            taught = LiveTeacher(teacher, len(blocks(student.backbone.model)))
            if taught_layers.way == STORED:
                with config.autocast():
                    taught = StoredTeacher(taught, problem.train, student.tokenizer)
        else:
            with config.main_process_first(desc="the teacher's logits"):
                taught = TeacherLogits(stored_logits(teacher.model, problem.train, student.tokenizer), teacher.order)
        del teacher  # all that is wanted of it is in its place
    trainer = build_trainer(config, student, problem, schedule, taught)
    train(trainer, checkpoint)
    return conclude(trainer, student, problem, time.monotonic() - started)


def checked_teacher(config: SMPConfig, backbone: Backbone, problem: Problem) -> Teacher:
    """The teacher, on the run's device, its labels in an order that agrees with the training data; else InputError."""
    name, order = config.teacher_model_name_or_path, config.teacher_label_order
    teacher = load_teacher(name, problem, backbone.tokenizer, order)
    check_length(problem.max_length, longest_text(teacher.model, backbone.tokenizer), f"the teacher {name!r}")
    if config.alpha_hidden:
        check_layers(teacher, backbone.model)
    teacher.model.to(config.device)
    check_order(teacher, problem, backbone.tokenizer)
    return teacher


def prepare_output(config: SMPConfig, settings: dict) -> Path | None:
    """Claim the output folder; returns the checkpoint that all processes resume from, if any."""
    output_dir = Path(config.output_dir)
    overwrite = processes.overwrite(config)
    checkpoint = processes.on_first(config.process_index, lambda: checkpoints.prepare(output_dir, settings, overwrite))
    if not processes.all_true((checkpoint or output_dir).exists()):
        raise InputError(f"{output_dir}: not seen by all processes: several nodes need a file system that they share")
    return checkpoint


def schedule_of(config: SMPConfig, plan: Plan) -> Schedule:
    """The plan's schedule as a function of the step."""
    return Schedule(
        plan.total_steps,
        plan.pruning_steps,
        config.final_threshold,
        config.final_lambda,
        config.initial_threshold,
        plan.ramp_steps,
        POWERS[config.density_schedule],
        plan.method.lambda_decides,
    )


def mask_info(config: SMPConfig, backbone: Backbone, problem: Problem) -> masks.MaskInfo:
    """What the run's mask file will say of itself. To be asked before the head is narrowed."""
    trained = {"weights_sha256": backbone.weights_sha256(), "head_sha256": ""}  # until it is known what they become
    hashes = backbone.hashes() if config.freeze_bert else trained
    return masks.MaskInfo(
        base_model=backbone.name,
        base_revision=backbone.revision,
        **hashes,
        task=problem.task,
        kind=problem.kind,
        label_words=problem.label_words,
        density=config.final_threshold,
        method=config.pruning_method if config.freeze_bert else f"{config.pruning_method}, weights trained",
        allocation=config.allocation,
        p=config.magnitude_topk_threshold_p,
    )


def run_settings(config: SMPConfig, info: masks.MaskInfo, schedule: Schedule, reading: dict, teacher) -> dict:
    """Everything that decides the mask: a run is only resumed under the settings that it began with."""
    names = ("temperature", "alpha_distil", "alpha_ce", "alpha_hidden")
    taught = {"teacher": teacher.name, "teacher_order": list(teacher.order)} if teacher else {}
    taught |= {name: getattr(config, name) for name in names} if teacher else {}
    scores = {name: getattr(config, name) for name in ("mask_scores_learning_rate", "mask_init", "mask_scale")}
    rates = ("norms_learning_rate",) if config.freeze_bert else ("learning_rate", "weight_decay")
    rates = {name: getattr(config, name) for name in rates}
    return asdict(info) | asdict(schedule) | scores | rates | taught | loop_settings(config) | reading


def loop_settings(config: SMPConfig) -> dict:
    """The part of the settings that has nothing to do with masks."""
    names = (
        "seed", "data_seed", "dropout", "per_device_train_batch_size", "gradient_accumulation_steps", "world_size",
        "train_sampling_strategy", "lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps", "max_grad_norm", "bf16",
        "fp16", "label_smoothing_factor", "optim", "optim_args", "adam_beta1", "adam_beta2", "adam_epsilon",
    )  # fmt: skip
    return {name: getattr(config, name) for name in names}


def build_trainer(config, student, problem, schedule, teacher) -> SMPTrainer:
    """The trainer with its data, callbacks and logs."""
    trainer = SMPTrainer(student.model(), config, schedule, teacher=teacher, **problem.for_trainer(student.tokenizer))

    def take_snapshot(density: float):
        trainer.select_masks(density)
        if config.should_save:
            student.keep(Path(config.output_dir) / f"{snapshots.prefix(density)}.safetensors")
        trainer.evaluate(metric_key_prefix=snapshots.prefix(density))
        trainer.select_masks()

    trainer.remove_callback(ProgressCallback)
    if not config.disable_tqdm:
        trainer.add_callback(report.Progress(trainer.density, problem.logged_metrics()))
    trainer.add_callback(checkpoints.Best(f"eval_{problem.metrics[0]}", schedule, student.keep))
    trainer.add_callback(checkpoints.Seal())
    if config.snapshot_densities:
        trainer.add_callback(snapshots.Snapshots(config.densities_in_passing(), schedule.density, take_snapshot))
    trainer.add_callback(processes.OwnRandomness())
    trainer.add_callback(Preemption(trainer.accelerator))
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
    trainer.accelerator.wait_for_everyone()
    if not (output_dir / BEST).exists():  # no evaluation was due at the final density
        trainer.evaluate()


def conclude(trainer: SMPTrainer, student: Student, problem: Problem, seconds: float) -> dict:
    """Evaluate the best state once more, write the run's files, show the table."""
    trainer.accelerator.wait_for_everyone()  # until the best state is written
    config, info, output_dir = trainer.args, student.info, Path(trainer.args.output_dir)
    metric = f"eval_{problem.metrics[0]}"
    history = trainer.state.log_history.copy()
    student.restore(output_dir / BEST)
    results = {
        **outcome(trainer, problem, info),
        "seconds": seconds,
        **provenance.of_this_run(),
    }
    if config.should_save:
        mask = student.leave(output_dir)
        title = f"{problem.task}, {100 * mask.density():.2f} % of {info.base_model} remain"
        plots.draw_density(mask.bits, title, output_dir / "density.png")
        best_step = results["best_step"]
        plots.draw_curves(history, trainer.schedule, metric, best_step, problem.baseline, output_dir / "curves.png")
        if config.snapshot_densities:
            rows = snapshots.collect(history, config.densities_in_passing(), problem.metrics)
            write_csv(rows, output_dir / "densities.csv")
            end = config.final_threshold, results[metric]
            plots.draw_densities(rows, problem.metrics[0], end, problem.baseline, output_dir / "densities.png")
        write_json(output_dir / RESULTS, results)
        checkpoints.finish(output_dir)
        published = paper_results.of_run(problem.task, config, info.base_model)
        print(report.results(results, problem.metrics, mask, output_dir, published), flush=True)
    return results


def outcome(trainer: SMPTrainer, problem: Problem, info: masks.MaskInfo) -> dict:
    """What came of the run, measured with the state that is kept: the part of all_results.json that a repetition gives
    again."""
    config, metric = trainer.args, f"eval_{problem.metrics[0]}"
    evaluations = checkpoints.final_evaluations(trainer.state.log_history, metric, trainer.schedule)
    best = checkpoints.best_evaluation(evaluations, metric, trainer.schedule)
    measured = problem.measure(trainer)
    return {
        "task": problem.task,
        "model": info.base_model,
        "method": info.method,
        "allocation": info.allocation,
        "density": density(trainer.masked_layers),
        "final_threshold": config.final_threshold,
        "final_lambda": config.final_lambda,
        **{name: value for name, value in measured.items() if name.startswith("eval_")},
        "best_step": best["step"],
        f"last_{metric}": evaluations[-1][metric],
        "evaluations_at_final_density": len(evaluations),
        **problem.majority(),
        **({"teacher": config.teacher_model_name_or_path} if trainer.teacher else {}),
        "trained_parameters": sum(weight.numel() for weight in trainer.model.parameters() if weight.requires_grad),
        "pruning_steps": trainer.schedule.pruning_steps,
        "global_step": trainer.state.global_step,
        "seed": config.seed,
    }
