"""Fingerprints against SHA-256 of the bytes that they are meant to be of: files that exist depend on them."""

import hashlib

import numpy as np
import torch
from torch import nn

from emmental.common import hashing
from emmental.masks.container import bits_sha256


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_names_and_values_in_their_order():
    row, column = np.array([[1, 2]], np.int16), np.array([[1], [2]], np.int16)
    of_both = sha256("ä".encode() + b"\1\0\2\0" + b"b" + b"\1\0\2\0")
    assert hashing.of_arrays([("ä", row), ("b", column)]) == of_both
    assert hashing.of_arrays([("b", column), ("ä", row)]) != of_both
    assert hashing.of_arrays([("", row)]) == sha256(b"\1\0\2\0")


def test_values_count_row_by_row_however_they_lie_in_memory():
    matrix = torch.arange(6, dtype=torch.float32).view(2, 3)
    by_columns = nn.Parameter(matrix.T.contiguous()).T
    assert not by_columns.is_contiguous()
    assert hashing.of_tensors([("w", by_columns)]) == sha256(b"w" + np.arange(6, dtype=np.float32).tobytes())
    assert hashing.of_tensors([("one", torch.tensor(1, dtype=torch.uint8)), ("none", matrix[:0])]) == sha256(
        b"one\1none"
    )


def test_bits_whatever_the_order_of_their_names():
    bits = {"b": np.array([[True, False, True]]), "a": np.eye(3, dtype=bool)}
    packed = b"a" + bytes([0b10001000, 0b10000000]) + b"b" + bytes([0b10100000])
    assert bits_sha256(bits) == bits_sha256(dict(sorted(bits.items()))) == sha256(packed)


def test_files(tmp_path):
    (tmp_path / "file").write_bytes(bytes(range(256)) * 5000)
    assert hashing.of_file(tmp_path / "file") == sha256(bytes(range(256)) * 5000)
