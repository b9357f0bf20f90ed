"""A pruned model that gives texts labels or values."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from emmental.common.errors import InputError
from emmental.inference.pruned import PrunedTexts
from emmental.inference.texts import READING, as_list, check_pairs
from emmental.models.heads import SequenceModel
from emmental.recipes.kinds import Kind
from emmental.tasks.batches import by_length, lists_by_length


class Pruned(PrunedTexts):
    """A classifier or regressor of sentences, ready to predict."""

    model: SequenceModel

    def logits(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int | None = None
    ) -> np.ndarray:
        """Logits float32 [texts, labels] of texts, or of pairs of texts, cut to max_length tokens (by default 128, or
        all that the model reads where that is less). Raises InputError for what are no texts, and for another length.

        >>> from emmental import load_pruned
        >>> load_pruned("sst2.smp").logits(["a good film"]).dtype
        dtype('float32')
        """
        texts = as_list(texts)
        pairs = None if pairs is None else as_list(pairs, "second texts")
        check_pairs(self.info.task, texts, pairs)
        if not texts:
            return np.empty((0, len(self.labels)), np.float32)
        given = [texts] if pairs is None else [texts, pairs]
        length = self.reading_length(max_length)
        with READING:
            features = self.tokenizer(*given, truncation=True, max_length=length)
        return feature_logits(self.model, self.tokenizer, features)

    def probabilities(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int | None = None
    ) -> np.ndarray:
        """Probabilities float32 [texts, labels], which add up to 1 unless several labels may fit; where the task asks
        for a value, that [texts, 1].

        >>> from emmental import load_pruned
        >>> pruned = load_pruned("sst2.smp")
        >>> (best,) = pruned.probabilities(["a good film"]).argmax(axis=1)
        >>> pruned.labels[best] in ("0", "1")
        True
        """
        logits = torch.from_numpy(self.logits(texts, pairs, max_length))
        if self.info.kind is Kind.VALUE:
            return logits.numpy()
        return (logits.sigmoid() if self.info.kind is Kind.SEVERAL else logits.softmax(-1)).numpy()

    def predict(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int | None = None
    ) -> list[str] | list[float] | list[list[str]]:
        """The answer to each text or pair of texts: its label; the labels that fit, where several may, in the order of
        ``labels``; or the value, where the task asks for one. Arguments and errors as of logits.

        >>> from emmental import load_pruned
        >>> set(load_pruned("sst2.smp").predict(["a good film", "a bad film"])) <= {"0", "1"}
        True
        """
        logits = self.logits(texts, pairs, max_length)
        if self.info.kind is Kind.VALUE:
            return logits[:, 0].tolist()
        if self.info.kind is Kind.SEVERAL:
            return [[label for label, fits in zip(self.labels, row > 0, strict=True) if fits] for row in logits]
        return [self.labels[best] for best in logits.argmax(axis=1)]


@torch.inference_mode()
def feature_logits(
    model: SequenceModel, tokenizer: PreTrainedTokenizerBase, features: Mapping[str, list]
) -> np.ndarray:
    """Logits float32 [examples, labels] of tokenised, unpadded examples: the model's inputs by name. Raises InputError
    where they are not finite, which no label can be told from."""
    place, logits = next(model.parameters()).device, [None] * len(features["input_ids"])
    for rows, batch in lists_by_length(features, tokenizer):
        for row, answer in zip(rows, model(**batch.to(place))["logits"], strict=True):
            logits[row] = answer
    return finite(torch.stack(logits).cpu()).numpy()


@torch.inference_mode()
def dataset_logits(model: SequenceModel, tokenizer: PreTrainedTokenizerBase, features: Dataset) -> np.ndarray:
    """As of feature_logits, of a data set's tokenised examples, which are read from disk batch by batch."""
    place, logits = next(model.parameters()).device, None
    for rows, batch in by_length(features, tokenizer):
        answers = model(**batch.to(place))["logits"].cpu()
        logits = answers.new_empty(len(features), answers.shape[1]) if logits is None else logits
        logits[rows] = answers
    return finite(logits).numpy()


def finite(logits: torch.Tensor) -> torch.Tensor:
    """The logits. Raises InputError where one is none."""
    if not logits.isfinite().all():
        raise InputError("the model's logits are not finite: its weights are damaged, or overflow their precision")
    return logits
