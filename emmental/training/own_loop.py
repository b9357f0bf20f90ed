"""Masks in a training loop of one's own: what SMPTrainer does to a model, without transformers' Trainer."""

from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from emmental import masks
from emmental.common.errors import InputError
from emmental.models.backbones import Backbone
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

    model: any encoder of transformers, in float32, on any device. Everything in it is frozen but the scores: what else
    is to be trained, as the head of a classifier, is to be thawed afterwards by its ``requires_grad_``. density: the
    share of weights that remains at the end. steps: T, all optimiser steps. allocation: local, soft or global.
    pruning_steps: N, the steps that lower the density; by default the recipe's, about six tenths of a short run. p,
    final_lambda, density_schedule, mask_init and mask_scale are as the flags of that name; by default those of short
    runs. tokenizer: the model's, which lets the mask's file know the whole backbone.

    Raises InputError for settings that no run can have, and for a model that has nothing to mask.

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
        model: PreTrainedModel,
        density: float,
        steps: int,
        *,
        allocation: str = "soft",
        p: float = 1.0,
        pruning_steps: int | None = None,
        final_lambda: float = 0.0,
        density_schedule: str = "cubic",
        mask_init: str = "magnitude",
        mask_scale: float = 0.5,
        tokenizer: PreTrainedTokenizerBase | None = None,
    ):
        for name, value, known in (
            ("allocation", allocation, SMP.allocations),
            ("density_schedule", density_schedule, tuple(POWERS)),
            ("mask_init", mask_init, INITS),
        ):
            if value not in known:
                raise InputError(f"{name} {value!r}: there are {', '.join(known)}")
        if not 0 < density <= 1:
            raise InputError(f"density {density}: it lies above 0 and is at most 1")
        if model.dtype != torch.float32:
            raise InputError(f"the model is in {model.dtype}: scores are learned beside weights in float32")
        try:
            pruning_steps = pruning_steps or pruning_length(steps, density)
            self._about = _about(model, tokenizer)  # before the scores are among its parameters
            self.layers = masked_linear.swap_in(model)
        except ValueError as error:
            raise InputError(str(error)) from None
        init_scores(self.layers, mask_init, mask_scale)
        power = POWERS[density_schedule]
        self.model = model
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

    def mask(
        self, task: str = "custom", label_words: dict[str, str] | None = None, kind: Kind | str = Kind.LABEL
    ) -> masks.Mask:
        """The mask as it is now, with the norms and biases of the blocks that were trained beside it, if any.

        label_words: for a masked LM that was asked for words, label to word in the order of its logits; ``load_pruned``
        then knows all that it needs. Without them the labels are those of the model's config, and the mask fits a model
        with that head alone.
        """
        words = label_words or {label: label for label in self.model.config.id2label.values()}
        info = masks.MaskInfo(
            **self._about,
            task=task,
            kind=Kind(kind),
            label_words=words,
            density=self.schedule.final_density,
            method=SMP.flag,
            allocation=self.selection.allocation,
            p=self.selection.p,
        )
        return masks.Mask(masks.capture(self.layers), info, trained_vectors(self.model))

    def save(self, path: Path | str, **about) -> None:
        """Write the mask, as the path's suffix says: .safetensors or .smp. about: as of ``mask``. Raises InputError for
        another suffix."""
        masks.save(self.mask(**about), Path(path))

    def fold(self) -> None:
        """Make the model a plain one again, with zeros where the masks have them: for ``save_pretrained``. The end of
        learning."""
        masked_linear.fold_out(self.model)


def _about(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None) -> dict[str, str]:
    """What a mask's file says of its backbone. A head of the model's own is no part of it."""
    revision = getattr(model.config, "_commit_hash", None) or ""
    backbone = Backbone(model, tokenizer, model.name_or_path, revision, random_head=False)
    about = {"base_model": backbone.name, "base_revision": revision, "weights_sha256": backbone.weights_sha256()}
    if model.get_output_embeddings() is None:
        return about | {"head_sha256": ""}
    return about | (backbone.hashes() if tokenizer else {"head_sha256": backbone.head_sha256()})
