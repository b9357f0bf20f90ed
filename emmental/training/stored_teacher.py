"""A teacher that is asked once, before training: its logits and layers on all rows of a training set, kept in memory.

Computed in batches of rows of similar length that are the same for every order of training: a layer's output depends in
its last bits on what stands beside it in a batch. So a resumed run, which computes them again, gets the same.
"""

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from emmental.models.losses import without_padding
from emmental.tasks.batches import by_length, lengths
from emmental.training.live_teacher import LiveTeacher

DTYPE = torch.bfloat16  # has float32's range: what any encoder puts out fits


def layer_bytes(features: Dataset, layers: int, hidden: int) -> int:
    """What so many layers of this width take for all rows, padding left out."""
    return sum(lengths(features)) * layers * hidden * DTYPE.itemsize


class StoredTeacher:
    """What a live teacher says of these features, on the teacher's device, whatever batches it is asked for.

    layers: bfloat16 [layers, tokens, hidden], the rows' tokens one after the other. logits: of texts [rows, labels], of
    words [tokens, labels] or of both sides of spans [tokens], in the precision that the teacher computes in.
    """

    def __init__(self, teacher: LiveTeacher, features: Dataset, tokenizer: PreTrainedTokenizerBase):
        model = teacher.model
        counts = torch.tensor(lengths(features), device=model.device)
        self.starts = counts.cumsum(0) - counts  # of the rows among all tokens
        self.tokens = int(counts.sum())
        shape = len(teacher.layers), self.tokens, model.config.hidden_size
        self.layers = torch.empty(shape, dtype=DTYPE, device=model.device)
        self.logits: dict[str, torch.Tensor] = {}
        for numbers, batch in by_length(features, tokenizer):
            rows, inputs = torch.from_numpy(numbers).to(model.device), batch.to(model.device)
            self._keep(rows, inputs["attention_mask"].bool(), teacher.batch(rows, inputs))

    def _keep(self, rows: torch.Tensor, real: torch.Tensor, taught: dict) -> None:
        """Put away what was said of these rows (int64 [batch]); real: bool [batch, length]."""
        places = self._places(rows, real.shape[1])[real]
        for kept, layer in zip(self.layers, taught.pop("layers"), strict=True):
            kept[places] = layer[real].to(DTYPE)
        for name, values in taught.items():
            self.of_texts = name == "logits" and values.ndim == 2
            where, values = (rows, values) if self.of_texts else (places, values[real])
            if name not in self.logits:
                count = len(self.starts) if self.of_texts else self.tokens
                self.logits[name] = values.new_empty(count, *values.shape[1:])
            self.logits[name][where] = values

    def batch(self, rows: torch.Tensor, inputs: dict[str, torch.Tensor]) -> dict:
        """As of LiveTeacher, the layers in bfloat16. What they hold for padding is finite and says nothing."""
        places = self._places(rows, inputs["input_ids"].shape[1])
        taught = {"layers": [layer[places] for layer in self.layers]}
        for name, values in self.logits.items():
            found = values[rows if self.of_texts else places]
            taught[name] = found if name == "logits" else without_padding(found, inputs["attention_mask"])
        return taught

    def _places(self, rows: torch.Tensor, length: int) -> torch.Tensor:
        """Where these rows' tokens stand, int64 [batch, length]; for padding somewhere."""
        return (self.starts[rows, None] + torch.arange(length, device=rows.device)).clamp(max=self.tokens - 1)
