"""The product: a mask over a named frozen backbone. Its file, its checks, and putting it on a model."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import safetensors
import torch
from safetensors.numpy import save_file

from emmental.errors import InputError
from emmental.files import replacing
from emmental.layers import MaskedLinear

FORMAT = "smp-mask"
FORMAT_VERSION = 1


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
    for name in sorted(bits.keys() ^ layers.keys()):
        raise InputError(f"mask and backbone do not have the same matrices: {name} is only in one of them")
    for name, layer in layers.items():
        if bits[name].shape != layer.mask.shape:
            raise InputError(f"{name}: the mask is {tuple(bits[name].shape)}, the backbone's {tuple(layer.mask.shape)}")
        layer.mask = bits[name].to(layer.mask.device)


def save(mask: Mask, path: Path) -> None:
    """Write ``mask.safetensors``: each matrix as packed bits (row-major, first bit highest), the rest as metadata."""
    packed = {name: np.packbits(matrix.numpy().reshape(-1)) for name, matrix in mask.bits.items()}
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "shapes": json.dumps({name: list(matrix.shape) for name, matrix in mask.bits.items()}),
        "bits_sha256": bits_sha256(packed),
        "info": json.dumps(asdict(mask.info)),
    }
    with replacing(Path(path)) as temporary:
        save_file(packed, temporary, metadata)


def load(path: Path) -> Mask:
    """Read and check a mask file. Raises InputError where it is missing, damaged or of another kind."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            packed = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"{path}: not a readable mask file: {error}") from None
    if metadata.get("format") != FORMAT:
        raise InputError(f"{path}: a safetensors file, but not one with a mask in it")
    if metadata["format_version"] != str(FORMAT_VERSION):
        raise InputError(f"{path}: format version {metadata['format_version']}, this program reads {FORMAT_VERSION}")
    if bits_sha256(packed) != metadata["bits_sha256"]:
        raise InputError(f"{path}: the bits do not match their checksum, the file is damaged")
    shapes = json.loads(metadata["shapes"])
    bits = {
        name: torch.from_numpy(np.unpackbits(packed[name], count=rows * columns).astype(bool)).view(rows, columns)
        for name, (rows, columns) in shapes.items()
    }
    return Mask(bits, MaskInfo(**json.loads(metadata["info"])))


def bits_sha256(packed: dict[str, np.ndarray]) -> str:
    """Checksum of packed bits, names included, whatever their order."""
    digest = hashlib.sha256()
    for name in sorted(packed):
        digest.update(name.encode())
        digest.update(packed[name])
    return digest.hexdigest()
