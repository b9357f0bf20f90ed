"""What sparse products gain on each architecture that the sparse runtime computes, at 3 and 10 % of random weights.

    OMP_NUM_THREADS=1 python -m benchmarks.inference.architectures           # 10 minutes or more
    OMP_NUM_THREADS=1 python -m benchmarks.inference.architectures --quick   # 2 layers, 3 turns: to see that it runs

BERT itself is timed by benchmarks.inference.speed. The shapes are those of the models by these names on the Hub. Dense
and sparse are timed in turn. A gain is the median of the turns' ratios, with its quartiles: what else the machine does
slows both sides of most turns.
"""

import argparse
import time

import numpy as np
import torch
from transformers import AutoModelForMaskedLM, DistilBertConfig, ElectraConfig, PreTrainedConfig

from benchmarks.inference.speed import BATCHES, VOCABULARY
from emmental.benchmark.contenders import with_runtime
from emmental.benchmark.report import machine
from emmental.benchmark.timing import random_texts
from emmental.common.text import aligned
from emmental.models.heads import SequenceClassifier
from emmental.pruning.matrices import encoder_linears

SHAPES = {
    "distilbert-base": DistilBertConfig(vocab_size=VOCABULARY),
    "electra-base-discriminator": ElectraConfig(
        vocab_size=VOCABULARY, embedding_size=768, hidden_size=768, num_attention_heads=12, intermediate_size=3072
    ),
    "electra-base-generator": ElectraConfig(vocab_size=VOCABULARY, embedding_size=768, num_attention_heads=4),
}
DENSITIES = 0.03, 0.10
TURNS = 7, 31  # at least and at most
SECONDS = 20.0  # of one row; after them no further turn begins


def main(quick: bool) -> None:
    rows = [["", "density", "batch", "dense ms", "sparse ms", "gain", "quartiles", "logits off by"]]
    for name, config in SHAPES.items():
        if quick:
            config.num_hidden_layers = 2
        for density in DENSITIES:
            dense = pruned(config, density)
            sparse = with_runtime(dense, "sparse")
            for batch, lengths in BATCHES.items():
                inputs = random_texts(lengths, VOCABULARY)
                seconds, difference = in_turn(dense, sparse, inputs, (3, 3) if quick else TURNS)
                low, gain, high = np.percentile(seconds[:, 0] / seconds[:, 1], [25, 50, 75])
                times = [f"{1e3 * median:.1f}" for median in np.median(seconds, 0)]
                spread = f"{low:.2f} - {high:.2f}"
                rows.append([name, f"{100 * density:g} %", batch, *times, f"{gain:.2f}x", spread, f"{difference:.0e}"])
                print(aligned([rows[0], rows[-1]]), flush=True)
    print(f"{aligned(rows)}\n{machine()}")


def pruned(config: PreTrainedConfig, density: float) -> SequenceClassifier:
    """A classifier of this shape with random weights and masks."""
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(config).requires_grad_(False)
    for linear in encoder_linears(model).values():
        linear.weight *= torch.rand(linear.weight.shape) < density
    return SequenceClassifier(model, [5, 6]).eval()


@torch.inference_mode()
def in_turn(
    dense: SequenceClassifier, sparse: SequenceClassifier, inputs: dict[str, torch.Tensor], turns: tuple[int, int]
) -> tuple[np.ndarray, float]:
    """Seconds [turns, 2] of dense and sparse, and how far their logits are from each other."""
    logits = [model(**inputs)["logits"] for model in (dense, sparse)]  # warms up, too
    seconds, began = [], time.perf_counter()
    for turn in range(turns[1]):
        if turn >= turns[0] and time.perf_counter() - began > SECONDS:
            break
        taken = {}
        for side in (0, 1) if turn % 2 else (1, 0):  # neither is always behind the other
            started = time.perf_counter()
            (dense, sparse)[side](**inputs)
            taken[side] = time.perf_counter() - started
        seconds.append([taken[0], taken[1]])
    return np.array(seconds), (logits[0] - logits[1]).abs().max().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Time the sparse runtime on every architecture that it computes.")
    parser.add_argument("--quick", action="store_true", help="2 layers and 3 turns")
    main(parser.parse_args().quick)
