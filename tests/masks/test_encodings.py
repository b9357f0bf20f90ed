"""The encodings: bits as pinned, sizes as claimed, whatever the bits."""

import hashlib
import json
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.inference.mask_files import BERT_BASE, random_mask
from emmental import masks
from emmental.masks import compact, levels, npy
from tests.helpers.mask_files import assert_same, read, write
from tests.helpers.shared import GOLDEN

PACKED = GOLDEN / "packed_mask.json"


def golden_bits(golden) -> dict[str, np.ndarray]:
    """As packed_mask.json's formula says, in the model's order of layers."""
    bits = {}
    for name, shape in BERT_BASE.items():
        index = np.arange(shape[0] * shape[1], dtype=np.uint64)
        seed = np.uint64(zlib.crc32(f"{name}.mask_scores".encode()) + golden["salt"])
        hashed = (index * np.uint64(2654435761) + seed) >> np.uint64(11)
        bits[name] = (hashed % np.uint64(10) == 0).reshape(shape)
    return bits


@pytest.mark.skipif(not PACKED.exists(), reason=f"no golden numbers at {PACKED}; SMP_GOLDEN names their folder")
def test_npy_is_the_reference_codes_both_ways(tmp_path):
    golden = json.loads(PACKED.read_text())
    bits = golden_bits(golden)
    assert {f"{name}.mask_scores": matrix.sum() for name, matrix in bits.items()} == golden["ones"]
    path = write(tmp_path / "mask.npy", bits)
    content = path.read_bytes()
    assert len(content) == golden["bytes"]
    assert hashlib.sha256(content).hexdigest() == golden["sha256"]
    assert hashlib.sha256(np.load(path, allow_pickle=False)).hexdigest() == golden["payload_sha256"]
    assert_same(bits, npy.read(path, BERT_BASE))


def test_npy_by_hand(tmp_path):
    bits = {"a.2.x": np.array([[1, 0], [0, 0]], bool), "a.10.x": np.array([[1, 1, 1]], bool)}
    path = write(tmp_path / "mask.npy", bits)
    assert np.load(path, allow_pickle=False).tolist() == [0b11110000]  # a.10 first: 111, then 1000
    assert_same(bits, npy.read(path, {"a.2.x": (2, 2), "a.10.x": (1, 3)}))


@pytest.mark.parametrize("density", [0.03, 0.1, 0.5])
def test_compact_file_is_near_the_entropy_of_a_random_mask(density, tmp_path):
    mask = random_mask(density)
    masks.save(mask, tmp_path / "mask.smp")
    assert (tmp_path / "mask.smp").stat().st_size <= 1.01 * masks.entropy_bound(mask.bits) + 8192
    again = masks.load(tmp_path / "mask.smp")
    assert_same({n: m.numpy() for n, m in mask.bits.items()}, {n: m.numpy() for n, m in again.bits.items()})


@pytest.mark.parametrize(("row_spread", "column_spread"), [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_structure_of_rows_and_columns_pays(row_spread, column_spread, tmp_path):
    generator = np.random.default_rng(0)
    scores = generator.logistic(size=(768, 768))
    scores += row_spread * generator.normal(size=(768, 1)) + column_spread * generator.normal(size=(1, 768))
    bits = {"b.0.x": scores > np.quantile(scores, 0.9)}
    size = write(tmp_path / "mask.smp", bits).stat().st_size
    row_levels, column_levels = levels.fit(bits["b.0.x"])
    assert (np.ptp(row_levels) > 0) == (row_spread > 0)
    assert (np.ptp(column_levels) > 0) == (column_spread > 0)
    independent = bits["b.0.x"].size * 0.469 / 8
    assert size < (0.93 if row_spread + column_spread == 1 else 0.87) * independent
    assert_same(bits, compact.read(tmp_path / "mask.smp")[0])


def test_empty_and_full_matrices_cost_next_to_nothing(tmp_path):
    bits = {"b.0.x": np.zeros((768, 768), bool), "b.0.y": np.ones((768, 768), bool)}
    bits["b.0.x"][5, 7] = True
    assert write(tmp_path / "mask.smp", bits).stat().st_size < 1000
    assert_same(bits, compact.read(tmp_path / "mask.smp")[0])


def test_probabilities_are_the_same_everywhere():
    """A file must decode on another machine, and with later versions: the table may never change."""
    counts = (levels.PROBABILITIES * levels.SCALE).astype(int).tolist()
    assert counts[29:] == [
        2048, 2340, 2621, 2880, 3111, 3310, 3477, 3613, 3723, 3809, 3877, 3930, 3970, 4000, 4024,
        4041, 4055, 4065, 4073, 4078, 4083, 4086, 4088, 4090, 4091, 4092, 4093, 4094, 4094, 4095,
    ]  # fmt: skip
    assert counts[:29] == [levels.SCALE - count for count in counts[:29:-1]]
    assert counts == (levels.PROBABILITIES * levels.SCALE).tolist()  # exact


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=4), st.floats(0, 1), st.data())
def test_any_bits_return(tmp_path_factory, sizes, density, data):
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    bits = {f"b.{number}.x": generator.random(shape) < density for number, shape in enumerate(sizes)}
    for suffix in (".safetensors", ".smp", ".npy"):
        path = write(tmp_path_factory.getbasetemp() / f"any{suffix}", bits)
        assert_same(bits, read(path, {name: matrix.shape for name, matrix in bits.items()}))


@pytest.mark.parametrize("suffix", [".safetensors", ".smp"])
def test_same_mask_same_bytes(suffix, tmp_path):
    info = {"task": "sst2", "words": {"0": "terrible"}}
    bits = {f"layer.{number}.x": np.arange(24).reshape(4, 6) % (number + 2) == 0 for number in range(4)}
    contents = {write(tmp_path / f"{number}{suffix}", bits, info).read_bytes() for number in range(5)}
    assert len(contents) == 1
