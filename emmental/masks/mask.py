"""The product: a mask over a named frozen backbone. What it says of itself, its checks, putting it on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from emmental.common.errors import InputError
from emmental.pruning.masked_linear import MaskedLinear


@dataclass(frozen=True)
class MaskInfo:
    """What a mask belongs to and how it came about. All of it stands in the mask's file."""

    base_model: str
    base_revision: str
    weights_sha256: str  # Backbone.weights_sha256() of the backbone that it was trained on
    head_sha256: str
    task: str
    label_words: dict[str, str]  # label -> word, in the order of the logits
    density: float  # asked for; the bits hold what was measured
    method: str
    allocation: str
    p: float


@dataclass(frozen=True)
class Mask:
    """bits: bool tensors [out, in] by matrix name, on the CPU."""

    bits: dict[str, torch.Tensor]
    info: MaskInfo

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


def fold(bits: dict[str, torch.Tensor], linears: Mapping[str, nn.Linear]) -> None:
    """Multiply a mask into the weights of plain layers, where they are. Raises InputError as ``apply``."""
    check_matrices(bits, linears)
    with torch.no_grad():
        for name, linear in linears.items():
            linear.weight.mul_(bits[name].to(linear.weight.device))


def check_matrices(bits: dict[str, torch.Tensor], layers: Mapping[str, nn.Linear]) -> None:
    """Raise InputError where a mask's matrices have other names or shapes than the layers' weights."""
    for name in sorted(bits.keys() ^ layers.keys()):
        raise InputError(f"mask and backbone do not have the same matrices: {name} is only in one of them")
    for name, layer in layers.items():
        if bits[name].shape != layer.weight.shape:
            shapes = tuple(bits[name].shape), tuple(layer.weight.shape)
            raise InputError(f"{name}: the mask is {shapes[0]}, the backbone's {shapes[1]}")


def check_backbone(info: MaskInfo, weights_sha256: str, head_sha256: str, force: bool = False) -> None:
    """Raise InputError where a mask was trained on another backbone than the one with these hashes, unless forced."""
    if force:
        return
    if info.weights_sha256 != weights_sha256:
        raise InputError(
            f"the mask was trained on {_base(info)}, whose encoder weights (sha256 {info.weights_sha256[:12]}…) are "
            f"not this backbone's ({weights_sha256[:12]}…): load that backbone, or force it"
        )
    if info.head_sha256 != head_sha256:
        raise InputError(
            f"the mask was trained on {_base(info)} with another masked-LM head (sha256 {info.head_sha256[:12]}…) than "
            f"this backbone's ({head_sha256[:12]}…). A checkpoint without a head gets a random one, which other "
            f"versions of the libraries may draw differently: use those that trained the mask, or force it"
        )


def entropy_bound(bits: dict[str, torch.Tensor]) -> float:
    """Bytes that independent bits of each matrix's measured density need: no coder of them does better."""
    return sum(m.numel() * _entropy(int(m.sum()) / m.numel()) for m in bits.values()) / 8


def _base(info: MaskInfo) -> str:
    return f"{info.base_model} {info.base_revision}".strip()


def _entropy(density: float) -> float:
    return -sum(share * math.log2(share) for share in (density, 1 - density) if share)
