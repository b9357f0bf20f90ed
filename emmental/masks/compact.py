"""``.smp``: entropy coded. A range coder writes each bit at the cost of its probability (see levels.py).

Tensors: ``levels``, uint8, the compressed row and column levels of all matrices; ``stream``, uint32, the coded bits,
matrix by matrix and, in a matrix, block by block of equal probability.
"""

from pathlib import Path

import numpy as np
from constriction import stream as coding

from emmental.common.errors import InputError
from emmental.masks import container, levels
from emmental.masks.container import Bits, Vectors

FORM = "smp-mask-compact"

# A file must not claim the machine's memory or hours: what it may hold grows with its size. BERT-base whole or empty, a
# few bytes, is below the first number; at a density of 0.1 % a byte holds 700 weights; and a matrix of BERT-base has
# some hundred blocks. Who writes is bound alike, so that what is written can be read.
WEIGHTS_FOR_NOTHING = 1 << 27
WEIGHTS_PER_BYTE = 1024
MOST_BLOCKS = 1 << 19


def write(path: Path, bits: Bits, info: dict, vectors: Vectors | None = None) -> None:
    """bits: bool [out, in] by matrix name; info: anything that JSON can hold; vectors: float32 [size] by name."""
    container.write(path, FORM, encode(bits), bits, info, vectors)


def read(path: Path) -> tuple[Bits, Vectors, object]:
    """The bits, vectors and info of ``write``. Raises InputError where the file is not whole or not of this form."""
    file = container.read(path, FORM)
    return decode(file), file.vectors, file.info


def encode(bits: Bits) -> dict[str, np.ndarray]:
    """The file's tensors. Raises InputError for a mask that could not be told from a damaged file."""
    encoder = coding.queue.RangeEncoder()
    all_levels = [levels.fit(matrix) for matrix in bits.values()]
    for matrix, pair in zip(bits.values(), all_levels, strict=True):
        for block, probability in levels.blocks(*pair):
            encoder.encode(matrix[block].reshape(-1).astype(np.int32), _bernoulli(probability))
    stream = encoder.get_compressed()
    if not _plausible([matrix.size for matrix in bits.values()], stream.nbytes, all_levels):
        raise InputError(
            f"a mask over {sum(matrix.size for matrix in bits.values()):,} weights in {stream.nbytes:,} bytes is too "
            f"much for .smp and .task files: write it as .safetensors"
        )
    return {"levels": np.frombuffer(levels.compress(sum(all_levels, ())), np.uint8), "stream": stream}


def decode(file: container.Container) -> Bits:
    """The bits of a file that holds these tensors, maybe others beside. Raises InputError where they are damaged."""
    path = file.path
    stream = file.tensors.get("stream", np.empty(0))
    if stream.dtype != np.uint32 or stream.ndim != 1:
        raise InputError(f"{path}: it has no coded bits, the file is damaged")
    sizes = [rows * columns for rows, columns in file.shapes.values()]
    if not _plausible(sizes, stream.nbytes) or not _plausible(sizes, stream.nbytes, all_levels := _levels(file)):
        raise InputError(
            f"{path}: {sum(sizes):,} weights cannot be in its {stream.nbytes:,} coded bytes, the file is damaged"
        )
    try:
        bits = _decode(stream, file.shapes, all_levels)
    except AssertionError as error:  # constriction's word for a stream that no bits lead to
        raise InputError(f"{path}: its coded bits are damaged: {error}") from None
    file.check(bits)
    return bits


def _plausible(sizes: list[int], coded: int, all_levels: list[tuple[np.ndarray, np.ndarray]] = ()) -> bool:
    """Whether so many coded bytes may hold matrices of these numbers of weights and of these levels."""
    blocks = sum(len(np.unique(rows)) * len(np.unique(columns)) for rows, columns in all_levels)
    return sum(sizes) <= WEIGHTS_FOR_NOTHING + WEIGHTS_PER_BYTE * coded and blocks <= MOST_BLOCKS


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
