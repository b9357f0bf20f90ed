"""Wanda's start: what matrices are fed with, by a literal count, and the scores that come of it."""

import pytest
import torch
from datasets import Dataset
from transformers import DebertaV2Config

from emmental.models.backbones import load_backbone
from emmental.pruning.masked_linear import swap_in
from emmental.pruning.score_init import init_scores
from emmental.training import activations
from tests.helpers.architectures import CONFIGS, save_model
from tests.helpers.tiny import WORDS

TEXTS = [" ".join(WORDS[14 + number % 9 :][: 1 + number % 7]) for number in range(70)]


@pytest.fixture
def fed(device, tiny_bert):
    """A backbone with masked layers, its training data, and the norms of the layers' inputs."""
    backbone = load_backbone(str(tiny_bert))
    backbone.model.to(device)
    features = Dataset.from_dict(dict(backbone.tokenizer(TEXTS)))
    layers = swap_in(backbone.model)
    return backbone, layers, activations.input_norms(backbone.model, layers, features, backbone.tokenizer)


@torch.no_grad()
def test_norms_are_those_of_all_tokens_one_text_at_a_time(fed):
    backbone, layers, norms = fed
    seen = {name: [] for name in layers}
    hooks = [
        layer.register_forward_pre_hook(lambda module, inputs, name=name: seen[name].append(inputs[0][0]))
        for name, layer in layers.items()
    ]
    for text in TEXTS:
        backbone.model(**backbone.tokenizer(text, return_tensors="pt").to(backbone.model.device))
    for hook in hooks:
        hook.remove()
    assert norms.keys() == layers.keys()
    for name, parts in seen.items():
        torch.testing.assert_close(norms[name], torch.cat(parts).norm(dim=0), rtol=1e-4, atol=1e-4)


def test_scores_start_as_wanda_would_choose(fed):
    _, layers, norms = fed
    init_scores(layers, "wanda", 0.5, norms)
    for name, layer in layers.items():
        felt = layer.weight.abs() * norms[name]
        assert layer.mask_scores.square().mean().sqrt().item() == pytest.approx(0.5)
        torch.testing.assert_close(layer.mask_scores / layer.mask_scores.max(), felt / felt.max())


def test_a_sample_is_taken_of_larger_data(tiny_bert, monkeypatch):
    monkeypatch.setattr(activations, "SAMPLE", 3)
    backbone = load_backbone(str(tiny_bert))
    layers = swap_in(backbone.model)
    features = Dataset.from_dict(dict(backbone.tokenizer(TEXTS)))
    sampled = activations.input_norms(backbone.model, layers, features, backbone.tokenizer)
    ends = features.select([0, 34, 69])
    expected = activations.input_norms(backbone.model, layers, ends, backbone.tokenizer)
    assert all(torch.equal(sampled[name], expected[name]) for name in layers)


@torch.no_grad()
@pytest.mark.parametrize("shared", [True, False])
def test_positions_of_deberta_count_where_there_is_nothing_else(tmp_path, monkeypatch, shared):
    """They go through its query and key, or through matrices of their own."""
    config = DebertaV2Config.from_dict(CONFIGS["deberta-v2"][0].to_dict() | {"share_att_key": shared})
    monkeypatch.setitem(CONFIGS, "deberta-v2", (config, None))
    backbone = load_backbone(str(save_model(tmp_path, "deberta-v2")))
    layers = swap_in(backbone.model)
    features = Dataset.from_dict(dict(backbone.tokenizer(TEXTS)))
    norms = activations.input_norms(backbone.model, layers, features, backbone.tokenizer)
    prefix = "deberta.encoder.layer.1.attention.self."
    torch.testing.assert_close(norms[f"{prefix}query_proj"], norms[f"{prefix}value_proj"])
    if not shared:
        encoder = backbone.model.deberta.encoder
        positions = encoder.LayerNorm(encoder.rel_embeddings.weight).norm(dim=0)
        own = norms[f"{prefix}pos_key_proj"]
        torch.testing.assert_close(own / own[0], positions / positions[0])  # once for each batch
