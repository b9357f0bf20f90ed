"""Several labels: the head's losses against transformers' own and against torch, by hand where that is short."""

import math

import pytest
import torch
from transformers import BertForSequenceClassification

from emmental.common.errors import InputError
from emmental.models.backbones import load_backbone, load_dense
from emmental.models.heads import HEADS, SeveralClassifier, label_word_ids
from emmental.models.losses import several_distillation, several_loss
from emmental.recipes.kinds import Kind

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0]])
GIVEN = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])


def test_the_dense_model_has_the_same_loss(tiny_bert):
    """transformers' own for its problem type, so that a mask and its dense model minimise one thing."""
    model = load_dense(Kind.SEVERAL, ["u", "v", "w"], str(tiny_bert)).eval()
    assert isinstance(model, BertForSequenceClassification)
    assert model.config.problem_type == "multi_label_classification"
    outputs = model(input_ids=torch.tensor([[2, 8, 3], [2, 9, 3]]), labels=GIVEN)
    assert several_loss(outputs.logits, GIVEN).item() == pytest.approx(outputs.loss.item(), abs=1e-6)


def test_logits_are_those_of_the_words(tiny_bert):
    backbone = load_backbone(str(tiny_bert))
    ids, words = torch.tensor([[2, 8, 3]]), label_word_ids(backbone.tokenizer, ["good", "film"])
    full = backbone.model.eval()(input_ids=ids).logits[:, 0, words]
    head = HEADS[Kind.SEVERAL](backbone.model, words).eval()
    outputs = head(ids, torch.ones_like(ids), labels=torch.tensor([[1.0, 0.0]]))
    assert torch.allclose(outputs["logits"], full, atol=1e-6)
    assert outputs["loss"].item() == pytest.approx(several_loss(full, torch.tensor([[1.0, 0.0]])).item(), abs=1e-6)


def test_distillation_is_the_divergence_of_each_yes_and_no():
    student, teacher = torch.tensor([[0.0]]), torch.tensor([[2 * math.log(3)]])  # at T = 2: 1/2 and 3/4
    wanted = 4 * (0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5))
    assert several_distillation(student, teacher, 2.0).item() == pytest.approx(wanted, abs=1e-6)
    assert several_distillation(LOGITS, LOGITS, 2.0).item() == pytest.approx(0, abs=1e-6)
    both = several_distillation(torch.cat([student, teacher], 1), torch.cat([teacher, teacher], 1), 2.0)
    assert both.item() == pytest.approx(wanted / 2, abs=1e-6)


def test_smoothing_wants_a_half_of_every_label():
    outputs = {"logits": LOGITS}
    yes, no = (several_loss(LOGITS, torch.full_like(LOGITS, side)) for side in (1.0, 0.0))
    assert SeveralClassifier.uniform(outputs, {}).item() == pytest.approx(((yes + no) / 2).item(), abs=1e-6)


def test_two_labels_with_one_word(tiny_bert):
    with pytest.raises(InputError, match="label words 'good' and 'GOOD' are one token"):
        label_word_ids(load_backbone(str(tiny_bert)).tokenizer, ["good", "bad", "GOOD"])
