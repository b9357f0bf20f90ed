"""A mask whose norms and biases were trained answers alike in every form: as a plain model that was given them."""

import copy

import numpy as np
import onnxruntime
import pytest
import torch
from transformers import AutoModelForMaskedLM

from emmental import MaskedBackbone, load_pruned, masks
from emmental.models.backbones import load_backbone
from emmental.pruning.matrices import encoder_linears
from emmental.runtime.sparse import SparseMaskedLM
from tests.helpers.encoders import CONFIGS, emptied, encoder, save_encoder
from tests.helpers.tiny import mask_over, random_mask, with_random_vectors

TEXTS = ["good film", "dull plot bad music very slow", "actor"]


@pytest.fixture(scope="module", params=CONFIGS)
def folder(request, tmp_path_factory):
    """A folder with a backbone and ``mask.smp``, much of which is empty."""
    folder = save_encoder(tmp_path_factory.mktemp("models") / request.param, request.param)
    mask = mask_over(folder, emptied(encoder(request.param), seed=3))
    masks.save(with_random_vectors(mask, folder), folder / "mask.smp")
    return folder


@pytest.fixture(scope="module")
def expected(folder):
    """The logits of transformers' model, its weights multiplied and its vectors replaced by hand."""
    mask, backbone = masks.load(folder / "mask.smp"), load_backbone(str(folder))
    state = backbone.model.state_dict()
    state |= {f"{name}.weight": state[f"{name}.weight"] * bits for name, bits in mask.bits.items()}
    backbone.model.load_state_dict(state | mask.vectors)
    return answers(backbone.model, backbone.tokenizer, mask)


def answers(model, tokenizer, mask):
    words = tokenizer.convert_tokens_to_ids([*mask.info.label_words.values()])
    with torch.no_grad():
        return model.eval()(**tokenizer(TEXTS, padding=True, return_tensors="pt")).logits[:, 0, words].numpy()


def test_the_vectors_make_a_difference(folder, expected):
    mask = masks.load(folder / "mask.smp")
    without = load_pruned(masks.Mask(mask.bits, mask.info)).logits(TEXTS)
    assert np.abs(without - expected).max() > 0.05


@pytest.mark.parametrize("runtime", ["dense", "sparse"])
def test_folded(folder, expected, runtime):
    pruned = load_pruned(folder / "mask.smp", runtime=runtime)
    assert isinstance(pruned.model.form, SparseMaskedLM) is (runtime == "sparse")
    np.testing.assert_allclose(pruned.logits(TEXTS), expected, atol=1e-5)


def test_folder_of_a_plain_model(emmental, folder, expected, tmp_path):
    emmental("fold", folder / "mask.smp", tmp_path / "plain")
    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "plain")
    mask = masks.load(folder / "mask.smp")
    np.testing.assert_allclose(answers(model, load_backbone(str(folder)).tokenizer, mask), expected, atol=1e-6)


def test_shrunk(emmental, folder, expected, tmp_path):
    emmental("shrink", folder / "mask.smp", tmp_path / "small")
    np.testing.assert_allclose(load_pruned(tmp_path / "small").logits(TEXTS), expected, atol=1e-4)


@pytest.mark.parametrize("flags", [(), ("--without_embeddings",)])
def test_task_checkpoint(emmental, folder, expected, tmp_path, flags):
    emmental("pack", folder / "mask.smp", tmp_path / "films.task", *flags)
    np.testing.assert_allclose(load_pruned(tmp_path / "films.task").logits(TEXTS), expected, atol=1e-6)


def test_onnx(emmental, folder, expected, tmp_path):
    emmental("export", folder / "mask.smp", tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    inputs = load_backbone(str(folder)).tokenizer(TEXTS, padding=True, return_tensors="np")
    (logits,) = session.run(["logits"], {given.name: inputs[given.name] for given in session.get_inputs()})
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_switching_brings_the_vectors_along_and_takes_them_back(folder, expected):
    shared = MaskedBackbone(str(folder))
    before = copy.deepcopy(shared.backbone.model.state_dict())
    plain = random_mask(folder, seed=5)
    shared.add("films", folder / "mask.smp")
    shared.add("plain", plain)
    films, other = shared.activate("films"), shared.activate("plain")
    for _ in range(2):
        np.testing.assert_allclose(films.logits(TEXTS), expected, atol=1e-5)
        assert (other.logits(TEXTS) == load_pruned(plain).logits(TEXTS)).all()
    after = shared.backbone.model.state_dict()
    matrices = [f"{name}.weight" for name in encoder_linears(shared.backbone.model)]
    assert matrices
    assert all(torch.equal(before[name], after[name]) for name in matrices)
    assert all(torch.equal(before[name], after[name]) for name in masks.load(folder / "mask.smp").vectors)
