"""ONNX files: batch and length are free, onnxruntime gives PyTorch's logits; nothing is written where it does not."""

import json
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from transformers import AutoConfig

from emmental import masks
from emmental.export import onnx_file, probes
from emmental.inference.load import load_pruned
from tests.helpers.encoders import emptied, encoder, save_encoder
from tests.helpers.tiny import environment, mask_over, random_mask, save_tiny_bert, tiny_config

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
    batches = [probes.batch(pruned.tokenizer, 3, 9)]
    assert onnx_file._compare(pruned.model, tmp_path / "model.onnx", batches) < 1e-5
    for error in (0.001, -0.001):
        bias.CopyFrom(onnx.numpy_helper.from_array(exact + np.float32(error), bias.name))
        onnx.save(file, tmp_path / "other.onnx")
        assert onnx_file._compare(pruned.model, tmp_path / "other.onnx", batches) == pytest.approx(0.001, rel=0.01)


ORT = """
import json, sys
from pathlib import Path
for name in ("emmental", "torch", "transformers"):
    sys.modules[name] = None  # cannot be imported
import numpy, onnxruntime, tokenizers
folder, texts = Path(sys.argv[1]), json.loads(sys.argv[2])
tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
tokenizer.enable_padding(pad_id=json.loads((folder / "config.json").read_text())["pad_token_id"])
read = tokenizer.encode_batch(texts)
have = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
session = onnxruntime.InferenceSession(folder / "model.onnx")
names = [given.name for given in session.get_inputs()]
inputs = {name: numpy.array([getattr(one, have[name]) for one in read]) for name in names}
print(json.dumps([[output.name for output in session.get_outputs()], session.run(None, inputs)[0].tolist()]))
"""


def test_a_folder_is_all_that_onnxruntime_needs(emmental, tiny_bert, tmp_path):
    words = {"dull": "bad", "fine": "good"}
    masks.save(random_mask(tiny_bert, words=words), tmp_path / "mask.smp")
    shown = emmental("export", tmp_path / "mask.smp", tmp_path / "onnx")
    assert f"{tmp_path / 'onnx' / 'model.onnx'}: " in shown
    command = [sys.executable, "-I", "-c", ORT, tmp_path / "onnx", json.dumps(TEXTS)]
    run = subprocess.run(command, cwd=tmp_path, env=environment({}), capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    outputs, logits = json.loads(run.stdout)
    assert outputs == ["logits"]
    np.testing.assert_allclose(np.array(logits), load_pruned(tmp_path / "mask.smp").logits(TEXTS), atol=1e-5)
    config = AutoConfig.from_pretrained(tmp_path / "onnx")
    assert config.id2label == {0: "dull", 1: "fine"}
    assert config.problem_type == "single_label_classification"
    assert config.architectures == ["BertForSequenceClassification"]
    assert "exists: name a new folder" in emmental("export", tmp_path / "mask.smp", tmp_path / "onnx", status=2)


def test_a_file_that_differs_is_not_written(emmental, tmp_path, monkeypatch):
    save_tiny_bert(tmp_path / "bert", tiny_config(num_hidden_layers=1))
    masks.save(random_mask(tmp_path / "bert"), tmp_path / "mask.smp")
    mask = tmp_path / "mask.smp"
    monkeypatch.setattr(onnx_file, "TOLERANCE", -1.0)  # nothing passes
    assert "onnxruntime's logits differ by" in emmental("export", mask, tmp_path / "model.onnx", status=2)
    assert "onnxruntime's logits differ by" in emmental("export", mask, tmp_path / "model", status=2)
    assert not list(tmp_path.glob("*model*"))
    assert "ends in .onnx" in emmental("export", mask, tmp_path / "model.pt", status=2)
