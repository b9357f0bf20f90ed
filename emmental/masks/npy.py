"""``.npy``: the file of the paper's own code, all matrices' bits packed one after the other. It holds nothing else.

The matrices stand in the order of their score parameters' names, compared as strings (layer 10 before layer 2).
"""

from pathlib import Path

import numpy as np

from emmental.common.errors import InputError
from emmental.common.files import replacing
from emmental.masks.container import Bits


def write(path: Path, bits: Bits) -> None:
    """bits: bool [out, in] by matrix name, the name a PyTorch module path."""
    packed = np.packbits(np.concatenate([bits[name].reshape(-1) for name in _in_order(bits)]))
    with replacing(path) as temporary:
        np.save(temporary, packed, allow_pickle=False)


def read(path: Path, shapes: dict[str, tuple[int, int]]) -> Bits:
    """Bits [out, in] of the matrices of that shape. Raises InputError where the file is not exactly theirs."""
    sizes = {name: shapes[name][0] * shapes[name][1] for name in _in_order(shapes)}
    flat = np.unpackbits(packed(path, sum(sizes.values())), count=sum(sizes.values())).view(bool)
    ends = np.cumsum(list(sizes.values()))
    parts = dict(zip(sizes, np.split(flat, ends[:-1]), strict=True))
    return {name: parts[name].reshape(shape) for name, shape in shapes.items()}


def packed(path: Path, weights: int) -> np.ndarray:
    """The file's bytes, uint8 [weights / 8, rounded up]. Raises InputError for any other array and for pickles."""
    length = -(-weights // 8)
    expected = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({length},), }}"
    try:
        with open(path, "rb") as file:
            magic, header_length = file.read(8), int.from_bytes(file.read(2), "little")
            header, payload = file.read(header_length), file.read(length + 1)
    except OSError as error:
        raise InputError(f"{path}: not a readable .npy mask: {error}") from None
    # numpy writes just this text, and comparing is all the parsing it needs: no literals are evaluated, no pickles read
    if magic != b"\x93NUMPY\x01\x00" or header.rstrip() != expected.encode():
        raise InputError(
            f"{path}: not a .npy mask over {weights:,} weights: its header should be {expected}, but is {header[:80]!r}"
        )
    if len(payload) != length:
        trouble = f"only {len(payload):,}" if len(payload) < length else "more"
        raise InputError(f"{path}: {trouble} bytes after its header, a mask over {weights:,} weights has {length:,}")
    return np.frombuffer(payload, np.uint8)


def _in_order(names) -> list[str]:
    return sorted(names, key=lambda name: f"{name}.mask_scores")
