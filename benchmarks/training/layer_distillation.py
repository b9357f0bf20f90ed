"""What a teacher costs: steps without one, with its stored logits, with its layers computed live, and with them stored.

    python -m benchmarks.training.layer_distillation                # MiniLM's shape, batches of 32 x 64
    python -m benchmarks.training.layer_distillation --length 128   # longer texts
    python -m benchmarks.training.layer_distillation --json         # one JSON object

Random weights and tokens, one student whose steps take turns: each batch is trained on in all ways, one after another.
Figures are of medians, over the median without a teacher; quartiles are those of single steps. Before the steps the
pass that fills the store is timed. Peak memory is that of processes of their own, with as many rows as were stored.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict

import datasets
import torch
from datasets import Dataset
from torch.utils.data import DataLoader
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertTokenizer,
    PrinterCallback,
    TrainerCallback,
)

from benchmarks.training.train_memory import peak
from benchmarks.training.train_step import machine
from emmental.models.heads import SequenceClassifier
from emmental.models.layers import blocks
from emmental.pruning.masked_linear import swap_in
from emmental.pruning.schedule import Schedule
from emmental.pruning.score_init import init_scores
from emmental.training.config import SMPConfig
from emmental.training.live_teacher import LiveTeacher
from emmental.training.stored_teacher import StoredTeacher, layer_bytes
from emmental.training.teacher_logits import TeacherLogits
from emmental.training.teachers import Teacher
from emmental.training.trainer import SMPTrainer

BATCH, ROWS = 32, 1024
WAYS = {
    "none": "without a teacher",
    "logits": "its logits, stored",
    "live": "its layers, live",
    "stored": "its layers, stored",
}


def shape() -> BertConfig:
    """MiniLM's: 6 layers of width 384."""
    return BertConfig(
        hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536, num_labels=3
    )


def rows(length: int) -> Dataset:
    """ROWS numbered examples of this many random tokens, and labels."""
    ids = torch.randint(1000, 30000, (ROWS, length), generator=torch.Generator().manual_seed(0))
    columns = {"input_ids": ids.numpy(), "attention_mask": torch.ones_like(ids).numpy(), "row": range(ROWS)}
    return Dataset.from_dict(columns | {"labels": [row % 3 for row in range(ROWS)]})


class InTurn(TrainerCallback):
    """Before each step gives the run the next way's teacher, and times the step."""

    def __init__(self, run: "Run", ways: dict):
        self.run, self.ways = run, ways
        self.seconds = defaultdict(list)

    def on_step_begin(self, args, state, control, **kwargs):
        self.way = list(self.ways)[state.global_step % len(self.ways)]
        self.run.learn_from(self.ways[self.way])
        self.started = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        self.seconds[self.way].append(time.perf_counter() - self.started)


class Run(SMPTrainer):
    """A run of so many batches, each in as many steps as there are ways to teach it."""

    def __init__(self, features: Dataset, batches: int, ways: int, folder: str):
        torch.manual_seed(0)
        model = BertForMaskedLM(shape())
        init_scores(swap_in(model), "magnitude", 0.5)
        self.times, steps = ways, batches * ways
        config = SMPConfig(
            output_dir=folder, max_steps=steps, mask_scores_learning_rate=2e-2, magnitude_topk_threshold=True,
            per_device_train_batch_size=BATCH, alpha_hidden=10, train_sampling_strategy="random", save_strategy="no",
            eval_strategy="no", logging_strategy="no", disable_tqdm=True,
            teacher_model_name_or_path="random",
        )  # fmt: skip
        super().__init__(
            SequenceClassifier(model, [2748, 2672, 2053]), config, Schedule(steps + 1, 1, 0.3, 50.0, 0.3),
            train_dataset=features, distillation=SequenceClassifier.distillation,
        )  # fmt: skip
        self.remove_callback(PrinterCallback)

    def get_train_dataloader(self):
        firsts = range(0, ROWS, BATCH)
        order = [list(range(first, first + BATCH)) for first in firsts for _ in range(self.times)]
        return DataLoader(self.train_dataset.with_format("torch"), batch_sampler=order)

    def learn_from(self, teacher) -> None:
        """From now on."""
        self.teacher = teacher
        self.learning_layers = blocks(self.model) if isinstance(teacher, LiveTeacher | StoredTeacher) else []


def teacher(way: str, features: Dataset, folder: str):
    """What the run asks, or None; its model is left behind where it is not asked any more."""
    if way == "none":
        return None
    if way == "logits":
        Dataset.from_dict({"logits": torch.zeros(ROWS, 3).numpy()}).save_to_disk(f"{folder}/logits")
        return TeacherLogits(datasets.load_from_disk(f"{folder}/logits"), (0, 1, 2))
    torch.manual_seed(1)
    model = BertForSequenceClassification(shape()).eval().requires_grad_(False)
    live = LiveTeacher(Teacher(model, "random", (0, 1, 2)), shape().num_hidden_layers)
    return live if way == "live" else StoredTeacher(live, features, tokenizer(folder))


def tokenizer(folder: str) -> BertTokenizer:
    """One that can pad."""
    with open(f"{folder}/vocab.txt", "w") as file:
        file.write("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    return BertTokenizer(f"{folder}/vocab.txt")


def measure(length: int, batches: int) -> dict:
    """Steps in turn: of each way the median and quartiles, in steps without a teacher; the pass, in the same."""
    features, ways = rows(length), {}
    with tempfile.TemporaryDirectory() as folder:
        run = Run(features, batches, len(WAYS), folder)
        for way in WAYS:
            started = time.perf_counter()
            ways[way] = teacher(way, features, folder)
        filling = time.perf_counter() - started  # the last one's
        timer = InTurn(run, ways)
        run.add_callback(timer)
        run.train()
    seconds = {way: some[1:] for way, some in timer.seconds.items()}  # the first ones warm up
    bare = statistics.median(seconds["none"])
    quartiles = {way: [some / bare for some in statistics.quantiles(seconds[way], n=4)] for way in WAYS}
    return {
        "length": length,
        "batches": batches - 1,
        "seconds_without": bare,
        "quartiles": quartiles,  # the second is the median
        "pass": filling / (ROWS / BATCH) / bare,
        "store_megabytes": layer_bytes(features, shape().num_hidden_layers, shape().hidden_size) / 1e6,
        "machine": machine(),
    }


def peaks(length: int) -> dict[str, int]:
    """Peak megabytes of each way, of processes of their own."""
    return {way: _peak(way, length) for way in WAYS}


def memory(way: str, length: int) -> int:
    """Peak megabytes of this process with a few steps of this way."""
    features = rows(length)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(features, 2, 1, folder)
        run.learn_from(teacher(way, features, folder))
        run.train()
    return peak()


def _peak(way: str, length: int) -> int:
    command = [sys.executable, "-m", "benchmarks.training.layer_distillation", "--memory", way, "--length", str(length)]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1])


def table(figures: dict) -> str:
    """What is printed without --json."""
    title = f"a step of {BATCH} x {figures['length']}"
    lines = [f"{title:22}  median      quartiles  peak memory"]
    for way, words in WAYS.items():
        low, middle, high = figures["quartiles"][way]
        lines.append(f"  {words:20} {middle:7.3f}  {low:5.3f} - {high:5.3f}  {figures['peak_megabytes'][way]:8,} MB")
    lines.append(f"  the pass that fills the store, for {BATCH} rows: {figures['pass']:.3f} steps without a teacher")
    lines.append(f"  the store of {ROWS:,} rows: {figures['store_megabytes']:,.0f} MB")
    lines.append(f"  1 is {1000 * figures['seconds_without']:.0f} ms; {figures['batches']} steps of each way")
    lines.append(f"  {figures['machine']}, torch {torch.__version__}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=64, help="tokens of each example")
    parser.add_argument("--batches", type=int, default=10, help="steps of each way; the first is not counted")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--memory", choices=WAYS, help="print this way's peak megabytes alone")
    arguments = parser.parse_args()
    datasets.disable_progress_bars()
    with contextlib.redirect_stdout(sys.stderr):
        if arguments.memory:
            figures = memory(arguments.memory, arguments.length)
        else:
            figures = measure(arguments.length, arguments.batches)
            figures["peak_megabytes"] = peaks(arguments.length)
    print(figures if arguments.memory else json.dumps(figures) if arguments.json else table(figures))


if __name__ == "__main__":
    main()
