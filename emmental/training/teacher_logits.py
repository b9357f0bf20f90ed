"""What a teacher says of a training set: its logits on every row, computed once and kept for all runs."""

import inspect
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import datasets
import numpy as np
import torch
from datasets import Dataset
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from emmental.common import hashing
from emmental.common.errors import refusing
from emmental.common.files import settle
from emmental.models.losses import PADDING_LOGIT
from emmental.tasks.batches import by_length

SIDES = ("start_logits", "end_logits")


class TeacherLogits:
    """Logits of all rows of a training set; of spans and of words memory-mapped, of the lengths that the rows have
    without padding.

    order: which of the teacher's logits belongs to each of the task's labels.
    """

    def __init__(self, stored: Dataset, order: tuple[int, ...]):
        self.stored, self.order = stored, list(order)
        self.by_token = "logits" not in stored.column_names or np.ndim(stored[0]["logits"]) > 1
        self._table = cache(self._on_device)

    def batch(self, rows: torch.Tensor, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Float32 logits of these rows (int64 [batch]) by name: ``logits`` [batch, labels] in the task's order, of
        words [batch, length, labels], or start_logits and end_logits [batch, length], padded with PADDING_LOGIT.
        inputs: what the student reads of them, of this length."""
        if not self.by_token:
            return {"logits": self._table(rows.device)[rows]}
        length, found = inputs["input_ids"].shape[1], self.stored[rows.tolist()]
        padded = {name: _padded(column, length).to(rows.device) for name, column in found.items()}
        return {name: logits[..., self.order] if name == "logits" else logits for name, logits in padded.items()}

    def _on_device(self, device: torch.device) -> torch.Tensor:
        """All rows' logits [rows, labels] in the task's order, so that no batch waits for the host: 4.7 MB for MNLI."""
        return torch.from_numpy(self.stored.with_format("numpy")["logits"][:])[:, self.order].float().to(device)


def _padded(rows: list[list], length: int) -> torch.Tensor:
    """Rows of token logits as a tensor [rows, length, …]: a batch that was cut keeps the length it was padded to."""
    logits = pad_sequence([torch.tensor(row) for row in rows], True, PADDING_LOGIT)
    behind = logits.new_full((len(rows), length - logits.shape[1], *logits.shape[2:]), PADDING_LOGIT)
    return torch.cat([logits, behind], dim=1)


def stored_logits(model: PreTrainedModel, features: Dataset, tokenizer: PreTrainedTokenizerBase) -> Dataset:
    """The model's logits on all features, in the features' order; see compute_logits. Computed once, and kept in the
    cache of ``datasets`` by the model's weights and the features' tokens."""
    folder = Path(datasets.config.HF_DATASETS_CACHE) / "teacher_logits"
    weights, tokens = hashing.of_tensors(model.state_dict().items()), hashing.of_arrays(_tokens(features, tokenizer))
    place = folder / f"{weights[:32]}-{tokens[:32]}"
    if not place.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            whole = Path(temporary) / "logits"
            Dataset.from_dict(compute_logits(model, features, tokenizer)).save_to_disk(whole)
            settle(whole, place)
    with refusing(f"{place}: the stored logits are damaged; remove the folder"):
        return datasets.load_from_disk(place)


@torch.inference_mode()
def compute_logits(
    model: PreTrainedModel, features: Dataset, tokenizer: PreTrainedTokenizerBase
) -> dict[str, list[np.ndarray]]:
    """Float32 logits of each row by name: ``logits`` [labels], of words [the row's length, labels], or start_logits and
    end_logits [the row's length]."""
    known = inspect.signature(model.forward).parameters
    found = {}
    for rows, inputs in by_length(features, tokenizer):
        outputs = model(**{name: values.to(model.device) for name, values in inputs.items() if name in known})
        for name in [name for name in ("logits", *SIDES) if name in outputs]:
            column = found.setdefault(name, [None] * len(features))
            for row, values, length in zip(rows, outputs[name], inputs["attention_mask"].sum(1), strict=True):
                of_text = name == "logits" and values.ndim == 1
                column[row] = (values if of_text else values[:length]).float().cpu().numpy()
    return found


def _tokens(features: Dataset, tokenizer: PreTrainedTokenizerBase) -> Iterator[tuple[str, np.ndarray]]:
    """What a model reads, a thousand rows at a time, for hashing."""
    for name in tokenizer.model_input_names:
        if name in features.column_names:
            for batch in features.select_columns([name]).iter(1000):
                lengths = [len(row) for row in batch[name]]
                yield "", np.array([*lengths, *np.concatenate(batch[name])])
