"""The product: a mask over a named frozen backbone. What it says of itself, its checks, putting it on."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from emmental.common.errors import InputError
from emmental.pruning.masked_linear import MaskedLinear
from emmental.pruning.matrices import encoder_linears
from emmental.pruning.vectors import encoder_vectors, put_vectors
from emmental.recipes.kinds import Kind


@dataclass(frozen=True)
class MaskInfo:
    """What a mask belongs to and how it came about. All of it stands in the mask's file."""

    base_model: str
    base_revision: str
    weights_sha256: str  # these two: Backbone.hashes() of the backbone that it was trained on
    head_sha256: str
    task: str
    kind: Kind
    label_words: dict[str, str]  # label -> word, in the order of the logits
    density: float  # asked for; the bits hold what was measured
    method: str
    allocation: str
    p: float
    backbone_sha256: str = ""  # Backbone.rest_sha256(); empty in files of before, and where weights were trained


@dataclass(frozen=True)
class Mask:
    """bits: bool tensors [out, in] by matrix name. vectors: float32 tensors [size] by parameter name, the norms and
    biases that were trained beside the scores and take the place of the backbone's; mostly none. All on the CPU."""

    bits: dict[str, torch.Tensor]
    info: MaskInfo
    vectors: dict[str, torch.Tensor] = field(default_factory=dict)

    def density(self) -> float:
        """Measured share of ones over all matrices."""
        return sum(int(m.sum()) for m in self.bits.values()) / sum(m.numel() for m in self.bits.values())


def capture(layers: dict[str, MaskedLinear]) -> dict[str, torch.Tensor]:
    """A copy of the layers' masks, on the CPU."""
    return {name: layer.mask.detach().cpu().clone() for name, layer in layers.items()}


def apply(bits: dict[str, torch.Tensor], layers: dict[str, MaskedLinear]) -> None:
    """Set the layers' masks. Raises InputError where names or shapes differ."""
    check_matrices(bits, layers)
    for name, layer in layers.items():
        layer.mask = bits[name].to(layer.mask.device)


def fold(mask: Mask, model: nn.Module) -> None:
    """Multiply a mask into the weights of a model with plain layers, where they are, and give it the mask's vectors.
    Raises InputError where names or shapes differ."""
    linears = encoder_linears(model)
    check_matrices(mask.bits, linears)
    check_vectors(mask.vectors, model)
    with torch.no_grad():
        for name, linear in linears.items():
            linear.weight.mul_(mask.bits[name].to(linear.weight.device))
    put_vectors(mask.vectors, model)


def check_matrices(bits: dict[str, torch.Tensor], layers: Mapping[str, nn.Linear]) -> None:
    """Raise InputError where a mask's matrices have other names or shapes than the layers' weights."""
    for name in sorted(bits.keys() ^ layers.keys()):
        raise InputError(f"mask and backbone do not have the same matrices: {name} is only in one of them")
    for name, layer in layers.items():
        if bits[name].shape != layer.weight.shape:
            shapes = tuple(bits[name].shape), tuple(layer.weight.shape)
            raise InputError(f"{name}: the mask is {shapes[0]}, the backbone's {shapes[1]}")


def check_vectors(vectors: dict[str, torch.Tensor], model: nn.Module) -> None:
    """Raise InputError where a mask's trained norms and biases are none of the model's."""
    own = encoder_vectors(model)
    for name, vector in vectors.items():
        if name not in own or own[name].shape != vector.shape:
            raise InputError(f"the mask's trained {name} {tuple(vector.shape)} is no norm or bias of the backbone")


def check_backbone(info: MaskInfo, hashes: dict[str, str], force: bool = False) -> None:
    """Raise InputError where a mask was trained on another backbone than the one with these hashes (as Backbone.hashes
    gives them), unless forced. A mask that does not know all of its backbone says so on standard error."""
    if force:
        return
    own = {name: getattr(info, name) for name in hashes}
    other = {name: f"(sha256 {own[name][:12]}…, this one's {hashes[name][:12]}…)" for name in hashes}
    if own["weights_sha256"] != hashes["weights_sha256"]:
        raise InputError(
            f"the mask was trained on {_base(info)}, whose encoder weights {other['weights_sha256']} are not this "
            f"backbone's: load that backbone, or force it"
        )
    if not own["head_sha256"]:
        raise InputError(
            f"the mask was trained on {_base(info)} with a head that was trained beside it, which is not in its file: "
            f"emmental.masks.fold puts it into a model with that head"
        )
    if own["head_sha256"] != hashes["head_sha256"]:
        raise InputError(
            f"the mask was trained on {_base(info)} with another masked-LM head {other['head_sha256']}. A checkpoint "
            f"without a head gets a random one, which other versions of the libraries may draw differently: use those "
            f"that trained the mask, or force it"
        )
    if not own["backbone_sha256"]:
        print(
            f"the mask for {info.task} knows its backbone's encoder and head alone: embeddings, biases, normalisation, "
            f"vocabulary and settings are not checked",
            file=sys.stderr,
        )
    elif own["backbone_sha256"] != hashes["backbone_sha256"]:
        raise InputError(
            f"the mask was trained on {_base(info)}, whose embeddings, biases, normalisation, vocabulary or settings "
            f"{other['backbone_sha256']} are not this backbone's: load that backbone, or force it"
        )


def entropy_bound(bits: dict[str, torch.Tensor]) -> float:
    """Bytes that independent bits of each matrix's measured density need: no coder of them does better."""
    return sum(m.numel() * _entropy(int(m.sum()) / m.numel()) for m in bits.values()) / 8


def _base(info: MaskInfo) -> str:
    return f"{info.base_model} {info.base_revision}".strip()


def _entropy(density: float) -> float:
    return -sum(share * math.log2(share) for share in (density, 1 - density) if share)
