"""A training step over a dense fine-tuning step, by allocation, precision and batch; and selection's share of it.

All take turns in one process: a step of the run, its selection once more by itself, and a dense step on the same batch.
Each is timed until the device has done it, so that nothing of one is counted to another.
"""

import contextlib
import itertools
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator

from transformers import BertConfig
from transformers.utils import is_flash_attn_2_available

from benchmarks.gpu.scale import Scale
from benchmarks.gpu.timing import free, over, spread, timed
from benchmarks.training.around import Around
from benchmarks.training.training_steps import DenseStep, OurRun, batches

ALLOCATIONS = ("local", "soft", "global")
FLASH = "flash_attention_2"


def rows(scale: Scale) -> Iterator[dict]:
    """One for each kind of step in each setting."""
    for batch, (precision, attention) in itertools.product(
        scale.rounds, (("fp32", "sdpa"), ("bf16", "sdpa"), ("bf16", FLASH))
    ):
        setting = {"precision": precision, "attention": attention, "batch": batch, "tokens": scale.length}
        if attention == FLASH and not is_flash_attn_2_available():
            yield setting | {"note": "flash-attn is not installed"}
            continue
        seconds = in_turn(scale, batch, precision, attention)
        dense = seconds["dense"]
        yield setting | {"step": "dense"} | spread("ms", dense, 1e3) | per_second(batch, dense)
        for number, allocation in enumerate(ALLOCATIONS):
            ours, selecting = seconds[allocation], seconds[allocation, "selection"]
            of_selection = {
                "selection_ms": 1e3 * statistics.median(selecting),
                "selection_share": statistics.median(selecting) / statistics.median(ours),
            }
            beside = dense[number :: len(ALLOCATIONS)]  # the dense steps that came just after these
            times = spread("ms", ours, 1e3) | over("over_dense", ours, beside)
            yield setting | {"step": allocation} | times | of_selection | per_second(batch, ours)


def per_second(batch: int, seconds: list[float]) -> dict[str, float]:
    """A row's entry of the throughput."""
    return {"examples_per_s": batch / statistics.median(seconds)}


def in_turn(scale: Scale, batch: int, precision: str, attention: str) -> dict:
    """Seconds of "dense", of each allocation, and of (allocation, "selection"); the first of each warmed up."""
    workload, seconds = scale.workload(batch), defaultdict(list)
    settings = {"bf16": precision == "bf16", "shape": with_attention(scale, attention), "device": scale.device}
    turns = [allocation for _ in range(scale.rounds[batch] + 1) for allocation in ALLOCATIONS]
    todo = [{name: values.to(scale.device) for name, values in batches(workload, 1)[0].items()}] * len(turns)
    dense = DenseStep(workload, **settings)
    with tempfile.TemporaryDirectory() as folder:
        run = OurRun(workload, todo, folder, **settings)
        run.add_callback(Around(turn(run, allocation, dense, seconds, scale.device) for allocation in turns))
        run.train()
    free(scale.device)
    warm = len(ALLOCATIONS)
    return {name: some[warm if name == "dense" else 1 :] for name, some in seconds.items()}


def with_attention(scale: Scale, attention: str) -> BertConfig:
    """BERT-base's shape with that attention."""
    return BertConfig(**scale.base.to_dict(), attn_implementation=attention)


@contextlib.contextmanager
def turn(run: OurRun, allocation: str, dense: DenseStep, seconds: dict, device: str) -> Iterator[None]:
    """Around a step of the run: times it with this allocation, then its rivals."""
    allocate(run, allocation)
    with timed(seconds[allocation], device):
        yield
    with timed(seconds[allocation, "selection"], device):
        run.select_masks()
    with timed(seconds["dense"], device):
        dense(run.batch)


def allocate(run: OurRun, allocation: str) -> None:
    """From now on masks are selected by this allocation."""
    run.args.magnitude_topk_threshold, run.args.global_topk = allocation == "soft", allocation == "global"
    run.selection = run.args.selection()
