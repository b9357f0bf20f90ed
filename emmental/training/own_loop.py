"""Masks in a training loop of one's own: what SMPTrainer does to a model, without transformers' Trainer."""

from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from emmental import masks
from emmental.common.errors import InputError
from emmental.models.backbones import Backbone
from emmental.models.heads import HEADS, label_word_ids
from emmental.pruning import masked_linear
from emmental.pruning.regulariser import add_regulariser
from emmental.pruning.schedule import POWERS, Schedule
from emmental.pruning.score_init import init_scores
from emmental.pruning.top_k import TopK
from emmental.pruning.vectors import trained_vectors
from emmental.recipes.kinds import Kind
from emmental.recipes.lengths import pruning_length
from emmental.recipes.methods import SMP

INITS = ("constant", "uniform", "kaiming", "magnitude")


class MaskLearner:
    """Puts masks into a model, and sets them anew after every optimiser step. The loop, the loss, the optimiser and the
    data are the caller's.

    backbone: any encoder of transformers, in float32, on any device. Everything in it is frozen but the scores: what
    else is to be trained, as the head of a classifier, is to be thawed afterwards by its ``requires_grad_``. density:
    the share of weights that remains at the end. steps: T, all optimiser steps. tokenizer, label_words: of a masked LM
    that is to answer in words, label to word in the order of the logits. ``model`` is then what the loop calls: it
    gives a dictionary with ``logits`` and, where there are ``labels``, the ``loss``, and ``load_pruned`` knows the
    mask's file. Without label words ``model`` is the backbone as it is, and the mask fits models with its head alone.
    task, kind: what the file says of the task; by default one label word is a value, and several are labels.

    allocation: soft, local or global. pruning_steps: N, the steps that lower the density; by default the recipe's,
    about six tenths of a short run. p, final_lambda, density_schedule, mask_init and mask_scale are as the flags of
    that name, by default those of short runs.

    Raises InputError for settings that no run can have, for a model that has nothing to mask, and for label words that
    are none.

    >>> from transformers import AutoModelForMaskedLM
    >>> from emmental import MaskLearner
    >>> learner = MaskLearner(AutoModelForMaskedLM.from_pretrained("tiny-bert"), density=0.1, steps=100)
    >>> optimizer = torch.optim.AdamW(learner.scores(), lr=1e-2, weight_decay=0.0)
    >>> learner.step()
    >>> learner.density() < 1
    True
    """

    def __init__(
        self,
        backbone: PreTrainedModel,
        density: float,
        steps: int,
        *,
        tokenizer: PreTrainedTokenizerBase | None = None,
        label_words: dict[str, str] | None = None,
        task: str = "custom",
        kind: Kind | str | None = None,
        allocation: str = "soft",
        p: float = 1.0,
        pruning_steps: int | None = None,
        final_lambda: float = 0.0,
        density_schedule: str = "cubic",
        mask_init: str = "magnitude",
        mask_scale: float = 0.5,
    ):
        for name, value, known in (
            ("allocation", allocation, SMP.allocations),
            ("density_schedule", density_schedule, tuple(POWERS)),
            ("mask_init", mask_init, INITS),
        ):
            if value not in known:
                raise InputError(f"{name} {value!r}: there are {', '.join(known)}")
        if label_words and tokenizer is None:
            raise InputError("label_words: the backbone's tokenizer is needed to read them")
        if not 0 < density <= 1:
            raise InputError(f"density {density}: it lies above 0 and is at most 1")
        if backbone.dtype != torch.float32:
            raise InputError(f"the model is in {backbone.dtype}: scores are learned beside weights in float32")
        try:
            pruning_steps = pruning_steps or pruning_length(steps, density)
            words = label_words or {label: label for label in backbone.config.id2label.values()}
            kind = Kind(kind or (Kind.VALUE if len(words) == 1 else Kind.LABEL))
            about = {"task": task, "kind": kind, "label_words": words, "density": density, "method": SMP.flag}
            about |= _origin(backbone, tokenizer)  # before there are scores among its parameters
            self._info = masks.MaskInfo(allocation=allocation, p=p, **about)
            masks.check_info(self._info, Path("MaskLearner"))
            word_ids = label_word_ids(tokenizer, list(words.values())) if label_words else []
            self.layers = masked_linear.swap_in(backbone)
        except ValueError as error:
            raise InputError(str(error)) from None
        init_scores(self.layers, mask_init, mask_scale)
        power = POWERS[density_schedule]
        self.backbone, self._decoder = backbone, backbone.get_output_embeddings()
        self.model = HEADS[kind](backbone, word_ids) if label_words else backbone
        self.schedule = Schedule(steps, pruning_steps, density, final_lambda, power=power)
        self.selection = TopK(allocation, p)
        self.go_to(0)

    def scores(self) -> list[nn.Parameter]:
        """What the optimiser is to train: a float32 matrix [out, in] for each masked layer, without weight decay, which
        would pull them to 0."""
        return [layer.mask_scores for layer in self.layers.values()]

    def regularise(self, gradient_scale: float = 1.0) -> torch.Tensor:
        """Add the regulariser's gradient to the scores': to be called between ``backward`` and the optimiser's step,
        once per step, where there is a final_lambda. gradient_scale: by which the loss was multiplied, as a GradScaler
        does. Returns what belongs to the loss, lambda(t) times the mean sigmoid of the scores, without a gradient."""
        weight = self.schedule.regulariser_weight(self.done)
        return weight * add_regulariser(self.scores(), weight, gradient_scale)

    def step(self) -> None:
        """Set all masks for the next step: to be called after the optimiser's."""
        self.go_to(self.done + 1)

    def go_to(self, done: int) -> None:
        """Set all masks as they are after so many optimiser steps: to go on after the model's state was loaded, scores
        among it."""
        self.done = done
        self.selection.select(self.layers, self.schedule.density(done), done)

    def density(self) -> float:
        """The share of weights that the masks keep now, as measured."""
        return masked_linear.density(self.layers)

    def mask(self) -> masks.Mask:
        """The mask as it is now, with the norms and biases of the blocks that were trained beside it, if any."""
        return masks.Mask(masks.capture(self.layers), self._info, trained_vectors(self.backbone))

    def save(self, path: Path | str) -> None:
        """Write the mask, as the path's suffix says: .safetensors or .smp. Raises InputError for another suffix."""
        masks.save(self.mask(), Path(path))

    def fold(self) -> None:
        """Make the backbone a plain one again, with zeros where the masks have them: for ``save_pretrained``. The end
        of learning."""
        masked_linear.fold_out(self.backbone)
        if self.model is not self.backbone:
            self.backbone.set_output_embeddings(self._decoder)  # which the head has narrowed


def _origin(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None) -> dict[str, str]:
    """What a mask's file says of its backbone. A head of the model's own is no part of it."""
    revision = getattr(model.config, "_commit_hash", None) or ""
    backbone = Backbone(model, tokenizer, model.name_or_path, revision, random_head=False)
    about = {"base_model": backbone.name, "base_revision": revision, "weights_sha256": backbone.weights_sha256()}
    if model.get_output_embeddings() is None:
        return about | {"head_sha256": ""}
    return about | (backbone.hashes() if tokenizer else {"head_sha256": backbone.head_sha256()})
