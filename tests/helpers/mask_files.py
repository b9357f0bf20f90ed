"""What the tests of mask files share."""

from pathlib import Path

import numpy as np

from emmental.masks import compact, npy, packed

Bits = dict[str, np.ndarray]


def write(path: Path, bits: Bits, info=None) -> Path:
    """Write bits in the encoding of the path's suffix."""
    if path.suffix == ".npy":
        npy.write(path, bits)
    else:
        (packed if path.suffix == ".safetensors" else compact).write(path, bits, info)
    return path


def read(path: Path, shapes: dict[str, tuple[int, int]]) -> Bits:
    """Read them by the suffix; the shapes are for .npy."""
    if path.suffix == ".npy":
        return npy.read(path, shapes)
    return (packed if path.suffix == ".safetensors" else compact).read(path)[0]


def assert_same(bits: Bits, others: Bits) -> None:
    """The same matrices in the same order."""
    assert list(bits) == list(others)
    for name, matrix in bits.items():
        assert others[name].dtype == bool
        assert np.array_equal(matrix, others[name]), name
