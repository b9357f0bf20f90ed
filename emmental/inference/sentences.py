"""A pruned model that gives texts labels or values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import DataCollatorWithPadding, PreTrainedTokenizerBase

from emmental import masks
from emmental.models.heads import SequenceModel
from emmental.recipes.kinds import Kind
from emmental.tasks.batches import similar


@dataclass
class Pruned:
    """A classifier or regressor of sentences, ready to predict."""

    model: SequenceModel
    tokenizer: PreTrainedTokenizerBase
    info: masks.MaskInfo

    @property
    def labels(self) -> list[str]:
        """In the order of the logits."""
        return list(self.info.label_words)

    def logits(self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int = 128) -> np.ndarray:
        """Logits float32 [texts, labels] of texts, or of pairs of texts.

        >>> from emmental import load_pruned
        >>> load_pruned("sst2.smp").logits(["a good film"]).dtype
        dtype('float32')
        """
        features = self.tokenizer(*([texts, pairs] if pairs else [texts]), truncation=True, max_length=max_length)
        return feature_logits(self.model, self.tokenizer, features)

    def probabilities(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int = 128
    ) -> np.ndarray:
        """Probabilities float32 [texts, labels]; where the task asks for a value, that [texts, 1].

        >>> from emmental import load_pruned
        >>> pruned = load_pruned("sst2.smp")
        >>> (best,) = pruned.probabilities(["a good film"]).argmax(axis=1)
        >>> pruned.labels[best] in ("0", "1")
        True
        """
        logits = torch.from_numpy(self.logits(texts, pairs, max_length))
        return (logits if self.info.kind is Kind.VALUE else logits.softmax(-1)).numpy()


@torch.inference_mode()
def feature_logits(
    model: SequenceModel, tokenizer: PreTrainedTokenizerBase, features: Mapping[str, list]
) -> np.ndarray:
    """Logits float32 [examples, labels] of tokenised, unpadded examples: the model's inputs by name."""
    pad = DataCollatorWithPadding(tokenizer)
    inputs = {name: features[name] for name in tokenizer.model_input_names if name in features}
    logits = [None] * len(inputs["input_ids"])
    for rows in similar([len(ids) for ids in inputs["input_ids"]]):
        batch = pad({name: [values[row] for row in rows] for name, values in inputs.items()})
        for row, answer in zip(rows, model(**batch)["logits"], strict=True):
            logits[row] = answer
    return torch.stack(logits).numpy()
