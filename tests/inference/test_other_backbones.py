"""A mask is refused on every backbone that would answer otherwise, whatever of it differs."""

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from emmental.common.errors import InputError
from emmental.inference.load import load_pruned
from emmental.models.backbones import load_backbone
from tests.helpers.architectures import save_model
from tests.helpers.tiny import random_mask

ROTARY = {"rope_type": "default", "rope_theta": 500.0}
TEXTS = ["a good film", "very dull plot , bad music", "the actor was funny"]


def in_config(name, value):
    def change(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {name: value}))

    return change


def in_weights(name):
    def change(folder):
        weights = load_file(folder / "model.safetensors")
        weights[name].view(-1)[0] += 0.5
        save_file(weights, folder / "model.safetensors", {"format": "pt"})

    return change


def in_vocabulary(folder):
    for name in ("vocab.txt", "tokenizer.json"):
        if (folder / name).exists():
            text = (folder / name).read_text()
            (folder / name).write_text(text.replace("good", "@").replace("bad", "good").replace("@", "bad"))


def in_reading(folder):
    AutoTokenizer.from_pretrained(folder, do_lower_case=False).save_pretrained(folder)


@pytest.mark.parametrize(
    "change",
    [
        in_config("hidden_act", "relu"),
        in_config("layer_norm_eps", 1e-3),
        in_config("num_attention_heads", 4),
        in_config("is_decoder", True),
        in_weights("bert.embeddings.word_embeddings.weight"),
        in_weights("bert.embeddings.position_embeddings.weight"),
        in_weights("bert.encoder.layer.1.output.LayerNorm.bias"),
        in_weights("bert.encoder.layer.0.attention.self.key.bias"),
        in_weights("cls.predictions.bias"),
        in_vocabulary,
        in_reading,
    ],
)
def test_whatever_else_of_the_backbone_changes_an_answer_is_noticed(tiny_bert, tmp_path, change):
    mask = random_mask(tiny_bert)
    folder = shutil.copytree(tiny_bert, tmp_path / "other")
    assert load_pruned(mask, str(folder)).logits(TEXTS).shape == (3, 2)
    change(folder)
    with pytest.raises(InputError, match="embeddings, biases, normalisation, vocabulary or settings"):
        load_pruned(mask, str(folder))
    load_pruned(mask, str(folder), force=True)


@pytest.mark.parametrize(
    ("architecture", "name", "value"),
    [
        ("modernbert", "classifier_activation", "relu"),
        ("modernbert", "layer_types", ["sliding_attention", "full_attention"]),
        ("modernbert", "rope_parameters", {"sliding_attention": ROTARY, "full_attention": ROTARY}),
        ("deberta-v2", "max_relative_positions", 20),
        ("deberta-v2", "norm_rel_ebd", "none"),
        ("distilbert", "n_heads", 4),
    ],
)
def test_settings_that_few_encoders_have(architecture, name, value, tmp_path):
    folder = save_model(tmp_path / "model", architecture)
    before = load_backbone(str(folder)).hashes()
    in_config(name, value)(folder)
    after = load_backbone(str(folder)).hashes()
    assert {key for key in before if before[key] != after[key]} == {"backbone_sha256"}
