"""Which backbone a mask is folded into: the revision that it was trained on, out of the Hub's cache."""

from dataclasses import replace

import huggingface_hub
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from emmental import masks
from emmental.common.errors import InputError
from emmental.inference.load import fold, load_pruned
from emmental.models.backbones import load_backbone
from emmental.pruning.matrices import encoder_linears
from tests.helpers.tiny import random_mask

TRAINED_ON, NEWEST = "1" * 40, "2" * 40
TEXTS = ["a good film", "very dull plot , bad music"]


@pytest.fixture
def in_cache(tiny_bert, tmp_path, monkeypatch):
    """someone/bert as a download leaves it in the Hub's cache: its first commit, and another one that is main."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--someone--bert"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(NEWEST)
    model, tokenizer = AutoModelForMaskedLM.from_pretrained(tiny_bert), AutoTokenizer.from_pretrained(tiny_bert)
    for commit in (TRAINED_ON, NEWEST):
        model.save_pretrained(folder / "snapshots" / commit)
        tokenizer.save_pretrained(folder / "snapshots" / commit)
        model.bert.encoder.layer[0].output.dense.weight.data[0, 0] += 1
    return "someone/bert"


def test_a_mask_is_folded_into_the_revision_that_it_was_trained_on(in_cache, tiny_bert):
    mask = random_mask(tiny_bert)
    trained = load_backbone(in_cache, TRAINED_ON)
    assert (trained.revision, load_backbone(in_cache).revision) == (TRAINED_ON, NEWEST)
    named = replace(mask, info=replace(mask.info, base_model=in_cache, base_revision=trained.revision))
    assert (load_pruned(named).logits(TEXTS) == load_pruned(mask).logits(TEXTS)).all()

    folded = fold(named)
    assert folded.revision == TRAINED_ON
    for name, linear in encoder_linears(folded.model).items():
        assert torch.equal(linear.weight, trained.model.get_submodule(name).weight * mask.bits[name]), name


def test_a_backbone_that_is_named_is_its_newest_revision(in_cache, tiny_bert):
    mask = random_mask(tiny_bert)
    mask = replace(mask, info=replace(mask.info, base_revision=TRAINED_ON))
    assert fold(mask, in_cache, force=True).revision == NEWEST
    with pytest.raises(InputError, match=f"trained on {tiny_bert} {TRAINED_ON}, whose encoder weights"):
        fold(mask, in_cache)


def test_a_mask_is_read_from_its_file_by_path_or_name(tiny_bert, tmp_path):
    mask = random_mask(tiny_bert)
    masks.save(mask, tmp_path / "mask.smp")
    for given in (tmp_path / "mask.smp", str(tmp_path / "mask.smp")):
        assert (load_pruned(given).logits(TEXTS) == load_pruned(mask).logits(TEXTS)).all()
