"""Pruned models that answer: one mask folded into its backbone, or one backbone that switches between many masks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import DataCollatorWithPadding, PreTrainedTokenizerBase

from emmental import masks
from emmental.common.errors import InputError
from emmental.export import shrunk_folder, task_file
from emmental.inference import trained
from emmental.inference.spans import PrunedSpans
from emmental.models.backbones import Backbone, load_backbone
from emmental.models.heads import LabelWordModel, SequenceClassifier, SpanClassifier, head_class, label_word_ids
from emmental.pruning.masked_linear import fold_out, swap_in
from emmental.runtime import choose

BATCH = 64


@dataclass
class Pruned:
    """A sentence classifier ready to predict."""

    model: SequenceClassifier
    tokenizer: PreTrainedTokenizerBase
    info: masks.MaskInfo

    @property
    def labels(self) -> list[str]:
        """In the order of the logits."""
        return list(self.info.label_words)

    def logits(self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int = 128) -> np.ndarray:
        """Logits float32 [texts, labels] of texts, or of pairs of texts."""
        features = self.tokenizer(*([texts, pairs] if pairs else [texts]), truncation=True, max_length=max_length)
        return feature_logits(self.model, self.tokenizer, features)

    def probabilities(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int = 128
    ) -> np.ndarray:
        """Probabilities float32 [texts, labels]; for a regression task the predicted value [texts, 1]."""
        logits = torch.from_numpy(self.logits(texts, pairs, max_length))
        return (logits if len(self.labels) == 1 else logits.softmax(-1)).numpy()


@torch.inference_mode()
def feature_logits(
    model: SequenceClassifier, tokenizer: PreTrainedTokenizerBase, features: Mapping[str, list]
) -> np.ndarray:
    """Logits float32 [examples, labels] of tokenised, unpadded examples: the model's inputs by name."""
    pad = DataCollatorWithPadding(tokenizer)
    inputs = {name: features[name] for name in tokenizer.model_input_names if name in features}
    count = len(inputs["input_ids"])
    batches = (
        pad({name: values[first : first + BATCH] for name, values in inputs.items()})
        for first in range(0, count, BATCH)
    )
    return torch.cat([model(**batch)["logits"] for batch in batches]).numpy()


def load_pruned(
    mask: masks.Mask | str | Path,
    backbone: Backbone | str | None = None,
    force: bool = False,
    runtime: str = "dense",
) -> Pruned | PrunedSpans:
    """A mask on its backbone, folded in: inference costs what the dense model costs, or less with another runtime.

    mask: a mask or its file. backbone: loaded or by name; by default the one that the mask names. A loaded one is
    used up. runtime: one of runtimes.RUNTIMES. Also loads what needs no backbone: a ``.task`` file, the folder of a
    shrunk model, or of a run that trained weights (dense runtime only). Raises InputError where the backbone's weights
    are not those that the mask was trained on, unless forced, and where the runtime does not exist or cannot compute
    the backbone.
    """
    choose.check(runtime)
    if not isinstance(mask, masks.Mask):
        path = Path(mask)
        if shrunk_folder.is_shrunk(path):
            return set_runtime(_pruned(*shrunk_folder.load(path)), runtime)
        if path.suffix == task_file.SUFFIX:
            return set_runtime(_pruned(*task_file.unpack(path, backbone)), runtime)
        if trained.is_fine_tuned(path):
            return set_runtime(_pruned(*trained.load(path)), runtime)
        mask = masks.load(path)
    return set_runtime(_ready(fold(mask, backbone, force), mask.info), runtime)


def is_standalone(path: Path) -> bool:
    """Whether the path is a model of its own, not a mask: a ``.task`` file, the folder of a shrunk model, or that of a
    run that trained weights."""
    return path.suffix == task_file.SUFFIX or shrunk_folder.is_shrunk(path) or trained.is_fine_tuned(path)


def fold(mask: masks.Mask, backbone: Backbone | str | None = None, force: bool = False) -> Backbone:
    """The backbone with the mask multiplied into its weights for good; arguments and errors as of load_pruned."""
    if not isinstance(backbone, Backbone):
        backbone = load_backbone(backbone or mask.info.base_model, mask.info.base_revision if not backbone else None)
    masks.check_backbone(mask.info, backbone.weights_sha256(), backbone.head_sha256(), force)
    masks.apply(mask.bits, swap_in(backbone.model))
    fold_out(backbone.model)
    return backbone


class MaskedBackbone:
    """One set of frozen weights, many tasks: masks stay in memory as packed bits and are switched by name.

    The weights themselves never change; the active mask is multiplied in anew in every forward pass.
    """

    def __init__(self, backbone: Backbone | str):
        self.backbone = backbone if isinstance(backbone, Backbone) else load_backbone(backbone)
        self._hashes = self.backbone.weights_sha256(), self.backbone.head_sha256()
        self._decoder = self.backbone.model.get_output_embeddings()
        self._layers = swap_in(self.backbone.model)
        for layer in self._layers.values():
            layer.drop_scores()  # nothing is trained here
        self._tasks: dict[str, tuple[dict[str, np.ndarray], masks.MaskInfo]] = {}

    def add(self, name: str, mask: masks.Mask | str | Path, force: bool = False) -> None:
        """Keep a mask, or that of a file, under a name. Raises InputError where it is of another backbone."""
        if not isinstance(mask, masks.Mask):
            mask = masks.load(mask)
        masks.check_backbone(mask.info, *self._hashes, force)
        masks.check_matrices(mask.bits, self._layers)
        self._tasks[name] = {matrix: np.packbits(bits) for matrix, bits in mask.bits.items()}, mask.info

    def names(self) -> list[str]:
        """The tasks that can be activated, in the order they were added."""
        return list(self._tasks)

    def activate(self, name: str) -> Pruned | PrunedSpans:
        """Switch to a task. What an earlier call returned must not be used any more."""
        packed, info = self._tasks[name]
        for matrix, layer in self._layers.items():
            bits = np.unpackbits(packed[matrix], count=layer.mask.numel()).view(bool)
            layer.mask = torch.from_numpy(bits).view_as(layer.mask)
        self.backbone.model.set_output_embeddings(self._decoder)
        return _ready(self.backbone, info)


def _ready(backbone: Backbone, info: masks.MaskInfo) -> Pruned | PrunedSpans:
    word_ids = label_word_ids(backbone.tokenizer, list(info.label_words.values()))
    return _pruned(head_class(info.label_words)(backbone.model, word_ids).eval(), backbone.tokenizer, info)


def _pruned(model: nn.Module, tokenizer: PreTrainedTokenizerBase, info: masks.MaskInfo) -> Pruned | PrunedSpans:
    return (PrunedSpans if head_class(info.label_words) is SpanClassifier else Pruned)(model, tokenizer, info)


def set_runtime(pruned: Pruned | PrunedSpans, runtime: str) -> Pruned | PrunedSpans:
    """The same, computed by this runtime from now on. Errors as of runtimes.prepared."""
    if not isinstance(pruned.model, LabelWordModel):
        if runtime != "dense":
            raise InputError(
                f"{pruned.info.base_model} was fine-tuned: --runtime {runtime} is for masks over a frozen backbone"
            )
        return pruned
    first_only = isinstance(pruned, Pruned)
    pruned.model.backbone = choose.prepared(pruned.model.backbone, runtime, first_only)
    return pruned
