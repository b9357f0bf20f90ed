"""ONNX files: batch and length are free, onnxruntime gives PyTorch's logits; nothing is written where it does not."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest

from emmental import masks
from emmental.export import onnx_file
from emmental.inference.load import load_pruned
from tests.helpers.encoders import emptied, encoder, save_encoder
from tests.helpers.tagged import names_mask
from tests.helpers.tiny import mask_over, random_mask, save_tiny_bert, tiny_config

TEXTS = ["good film", "dull plot bad music very slow , very very slow", "actor"]


def mask_file(folder, architecture):
    save_encoder(folder, architecture)
    masks.save(mask_over(folder, emptied(encoder(architecture), seed=3)), folder / "mask.smp")
    return folder / "mask.smp"


@pytest.mark.parametrize(("architecture", "shrunk"), [("bert", True), ("roberta", False)])
def test_any_batch_and_length(emmental, tmp_path, architecture, shrunk):
    mask = mask_file(tmp_path / architecture, architecture)
    if shrunk:
        emmental("shrink", mask, tmp_path / "small")
    shown = emmental("export", tmp_path / "small" if shrunk else mask, tmp_path / "model.onnx")
    assert "-> logits; onnxruntime's logits differ from PyTorch's by" in shown
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    assert session.get_modelmeta().custom_metadata_map["labels"] == json.dumps(["0", "1"])
    assert {tuple(given.shape) for given in session.get_inputs()} == {("batch", "length")}
    pruned = load_pruned(tmp_path / "small" if shrunk else mask)
    for texts in (TEXTS, TEXTS[:1], TEXTS * 7):
        inputs = pruned.tokenizer(texts, padding=True, return_tensors="np")
        (logits,) = session.run(["logits"], {given.name: inputs[given.name] for given in session.get_inputs()})
        assert np.abs(logits - pruned.logits(texts)).max() < 1e-4

    file = onnx.load(tmp_path / "model.onnx")  # the comparison sees one bias that is another
    (bias,) = (tensor for tensor in file.graph.initializer if tensor.name.endswith("decoder.bias"))
    exact = onnx.numpy_helper.to_array(bias).copy()
    batches = [onnx_file._batch(pruned.tokenizer, 3, 9)]
    assert onnx_file._compare(pruned.model, tmp_path / "model.onnx", batches) < 1e-5
    for error in (0.001, -0.001):
        bias.CopyFrom(onnx.numpy_helper.from_array(exact + np.float32(error), bias.name))
        onnx.save(file, tmp_path / "other.onnx")
        assert onnx_file._compare(pruned.model, tmp_path / "other.onnx", batches) == pytest.approx(0.001, rel=0.01)


def test_words_have_logits_of_every_token(emmental, tmp_path):
    save_tiny_bert(tmp_path / "bert", tiny_config(num_hidden_layers=1))
    masks.save(names_mask(tmp_path / "bert"), tmp_path / "mask.smp")
    emmental("export", tmp_path / "mask.smp", tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    pruned = load_pruned(tmp_path / "mask.smp")
    inputs = pruned.tokenizer(TEXTS, padding=True, return_tensors="pt")
    given = {one.name: inputs[one.name].numpy() for one in session.get_inputs()}
    (logits,) = session.run(["logits"], given)
    assert logits.shape == (*inputs["input_ids"].shape, 5)
    assert np.abs(logits - pruned.model(**inputs)["logits"].numpy()).max() < 1e-4


def test_a_file_that_differs_is_not_written(emmental, tmp_path, monkeypatch):
    save_tiny_bert(tmp_path / "bert", tiny_config(num_hidden_layers=1))
    masks.save(random_mask(tmp_path / "bert"), tmp_path / "mask.smp")
    mask = tmp_path / "mask.smp"
    monkeypatch.setattr(onnx_file, "TOLERANCE", -1.0)  # nothing passes
    assert "onnxruntime's logits differ by" in emmental("export", mask, tmp_path / "model.onnx", status=2)
    assert not list(tmp_path.glob("*model*"))
    assert "ends in .onnx" in emmental("export", mask, tmp_path / "model.pt", status=2)
