"""What our own encodings share: a safetensors file whose metadata name and check the bits that its tensors hold."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
from safetensors.numpy import save_file

from emmental.common import hashing
from emmental.common.errors import InputError
from emmental.common.files import replacing

VERSION = "1"
DTYPES = {"U8", "U32"}
KEY = "mask"  # one entry holds all metadata: safetensors writes several in an order that differs from run to run

Bits = dict[str, np.ndarray]


@dataclass(frozen=True)
class Container:
    """A file's content. shapes: (out, in) by matrix name; info: whatever JSON was written with the bits."""

    path: Path
    tensors: dict[str, np.ndarray]
    shapes: dict[str, tuple[int, int]]
    bits_sha256: str
    info: object

    def check(self, bits: Bits) -> None:
        """Raise InputError where the decoded bits are not those that were written."""
        if bits_sha256(bits) != self.bits_sha256:
            raise InputError(f"{self.path}: the bits do not match their checksum, the file is damaged")


def write(path: Path, form: str, tensors: dict[str, np.ndarray], bits: Bits, info: dict) -> None:
    """Write ``tensors``, which encode ``bits`` in the given form (its name in the file)."""
    description = {
        "format": form,
        "format_version": VERSION,
        "shapes": {name: matrix.shape for name, matrix in bits.items()},
        "bits_sha256": bits_sha256(bits),
        "info": info,
    }
    with replacing(path) as temporary:
        save_file(tensors, temporary, {KEY: json.dumps(description)})


def read(path: Path, form: str) -> Container:
    """Open a file of the given form. Raises InputError where it is missing, damaged or of another form or version."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            description, names = _description(file.metadata()), file.keys()
            if description.get("format") != form or not {file.get_slice(name).get_dtype() for name in names} <= DTYPES:
                raise InputError(f"{path}: a safetensors file, but not one that holds a mask as {form}")
            tensors = {name: file.get_tensor(name) for name in names}
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"{path}: not a readable mask file: {error}") from None
    if description.get("format_version") != VERSION:
        raise InputError(f"{path}: format version {description.get('format_version')}, this program reads {VERSION}")
    try:
        shapes = {name: _shape(shape) for name, shape in description["shapes"].items()}
        if not shapes:
            raise ValueError("no matrices")
        return Container(path, tensors, shapes, description["bits_sha256"], description["info"])
    except (KeyError, ValueError, AttributeError, TypeError):
        raise InputError(f"{path}: its metadata do not describe a mask, the file is damaged") from None


def bits_sha256(bits: Bits) -> str:
    """Checksum of bits, names included, whatever their order and encoding."""
    return hashing.of_arrays((name, np.packbits(bits[name])) for name in sorted(bits))


def _description(metadata: dict[str, str] | None) -> dict:
    try:
        description = json.loads((metadata or {}).get(KEY, "{}"))
    except (ValueError, RecursionError):
        return {}
    return description if isinstance(description, dict) else {}


def _shape(shape: list[int]) -> tuple[int, int]:
    rows, columns = shape
    if type(rows) is not int or type(columns) is not int or min(rows, columns) < 1:
        raise ValueError(shape)
    return rows, columns
