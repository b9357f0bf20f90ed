"""Backbones as they are loaded: padding on the right whatever the tokenizer's side, for heads read the first position;
dropout as it is asked for."""

import json
import shutil

import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from emmental import masks
from emmental.common import hashing
from emmental.inference.load import load_pruned
from emmental.masks import container
from emmental.models.backbones import load_backbone, load_model
from tests.helpers.architectures import CONFIGS
from tests.helpers.tiny import random_mask

TEXTS = ["a good film", "very dull plot , bad music and a slow story"]


@pytest.fixture
def left(tiny_bert, tmp_path):
    """The tiny BERT with a tokenizer that pads on the left."""
    shutil.copytree(tiny_bert, tmp_path / "left")
    AutoTokenizer.from_pretrained(tiny_bert, padding_side="left").save_pretrained(tmp_path / "left")
    assert AutoTokenizer.from_pretrained(tmp_path / "left").padding_side == "left"
    return tmp_path / "left"


def test_a_tokenizer_that_pads_on_the_left(left, tiny_bert):
    assert load_backbone(str(left)).tokenizer.padding_side == "right"
    expected = load_pruned(random_mask(tiny_bert)).logits(TEXTS)
    assert (load_pruned(random_mask(left)).logits(TEXTS) == expected).all()


def test_it_may_be_in_the_folder_of_a_shrunk_model(left, emmental, tmp_path):
    """Written by somebody else, with the right checksums: the padding side stands in the tokenizer's file."""
    masks.save(random_mask(left), tmp_path / "mask.smp")
    emmental("shrink", tmp_path / "mask.smp", tmp_path / "small")
    AutoTokenizer.from_pretrained(left).save_pretrained(tmp_path / "small")
    said = json.loads((tmp_path / "small" / "shrunk.json").read_text())
    said["files_sha256"] = {name: hashing.of_file(tmp_path / "small" / name) for name in said["files_sha256"]}
    del said["sha256"]
    (tmp_path / "small" / "shrunk.json").write_text(json.dumps(said | {"sha256": container.checksum(said)}))
    expected = load_pruned(tmp_path / "mask.smp").logits(TEXTS)
    assert abs(load_pruned(tmp_path / "small").logits(TEXTS) - expected).max() < 1e-5


@pytest.mark.parametrize("architecture", CONFIGS)
def test_without_dropout_training_computes_what_evaluation_does(architecture, tmp_path):
    AutoModelForMaskedLM.from_config(CONFIGS[architecture][0]).save_pretrained(tmp_path)
    model, _ = load_model(AutoModelForMaskedLM, str(tmp_path), dropout=0.0)
    ids = torch.arange(2, 22).view(2, 10)
    assert torch.equal(model.train()(ids).logits, model.eval()(ids).logits)
    model, _ = load_model(AutoModelForMaskedLM, str(tmp_path), dropout=0.5)
    assert not torch.equal(model.train()(ids).logits, model(ids).logits)
    assert torch.equal(model.eval()(ids).logits, model(ids).logits)
