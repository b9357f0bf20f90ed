"""Switching tasks over one backbone of BERT-base's shape: seconds per switch and memory per resident mask.

    python -m benchmarks.inference.mask_switch

Weights and masks are random. Also compares the logits after a switch with those of a fresh load, which must be equal.
"""

import statistics
import tempfile
import time
import tracemalloc
from pathlib import Path

import torch
from transformers import BertConfig, BertForMaskedLM, BertTokenizer

from emmental.inference.load import load_pruned
from emmental.inference.switching import MaskedBackbone
from emmental.masks.mask import Mask, MaskInfo
from emmental.models.backbones import load_backbone
from emmental.pruning.matrices import encoder_linears
from emmental.recipes.kinds import Kind

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] terrible great a film".split()
MASKS = {"at 3 %": 0.03, "at 50 %": 0.5}
SWITCHES = 9


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        save_bert_base_shape(Path(folder))
        masks = {name: random_mask(folder, density) for name, density in MASKS.items()}
        shared = MaskedBackbone(folder)
        tracemalloc.start()  # sees numpy's arrays, which hold the bits
        for name, mask in masks.items():
            shared.add(name, mask)
        print(f"memory of a resident mask: {tracemalloc.get_traced_memory()[0] / len(masks) / 1e6:.1f} MB")
        tracemalloc.stop()

        seconds = []
        for number in range(SWITCHES):
            started = time.perf_counter()
            shared.activate(list(MASKS)[number % len(MASKS)])
            seconds.append(time.perf_counter() - started)
        print(f"a switch: {statistics.median(seconds):.3f} s (from {min(seconds):.3f} to {max(seconds):.3f})")

        for name, mask in masks.items():
            equal = (shared.activate(name).logits(["a great film"]) == load_pruned(mask).logits(["a great film"])).all()
            print(f"logits {name}: {'equal to' if equal else 'DIFFER FROM'} a fresh load's")


def save_bert_base_shape(folder: Path) -> None:
    """12 layers of width 768 with random weights and a vocabulary of a few words."""
    torch.manual_seed(0)
    BertForMaskedLM(BertConfig(vocab_size=len(WORDS))).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    BertTokenizer.from_pretrained(folder).save_pretrained(folder)


def random_mask(folder: str, density: float) -> Mask:
    """A mask of this density over the backbone in the folder."""
    backbone = load_backbone(folder)
    bits = {name: torch.rand(layer.weight.shape) < density for name, layer in encoder_linears(backbone.model).items()}
    words = {"0": "terrible", "1": "great"}
    hashes = backbone.hashes()
    about = {"task": "sst2", "kind": Kind.LABEL, "label_words": words, "density": density, "method": "topK"}
    return Mask(bits, MaskInfo(base_model=folder, base_revision="", allocation="local", p=1.0, **about, **hashes))


if __name__ == "__main__":
    main()
