"""How a run gets its teacher's layers: stored before training where they fit and that pays, else live in every step.

Decided once. Both ways differ in rounding, and so in the mask: a resumed run goes on as it began.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from datasets import Dataset
from torch import nn

from emmental.common.errors import InputError
from emmental.common.memory import available
from emmental.common.text import volume
from emmental.models.layers import blocks
from emmental.recipes.plan import Plan
from emmental.training import checkpoints, processes
from emmental.training.config import SMPConfig
from emmental.training.stored_teacher import layer_bytes

STORED, LIVE = "stored", "live"
SHARE = 0.5  # of the free memory that a store may take: training wants the rest


@dataclass(frozen=True)
class TaughtLayers:
    """The way that was chosen, and the bytes that the layers take, or would take, in each process."""

    way: str
    size: int

    def __str__(self) -> str:
        if self.way == STORED:
            return f"stored before training, {volume(self.size)}"
        return f"computed beside the student's in every step; stored they would take {volume(self.size)}"


def choose_layers(config: SMPConfig, plan: Plan, features: Dataset, student: nn.Module) -> TaughtLayers:
    """The way of a run on these features, by the memory that its first process finds, or of the unfinished run in its
    output folder. Raises InputError as chosen_way."""
    size = layer_bytes(features, len(blocks(student)), student.config.hidden_size)
    passes = plan.total_steps / plan.steps_per_epoch / config.world_size

    def way() -> str:
        begun = {} if processes.overwrite(config) else checkpoints.settings_begun(Path(config.output_dir))
        return chosen_way(size, free_memory(config.device, config.world_size), passes, begun.get("teacher_layers"))

    return TaughtLayers(processes.on_first(config.process_index, way), size)


def chosen_way(size: int, free: int, passes: float, begun: str | None = None) -> str:
    """STORED or LIVE. size: bytes of the layers; free: bytes of memory for them and for training; passes: over the
    whole training set that live computation would make in this process, where storing takes one. begun: the way of the
    run that is resumed, which counts alone. Raises InputError where that one stored what does not fit now."""
    if begun == STORED and size > free:
        raise InputError(
            f"the run that is to be resumed has its teacher's layers in memory: they take {volume(size)}, and "
            f"{volume(free)} are free. Resume it where there is more memory; computing them in every step would lead "
            f"to another mask"
        )
    return begun or (STORED if passes > 1 and size <= SHARE * free else LIVE)


def free_memory(device: torch.device, processes: int) -> int:
    """Bytes that each of these processes may take on its device: a GPU's own, or a share of the machine's."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return available() // processes
