"""The feature-major encoder against transformers' own: same logits, whatever the padding, packing and grouping."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import (
    AutoModelForMaskedLM,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

from emmental.export import shrunk
from emmental.export.empty_rows import Affine
from emmental.pruning.matrices import encoder_linears
from emmental.runtime import sparse
from emmental.runtime.architectures import bert
from emmental.runtime.multiply import DenseProduct, SparseProduct
from emmental.runtime.products import products_of
from emmental.runtime.sparse import SparseMaskedLM, grouped, normalised
from tests.helpers.encoders import CONFIGS, encoder, folded

VOCABULARY = 50
SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "max_position_embeddings": 40,
    "initializer_range": 0.3,
}


def pruned_model(config) -> nn.Module:
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(config).eval().requires_grad_(False)
    for number, linear in enumerate(encoder_linears(model).values()):
        linear.weight *= torch.rand(linear.weight.shape) < (0.0 if number == 7 else 0.3)  # one is wholly empty
        linear.bias.normal_()
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.weight.normal_(1, 0.3)
            module.bias.normal_()
    return model


FROM_TWO = SHAPE | {"max_position_embeddings": 42, "type_vocab_size": 1, "pad_token_id": 1}  # positions
MODELS = {
    "bert": pruned_model(BertConfig(**SHAPE, type_vocab_size=2)),
    "roberta": pruned_model(RobertaConfig(**FROM_TWO)),
    "xlm-roberta": pruned_model(XLMRobertaConfig(**FROM_TWO)),
    "electra": pruned_model(ElectraConfig(**SHAPE, embedding_size=10)),
    "electra of one width": pruned_model(ElectraConfig(**SHAPE, embedding_size=24, hidden_act="relu")),
    "distilbert": pruned_model(
        DistilBertConfig(
            vocab_size=VOCABULARY, dim=24, n_layers=3, n_heads=4, hidden_dim=40, max_position_embeddings=40,
            initializer_range=0.3, activation="relu",
        )
    ),
}  # fmt: skip


def sparse_product(name: str, layer: Affine) -> nn.Module:
    return SparseProduct(*layer)


def dense_product(name: str, layer: Affine) -> nn.Module:
    return DenseProduct(*layer)


@st.composite
def batches(draw):
    """Token ids and attention mask of texts of several lengths, padded on the right by at least nothing."""
    lengths = draw(st.lists(st.integers(1, 30), min_size=1, max_size=6))
    width = max(lengths) + draw(st.integers(0, 5))
    random = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    ids = torch.randint(2, VOCABULARY, (len(lengths), width), generator=random)
    real = (torch.arange(width) < torch.tensor(lengths)[:, None]).long()
    return ids * real + (1 - real), real  # 1 is RoBERTa's padding


def literal(model, ids, real):
    """Each text on its own, by transformers."""
    lengths = real.sum(1).tolist()
    return [model(input_ids=row[None, :length]).logits[0] for row, length in zip(ids, lengths, strict=True)]


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("product", [sparse_product, dense_product])
@settings(max_examples=10, deadline=None)
@given(batch=batches(), group=st.integers(1, 60), scores=st.integers(1, 2000))
def test_logits_are_transformers_own_however_texts_are_grouped(model, product, batch, group, scores):
    ids, real = batch
    expected = literal(model, ids, real)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparse, "GROUP_TOKENS", group)
        patch.setattr(sparse, "CACHED_SCORES", scores)
        form = SparseMaskedLM(model, product)
        logits, first = form(ids, real), form(ids, real, first_only=True)
    assert logits.shape == (*ids.shape, VOCABULARY)
    assert first.shape == (len(ids), 1, VOCABULARY)
    for row, answer in enumerate(expected):
        torch.testing.assert_close(logits[row, : len(answer)], answer, atol=2e-5, rtol=1e-5)
        torch.testing.assert_close(first[row, 0], answer[0], atol=2e-5, rtol=1e-5)
        assert not logits[row, len(answer) :].any()


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(CONFIGS)), st.integers(0, 10**6), st.sampled_from([0.05, 0.3, 1.0]), st.booleans())
def test_shrunk_models_have_the_logits_of_the_folded_one(architecture, seed, density, sparse):
    """With many empty rows, columns and heads: of unequal sizes, filled up and scattered, or gone."""
    whole = folded(architecture, seed, density)
    small = copy.deepcopy(whole)
    shrunk.shrink(small)
    ids = torch.randint(5, 60, (3, 9), generator=torch.Generator().manual_seed(seed))
    real = (torch.arange(9) < torch.tensor([9, 4, 7])[:, None]).long()
    expected, dense = (model(ids, attention_mask=real).logits for model in (whole, small))
    form = SparseMaskedLM(small, sparse_product if sparse else dense_product)
    logits, first = form(ids, real), form(ids, real, first_only=True)[:, 0]
    for other in (dense, expected):
        assert (logits - other)[real.bool()].abs().max() < 1e-4
        assert (first - other[:, 0]).abs().max() < 1e-4


def test_shrunk_heads_are_of_one_size_and_only_empty_rows_are_added():
    """The first head goes whole; the second has one dimension left, and the others all eight."""
    model = encoder("bert")
    block = model.bert.encoder.layer[0]
    heads = block.attention.self
    heads.value.weight[:8], heads.value.weight[9:16], heads.query.weight[9:16] = 0, 0, 0
    heads.query.bias[9:16] = 0
    block.output.dense.weight[:30] = 0
    shrunk.shrink(model)
    parts = bert.block(model.bert.encoder.layer[0])
    products = products_of(parts)
    assert parts.heads == 3
    assert [len(layer.weight) for layer in products] == [24, 24, 24, 32, 48, 32]
    assert products.attention_output.weight.shape == (32, 24)
    assert products.query.weight.count_nonzero() == 17 * 32
    assert products.output.weight.count_nonzero() == 2 * 48
    assert products.intermediate.weight.data_ptr() == model.bert.encoder.layer[0].intermediate.dense.weight.data_ptr()


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_padding_changes_no_bit(model):
    encoder = SparseMaskedLM(model)
    ids = torch.randint(2, VOCABULARY, (3, 12))
    padded = torch.cat([ids, torch.ones(3, 7, dtype=torch.long)], 1)
    real = (torch.arange(19) < 12).long().expand(3, -1)
    assert torch.equal(encoder(padded, real)[:, :12], encoder(ids))


@pytest.mark.parametrize("name", ["bert", "electra"])
def test_token_types_count(name):
    model = MODELS[name]
    ids, types = torch.randint(2, VOCABULARY, (2, 9)), (torch.arange(9) > 4).long().expand(2, -1)
    logits = SparseMaskedLM(model)(ids, token_type_ids=types)
    torch.testing.assert_close(logits, model(input_ids=ids, token_type_ids=types).logits, atol=2e-5, rtol=1e-5)
    assert (logits - model(input_ids=ids).logits).abs().max() > 0.01


def test_only_real_tokens_are_computed_and_first_ones_at_the_end():
    encoder = SparseMaskedLM(MODELS["bert"])
    computed = []
    for block in encoder.blocks:
        for product in (block.key, block.query, block.intermediate):
            product.register_forward_hook(lambda product, inputs, output: computed.append(output.shape[1]))
    real = (torch.arange(20) < torch.tensor([3, 20, 9])[:, None]).long()
    encoder(torch.full((3, 20), 5), real, first_only=True)
    assert computed == [32, 32, 32, 32, 32, 32, 32, 3, 3]


@given(lengths=st.lists(st.integers(1, 50), max_size=20), tokens=st.integers(1, 100))
def test_groups_hold_every_text_once_and_do_not_overflow(lengths, tokens):
    groups = grouped(lengths, tokens)
    assert sorted(number for group in groups for number in group) == list(range(len(lengths)))
    for group in groups:
        assert len(group) == 1 or sum(lengths[number] for number in group) <= tokens
        assert group == sorted(group)


def test_layer_norm_of_columns():
    norm = nn.LayerNorm(64, eps=1e-12)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = 3 * torch.randn(64, 7) + 100 * torch.randn(7)  # far from zero, as some tokens of real models are
    torch.testing.assert_close(normalised(x, norm), norm(x.T).T, atol=1e-4, rtol=1e-4)
