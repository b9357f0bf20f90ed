"""Backbones as they are loaded: padding on the right whatever the tokenizer's side, for heads read the first position;
dropout as it is asked for; DeBERTa's head under another name, or none; a vocabulary of SentencePiece's own."""

import json
import random
import shutil

import pytest
import sentencepiece
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMaskedLM, AutoTokenizer

from emmental import masks
from emmental.common import hashing
from emmental.inference.load import load_pruned
from emmental.masks import container
from emmental.models.backbones import load_backbone, load_model
from emmental.models.heads import label_word_ids
from tests.helpers.architectures import CONFIGS, save_model
from tests.helpers.tiny import WORDS, random_mask

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


@pytest.mark.parametrize("legacy", [None, True, False])
def test_debertas_head_is_found_under_its_published_name(tmp_path, legacy):
    """Whatever the config says of it; Microsoft's say nothing."""
    folder = save_model(tmp_path / "deberta", "deberta-v2")
    config = json.loads((folder / "config.json").read_text()) | {"legacy": legacy}
    (folder / "config.json").write_text(
        json.dumps({name: value for name, value in config.items() if value is not None})
    )
    published = load_file(folder / "model.safetensors")
    backbone = load_backbone(str(folder))
    head = backbone.model.cls.predictions
    assert not backbone.random_head
    for name, own in (("dense.weight", head.transform.dense.weight), ("LayerNorm.bias", head.transform.LayerNorm.bias)):
        assert torch.equal(own, published[f"lm_predictions.lm_head.{name}"])
    assert torch.equal(head.decoder.bias, published["lm_predictions.lm_head.bias"])
    assert head.decoder.weight is backbone.model.get_input_embeddings().weight

    backbone.model.save_pretrained(tmp_path / "again")  # under transformers' own names
    backbone.tokenizer.save_pretrained(tmp_path / "again")
    assert any(name.startswith("cls.predictions.") for name in load_file(tmp_path / "again" / "model.safetensors"))
    assert load_backbone(str(tmp_path / "again")).hashes() == backbone.hashes()


def test_a_deberta_without_a_head_has_always_the_same_one(tmp_path):
    folder = save_model(tmp_path / "deberta", "deberta-v2")
    weights = load_file(folder / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if not name.startswith("lm_predictions")}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    first, second = (load_backbone(str(folder)) for _ in range(2))
    assert first.random_head
    assert first.hashes() == second.hashes()


def test_a_vocabulary_of_sentencepiece(tmp_path):
    """spm.model is all that DeBERTa-v3 has of a tokenizer on the Hub."""
    folder = save_model(tmp_path / "deberta", "deberta-v2")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false, "vocab_type": "spm"}')
    draw = random.Random(0)
    texts = [" ".join(draw.choices(WORDS[5:], k=8)) for _ in range(400)]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_prefix=str(folder / "spm"), vocab_size=60,
        hard_vocab_limit=False, pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]",
        eos_piece="[SEP]", unk_piece="[UNK]", minloglevel=2,
    )  # fmt: skip
    tokenizer = load_backbone(str(folder)).tokenizer
    assert tokenizer("a good film")["input_ids"][0] == tokenizer.cls_token_id == 1
    good, bad = label_word_ids(tokenizer, ["good", "bad"])
    assert tokenizer.convert_ids_to_tokens([good, bad]) == ["▁good", "▁bad"]


@pytest.mark.parametrize("architecture", CONFIGS)
def test_without_dropout_training_computes_what_evaluation_does(architecture, tmp_path):
    AutoModelForMaskedLM.from_config(CONFIGS[architecture][0]).save_pretrained(tmp_path)
    model, _ = load_model(AutoModelForMaskedLM, str(tmp_path), dropout=0.0)
    ids = torch.arange(2, 22).view(2, 10)
    assert torch.equal(model.train()(ids).logits, model.eval()(ids).logits)
    model, _ = load_model(AutoModelForMaskedLM, str(tmp_path), dropout=0.5)
    assert not torch.equal(model.train()(ids).logits, model(ids).logits)
    assert torch.equal(model.eval()(ids).logits, model(ids).logits)
