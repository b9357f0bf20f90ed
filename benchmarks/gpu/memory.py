"""Peak memory of two training steps, in which optimisers get their states: ours beside dense fine-tuning.

On a device it is what torch allocates there at most. On a CPU it is what the process ever took, which only shows that
the program runs: benchmarks.training.train_memory measures a CPU's.
"""

import itertools
import tempfile
from collections.abc import Callable, Iterator

import torch
from transformers import BertConfig

from benchmarks.gpu.scale import Scale
from benchmarks.gpu.timing import free
from benchmarks.training.training_steps import DenseStep, OurRun, Workload, batches
from emmental.benchmark.memory import resident

STEPS = 2


def rows(scale: Scale) -> Iterator[dict]:
    """One for each shape and precision, at the smallest batch."""
    workload = scale.workload(scale.batch())
    shapes = {"base": scale.base, "large": scale.large}
    for (name, shape), precision in itertools.product(shapes.items(), ("fp32", "bf16")):
        settings = {"bf16": precision == "bf16", "shape": shape, "device": scale.device}
        peaks = {  # functions, so that no model is there while the other's memory is counted
            "dense_mb": peak(lambda settings=settings: dense(workload, settings), scale.device),
            "smp_mb": peak(lambda settings=settings: ours(workload, settings), scale.device),
        }
        over_dense = peaks["smp_mb"] / peaks["dense_mb"]
        setting = {"shape": name, "precision": precision, "batch": workload.batch, "tokens": scale.length}
        yield setting | peaks | {"smp_over_dense": over_dense, "scores_mb": scores(shape)}


def dense(workload: Workload, settings: dict) -> None:
    """The dense steps."""
    step = DenseStep(workload, **settings)
    for batch in batches(workload, 1) * STEPS:
        step({name: values.to(settings["device"]) for name, values in batch.items()})


def ours(workload: Workload, settings: dict) -> None:
    """A run of as many steps."""
    with tempfile.TemporaryDirectory() as folder:
        OurRun(workload, batches(workload, 1) * STEPS, folder, **settings).train()


def scores(shape: BertConfig) -> float:
    """Megabytes of one fp32 copy of the masked matrices, which dense fine-tuning does not have."""
    matrices = 4 * shape.hidden_size**2 + 2 * shape.hidden_size * shape.intermediate_size
    return 4 * shape.num_hidden_layers * matrices / 1e6


def peak(run: Callable[[], None], device: str) -> float:
    """Megabytes at most while run() works, beyond those that were there."""
    free(device)
    if device == "cpu":
        run()
        return resident("VmHWM") / 1e6
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    run()
    return (torch.cuda.max_memory_allocated() - before) / 1e6
