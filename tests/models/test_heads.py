"""Label words must be single tokens; what a LabelWordModel saves is what it trains."""

import pytest
import torch
from transformers import AutoModelForMaskedLM, BertModel

from emmental.common.errors import InputError
from emmental.models.backbones import load_backbone
from emmental.models.heads import SequenceClassifier, SequenceRegressor, SpanClassifier, label_word_ids
from emmental.models.losses import PADDING_LOGIT
from emmental.pruning.masked_linear import swap_in


@pytest.fixture
def backbone(tiny_bert):
    return load_backbone(str(tiny_bert))


def test_label_word_ids(backbone):
    assert label_word_ids(backbone.tokenizer, ["yes", "maybe", "no"]) == [5, 7, 6]


@pytest.mark.parametrize(("word", "pieces"), [("unbelievable", "un ##believ ##able"), ("film plot", "film plot")])
def test_word_of_several_tokens_is_refused(backbone, word, pieces):
    with pytest.raises(InputError, match=rf"'{word}' is \d tokens \({pieces}\)"):
        label_word_ids(backbone.tokenizer, [word])


def test_unknown_word_is_refused(backbone):
    with pytest.raises(InputError, match=r"'zebra' is 1 tokens \(\[UNK\]\)"):
        label_word_ids(backbone.tokenizer, ["zebra"])


def test_state_dict_holds_only_scores_and_loads_silently(backbone):
    layers = swap_in(backbone.model)
    model = SequenceClassifier(backbone.model, [5, 6])
    state = model.state_dict()
    assert state.keys() == {f"form.model.{name}.mask_scores" for name in layers}
    changed = {name: scores + 1 for name, scores in state.items()}
    result = model.load_state_dict(changed, strict=True)
    assert not result.missing_keys
    assert torch.equal(next(iter(layers.values())).mask_scores, next(iter(changed.values())))
    some = dict(list(changed.items())[1:])
    assert model.load_state_dict(some, strict=False).missing_keys == [next(iter(changed))]


def test_classifiers_lose_by_cross_entropy(backbone):
    ids = torch.tensor([[2, 10, 3], [2, 11, 3]])
    two = SequenceClassifier(backbone.model, [5, 6]).eval()
    outputs = two(ids, labels=torch.tensor([1, 0]))
    by_hand = -outputs["logits"].log_softmax(-1)[[0, 1], [1, 0]].mean()
    torch.testing.assert_close(outputs["loss"], by_hand)


def test_regressors_lose_by_squared_error(backbone):
    ids = torch.tensor([[2, 10, 3], [2, 11, 3]])
    one = SequenceRegressor(backbone.model, [5]).eval()
    outputs = one(ids, labels=torch.tensor([4.5, 0.5]))
    by_hand = (outputs["logits"][:, 0] - torch.tensor([4.5, 0.5])).square().mean()
    torch.testing.assert_close(outputs["loss"], by_hand)


@pytest.fixture
def windows(backbone):
    """A head for spans and two inputs of its: four windows, and the same with padding behind them."""
    ids = torch.randint(9, 32, (4, 11), generator=torch.Generator().manual_seed(0))
    positions = {"start_positions": torch.tensor([0, 3, 5, 10]), "end_positions": torch.tensor([0, 4, 5, 10])}
    alone = {"input_ids": ids, "attention_mask": torch.ones_like(ids)} | positions
    behind = {name: torch.nn.functional.pad(alone[name], (0, 9)) for name in ("input_ids", "attention_mask")}
    return SpanClassifier(backbone.model, [5, 6]).eval(), alone, alone | behind


def test_spans_lose_by_the_mean_cross_entropy_of_both_ends(windows):
    model, alone, padded = windows
    outputs = model(**alone)
    by_hand = [
        -outputs[f"{side}_logits"].log_softmax(-1)[range(4), alone[f"{side}_positions"]].mean()
        for side in ("start", "end")
    ]
    torch.testing.assert_close(outputs["loss"], sum(by_hand) / 2)
    torch.testing.assert_close(model(**padded)["loss"], outputs["loss"])  # padding does not count


def test_spans_distil_as_without_padding(windows):
    """Both ends by T^2 KL(teacher || student), over the tokens that there are."""
    model, alone, padded = windows
    draw, sides, temperature = torch.Generator().manual_seed(1), ("start_logits", "end_logits"), 3.0
    teacher = {side: torch.randn(4, 11, generator=draw) for side in sides}
    outputs, by_hand = model(**alone), 0
    for side in sides:
        own, other = ((logits[side] / temperature).log_softmax(-1) for logits in (outputs, teacher))
        by_hand += 9 * (other.exp() * (other - own)).sum(-1).mean() / 2
    torch.testing.assert_close(model.distillation(outputs, teacher, alone, temperature), by_hand)
    behind = {side: torch.nn.functional.pad(logits, (0, 9), value=PADDING_LOGIT) for side, logits in teacher.items()}
    torch.testing.assert_close(model.distillation(model(**padded), behind, padded, temperature), by_hand)


def test_a_missing_head_is_the_same_in_every_load(tiny_bert, tmp_path):
    BertModel.from_pretrained(tiny_bert).save_pretrained(tmp_path)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / file).write_text((tiny_bert / file).read_text())
    first = load_backbone(str(tmp_path))
    torch.manual_seed(123)
    second = load_backbone(str(tmp_path))
    assert first.random_head
    torch.manual_seed(0)  # what masks that were trained on such a backbone count on
    drawn = AutoModelForMaskedLM.from_pretrained(tmp_path)
    assert torch.equal(first.model.cls.predictions.transform.dense.weight, drawn.cls.predictions.transform.dense.weight)
    assert not load_backbone(str(tiny_bert)).random_head
    assert first.head_sha256() == second.head_sha256()
    assert first.weights_sha256() == load_backbone(str(tiny_bert)).weights_sha256()
    assert first.head_sha256() != load_backbone(str(tiny_bert)).head_sha256()


def test_the_mode_reaches_every_module(tiny_bert):
    model = SequenceClassifier(load_backbone(str(tiny_bert)).model.eval(), [8, 9])
    for mode in (True, True, False, True):
        assert model.train(mode) is model
        assert {module.training for module in model.modules()} == {mode}
    model.backbone.eval()
    model.train()
    assert all(module.training for module in model.modules())
