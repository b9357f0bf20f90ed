"""What a pruning run trains and leaves: scores over a frozen backbone, whose result is a mask; or weights, head and
scores together, whose result is a plain fine-tuned checkpoint with zeros in it.
"""

from dataclasses import replace
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import nn

from emmental import masks
from emmental.common.files import replacing
from emmental.common.run_folder import MASK
from emmental.models.backbones import Backbone
from emmental.models.heads import HEADS, label_word_ids
from emmental.pruning.masked_linear import MaskedLinear, density, fold_out, masked_layers, swap_in
from emmental.pruning.vectors import encoder_vectors, put_vectors, trained_vectors
from emmental.tasks.problem import Problem

GATE = ".mask"  # what a kept state calls a layer's mask, beside the state dict's names


class FrozenBackbone:
    """Answers in label words; nothing but scores is trained, and the vectors of its blocks where that is asked for."""

    def __init__(self, backbone: Backbone, problem: Problem):
        self.backbone, self.problem = backbone, problem
        self.tokenizer = backbone.tokenizer
        self.word_ids = label_word_ids(backbone.tokenizer, list(problem.label_words.values()))
        self.info: masks.MaskInfo | None = None

    def begin(self, info: masks.MaskInfo, scores: bool, vectors: bool = False) -> dict[str, MaskedLinear]:
        """Put the masked layers in, with scores or without; vectors: whether norms and biases are trained beside them.
        info: what the run's mask file will say of itself."""
        self.info = info
        masked = swap_in(self.backbone.model, scores)
        for vector in encoder_vectors(self.backbone.model).values():
            vector.requires_grad_(vectors)
        return masked

    def model(self) -> nn.Module:
        """The model that is trained. To be asked once: the head's output layer is narrowed."""
        return HEADS[self.problem.kind](self.backbone.model, self.word_ids)

    def keep(self, path: Path) -> None:
        """Write what evaluation has just seen."""
        model = self.backbone.model
        masks.save(masks.Mask(masks.capture(masked_layers(model)), self.info, trained_vectors(model)), path)

    def restore(self, path: Path) -> None:
        """Put back what ``keep`` wrote."""
        kept = masks.load(path)
        masks.apply(kept.bits, masked_layers(self.backbone.model))
        put_vectors(kept.vectors, self.backbone.model)

    def leave(self, output_dir: Path) -> masks.Mask:
        """Write the result, as it was restored last, and return its mask."""
        self.keep(output_dir / MASK)
        return masks.load(output_dir / MASK)


class TrainedBackbone:
    """transformers' own model for the task; encoder, head and scores are trained, the embeddings stay."""

    def __init__(self, backbone: Backbone):
        self.backbone = backbone
        self.tokenizer = backbone.tokenizer
        self.info: masks.MaskInfo | None = None

    def begin(self, info: masks.MaskInfo, scores: bool, vectors: bool = False) -> dict[str, MaskedLinear]:
        """See FrozenBackbone.begin; vectors are trained in any case, as all weights are."""
        self.info = info
        masked = swap_in(self.backbone.model, scores)
        for name, parameter in self.backbone.model.named_parameters():
            parameter.requires_grad_("embeddings." not in name)
        return masked

    def model(self) -> nn.Module:
        """The model that is trained."""
        return self.backbone.model

    def keep(self, path: Path) -> None:
        """Write what evaluation has just seen: weights, scores, and masks or gates."""
        model = self.backbone.model
        state = model.state_dict() | {name + GATE: layer.mask for name, layer in masked_layers(model).items()}
        with replacing(path) as temporary:
            save_file({name: tensor.contiguous() for name, tensor in state.items()}, temporary)

    def restore(self, path: Path) -> None:
        """Put back what ``keep`` wrote."""
        model, state = self.backbone.model, load_file(path)
        for name, layer in masked_layers(model).items():
            layer.mask = state.pop(name + GATE).to(layer.mask.device)
        model.load_state_dict(state)

    def leave(self, output_dir: Path) -> masks.Mask:
        """Write the folded checkpoint, which ``from_pretrained`` loads, and its mask, which fits that one alone."""
        model = self.backbone.model
        masked = masked_layers(model)
        bits = {name: mask != 0 for name, mask in masks.capture(masked).items()}
        measured = density(masked)
        fold_out(model)
        folded = replace(self.backbone, name=str(output_dir))
        of_folded = {"base_model": folded.name, "base_revision": "", "weights_sha256": folded.weights_sha256()}
        info = replace(self.info, density=measured, **of_folded)
        model.save_pretrained(output_dir)
        self.tokenizer.save_pretrained(output_dir)
        mask = masks.Mask(bits, info)
        masks.save(mask, output_dir / MASK)
        return mask


Student = FrozenBackbone | TrainedBackbone
