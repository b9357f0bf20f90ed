"""What a run spends outside its steps: data, logging, callbacks, checkpoints; evaluations apart.

    python -m benchmarks.training.epoch_overhead GLUE [STEPS]     # the folder of SST-2's official TSV files; 200 steps

MiniLM on SST-2 with the launcher's settings: batches of 64, SMP-S. A step lasts from its forward pass to the selection
of its masks.
"""

import sys
import tempfile
import time

import datasets
import transformers
from transformers import TrainerCallback

from emmental.models.backbones import load_backbone
from emmental.pruning.score_init import init_scores
from emmental.recipes.plan import make_plan
from emmental.scripts.glue import as_problem
from emmental.tasks import glue
from emmental.tasks.source import Source
from emmental.training import prune
from emmental.training.config import SMPConfig
from emmental.training.students import FrozenBackbone


class Clock(TrainerCallback):
    """Seconds in steps and in evaluations, and from the first step to the last."""

    def __init__(self, trainer):
        self.steps = self.evaluations = 0.0
        self.evaluate, trainer.evaluate = trainer.evaluate, self.timed_evaluation

    def timed_evaluation(self, *arguments, **settings):
        started = time.perf_counter()
        metrics = self.evaluate(*arguments, **settings)
        self.evaluations += time.perf_counter() - started
        return metrics

    def on_train_begin(self, args, state, control, **kwargs):
        self.begun = time.perf_counter()

    def on_step_begin(self, args, state, control, **kwargs):
        self.started = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        self.steps += time.perf_counter() - self.started

    def on_train_end(self, args, state, control, **kwargs):
        self.all = time.perf_counter() - self.begun


def main(data_dir: str, steps: str = "200") -> None:
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as folder:
        config = SMPConfig(
            output_dir=folder, max_steps=int(steps), magnitude_topk_threshold=True, mask_scores_learning_rate=1e-2,
            final_lambda=0.0, disable_tqdm=True, report_to=["tensorboard"],
        )  # fmt: skip
        trainer = build(config, data_dir)
        trainer.remove_callback(transformers.PrinterCallback)
        clock = Clock(trainer)
        trainer.add_callback(clock)
        trainer.train()
    outside = clock.all - clock.steps - clock.evaluations
    print(f"{steps} steps {clock.steps:.1f} s, evaluations {clock.evaluations:.1f} s, outside both {outside:.2f} s")
    print(f"outside the steps: {100 * outside / clock.steps:.2f} % of the steps; the goal is at most 5 %")


def build(config: SMPConfig, data_dir: str):
    """What masked_run_glue.py would train."""
    task, source = glue.TASKS["sst2"], Source(data_dir)
    backbone = load_backbone("minilm")
    problem = as_problem(
        task, glue.load_train(task, source), glue.load_validation(task, source), backbone.tokenizer, max_length=128
    )
    plan = make_plan(config, len(problem.train), problem.lengths, config.world_size)
    config.set_intervals(plan)
    student = FrozenBackbone(backbone, problem)
    init_scores(student.begin(prune.mask_info(config, backbone, problem), scores=True), "magnitude", 0.5)
    return prune.build_trainer(config, student, problem, prune.schedule_of(config, plan), teacher=None)


if __name__ == "__main__":
    main(*sys.argv[1:])
