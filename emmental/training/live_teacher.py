"""A teacher that is asked beside the student, in every step, for its layers as well as its logits.

For data whose layers are too large to be stored: in half precision 6 layers of MiniLM take 4.6 kB per token,
BERT-base's 12 take 18.4 kB. MNLI's 392,702 examples of 40 tokens would take 290 GB.
"""

import inspect

import torch

from emmental.common.errors import InputError
from emmental.models.layers import blocks, recorded
from emmental.models.losses import without_padding
from emmental.training.teacher_logits import SIDES
from emmental.training.teachers import Teacher


class LiveTeacher:
    """Logits and layers of a frozen teacher, by batches."""

    def __init__(self, teacher: Teacher, student_layers: int):
        self.model, self.order = teacher.model, torch.tensor(teacher.order, device=teacher.model.device)
        every = blocks(teacher.model)
        self.layers = [every[number] for number in aligned(student_layers, len(every))]
        self.known = inspect.signature(teacher.model.forward).parameters

    @torch.no_grad()
    def batch(self, rows: torch.Tensor, inputs: dict[str, torch.Tensor]) -> dict:
        """As of TeacherLogits, for these inputs of the student (int64 [batch, length]), with ``layers``: the output
        [batch, length, hidden] of one layer for each of the student's."""
        given = {name: values for name, values in inputs.items() if name in self.known and not _is_answer(name)}
        with recorded(self.layers) as layers:
            outputs = self.model(**given)
        if "logits" in outputs:
            return {"logits": outputs["logits"][..., self.order], "layers": layers}
        mask = inputs.get("attention_mask")
        return {side: without_padding(outputs[side], mask) for side in SIDES} | {"layers": layers}


def _is_answer(name: str) -> bool:
    return name == "labels" or name.endswith("_positions")


def aligned(student: int, teacher: int) -> list[int]:
    """Which of a teacher's layers, counted from 0, each of a student's learns from: all, or evenly spread, the last
    one from the last."""
    return [round((number + 1) * teacher / student) - 1 for number in range(student)]


def check_layers(teacher: Teacher, student: torch.nn.Module) -> None:
    """Raise InputError where the student's layers cannot learn from the teacher's: these are narrower or wider, or
    fewer."""
    counts = [len(blocks(model)) for model in (teacher.model, student)]
    if counts[0] < counts[1]:
        raise InputError(
            f"--alpha_hidden: the teacher {teacher.name!r} has {counts[0]} layers, the backbone has {counts[1]}"
        )
    widths = [model.config.hidden_size for model in (teacher.model, student)]
    if widths[0] != widths[1]:
        raise InputError(
            f"--alpha_hidden: the teacher {teacher.name!r} is {widths[0]} wide, the backbone {widths[1]}: layers learn "
            f"from layers of their width; fine-tune a teacher of this backbone with run_teacher.sh"
        )
