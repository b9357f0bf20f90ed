"""Weights written small without loss: their exponents, which are much alike, Huffman coded, the other bits as they are.

A number's bits are rotated by one, so that the sign comes last and the exponent fills the first byte (in fp16 with the
three highest bits of the mantissa). That byte costs 2.6 bits in a BERT's fp32 weights.
"""

import zlib

import numpy as np
import torch

from emmental.recipes.computing import STORED_DTYPES

DTYPES = dict(zip(STORED_DTYPES, (torch.float32, torch.float16, torch.bfloat16), strict=True))
INTEGERS = {4: (torch.int32, np.dtype("<u4")), 2: (torch.int16, np.dtype("<u2"))}


def encode(values: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Floats [n] of one of DTYPES to uint8 arrays: the coded first bytes, and the other bytes [n, bytes - 1]."""
    signed, unsigned = INTEGERS[values.element_size()]
    bits = values.contiguous().view(signed).numpy().view(unsigned)
    rotated = (bits << 1) | (bits >> (8 * unsigned.itemsize - 1))
    in_bytes = rotated.view(np.uint8).reshape(-1, unsigned.itemsize)
    coder = zlib.compressobj(9, strategy=zlib.Z_HUFFMAN_ONLY)
    coded = coder.compress(in_bytes[:, -1].tobytes()) + coder.flush()
    return np.frombuffer(coded, np.uint8), in_bytes[:, :-1].copy()


def decode(coded: np.ndarray, rest: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    """The floats [n] of ``encode``. Raises ValueError where the arrays are not its; never holds more than n bytes."""
    _, unsigned = INTEGERS[dtype.itemsize]
    if rest.ndim != 2 or rest.shape[1] != unsigned.itemsize - 1:
        raise ValueError(f"{unsigned.itemsize - 1} bytes per number are needed beside the first")
    try:
        first = zlib.decompressobj().decompress(coded.tobytes(), len(rest) + 1)
    except zlib.error as error:
        raise ValueError(error) from None
    if len(first) != len(rest):
        raise ValueError(f"{len(rest)} first bytes are needed")
    in_bytes = np.concatenate([rest, np.frombuffer(first, np.uint8)[:, None]], axis=1)
    rotated = in_bytes.view(unsigned).reshape(-1)
    bits = (rotated >> 1) | (rotated << (8 * unsigned.itemsize - 1))
    return torch.from_numpy(bits.view(f"<i{unsigned.itemsize}")).view(dtype)
