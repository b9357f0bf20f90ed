"""Size of task checkpoints against the folded model and its gzip, and the CPU seconds to load each.

    python -m benchmarks.inference.task_files [MASK ...]

Without arguments: BERT-base's shape with its 30,522 tokens, random weights, and random masks at 3 and 10 %.
"""

import gzip
import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertForMaskedLM, BertTokenizer

from benchmarks.inference.mask_switch import WORDS, random_mask
from emmental import masks
from emmental.export import floats, task_file
from emmental.inference.load import fold, load_pruned

DENSITIES = (0.03, 0.1)
GZIP = 6  # the command's default


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if sys.argv[1:]:
            for path in sys.argv[1:]:
                measure(masks.load(path), path, folder)
            return
        save_bert_base(folder / "bert-base")
        for density in DENSITIES:
            measure(random_mask(str(folder / "bert-base"), density), f"BERT-base's shape at {density:g}", folder)


def save_bert_base(folder: Path) -> None:
    """BERT-base's shape, vocabulary size included, with random weights."""
    torch.manual_seed(0)
    BertForMaskedLM(BertConfig()).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join([*WORDS, *map(str, range(30522 - len(WORDS)))]) + "\n")
    BertTokenizer.from_pretrained(folder).save_pretrained(folder)


def measure(mask: masks.Mask, title: str, folder: Path) -> None:
    """Print a line per file."""
    print(f"{title}: {mask.density():.4f} of {sum(bits.numel() for bits in mask.bits.values()):,} weights")
    backbone = fold(mask)
    backbone.model.save_pretrained(folder / "folded")
    backbone.tokenizer.save_pretrained(folder / "folded")
    file = folder / "folded" / "model.safetensors"
    started = time.process_time()
    AutoModelForMaskedLM.from_pretrained(folder / "folded"), AutoTokenizer.from_pretrained(folder / "folded")
    line("folded, fp32", file.stat().st_size, time.process_time() - started)
    line("the same, gzip", len(gzip.compress(file.read_bytes(), GZIP)))
    pruned = load_pruned(mask)
    for dtype in floats.DTYPES:
        for embeddings in (True, False):
            path = folder / "mask.task"
            task_file.pack(pruned.model, pruned.tokenizer, mask, path, dtype, embeddings)
            started = time.process_time()
            load_pruned(path)
            seconds = time.process_time() - started
            line(f"{dtype}{'' if embeddings else ' without embeddings'}", path.stat().st_size, seconds)


def line(what: str, size: int, seconds: float | None = None) -> None:
    """One row of the table."""
    loading = f"   loads in {seconds:.1f} s of CPU time" if seconds else ""
    print(f"  {what:<24}{size / 1e6:9.2f} MB{loading}", flush=True)


if __name__ == "__main__":
    main()
