"""``.safetensors``: one bit per weight. A tensor per matrix, row-major, the first bit the highest of its byte."""

from pathlib import Path

import numpy as np

from emmental.common.errors import InputError
from emmental.masks import container
from emmental.masks.container import Bits, Vectors

FORM = "smp-mask"


def write(path: Path, bits: Bits, info: dict, vectors: Vectors | None = None) -> None:
    """bits: bool [out, in] by matrix name; info: anything that JSON can hold; vectors: float32 [size] by name."""
    container.write(path, FORM, {name: np.packbits(matrix) for name, matrix in bits.items()}, bits, info, vectors)


def read(path: Path) -> tuple[Bits, Vectors, object]:
    """The bits, vectors and info of ``write``. Raises InputError where the file is not whole or not of this form."""
    file = container.read(path, FORM)
    sizes = {name: rows * columns for name, (rows, columns) in file.shapes.items()}
    if {name: (np.uint8, (-(-size // 8),)) for name, size in sizes.items()} != {
        name: (tensor.dtype, tensor.shape) for name, tensor in file.tensors.items()
    }:
        raise InputError(f"{path}: its tensors are not the packed bits of the matrices that it names")
    bits = {
        name: np.unpackbits(file.tensors[name], count=sizes[name]).view(bool).reshape(shape)
        for name, shape in file.shapes.items()
    }
    file.check(bits)
    return bits, file.vectors, file.info
