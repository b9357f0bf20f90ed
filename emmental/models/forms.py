"""The dense form of a frozen backbone: what computes the label words' logits, and of how many tokens.

Other forms compute the same sparse (see emmental.runtime). All are called alike: int64 inputs [batch, length] and
``first_only``; they give the logits [batch, length, words], or of each text's first token alone [batch, 1, words].
"""

import contextlib
import inspect

import torch
from torch import nn
from transformers import PreTrainedModel


class DenseForm(nn.Module):
    """A masked LM as transformers computes it."""

    def __init__(self, model: PreTrainedModel):
        super().__init__()
        self.model = model
        self.known = set(inspect.signature(model.forward).parameters)

    def forward(self, input_ids, attention_mask=None, token_type_ids=None, first_only: bool = False) -> torch.Tensor:
        """See above. first_only: the masked-LM head runs on the first tokens alone, the encoder on all."""
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
        inputs = {name: value for name, value in inputs.items() if value is not None and name in self.known}
        with _first_vectors(self.model.base_model) if first_only else contextlib.nullcontext():
            return self.model(**inputs).logits


@contextlib.contextmanager
def _first_vectors(encoder: nn.Module):
    """While it is open, the encoder hands only the first token's vectors on to the head. transformers' models have no
    argument for that."""

    def cut(module, inputs, outputs):
        outputs["last_hidden_state"] = outputs["last_hidden_state"][:, :1]

    hook = encoder.register_forward_hook(cut)
    try:
        yield
    finally:
        hook.remove()
