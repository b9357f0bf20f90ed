"""What the encoder's matrices are fed with, on a few training examples: for scores that start as Wanda would choose."""

import inspect

import numpy as np
import torch
from datasets import Dataset
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from emmental.tasks.batches import by_length

SAMPLE = 256  # training examples, spread evenly over the data


@torch.no_grad()
def input_norms(
    model: PreTrainedModel, layers: dict[str, nn.Linear], features: Dataset, tokenizer: PreTrainedTokenizerBase
) -> dict[str, torch.Tensor]:
    """The norm of each input of each of these layers over all real tokens of SAMPLE examples: float32 [in] by name, on
    the model's device. Draws nothing at random.

    DeBERTa puts the vectors of its positions through some layers after the tokens: these do not count, but where there
    is nothing else.
    """
    sample = features.select(np.linspace(0, len(features) - 1, min(SAMPLE, len(features)), dtype=int))
    known = inspect.signature(model.base_model.forward).parameters
    squares = {name: torch.zeros(layer.in_features, device=model.device) for name, layer in layers.items()}
    mask, seen = torch.empty(0), set()

    def add(name: str):
        def hook(module, inputs):
            if name in seen:
                return
            seen.add(name)
            (x,) = inputs
            real = mask[..., None] if x.shape[:2] == mask.shape else 1
            squares[name] += (x.float().square() * real).flatten(0, -2).sum(0)

        return hook

    hooks = [layer.register_forward_pre_hook(add(name)) for name, layer in layers.items()]
    training = model.training
    model.eval()
    for _, inputs in by_length(sample, tokenizer):
        mask = inputs["attention_mask"].to(model.device)
        seen.clear()
        model.base_model(**{name: values.to(model.device) for name, values in inputs.items() if name in known})
    model.train(training)
    for hook in hooks:
        hook.remove()
    return {name: total.sqrt() for name, total in squares.items()}
