"""One backbone that switches between many masks."""

from pathlib import Path

import numpy as np
import torch

from emmental import masks
from emmental.inference.load import ready
from emmental.inference.sentences import Pruned
from emmental.inference.spans import PrunedSpans
from emmental.models.backbones import Backbone, load_backbone
from emmental.pruning.masked_linear import swap_in


class MaskedBackbone:
    """One set of frozen weights, many tasks: masks stay in memory as packed bits and are switched by name.

    The weights themselves never change; the active mask is multiplied in anew in every forward pass.

    >>> from emmental import MaskedBackbone
    >>> backbone = MaskedBackbone("tiny-bert")
    >>> backbone.add("films", "sst2.smp")
    >>> backbone.add("questions", "squad.smp")
    >>> backbone.names()
    ['films', 'questions']
    >>> backbone.activate("films").probabilities(["a good film"]).shape
    (1, 2)
    """

    def __init__(self, backbone: Backbone | str):
        self.backbone = backbone if isinstance(backbone, Backbone) else load_backbone(backbone)
        self._hashes = self.backbone.weights_sha256(), self.backbone.head_sha256()
        self._decoder = self.backbone.model.get_output_embeddings()
        self._layers = swap_in(self.backbone.model, scores=False)
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
        return ready(self.backbone, info)
