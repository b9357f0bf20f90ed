"""What every pruned model has, whatever it answers: its parts, its place, and its mask."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from emmental import masks
from emmental.common.errors import InputError
from emmental.common.files import write_json
from emmental.common.run_folder import RESULTS
from emmental.inference.texts import LENGTH
from emmental.masks import hub
from emmental.masks.resident import ResidentMask
from emmental.models.forms import DenseForm
from emmental.models.tokenizers import check_length, longest_text


@dataclass
class PrunedModel:
    """Base of what answers. It may be asked from several threads. mask: that its weights were multiplied by; None where
    it was loaded from a file or folder that has weights in place of one. results: of the run that emmental.prune made
    it in, what all_results.json holds."""

    model: nn.Module
    tokenizer: PreTrainedTokenizerBase
    info: masks.MaskInfo
    mask: ResidentMask | None = None
    results: dict = field(default_factory=dict)

    def to(self, device: torch.device | str) -> Self:
        """The same, computed there from now on; of a MaskedBackbone's task all tasks move. Not while other threads ask.
        Raises InputError where a runtime for zeros would leave the CPU."""
        if torch.device(device).type != "cpu" and not isinstance(getattr(self.model, "form", None), DenseForm | None):
            raise InputError(f"its runtime computes on the CPU, not on {device}: load it with runtime='dense'")
        self.model.to(device)
        return self

    def save(self, path: Path | str) -> None:
        """Write its mask, as the path's suffix says: .safetensors or .smp. Raises InputError where it has none."""
        masks.save(self._known_mask(), Path(path))

    def push_to_hub(self, repository: str, private: bool = False) -> str:
        """Upload its mask and a card to the Hub's repository owner/name, which is made where there is none; returns
        what was done. Raises InputError where it has no mask, and where the Hub refuses."""
        with tempfile.TemporaryDirectory() as folder:
            masks.save(self._known_mask(), Path(folder, "mask.smp"))
            if self.results:
                write_json(Path(folder, RESULTS), self.results)  # which the card has figures from
            return hub.push(Path(folder, "mask.smp"), repository, private)

    def _known_mask(self) -> masks.Mask:
        if self.mask is None:
            raise InputError(
                f"this model for {self.info.task} has no mask: it was loaded from weights that stand by themselves"
            )
        return self.mask.mask()


class PrunedTexts(PrunedModel):
    """Base of what answers about texts with labels, which has logits for each."""

    @property
    def labels(self) -> list[str]:
        """In the order of the logits."""
        return list(self.info.label_words)

    def reading_length(self, asked: int | None = None) -> int:
        """How many tokens are read at once. Raises InputError where it is asked for what the model cannot read."""
        longest = longest_text(self.model, self.tokenizer)
        if asked is not None:
            check_length(asked, longest, "the model")
        return min(LENGTH, longest) if asked is None else asked
