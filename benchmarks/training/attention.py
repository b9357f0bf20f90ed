"""Training steps in bf16 on this CPU with attention by plain products, over those with torch's own: by length.

    OMP_NUM_THREADS=1 python -m benchmarks.training.attention       # --quick: MiniLM's shape alone

Dense fine-tuning steps, which differ in nothing else, on 4,096 random tokens each, in turn; medians of the ratios and
their quartiles, with dropout and without. training/attention.py goes by this table: below 1 products are faster.
"""

import argparse
import statistics
import time
from collections import defaultdict

import torch
from transformers import BertConfig

from benchmarks.training.train_step import ratios
from benchmarks.training.training_steps import DenseStep, Workload, random_batch
from emmental.benchmark.report import machine
from emmental.common.text import aligned
from emmental.models.heads import SequenceClassifier

TOKENS = 4096
LENGTHS = (16, 48, 96, 128, 192, 256, 384)
ROUNDS = 5
SHAPES = {
    "MiniLM": {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536},
    "BERT-base": {},
}
WAYS = "eager", "sdpa"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="MiniLM's shape alone")
    names = list(SHAPES)[:1] if parser.parse_args().quick else list(SHAPES)
    rows = [["tokens of a text", *map(str, LENGTHS)]]
    for name in names:
        for dropout in (0.1, 0.0):
            steps = {way: step(name, dropout, way) for way in WAYS}
            rows.append([f"{name}, dropout {dropout:g}", *(ratio(steps, length) for length in LENGTHS)])
    print(machine())
    print(aligned(rows))


def step(name: str, dropout: float, way: str) -> DenseStep:
    """A fine-tuning step whose attention is always computed in this way."""
    shape = BertConfig(**SHAPES[name], hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)
    own = DenseStep(workload(LENGTHS[0]), bf16=True, shape=shape)
    own.by_products = False
    own.encoder.set_attn_implementation(way)
    return own


def workload(length: int) -> Workload:
    """Texts of this length, TOKENS in all."""
    return Workload(SequenceClassifier, TOKENS // length, (length,), length)


def ratio(steps: dict[str, DenseStep], length: int) -> str:
    """Median and quartiles over the rounds, after one that is not counted."""
    batch, seconds = random_batch(workload(length), length, torch.Generator().manual_seed(0)), defaultdict(list)
    for _ in range(ROUNDS + 1):
        for way in WAYS:
            began = time.perf_counter()
            steps[way](batch)
            seconds[way].append(time.perf_counter() - began)
    by_turn = ratios(*(seconds[way][1:] for way in WAYS))
    low, median, high = statistics.quantiles(by_turn, n=4, method="inclusive")
    return f"{median:.2f} ({low:.2f} - {high:.2f})"


if __name__ == "__main__":
    main()
