"""Seals of checkpoints: written last, they say what every file of a whole one holds."""

import json
from pathlib import Path

from emmental.common import hashing
from emmental.common.files import write_json
from emmental.common.run_folder import SEAL


def seal(checkpoint: Path) -> None:
    """Note the hash of each of its files. A checkpoint without this note was never finished."""
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != SEAL)
    write_json(checkpoint / SEAL, {str(path.relative_to(checkpoint)): hashing.of_file(path) for path in files})


def damage(checkpoint: Path) -> str:
    """The first file of a sealed checkpoint that is not what it was when it was sealed; empty where it is whole."""
    try:
        sealed = json.loads((checkpoint / SEAL).read_text())
        differing = (name for name, sha256 in sealed.items() if _hash(checkpoint / name) != sha256)
        return next(differing, "")
    except (ValueError, AttributeError):
        return SEAL


def _hash(path: Path) -> str:
    return hashing.of_file(path) if path.is_file() else ""
