"""Fingerprints of weights, masks and files: SHA-256 in hexadecimal.

They stand in mask files and name caches, so what they are computed over must not change. Loads neither NumPy nor torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch


def of_arrays(named: Iterable[tuple[str, np.ndarray]]) -> str:
    """Of names and values in this order, the values row by row; shapes and types do not count. A name may be empty."""
    digest = hashlib.sha256()
    for name, array in named:
        digest.update(name.encode())
        digest.update(array.ravel())
    return digest.hexdigest()


def of_tensors(named: Iterable[tuple[str, torch.Tensor]]) -> str:
    """As of_arrays, of tensors on any device."""
    return of_arrays((name, tensor.detach().cpu().numpy()) for name, tensor in named)


def of_texts(*texts: str) -> str:
    """Of texts, one after the other; where they part does not count."""
    return hashlib.sha256("".join(texts).encode()).hexdigest()


def of_file(path: Path) -> str:
    """Of a file's bytes. Raises OSError where it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
