"""``.smp``: entropy coded. A range coder writes each bit at the cost of its probability (see levels.py).

Tensors: ``levels``, uint8, the compressed row and column levels of all matrices; ``stream``, uint32, the coded bits,
matrix by matrix and, in a matrix, block by block of equal probability.
"""

from pathlib import Path

import numpy as np
from constriction import stream as coding

from emmental.common.errors import InputError
from emmental.masks import container, levels
from emmental.masks.container import Bits

FORM = "smp-mask-compact"

# A damaged file must not claim the machine's memory: even the surest bit takes its place in the stream, a last word
# aside that the coder may save; and no encoder comes near the other two.
WEIGHTS_PER_WORD = 4 / levels.BYTES_PER_ZERO.min()
LARGEST_MATRIX = 1 << 26
LARGEST_MASK = 1 << 31


def write(path: Path, bits: Bits, info: dict) -> None:
    """bits: bool [out, in] by matrix name; info: anything that JSON can hold."""
    container.write(path, FORM, encode(bits), bits, info)


def read(path: Path) -> tuple[Bits, object]:
    """The bits and info of ``write``. Raises InputError where the file is not whole or not of this form."""
    file = container.read(path, FORM)
    return decode(file), file.info


def encode(bits: Bits) -> dict[str, np.ndarray]:
    """The file's tensors."""
    encoder = coding.queue.RangeEncoder()
    all_levels = []
    for matrix in bits.values():
        rows, columns = levels.fit(matrix)
        for block, probability in levels.blocks(rows, columns):
            encoder.encode(matrix[block].reshape(-1).astype(np.int32), _bernoulli(probability))
        all_levels += [rows, columns]
    compressed = np.frombuffer(levels.compress(all_levels), np.uint8)
    return {"levels": compressed, "stream": encoder.get_compressed()}


def decode(file: container.Container) -> Bits:
    """The bits of a file that holds these tensors, maybe others beside. Raises InputError where they are damaged."""
    path = file.path
    stream = file.tensors.get("stream", np.empty(0))
    if stream.dtype != np.uint32 or stream.ndim != 1:
        raise InputError(f"{path}: it has no coded bits, the file is damaged")
    sizes = [rows * columns for rows, columns in file.shapes.values()]
    if max(sizes) > LARGEST_MATRIX or sum(sizes) > min((stream.size + 1) * WEIGHTS_PER_WORD, LARGEST_MASK):
        raise InputError(
            f"{path}: {sum(sizes):,} weights cannot be in its {stream.size} coded words, the file is damaged"
        )
    try:
        bits = _decode(stream, file.shapes, _levels(file))
    except AssertionError as error:  # constriction's word for a stream that no bits lead to
        raise InputError(f"{path}: its coded bits are damaged: {error}") from None
    file.check(bits)
    return bits


def _decode(stream: np.ndarray, shapes: dict[str, tuple[int, int]], all_levels: list) -> Bits:
    decoder = coding.queue.RangeDecoder(stream)
    bits = {}
    for (name, shape), (rows, columns) in zip(shapes.items(), all_levels, strict=True):
        bits[name] = np.empty(shape, bool)
        for block, probability in levels.blocks(rows, columns):
            height, width = block[0].size, block[1].size
            bits[name][block] = decoder.decode(_bernoulli(probability), height * width).reshape(height, width)
    return bits


def _bernoulli(probability: float):
    return coding.model.Bernoulli(probability, perfect=False)


def _levels(file: container.Container) -> list[tuple[np.ndarray, np.ndarray]]:
    lengths = [length for shape in file.shapes.values() for length in shape]
    try:
        parts = np.split(levels.decompress(file.tensors["levels"].tobytes(), sum(lengths)), np.cumsum(lengths))
    except (KeyError, ValueError) as error:
        raise InputError(f"{file.path}: the densities of its rows and columns are damaged: {error}") from None
    return list(zip(parts[0:-1:2], parts[1:-1:2], strict=True))
