"""The head for words: a loss of the tokens that count, and of no others."""

import pytest
import torch
from torch.nn import functional as F

from emmental.models.backbones import load_backbone
from emmental.models.heads import TokenClassifier
from emmental.models.losses import IGNORED, PADDING_LOGIT

COUNTED = torch.tensor([[0, 1, 1, 0, 1, 0], [0, 1, 0, 1, 0, 0], [0, 0, 1, 0, 0, 0]]).bool()


@pytest.fixture
def texts(tiny_bert):
    """A head with three words and two inputs of its: three texts, and the same with padding behind them."""
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(9, 32, COUNTED.shape, generator=draw)
    labels = torch.where(COUNTED, torch.randint(3, COUNTED.shape, generator=draw), IGNORED)
    alone = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}
    padded = {name: F.pad(values, (0, 4), value=IGNORED * (name == "labels")) for name, values in alone.items()}
    return TokenClassifier(load_backbone(str(tiny_bert)).model, [5, 6, 7]).eval(), alone, padded


def test_the_loss_is_the_mean_over_the_tokens_that_count(texts):
    model, alone, padded = texts
    outputs = model(**alone)
    assert outputs["logits"].shape == (*COUNTED.shape, 3)
    chances = outputs["logits"].log_softmax(-1)[COUNTED]
    by_hand = -chances[range(6), alone["labels"][COUNTED]].mean()
    torch.testing.assert_close(outputs["loss"], by_hand)
    torch.testing.assert_close(model(**padded)["loss"], by_hand)


def test_distillation_and_smoothing_count_the_same_tokens(texts):
    model, alone, padded = texts
    teacher = torch.randn(*COUNTED.shape, 3, generator=torch.Generator().manual_seed(1))
    outputs, temperature = model(**alone), 3.0
    own, other = ((logits[COUNTED] / temperature).log_softmax(-1) for logits in (outputs["logits"], teacher))
    taught = 9 * (other.exp() * (other - own)).sum(-1).mean()
    smooth = -outputs["logits"][COUNTED].log_softmax(-1).mean()
    behind = {"logits": F.pad(teacher, (0, 0, 0, 4), value=PADDING_LOGIT)}
    for inputs, said in ((alone, {"logits": teacher}), (padded, behind)):
        torch.testing.assert_close(model.distillation(model(**inputs), said, inputs, temperature), taught)
        torch.testing.assert_close(model.uniform(model(**inputs), inputs), smooth)


def test_uncounted_tokens_have_no_gradient(texts):
    model, alone, _ = texts
    logits = model(**alone)["logits"].requires_grad_()
    teacher = {"logits": torch.zeros_like(logits)}
    lost = model.distillation({"logits": logits}, teacher, alone, 2.0) + model.uniform({"logits": logits}, alone)
    (gradient,) = torch.autograd.grad(lost, logits)
    assert torch.equal(gradient.abs().sum(-1) > 0, COUNTED)
