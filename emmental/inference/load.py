"""Pruned models that answer: a mask folded into its backbone, or what stands alone and needs none."""

from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from emmental import masks
from emmental.common.errors import InputError
from emmental.export import shrunk_folder, task_file
from emmental.inference import trained
from emmental.inference.pruned import PrunedModel
from emmental.inference.sentences import Pruned
from emmental.inference.spans import PrunedSpans
from emmental.masks.resident import ResidentMask
from emmental.models.backbones import Backbone, load_backbone
from emmental.models.heads import HEADS, LabelWordModel, label_word_ids
from emmental.recipes.kinds import Kind
from emmental.runtime import choose


def load_pruned(
    mask: masks.Mask | str | Path,
    backbone: Backbone | str | None = None,
    force: bool = False,
    runtime: str = "dense",
    device: torch.device | str | None = None,
    dtype: str = "fp32",
) -> PrunedModel:
    """A mask on its backbone, folded in: inference costs what the dense model costs, or less with another runtime.

    mask: a mask or its file. backbone: loaded or by name; by default the one that the mask names. A loaded one is
    used up. runtime, dtype: of those in recipes.computing; runtimes for zeros compute on the CPU, and bf16 rounds what
    is computed densely, with ``auto`` where that is faster. device: where it answers; by default where the backbone is.
    Also loads what needs no backbone: a ``.task`` file, the folder of a shrunk model, or of a run that trained weights
    (dense in fp32 only). Raises InputError where the backbone's weights are not those that the mask was trained on,
    unless forced, and where runtime or dtype do not exist, or cannot compute the backbone, or not there.

    >>> from emmental import load_pruned
    >>> pruned = load_pruned("sst2.smp", runtime="auto")
    >>> pruned.labels
    ['0', '1']
    >>> pruned.probabilities(["a bad film", "a good film"]).shape
    (2, 2)
    """
    choose.check(runtime, dtype)
    pruned = _opened(mask, backbone, force)
    pruned.model.to(device)
    return set_runtime(pruned, runtime, dtype)


def _opened(mask: masks.Mask | str | Path, backbone: Backbone | str | None, force: bool) -> PrunedModel:
    if not isinstance(mask, masks.Mask):
        path = Path(mask)
        if backbone and (shrunk_folder.is_shrunk(path) or trained.is_fine_tuned(path)):
            raise InputError(f"{path} holds all of its weights: no backbone goes with it")
        if shrunk_folder.is_shrunk(path):
            return answering(*shrunk_folder.load(path))
        if path.suffix == task_file.SUFFIX:
            return answering(*task_file.unpack(path, backbone))
        if trained.is_fine_tuned(path):
            return answering(*trained.load(path))
        mask = masks.load(path)
    return _ready(fold(mask, backbone, force), mask)


def is_standalone(path: Path) -> bool:
    """Whether the path is a model of its own, not a mask: a ``.task`` file, the folder of a shrunk model, or that of a
    run that trained weights."""
    return path.suffix == task_file.SUFFIX or shrunk_folder.is_shrunk(path) or trained.is_fine_tuned(path)


def fold(mask: masks.Mask, backbone: Backbone | str | None = None, force: bool = False) -> Backbone:
    """The backbone with the mask multiplied into its weights for good, and with the mask's norms and biases, if any.
    Arguments and errors as of load_pruned."""
    if not isinstance(backbone, Backbone):
        backbone = load_backbone(backbone or mask.info.base_model, mask.info.base_revision if not backbone else None)
    masks.check_backbone(mask.info, backbone.hashes(), force)
    masks.fold(mask, backbone.model)
    backbone.model.requires_grad_(False)
    return backbone


def _ready(backbone: Backbone, mask: masks.Mask) -> PrunedModel:
    word_ids = label_word_ids(backbone.tokenizer, list(mask.info.label_words.values()))
    head = HEADS[mask.info.kind](backbone.model, word_ids).eval()
    return answering(head, backbone.tokenizer, mask.info, ResidentMask.of(mask))


def answering(
    model: nn.Module, tokenizer: PreTrainedTokenizerBase, info: masks.MaskInfo, mask: ResidentMask | None = None
) -> PrunedModel:
    """A model that is ready to answer, as its task is asked."""
    if info.kind is Kind.TOKENS:
        from emmental.inference.words import PrunedWords  # loads seqeval and scikit-learn, which no other task needs

        return PrunedWords(model, tokenizer, info, mask)
    return (PrunedSpans if info.kind is Kind.SPAN else Pruned)(model, tokenizer, info, mask)


def set_runtime(pruned: PrunedModel, runtime: str, dtype: str = "fp32") -> PrunedModel:
    """The same, computed by this runtime in this dtype from now on. Errors as of choose.prepared, and InputError for a
    runtime that computes on the CPU alone where the model is elsewhere, and for anything but fp32 of a model that was
    fine-tuned."""
    place = next(pruned.model.parameters()).device
    if runtime != "dense" and place.type != "cpu":
        raise InputError(f"the runtime {runtime} computes on the CPU, not on {place}: there it is dense")
    if not isinstance(pruned.model, LabelWordModel):
        if (runtime, dtype) != ("dense", "fp32"):
            raise InputError(
                f"{pruned.info.base_model} was fine-tuned: --runtime {runtime} with --dtype {dtype} "
                "is for masks over a frozen backbone"
            )
        return pruned
    pruned.model.form = choose.prepared(pruned.model.form, runtime, dtype)
    return pruned
