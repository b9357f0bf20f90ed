"""All forms of a backbone are called alike: whether first tokens alone are asked for is said at every call."""

import pytest
import torch

from emmental.inference.load import fold
from emmental.models.forms import DenseForm
from emmental.runtime.calibration import TOKENS
from emmental.runtime.choose import ByTokens
from emmental.runtime.sparse import SparseMaskedLM
from tests.helpers.tiny import random_mask

IDS = torch.tensor([[2, 10, 3, 0, 0], [2, 11, 12, 13, 3]])
REAL = (IDS > 0).long()


@pytest.fixture(params=["dense", "sparse", "by tokens"])
def form(request, tiny_bert):
    dense = DenseForm(fold(random_mask(tiny_bert)).model.eval())
    sparse = SparseMaskedLM(dense.model)
    by_tokens = ByTokens(dense, dict.fromkeys(TOKENS, sparse), {32: 0.5, 128: 1.0, 256: 1.0})
    return {"dense": dense, "sparse": sparse, "by tokens": by_tokens}[request.param]


@torch.inference_mode()
def test_first_tokens_alone_and_all_of_them_from_one_form(form, tiny_bert):
    expected = fold(random_mask(tiny_bert)).model.eval()(IDS, attention_mask=REAL).logits
    for _ in range(2):  # a call leaves nothing behind for the next
        first, everything = form(IDS, REAL, first_only=True), form(IDS, REAL)
        assert first.shape == (2, 1, expected.shape[2])
        torch.testing.assert_close(first, expected[:, :1], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(everything[REAL.bool()], expected[REAL.bool()], atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_the_dense_head_sees_first_tokens_alone(tiny_bert):
    model = fold(random_mask(tiny_bert)).model.eval()
    seen = []
    model.cls.register_forward_hook(lambda module, inputs, output: seen.append(output.shape[1]))
    form = DenseForm(model)
    form(IDS, first_only=True)
    form(IDS)
    assert seen == [1, 5]


def test_an_error_in_between_leaves_no_hook(tiny_bert):
    form = DenseForm(fold(random_mask(tiny_bert)).model.eval())
    with pytest.raises(IndexError):
        form(torch.tensor([[10**6]]), first_only=True)
    assert not form.model.base_model._forward_hooks
