"""How probable each bit of a matrix is: one small integer per row and one per column, added up.

A level is a log odds in steps of 4/3; the probability of a bit is that of its row's level plus its column's. The
probabilities come from integers alone, so that every machine decodes with the same.
"""

import zlib
from collections.abc import Iterator

import numpy as np

SCALE = 1 << 12  # probabilities are multiples of 1 / SCALE, between 1 / SCALE and 1 - 1 / SCALE
HIGHEST = 29  # the first level whose probability is the highest
LEVELS = range(-HIGHEST, HIGHEST + 1)


def _probability(level: int) -> int:
    """(4/3)^level as odds to a probability in units of 1 / SCALE; those of level and -level add up to SCALE."""
    if level < 0:
        return SCALE - _probability(-level)
    return SCALE * 4**level // (4**level + 3**level)


PROBABILITIES = np.array([_probability(level) for level in LEVELS]) / SCALE  # exact: SCALE is a power of two
BYTES_PER_ONE = -np.log2(PROBABILITIES) / 8
BYTES_PER_ZERO = -np.log2(1 - PROBABILITIES) / 8


def fit(bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row levels int8 [out] and column levels int8 [in] for bits bool [out, in].

    Of one density for the matrix, per row, per column, or both, what costs least with the storage of the levels.
    """
    rows, columns = bits.shape
    ones = bits.astype(np.float32)  # for matrix products; counts in it are exact up to 2^24
    whole = _level(bits.sum(), bits.size)
    by_row, by_column = _level(bits.sum(1), columns), _level(bits.sum(0), rows)
    candidates = [
        (_rounded(np.full(rows, whole)), np.zeros(columns, np.int8)),
        (_rounded(by_row), np.zeros(columns, np.int8)),
        (np.zeros(rows, np.int8), _rounded(by_column)),
        (_rounded(by_row), _rounded(by_column - whole)),
    ]
    return min(candidates, key=lambda levels: _cost(ones, *levels))


def blocks(rows: np.ndarray, columns: np.ndarray) -> Iterator[tuple[tuple[np.ndarray, np.ndarray], float]]:
    """The submatrices of equal probability: (row numbers [n, 1], column numbers [1, m]), P(one)."""
    column_groups = _groups(columns)
    for row_level, row_numbers in _groups(rows):
        for column_level, column_numbers in column_groups:
            level = min(max(row_level + column_level, -HIGHEST), HIGHEST)
            yield np.ix_(row_numbers, column_numbers), float(PROBABILITIES[level + HIGHEST])


def compress(levels: list[np.ndarray]) -> bytes:
    """Levels one after the other; runs of one level cost next to nothing."""
    return zlib.compress(np.concatenate(levels).tobytes(), 9)


def decompress(compressed: bytes, count: int) -> np.ndarray:
    """The int8 [count] of ``compress``. Raises ValueError where it is not exactly as many; never holds more."""
    try:
        raw = zlib.decompressobj().decompress(compressed, count + 1)
    except zlib.error as error:
        raise ValueError(error) from None
    if len(raw) != count:
        raise ValueError(f"{count} are needed")
    return np.frombuffer(raw, np.int8)


def _groups(levels: np.ndarray) -> list[tuple[int, np.ndarray]]:
    return [(int(level), np.flatnonzero(levels == level)) for level in np.unique(levels)]


def _level(ones: np.ndarray, count: int) -> np.ndarray:
    """Log odds of a density in steps of 4/3; the halves keep it finite for none and all."""
    return np.log((ones + 0.5) / (count - ones + 0.5)) / np.log(4 / 3)


def _rounded(levels: np.ndarray) -> np.ndarray:
    return np.clip(np.round(levels), -HIGHEST, HIGHEST).astype(np.int8)


def _cost(ones: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> float:
    """Bytes for the bits and their levels. ones: float32 [out, in]."""
    row_levels, row_group = np.unique(rows, return_inverse=True)
    column_levels, column_group = np.unique(columns, return_inverse=True)
    in_row = np.eye(len(row_levels), dtype=np.float32)[row_group]
    in_column = np.eye(len(column_levels), dtype=np.float32)[column_group]
    ones_in_block = in_row.T @ (ones @ in_column)
    weights_in_block = np.outer(in_row.sum(0), in_column.sum(0))
    level = np.add.outer(row_levels.astype(int), column_levels).clip(-HIGHEST, HIGHEST) + HIGHEST
    bits = ones_in_block * BYTES_PER_ONE[level] + (weights_in_block - ones_in_block) * BYTES_PER_ZERO[level]
    return bits.sum() + len(compress([rows, columns]))
