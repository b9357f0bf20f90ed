"""Size of a mask's files against the entropy bound of its densities, and the seconds to write and read them.

    python -m benchmarks.inference.mask_files [MASK ...]

Without arguments: random masks of BERT-base's shape (72 matrices, 84.9 M weights) at 3, 10 and 50 %; no model is
needed. With mask files: those, where learned structure lets the compact file go below the bound.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from emmental import masks
from emmental.recipes.kinds import Kind

DENSITIES = (0.03, 0.1, 0.5)
NO_INFO = masks.MaskInfo("random", "", "", "", "", Kind.VALUE, {"score": "yes"}, 1.0, "", "", 1.0)

BERT_BASE = {
    f"bert.encoder.layer.{layer}.{matrix}": shape
    for layer in range(12)
    for matrix, shape in {
        "attention.self.query": (768, 768),
        "attention.self.key": (768, 768),
        "attention.self.value": (768, 768),
        "attention.output.dense": (768, 768),
        "intermediate.dense": (3072, 768),
        "output.dense": (768, 3072),
    }.items()
}


def random_mask(density: float, seed: int = 0) -> masks.Mask:
    """Independent bits of one density over BERT-base's matrices."""
    generator = np.random.default_rng(seed)
    bits = {name: generator.random(shape, np.float32) < density for name, shape in BERT_BASE.items()}
    return masks.Mask({name: torch.from_numpy(matrix) for name, matrix in bits.items()}, NO_INFO)


def measure(mask: masks.Mask, title: str, folder: Path) -> None:
    """Print a line per encoding."""
    bound = masks.entropy_bound(mask.bits)
    shapes = {name: tuple(matrix.shape) for name, matrix in mask.bits.items()}
    for suffix in (".safetensors", ".npy", ".smp"):
        path = folder / f"mask{suffix}"
        start = time.perf_counter()
        masks.save(mask, path)
        written = time.perf_counter()
        again = masks.load(path, shapes, mask.info)
        read = time.perf_counter()
        assert all(torch.equal(again.bits[name], matrix) for name, matrix in mask.bits.items())
        size = path.stat().st_size
        print(
            f"{title:<30} {100 * mask.density():6.2f} % {suffix:<12} {size:>11,} bytes  {size / bound:7.4f} x bound  "
            f"write {written - start:5.2f} s  read {read - written:5.2f} s",
            flush=True,
        )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for path in sys.argv[1:]:
            measure(masks.load(Path(path)), Path(path).name, Path(folder))
        for density in DENSITIES if len(sys.argv) == 1 else ():
            measure(random_mask(density), "random, BERT-base", Path(folder))


if __name__ == "__main__":
    main()
