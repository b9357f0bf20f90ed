"""How often a step of training waits for the device: a GPU is fed the next work only while the host runs ahead."""

import pytest
import torch
from datasets import Dataset
from transformers import BertForSequenceClassification

from emmental.training.live_teacher import LiveTeacher
from emmental.training.preemption import Preemption
from emmental.training.teacher_logits import TeacherLogits
from emmental.training.teachers import Teacher
from tests.helpers.host_waits import HostWaits
from tests.helpers.small_run import build, examples
from tests.helpers.tiny import tiny_config

ROWS = 64  # eight steps an epoch: none begins while waits are counted


def stored(device):
    return TeacherLogits(Dataset.from_dict({"logits": [[0.1, 0.2]] * ROWS}), (0, 1))


def live(device):
    return LiveTeacher(Teacher(BertForSequenceClassification(tiny_config()).eval().to(device), "teacher", (0, 1)), 2)


# Settings, the teacher, and how often a step may look at a value, by whose code it is. Ours do so on the CPU alone: at
# the loss of each micro-batch, and at the importances of soft allocation. transformers' looks whether a batch has
# padding, for each pass through an encoder.
CASES = {
    "local": ({}, None, 1, 1),
    "soft": ({"magnitude_topk_threshold": True}, None, 2, 1),
    "global": ({"global_topk": True}, None, 1, 1),
    "accumulated": ({"gradient_accumulation_steps": 2, "per_device_train_batch_size": 4}, None, 2, 2),
    "stored teacher": ({}, stored, 1, 1),
    "layers of a teacher": ({"alpha_hidden": 1.0}, live, 1, 2),
}


@pytest.mark.parametrize("case", CASES)
def test_a_step_waits_for_nothing_else(device, case, tiny_bert, tmp_path):
    settings, teacher, ours, transformers = CASES[case]
    trainer = build(tiny_bert, tmp_path, logging_steps=100, **settings)
    trainer.train_dataset = examples(ROWS)
    if teacher:
        trainer.train_dataset = trainer.train_dataset.add_column("row", list(range(ROWS)))
        trainer.teacher, trainer.distillation = teacher(device), type(trainer.model).distillation
    waits = HostWaits(device)
    for callback in (Preemption(trainer.accelerator), waits):
        trainer.add_callback(callback)
    trainer.train()
    found = waits.per_step()
    own = {place: count for place, count in found.items() if place.startswith("emmental/")}
    assert sum(own.values()) <= (ours if device.type == "cpu" else 0), found
    assert sum(found.values()) - sum(own.values()) <= transformers, found
    assert torch.stack([scores.isfinite().all() for scores in trainer.scores()]).all()
