"""``.task``: a mask and the weights it keeps in one small file that needs no backbone.

The mask is entropy coded as in ``.smp``, kept weights and embeddings are in fp32, fp16 or bf16 with their exponents
Huffman coded; biases and normalisation stay in fp32. The file is a checked safetensors container without pickles.
"""

import json
import zlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from emmental import masks
from emmental.common import hashing
from emmental.common.errors import InputError, refusing
from emmental.export import floats
from emmental.masks import compact, container
from emmental.models import standalone
from emmental.models.backbones import Backbone, load_backbone
from emmental.models.heads import LabelWordModel

FORM = "smp-task"
SUFFIX = ".task"
TEXT_PER_BYTE = 50  # configs and vocabularies are packed to a fifth or a tenth


def pack(
    classifier: LabelWordModel,
    tokenizer: PreTrainedTokenizerBase,
    mask: masks.Mask,
    path: Path,
    dtype: str = "fp32",
    embeddings: bool = True,
) -> None:
    """Write a classifier with the mask folded in. dtype: of all matrices, one of floats.DTYPES; fp32 loses nothing.

    Without embeddings the file is much smaller, and its backbone is needed again to load it. Raises InputError for
    another suffix than .task, and where a weight is beyond the dtype's range.
    """
    if path.suffix != SUFFIX:
        raise InputError(f"{path}: the name of a task checkpoint ends in {SUFFIX}")
    model = classifier.backbone
    weights = model.state_dict()
    if not embeddings:
        for name in embedding_names(model):
            del weights[name]
    kept = [weights.pop(f"{name}.weight")[bits] for name, bits in mask.bits.items()]
    vectors, matrices = ({n: w for n, w in weights.items() if (w.ndim == 1) is flat} for flat in (True, False))
    about = {
        "config": model.config.to_dict(),
        "tokenizer": standalone.tokenizer_texts(tokenizer),
        "dtype": dtype,
        "vectors": {name: list(tensor.shape) for name, tensor in vectors.items()},
        "matrices": {name: list(tensor.shape) for name, tensor in matrices.items()},
        "embeddings_sha256": None if embeddings else _embeddings_sha256(model),
    }
    bits = {name: matrix.numpy() for name, matrix in mask.bits.items()}
    tensors = {
        **compact.encode(bits),
        **_encode("vectors", vectors.values(), torch.float32),
        **_encode("matrices", [*kept, *matrices.values()], floats.DTYPES[dtype]),
        "about": np.frombuffer(zlib.compress(json.dumps(about).encode(), 9), np.uint8),
    }
    container.write(path, FORM, tensors, bits, {"mask": asdict(mask.info), "content_sha256": _sha256(tensors)})


def unpack(
    path: Path, backbone: Backbone | str | None = None
) -> tuple[LabelWordModel, PreTrainedTokenizerBase, masks.MaskInfo]:
    """The classifier of a task checkpoint, in fp32. backbone: where embeddings come from that are not in the file.

    Raises InputError where the file is damaged, or the backbone's embeddings are not those it was packed with.
    """
    file = container.read(path, FORM)
    try:
        info, content_sha256 = masks.read_info(file.info["mask"], path), file.info["content_sha256"]
    except (KeyError, TypeError):
        raise InputError(f"{path}: its metadata do not describe a task checkpoint, the file is damaged") from None
    if content_sha256 != _sha256(file.tensors):
        raise InputError(f"{path}: its content does not match its checksum, the file is damaged")
    with refusing(f"{path}: not a whole task checkpoint"):
        about = _read_about(file.tensors["about"])
        weights, config = _weights(file, about), about["config"]
        if backbone and not about["embeddings_sha256"]:
            raise InputError(f"{path} holds all of its weights: no backbone goes with it")
        if about["embeddings_sha256"]:
            weights |= _embeddings_of(backbone, info, about["embeddings_sha256"], path)
        classifier = standalone.empty_model(config, info.kind, len(info.label_words), len(weights), path)
        standalone.fill(classifier, weights, path)
        return classifier, standalone.tokenizer_from_texts(about["tokenizer"], path), info


def _read_about(compressed: np.ndarray) -> dict:
    """Raises ValueError where it would unpack to more than a text can."""
    largest = TEXT_PER_BYTE * compressed.nbytes
    text = zlib.decompressobj().decompress(compressed.tobytes(), largest + 1)
    if len(text) > largest:
        raise ValueError(f"{compressed.nbytes:,} bytes unpack to more than {largest:,}")
    return json.loads(text)


def embedding_names(model: nn.Module) -> list[str]:
    """The weights that turn tokens, positions and the like into vectors."""
    return [f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Embedding)]


def _embeddings_sha256(model: nn.Module) -> str:
    weights = model.state_dict()
    return hashing.of_tensors(("", weights[name]) for name in embedding_names(model))


def _embeddings_of(backbone, info: masks.MaskInfo, sha256: str, path: Path) -> dict[str, torch.Tensor]:
    if not isinstance(backbone, Backbone):
        backbone = load_backbone(backbone or info.base_model, info.base_revision if not backbone else None)
    if _embeddings_sha256(backbone.model) != sha256:
        raise InputError(f"{path}: it was packed without embeddings, and {backbone.name}'s are not those of its model")
    weights = backbone.model.state_dict()
    return {name: weights[name] for name in embedding_names(backbone.model)}


def _encode(name: str, tensors, dtype: torch.dtype) -> dict[str, np.ndarray]:
    flat = torch.cat([tensor.reshape(-1).to(dtype) for tensor in tensors])
    if not flat.isfinite().all():
        raise InputError(f"weights are beyond the range of {str(dtype).removeprefix('torch.')}: pack them in another")
    return dict(zip((f"{name}.first", f"{name}.rest"), floats.encode(flat), strict=True))


def _weights(file: container.Container, about: dict) -> dict[str, torch.Tensor]:
    """The weights by name, fp32."""
    bits = {name: torch.from_numpy(matrix) for name, matrix in compact.decode(file).items()}
    weights = _split(_decode(file, "vectors", torch.float32), about["vectors"])
    values = _decode(file, "matrices", floats.DTYPES[about["dtype"]])
    kept, values = values.tensor_split([sum(int(matrix.sum()) for matrix in bits.values())])
    for (name, matrix), own in zip(bits.items(), kept.split([int(m.sum()) for m in bits.values()]), strict=True):
        weights[f"{name}.weight"] = torch.zeros(matrix.shape).masked_scatter_(matrix, own)
    return weights | _split(values, about["matrices"])


def _decode(file: container.Container, name: str, dtype: torch.dtype) -> torch.Tensor:
    return floats.decode(file.tensors[f"{name}.first"], file.tensors[f"{name}.rest"], dtype).float()


def _split(flat: torch.Tensor, shapes: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    parts = flat.split([int(np.prod(shape)) for shape in shapes.values()])
    return {name: part.view(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


def _sha256(tensors: dict[str, np.ndarray]) -> str:
    return hashing.of_arrays((name, tensors[name]) for name in sorted(tensors))
