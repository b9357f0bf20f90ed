"""The dense form of a frozen backbone: what computes the label words' logits, and of how many tokens.

Other forms compute the same sparse (see emmental.runtime). All are called alike: int64 inputs [batch, length] and
``first_only``; they give the logits [batch, length, words], or of each text's first token alone [batch, 1, words].
"""

import contextlib
import copy
import inspect
from collections.abc import Callable

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
        with vectors_of(self.model.base_model, _first) if first_only else contextlib.nullcontext():
            return self.model(**inputs).logits


class HalfForm(DenseForm):
    """The same of a copy whose weights and activations are rounded to bf16; its logits are fp32 again."""

    def __init__(self, model: PreTrainedModel):
        super().__init__(copy.deepcopy(model).to(torch.bfloat16))

    def forward(self, input_ids, attention_mask=None, token_type_ids=None, first_only: bool = False) -> torch.Tensor:
        """As of DenseForm."""
        return super().forward(input_ids, attention_mask, token_type_ids, first_only).float()


def _first(vectors: torch.Tensor) -> torch.Tensor:
    return vectors[:, :1]


@contextlib.contextmanager
def vectors_of(encoder: nn.Module, pick: Callable[[torch.Tensor], torch.Tensor]):
    """While it is open, the encoder hands only those on to the head that ``pick`` leaves of its tokens' vectors [batch,
    length, hidden]. transformers' models have no argument for that."""

    def cut(module, inputs, outputs):
        outputs["last_hidden_state"] = pick(outputs["last_hidden_state"])

    hook = encoder.register_forward_hook(cut)
    try:
        yield
    finally:
        hook.remove()
