"""Readers of mask files survive any bytes: what comes out is the mask that was written, or an InputError."""

import io
import json
import os
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file
from safetensors.torch import save_file as torch_save_file

from emmental.common.errors import InputError
from emmental.masks import compact, container, npy, packed
from tests.helpers.mask_files import assert_same, read, write

SHAPES = {"b.10.x": (3, 5), "b.2.x": (24, 16), "b.2.y": (8, 1)}
SUFFIXES = (".safetensors", ".smp", ".npy")


def few_bits() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {name: generator.random(shape) < 0.3 for name, shape in SHAPES.items()}


class Planted:
    """Leaves a trace when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("unpickled",)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(50, np.uint8),
        np.zeros(52, np.uint8),
        np.zeros(51, np.int8),
        np.zeros((51, 1), np.uint8),
        np.zeros(51, bool),
        np.array([Planted()], object),
    ],
    ids=["short", "long", "int8", "2-D", "bool", "pickle"],
)
def test_npy_of_something_else(array, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("mask.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match=r"mask\.npy"):
        npy.read(Path("mask.npy"), SHAPES)
    assert not Path("unpickled").exists()


def test_npy_with_bytes_missing_or_after(tmp_path):
    path = write(tmp_path / "mask.npy", few_bits())
    content = path.read_bytes()
    for damaged in (content[:-1], content + b"\0", content[:40], b""):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"mask\.npy"):
            npy.read(path, SHAPES)


def read_or_refuse(path: Path):
    """The bits, or None where the file is refused. Any other exception is the test's failure."""
    try:
        bits = read(path, SHAPES)
    except InputError:
        return None
    assert all(matrix.dtype == bool and matrix.ndim == 2 for matrix in bits.values())
    return bits


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=150, deadline=None, derandomize=True)
@given(content=st.binary(max_size=400))
def test_any_bytes(tmp_path_factory, suffix, content):
    path = tmp_path_factory.getbasetemp() / f"fuzz{suffix}"
    path.write_bytes(content)
    read_or_refuse(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=400, deadline=None, derandomize=True)
@given(data=st.data())
def test_changed_bytes(tmp_path_factory, suffix, data):
    path = write(tmp_path_factory.getbasetemp() / f"changed{suffix}", few_bits())
    content = bytearray(path.read_bytes())
    place = st.integers(0, len(content) - 1)
    for position in data.draw(st.lists(place, min_size=1, max_size=3)):
        content[position] = data.draw(st.integers(0, 255) | st.sampled_from(b'09[]{},"'))
    if data.draw(st.integers(0, 3)) == 0:
        del content[data.draw(place) :]
    path.write_bytes(content)
    bits = read_or_refuse(path)
    if bits and suffix != ".npy":  # the checksum vouches for the bits, the checks of a .npy are its length and type
        assert_same(few_bits(), bits)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**70) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*SHAPES, "z"]), inner, max_size=3),
    max_leaves=6,
)
ANY_SHAPES = st.dictionaries(st.sampled_from([*SHAPES, "z"]), st.lists(st.integers(1, 2**40), min_size=2, max_size=2))
ANY_TENSOR = st.builds(
    lambda content, dtype: np.frombuffer(content, np.uint8).astype(dtype),
    st.binary(max_size=9),
    st.sampled_from(["u1", "u4", "f8", "i1"]),
)


@pytest.mark.parametrize("form", [packed.FORM, compact.FORM])
@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    changes=st.dictionaries(
        st.sampled_from(["shapes", "bits_sha256", "info"]),
        ANY_JSON | ANY_SHAPES,
    ),
    tensors=st.dictionaries(st.sampled_from([*SHAPES, "levels", "stream"]), ANY_TENSOR, max_size=3),
)
def test_any_description(tmp_path_factory, form, changes, tensors):
    suffix = ".safetensors" if form == packed.FORM else ".smp"
    read_or_refuse(described(tmp_path_factory.getbasetemp() / f"described{suffix}", form, tensors, **changes))


def described(path: Path, form: str, tensors: dict, **changes) -> Path:
    """A file with these tensors that says of itself what no writer would; None leaves a word out."""
    description = {
        "format": form,
        "format_version": "2",
        "shapes": {name: matrix.shape for name, matrix in few_bits().items()},
        "bits_sha256": container.bits_sha256({}),
        "info": {},
    }
    said = {key: value for key, value in (description | changes).items() if value is not None}
    said["sha256"] = container.checksum(said)  # which anybody can compute
    save_file(tensors, path, {container.KEY: json.dumps(said)})
    return path


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "null", "[" * 100_000])
def test_descriptions_that_are_none(text, tmp_path):
    save_file({"b.2.x": np.zeros(2, np.uint8)}, tmp_path / "mask.any", {container.KEY: text})
    for reader in (packed.read, compact.read):
        with pytest.raises(InputError, match=r"mask\.any: .* not one that holds a mask"):
            reader(tmp_path / "mask.any")


@pytest.mark.parametrize("shapes", [{}, [], 5, "b", {"b": 5}, {"b": [3]}, {"b": [0, 3]}, {"b": [2.0, 3]}, None])
@pytest.mark.parametrize("form", [packed.FORM, compact.FORM])
def test_shapes_that_are_none(form, shapes, tmp_path):
    reader = packed.read if form == packed.FORM else compact.read
    with pytest.raises(InputError, match=r"mask\.any: its metadata do not describe a mask"):
        reader(described(tmp_path / "mask.any", form, {}, shapes=shapes))


def test_streams_that_no_bits_lead_to(tmp_path):
    path = write(tmp_path / "mask.smp", few_bits())
    with safe_open(path, framework="numpy") as file:
        coded, metadata = file.get_tensor("stream"), file.metadata()
        squeezed = file.get_tensor("levels")
    generator = np.random.default_rng(0)
    for _ in range(200):
        stream = generator.choice([0, 2**32 - 1, 2**31], len(coded)).astype(np.uint32)
        save_file({"levels": squeezed, "stream": stream}, path, metadata)
        with pytest.raises(InputError, match=r"mask\.smp: .* damaged"):
            compact.read(path)


@pytest.mark.parametrize("stream", [np.zeros((2, 2), np.uint32), np.zeros(4, np.uint8), None])
def test_streams_of_another_kind(stream, tmp_path):
    tensors = {"levels": np.zeros(4, np.uint8)} | ({} if stream is None else {"stream": stream})
    with pytest.raises(InputError, match=r"mask\.smp: it has no coded bits"):
        compact.read(described(tmp_path / "mask.smp", compact.FORM, tensors))


def test_tensors_that_numpy_does_not_know(tmp_path):
    metadata = {container.KEY: json.dumps({"format": packed.FORM})}
    torch_save_file({"b.2.x": torch.zeros(2, dtype=torch.bfloat16)}, tmp_path / "mask.any", metadata)
    with pytest.raises(InputError, match=r"mask\.any: .* not one that holds a mask"):
        packed.read(tmp_path / "mask.any")


LARGE = (8192, 8192)


@pytest.mark.parametrize(
    ("shapes", "levels_held", "words", "message"),
    [
        ([(1 << 20, 1 << 20)], 1, 4, "coded bytes"),
        ([(10**30, 1)], 1, 4, "do not describe a mask"),
        ([(1, 10**1000)], 1, 4, "do not describe a mask"),
        ([LARGE] * 3, 3 * sum(LARGE), 4, "coded bytes"),  # more than the stream has room for
        ([(2, 3)], 10**8, 4, "rows and columns"),
    ],
)
def test_sizes_are_checked_before_memory_is_taken(shapes, levels_held, words, message, tmp_path):
    squeezed = np.frombuffer(zlib.compress(bytes(levels_held)), np.uint8)
    tensors = {"levels": squeezed, "stream": np.zeros(words, np.uint32)}
    named = {f"b.{number}.x": shape for number, shape in enumerate(shapes)}
    path = described(tmp_path / "mask.smp", compact.FORM, tensors, shapes=named)
    tracemalloc.start()
    with pytest.raises(InputError, match=rf"mask\.smp: .*{message}"):
        compact.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_npy_header_cannot_claim_memory(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (1 << 60,)})
    (tmp_path / "mask.npy").write_bytes(header.getvalue())
    with pytest.raises(InputError, match=r"mask\.npy"):
        npy.read(tmp_path / "mask.npy", SHAPES)


def test_renamed_or_newer_file(tmp_path):
    path = write(tmp_path / "mask.smp", few_bits())
    path.rename(tmp_path / "mask.safetensors")
    with pytest.raises(InputError, match=r"mask\.safetensors: .* not one that holds a mask as smp-mask$"):
        packed.read(tmp_path / "mask.safetensors")
    content = write(path, few_bits()).read_bytes()
    path.write_bytes(content.replace(rb"\"format_version\": \"2\"", rb"\"format_version\": \"3\""))
    with pytest.raises(InputError, match=r"format version '3', this program reads 1 and 2"):
        compact.read(path)
