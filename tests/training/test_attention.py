"""training/attention.py: which passes compute attention by plain products, and that these compute the same."""

import pytest
import torch
from transformers import AutoModelForMaskedLM
from transformers.utils import logging

from emmental.models.backbones import load_backbone
from emmental.training.attention import LONGEST, by_products
from tests.helpers.architectures import CONFIGS
from tests.helpers.small_run import build


@pytest.mark.parametrize("bf16", [True, False])
def test_training_passes_in_bf16_alone_use_plain_products(tiny_bert, tmp_path, bf16):
    trainer = build(tiny_bert, tmp_path, bf16=bf16, eval_strategy="steps", eval_steps=3, use_cpu=True)
    encoder, used = trainer.model.backbone, set()
    encoder.register_forward_pre_hook(lambda *_: used.add((encoder.training, encoder.config._attn_implementation)))
    trainer.train()
    assert used == {(True, "eager" if bf16 else "sdpa"), (False, "sdpa")}


def test_texts_that_are_long_keep_torch_s_attention(tiny_bert):
    encoder = load_backbone(str(tiny_bert)).model
    with by_products(encoder, LONGEST, bf16=True):
        assert encoder.config._attn_implementation == "eager"
    with by_products(encoder, LONGEST + 1, bf16=True):
        assert encoder.config._attn_implementation == "sdpa"


def test_a_pass_that_fails_leaves_the_attention_as_it_was(tiny_bert):
    encoder = load_backbone(str(tiny_bert)).model
    with pytest.raises(KeyboardInterrupt), by_products(encoder, 8, bf16=True):
        raise KeyboardInterrupt
    assert encoder.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("architecture", CONFIGS)
def test_both_ways_compute_the_same_without_a_word(architecture, caplog, monkeypatch):
    monkeypatch.setattr(logging.get_logger("transformers"), "propagate", True)
    torch.manual_seed(0)
    encoder = AutoModelForMaskedLM.from_config(CONFIGS[architecture][0]).eval()
    tokens = torch.randint(5, 60, (4, 9))
    real = (torch.arange(9) < torch.tensor([9, 3, 1, 5])[:, None]).long()
    usual = encoder(input_ids=tokens, attention_mask=real).logits
    with by_products(encoder, 9, bf16=True):
        products = encoder(input_ids=tokens, attention_mask=real).logits
    torch.testing.assert_close(products[real.bool()], usual[real.bool()], atol=1e-5, rtol=0)
    assert not caplog.records
