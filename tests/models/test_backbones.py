"""Backbones whose tokenizer pads on the left: heads read the first position, so every way to load one pads right."""

import json
import shutil

import pytest
from transformers import AutoTokenizer

from emmental import masks
from emmental.common import hashing
from emmental.inference.load import load_pruned
from emmental.masks import container
from emmental.models.backbones import load_backbone
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
