"""Dense fine-tuning of the same backbones on the same data: teachers, and the 100 % line of comparisons.

transformers' own models and training loop, all weights trained; masks have no part in it.
"""

import time
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.trainer import DEFAULT_PROGRESS_CALLBACK

from emmental.common import provenance
from emmental.common.files import write_json
from emmental.common.run_folder import RESULTS
from emmental.common.text import listing
from emmental.models.tokenizers import check_length, longest_text
from emmental.recipes import paper_results
from emmental.recipes.plan import make_plan
from emmental.tasks.problem import Problem
from emmental.training import checkpoints, plots, processes, report, run_page
from emmental.training.config import SMPConfig
from emmental.training.optimiser import check_learning
from emmental.training.preemption import Preemption
from emmental.training.prune import loop_settings, prepare_output
from emmental.training.task_trainer import TaskTrainer


def fine_tune(
    config: SMPConfig, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str, problem: Problem
) -> dict:
    """Fine-tune a model for the problem and leave it with its results in ``config.output_dir``, a folder that
    ``from_pretrained`` loads. Returns what all_results.json holds.

    Raises InputError before anything is created where the run cannot be done as asked.
    """
    started = time.monotonic()
    output_dir = Path(config.output_dir)
    check_length(problem.max_length, longest_text(model, tokenizer))
    plan = make_plan(config, len(problem.train), problem.lengths, config.world_size)
    check_learning(config, plan.total_steps)
    config.set_intervals(plan)
    settings = {
        "task": problem.task,
        "kind": problem.kind,
        "base_model": name,
        "total_steps": plan.total_steps,
        "learning_rate": config.learning_rate,
        "weight_decay": config.weight_decay,
    }
    checkpoint = prepare_output(config, settings | loop_settings(config) | problem.reading)
    config.label_names = list(problem.label_names)
    title, asked = report.dense_title(problem), report.dense_rows(config, plan, name, model, problem, checkpoint)
    if config.should_save:
        print(listing(title, asked), flush=True)

    trainer = TaskTrainer(model, config, **problem.for_trainer(tokenizer))
    trainer.remove_callback(DEFAULT_PROGRESS_CALLBACK)
    if not config.disable_tqdm:
        trainer.add_callback(report.Progress(lambda: 1.0, problem.logged_metrics()))
    for callback in (checkpoints.Seal(), processes.OwnRandomness(), Preemption(trainer.accelerator)):
        trainer.add_callback(callback)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    measured, examined = problem.measure(trainer)
    results = {
        "task": problem.task,
        "model": name,
        "method": config.pruning_method,
        "density": 1.0,
        **{name: value for name, value in measured.items() if name.startswith("eval_")},
        **problem.majority(),
        "global_step": trainer.state.global_step,
        "seed": config.seed,
        "trained_parameters": model.num_parameters(only_trainable=True),
        "seconds": time.monotonic() - started,
        **provenance.of_this_run(),
    }
    trainer.save_model()
    if config.should_save:
        published = paper_results.published(problem.task, 1.0, paper_results.FINETUNED, kd=False, backbone=name)
        course = plots.Course(trainer.state.log_history, f"eval_{problem.metrics[0]}", problem.baseline)
        run_page.write(config, problem, title, asked, results, published, course.panels(), examined)
        write_json(output_dir / RESULTS, results)
        checkpoints.finish(output_dir)
        print(report.dense_results(results, problem.metrics, output_dir, published), flush=True)
    return results
