"""Masks that stay in memory beside the model that they made: a bit per weight."""

from dataclasses import dataclass

import numpy as np
import torch

from emmental.masks.mask import Mask, MaskInfo


@dataclass(frozen=True)
class ResidentMask:
    """A Mask at an eighth of its size. packed: uint8 [bytes] by matrix, row-major, the first bit the highest."""

    packed: dict[str, np.ndarray]
    shapes: dict[str, torch.Size]
    info: MaskInfo
    vectors: dict[str, torch.Tensor]

    @classmethod
    def of(cls, mask: Mask) -> "ResidentMask":
        packed = {name: np.packbits(bits) for name, bits in mask.bits.items()}
        return cls(packed, {name: bits.shape for name, bits in mask.bits.items()}, mask.info, mask.vectors)

    def bits(self, name: str) -> torch.Tensor:
        """A matrix's bits, bool [out, in], on the CPU."""
        shape = self.shapes[name]
        return torch.from_numpy(np.unpackbits(self.packed[name], count=shape.numel()).view(bool)).view(shape)

    def mask(self) -> Mask:
        """The mask that it was made of."""
        return Mask({name: self.bits(name) for name in self.packed}, self.info, self.vectors)
