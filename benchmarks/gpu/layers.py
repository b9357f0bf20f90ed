"""Layer-wise distillation (--alpha_hidden) with a live teacher: a step with it over the same step without a teacher."""

import contextlib
import copy
import tempfile
from collections import defaultdict
from collections.abc import Iterator

import torch
from transformers import BertConfig, BertForSequenceClassification

from benchmarks.gpu.scale import Scale
from benchmarks.gpu.timing import free, over, spread, timed
from benchmarks.training.around import Around
from benchmarks.training.training_steps import LABEL_WORDS, OurRun, batches
from emmental.models.layers import blocks
from emmental.training.live_teacher import LiveTeacher
from emmental.training.teachers import Teacher


def rows(scale: Scale) -> Iterator[dict]:
    """One for each precision, at the smallest batch: the teacher has the student's shape."""
    workload, labels = scale.workload(scale.batch()), len(LABEL_WORDS[scale.workload(1).head])
    batch = batches(workload, 1)[0] | {"row": torch.arange(workload.batch)}
    batch = {name: values.to(scale.device) for name, values in batch.items()}
    for precision in ("fp32", "bf16"):
        seconds = defaultdict(list)
        turns = ["alone", "taught"] * (scale.rounds[workload.batch] + 1)
        settings = {"bf16": precision == "bf16", "shape": scale.base, "device": scale.device}
        with tempfile.TemporaryDirectory() as folder:
            run = OurRun(workload, [batch] * len(turns), folder, **settings)
            run.distillation, run.args.alpha_hidden = run.model.distillation, 1.0
            teacher = live_teacher(scale.base, labels, scale.device)
            run.add_callback(Around(turn(run, teacher, name, seconds[name], scale.device) for name in turns))
            run.train()
        alone, taught = seconds["alone"][1:], seconds["taught"][1:]
        setting = {"precision": precision, "batch": workload.batch, "tokens": scale.length}
        yield setting | {"step": "alone"} | spread("ms", alone, 1e3)
        yield setting | {"step": "with layers"} | spread("ms", taught, 1e3) | over("over_alone", taught, alone)
        free(scale.device)


def live_teacher(shape: BertConfig, labels: int, device: str) -> LiveTeacher:
    """A classifier of that shape with random weights."""
    config = copy.deepcopy(shape)
    config.num_labels = labels
    with torch.device(device):
        model = BertForSequenceClassification(config).eval().requires_grad_(False)
    return LiveTeacher(Teacher(model, "random", tuple(range(labels))), shape.num_hidden_layers)


@contextlib.contextmanager
def turn(run: OurRun, teacher: LiveTeacher, name: str, seconds: list[float], device: str) -> Iterator[None]:
    """Around a step of the run, which learns from the teacher or alone."""
    taught = name == "taught"
    run.teacher, run.learning_layers = (teacher, blocks(run.model)) if taught else (None, [])
    with timed(seconds, device):
        yield
