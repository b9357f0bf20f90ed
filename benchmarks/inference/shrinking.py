"""What shrinking saves in time: dense against shrunk, both plain PyTorch on one thread, measured in turn.

    python -m benchmarks.inference.shrinking models/sst2_0.03_mag/mask.safetensors [--shrink_min 10]
    python -m benchmarks.inference.shrinking

Without a mask: BERT-base's shape with random weights and a random mask at 3 %, in which half of the rows of query, key,
value and intermediate are empty. Prints medians of CPU time, which other processes disturb less than the clock's, and
the range of the rounds' ratios.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.inference.mask_switch import random_mask, save_bert_base_shape
from emmental import masks
from emmental.export import shrunk
from emmental.inference.load import load_pruned

BATCHES = (1, 16), (4, 128)  # texts, tokens
ROUNDS = 7
SKIPPED = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mask", type=Path, nargs="?")
    parser.add_argument("--shrink_min", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        mask = masks.load(arguments.mask) if arguments.mask else half_empty_mask(Path(folder))
        dense, small = load_pruned(mask), load_pruned(mask)
    shrunk.shrink(small.model.backbone, arguments.shrink_min)
    before, after = (parameters(pruned.model.backbone.base_model.encoder) for pruned in (dense, small))
    print(f"parameters of the encoder: {before:,} -> {after:,} ({100 * after / before:.1f} %)")
    for batch, length in BATCHES:
        compare(dense.model, small.model, batch, length)


def half_empty_mask(folder: Path) -> masks.Mask:
    """Density 3 % over BERT-base's shape; see above."""
    save_bert_base_shape(folder)
    mask = random_mask(str(folder), 0.03)
    draw = torch.Generator().manual_seed(1)
    for name, bits in mask.bits.items():
        if name.endswith(("query", "key", "value", "intermediate.dense")):
            more = torch.rand(bits.shape, generator=draw) < 0.03  # what half of the rows lose, the others get
            bits |= more
            bits &= (torch.rand(len(bits), generator=draw) < 0.5).unsqueeze(1)
    return mask


def parameters(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@torch.inference_mode()
def compare(dense, small, batch: int, length: int) -> None:
    """Time both in turn on random tokens."""
    inputs = {"input_ids": torch.randint(5, 9, (batch, length)), "attention_mask": torch.ones(batch, length).long()}
    inputs["attention_mask"][-1, length // 2 :] = 0
    seconds = []
    for _ in range(ROUNDS + SKIPPED):
        seconds.append([timed(model, inputs) for model in (dense, small)])
    seconds = seconds[SKIPPED:]
    medians = [statistics.median(side) for side in zip(*seconds, strict=True)]
    ratios = [before / after for before, after in seconds]
    difference = (dense(**inputs)["logits"] - small(**inputs)["logits"]).abs().max()
    print(
        f"{batch:2} x {length:3} tokens: dense {1e3 * medians[0]:7.1f} ms, shrunk {1e3 * medians[1]:7.1f} ms, "
        f"{medians[0] / medians[1]:.2f}x ({min(ratios):.2f} to {max(ratios):.2f}); logits differ by {difference:.1e}"
    )


def timed(model, inputs) -> float:
    started = time.process_time()
    model(**inputs)
    return time.process_time() - started


if __name__ == "__main__":
    main()
