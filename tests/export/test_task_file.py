"""Task checkpoints: floats come back bit for bit, models without their backbone, and what is refused."""

import gzip
import re
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from safetensors.torch import safe_open
from transformers import BertForMaskedLM

from emmental import masks
from emmental.export import floats
from emmental.inference.load import load_pruned
from tests.helpers.encoders import CONFIGS, save_encoder
from tests.helpers.tiny import random_mask, save_tiny_bert, tiny_config

TEXTS = ["good film", "dull plot bad music very slow", "actor"]


@pytest.fixture(scope="module", params=CONFIGS)
def folder(request, tmp_path_factory):
    """A folder with a backbone and ``mask.smp``."""
    folder = save_encoder(tmp_path_factory.mktemp("models") / request.param, request.param)
    masks.save(random_mask(folder), folder / "mask.smp")
    return folder


@pytest.fixture
def gone(folder, tmp_path):
    """Make the backbone unavailable for the rest of a test: gone() -> nothing."""
    moved = tmp_path / "moved"
    yield lambda: shutil.move(folder, moved)
    if moved.exists():
        shutil.move(moved, folder)


@given(st.sampled_from(sorted(floats.DTYPES)), st.binary(min_size=4, max_size=400))
def test_floats_come_back_bit_for_bit(name, raw):
    """Any bit patterns: infinities, not-a-numbers, negative zeros and denormals among them."""
    dtype = floats.DTYPES[name]
    raw = raw[: len(raw) // dtype.itemsize * dtype.itemsize]
    values = torch.frombuffer(bytearray(raw), dtype=dtype)
    coded, rest = floats.encode(values)
    assert floats.decode(coded, rest, dtype).view(torch.uint8).numpy().tobytes() == raw


def test_damaged_floats_are_refused():
    coded, rest = floats.encode(torch.randn(100))
    for damaged in ((coded[:-9], rest), (coded, rest[:-1]), (coded, rest[:, :2]), (coded[1:], rest)):
        with pytest.raises(ValueError, match=r"needed|incorrect"):
            floats.decode(*damaged, torch.float32)


def test_without_the_backbone(emmental, folder, gone, reviews, tmp_path):
    expected = load_pruned(folder / "mask.smp").logits(TEXTS)
    shown = emmental("pack", folder / "mask.smp", tmp_path / "sst2.task")
    assert "weights in fp32, embeddings in it" in shown
    data = "--validation_file", reviews["validation"]
    before = [emmental("predict", folder / "mask.smp", *TEXTS), emmental("eval", folder / "mask.smp", *data)]
    gone()
    np.testing.assert_allclose(load_pruned(tmp_path / "sst2.task").logits(TEXTS), expected, atol=1e-6)
    assert emmental("predict", tmp_path / "sst2.task", *TEXTS) == before[0]
    accuracy = re.compile(r"accuracy +\S+")
    assert accuracy.search(emmental("eval", tmp_path / "sst2.task", *data))[0] == accuracy.search(before[1])[0]


@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
def test_half_precision(emmental, folder, tmp_path, dtype):
    """Weights are the rounded ones and no others; vectors are not rounded."""
    emmental("pack", folder / "mask.smp", tmp_path / "sst2.task", "--dtype", dtype)
    exact, rounded = (
        load_pruned(path).model.backbone.state_dict() for path in (folder / "mask.smp", tmp_path / "sst2.task")
    )
    for name, weight in exact.items():
        assert torch.equal(rounded[name], weight.to(floats.DTYPES[dtype]).float() if weight.ndim > 1 else weight), name


def test_embeddings_from_the_backbone(emmental, folder, gone, tmp_path):
    mask, whole, rest = folder / "mask.smp", tmp_path / "whole.task", tmp_path / "rest.task"
    emmental("pack", mask, whole)
    assert "embeddings to be had from" in emmental("pack", mask, rest, "--without_embeddings")
    assert rest.stat().st_size < whole.stat().st_size
    np.testing.assert_allclose(load_pruned(rest).logits(TEXTS), load_pruned(mask).logits(TEXTS), atol=1e-6)

    other = BertForMaskedLM(CONFIGS["bert"])
    shutil.copytree(folder, tmp_path / "other")
    other.save_pretrained(tmp_path / "other")
    said = emmental("predict", rest, "a film", "--backbone", tmp_path / "other", status=2)
    assert "packed without embeddings" in said
    gone()
    assert "cannot load" in emmental("predict", rest, "a film", status=2)


def test_smaller_than_the_folded_model_gzipped(emmental, tmp_path):
    """In every precision, the tokenizer, which the folded weights lack, included; 3 % of 150,000 weights."""
    config = tiny_config(hidden_size=96, intermediate_size=384, num_attention_heads=4, vocab_size=400)
    folder = save_tiny_bert(tmp_path / "bert", config)
    masks.save(random_mask(folder, density=0.03), tmp_path / "mask.smp")
    emmental("fold", tmp_path / "mask.smp", tmp_path / "folded")
    gzipped = len(gzip.compress((tmp_path / "folded" / "model.safetensors").read_bytes(), 9))
    sizes = {}
    for dtype in floats.DTYPES:
        emmental("pack", tmp_path / "mask.smp", tmp_path / f"{dtype}.task", "--dtype", dtype)
        sizes[dtype] = (tmp_path / f"{dtype}.task").stat().st_size
    assert sizes["bf16"] < sizes["fp16"] < sizes["fp32"] < gzipped


def test_bad_input(emmental, folder, tmp_path):
    assert "ends in .task" in emmental("pack", folder / "mask.smp", tmp_path / "sst2.zip", status=2)
    assert "not a readable mask file" in emmental("predict", tmp_path / "nowhere.task", "a film", status=2)
    emmental("pack", folder / "mask.smp", tmp_path / "sst2.task")
    words = "--label_map", "{'0': 'yes', '1': 'no'}"
    assert "no --label_map with it" in emmental("eval", tmp_path / "sst2.task", *words, status=2)
    shutil.copy(folder / "mask.smp", tmp_path / "mask.task")
    assert "but not one that holds a mask as smp-task" in emmental("predict", tmp_path / "mask.task", "a", status=2)


@pytest.mark.parametrize("tensor", ["about", "levels", "stream", "matrices.first", "matrices.rest", "vectors.rest"])
def test_a_flipped_bit_is_noticed(emmental, folder, tmp_path, tensor):
    path = tmp_path / "sst2.task"
    emmental("pack", folder / "mask.smp", path)
    tensors = load_file(path)
    with safe_open(path, "np") as file:
        metadata = file.metadata()
    tensors[tensor] = tensors[tensor].copy()
    tensors[tensor].reshape(-1).view(np.uint8)[3] ^= 4
    save_file(tensors, path, metadata)
    assert "the file is damaged" in emmental("predict", path, "a film", status=2)
