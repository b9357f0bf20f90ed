"""What our own encodings share: a safetensors file whose metadata name and check the bits that its tensors hold, and
the norms and biases that were trained beside them, where there are any.

The metadata end with their own checksum, so that nothing a file says can change unnoticed. Version 1 had none.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
from safetensors.numpy import save_file

from emmental.common import hashing
from emmental.common.errors import InputError, reason
from emmental.common.files import replacing

VERSION, UNCHECKED = "2", "1"
DTYPES = {"U8", "U32"}
VECTOR = "vector/"  # begins the name of a tensor that is no part of the bits: a norm or bias trained beside them
KNOWN = {(False, dtype) for dtype in DTYPES} | {(True, "F32")}  # whether it is such a one, and its type
KEY = "mask"  # one entry holds all metadata: safetensors writes several in an order that differs from run to run
CHECKSUM = "sha256"  # of the rest of the description
VECTORS_CHECKSUM = "vectors_sha256"  # there where vectors are

# What a file may claim: names as PyTorch has them, of matrices in numbered layers; sides that no encoder comes near.
NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*\.[0-9]{1,4}(\.[A-Za-z0-9_]+)+")
LONGEST_NAME = 200
LONGEST_SIDE = 1 << 20

Bits = dict[str, np.ndarray]
Vectors = dict[str, np.ndarray]


@dataclass(frozen=True)
class Container:
    """A file's content. tensors: what encodes the bits; vectors: float32 [size] by parameter name; shapes: (out, in) by
    matrix name; info: whatever JSON was written with the bits."""

    path: Path
    tensors: dict[str, np.ndarray]
    vectors: Vectors
    shapes: dict[str, tuple[int, int]]
    bits_sha256: object  # the checksum, if the file says one
    info: object

    def check(self, bits: Bits) -> None:
        """Raise InputError where the decoded bits are not those that were written."""
        if bits_sha256(bits) != self.bits_sha256:
            raise InputError(f"{self.path}: the bits do not match their checksum, the file is damaged")


def write(
    path: Path, form: str, tensors: dict[str, np.ndarray], bits: Bits, info: dict, vectors: Vectors | None = None
) -> None:
    """Write ``tensors``, which encode ``bits`` in the given form (its name in the file), and vectors beside them.
    Raises InputError for names, shapes and values that ``read`` would refuse."""
    description = {
        "format": form,
        "format_version": VERSION,
        "shapes": _shapes({name: matrix.shape for name, matrix in bits.items()}, path),
        "bits_sha256": bits_sha256(bits),
        "info": info,
    }
    if vectors:
        _check_vectors(vectors, path)
        description[VECTORS_CHECKSUM] = _vectors_sha256(vectors)
    description[CHECKSUM] = checksum(description)
    stored = tensors | {VECTOR + name: vector for name, vector in (vectors or {}).items()}
    with replacing(path) as temporary:
        save_file(stored, temporary, {KEY: json.dumps(description)})


def read(path: Path, form: str) -> Container:
    """Open a file of the given form. Raises InputError where it is missing, damaged or of another form or version."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            description, names = _description(file.metadata()), file.keys()
            dtypes = {(name.startswith(VECTOR), file.get_slice(name).get_dtype()) for name in names}
            if description.get("format") != form or not dtypes <= KNOWN:
                raise InputError(f"{path}: a safetensors file, but not one that holds a mask as {form}")
            tensors = {name: file.get_tensor(name) for name in names}
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"{path}: not a readable mask file: {reason(error)}") from None
    expected, version = description.pop(CHECKSUM, None), description.get("format_version")
    if version not in (VERSION, UNCHECKED):
        raise InputError(f"{path}: format version {version!r:.20}, this program reads {UNCHECKED} and {VERSION}")
    if version == VERSION and expected != checksum(description):
        raise InputError(f"{path}: what it says of itself does not match its checksum, the file is damaged")
    shapes = _shapes(description.get("shapes"), path)
    vectors = {name.removeprefix(VECTOR): tensors.pop(name) for name in names if name.startswith(VECTOR)}
    _check_vectors(vectors, path)
    if description.get(VECTORS_CHECKSUM) != _vectors_sha256(vectors):
        raise InputError(f"{path}: its norms and biases do not match their checksum, the file is damaged")
    return Container(path, tensors, vectors, shapes, description.get("bits_sha256"), description.get("info"))


def bits_sha256(bits: Bits) -> str:
    """Checksum of bits, names included, whatever their order and encoding."""
    return hashing.of_arrays((name, np.packbits(bits[name])) for name in sorted(bits))


def _vectors_sha256(vectors: Vectors) -> str | None:
    """Checksum of vectors, names included; None of none."""
    return hashing.of_arrays(sorted(vectors.items())) if vectors else None


def _description(metadata: dict[str, str] | None) -> dict:
    try:
        description = json.loads((metadata or {}).get(KEY, "{}"))
    except (ValueError, RecursionError):
        return {}
    return description if isinstance(description, dict) else {}


def checksum(description: dict) -> str:
    """Of all that metadata say, in their order."""
    return hashing.of_texts(json.dumps(description))


def _shapes(named, path: Path) -> dict[str, tuple[int, int]]:
    try:
        shapes = {_name(name): _shape(shape) for name, shape in named.items()}
        if not shapes:
            raise ValueError("no matrices")
        return shapes
    except (ValueError, AttributeError, TypeError):
        raise InputError(f"{path}: its metadata do not describe a mask over an encoder's matrices") from None


def _check_vectors(vectors: Vectors, path: Path) -> None:
    """Raise InputError for what no encoder's norms and biases are."""
    for name, vector in vectors.items():
        try:
            right = vector.ndim == 1 and 1 <= vector.size <= LONGEST_SIDE and np.isfinite(vector).all() and _name(name)
        except ValueError:
            right = False
        if not right:
            raise InputError(f"{path}: its tensor {name!a:.100} is no norm or bias of an encoder's block")


def _name(name: str) -> str:
    if len(name) > LONGEST_NAME or not NAME.fullmatch(name):
        raise ValueError(name)
    return name


def _shape(shape: list[int]) -> tuple[int, int]:
    rows, columns = shape
    if type(rows) is not int or type(columns) is not int or not 1 <= min(shape) <= max(shape) <= LONGEST_SIDE:
        raise ValueError(shape)
    return rows, columns
