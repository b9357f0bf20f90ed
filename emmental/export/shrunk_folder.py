"""Shrunk models in a folder of their own, which is all that is needed to use one: ``shrunk.json`` (sizes, config, what
the mask was), ``model.safetensors`` and the tokenizer's files. No pickles.
"""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import safetensors
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerBase

from emmental import masks
from emmental.common import hashing
from emmental.common.errors import InputError
from emmental.common.files import write_json
from emmental.export import shrunk
from emmental.models import standalone
from emmental.models.heads import LabelWordModel

FORM = "smp-shrunk"
VERSION = "1"
DESCRIPTION = "shrunk.json"
WEIGHTS = "model.safetensors"


def save(classifier: LabelWordModel, tokenizer: PreTrainedTokenizerBase, info: masks.MaskInfo, folder: Path) -> None:
    """Write a classifier whose model was shrunk. Raises InputError where the folder exists."""
    if folder.exists():
        raise InputError(f"{folder} exists: name a new folder")
    model = classifier.backbone
    with tempfile.TemporaryDirectory(dir=folder.absolute().parent) as temporary:
        whole = Path(temporary) / folder.name
        whole.mkdir()
        tokenizer.save_pretrained(whole)
        # A copy of each: tied weights share their memory, which safetensors refuses.
        save_file({name: weight.clone() for name, weight in model.state_dict().items()}, whole / WEIGHTS)
        (whole / WEIGHTS).chmod(0o644)
        description = {
            "format": FORM,
            "format_version": VERSION,
            "mask": asdict(info),
            "blocks": [asdict(shape) for shape in shrunk.shapes(model)],
            "config": model.config.to_dict(),
            "weights_sha256": hashing.of_file(whole / WEIGHTS),
        }
        write_json(whole / DESCRIPTION, description)
        whole.rename(folder)


def is_shrunk(path: Path) -> bool:
    """Whether the path is the folder of a shrunk model."""
    return (path / DESCRIPTION).is_file()


def load(folder: Path) -> tuple[LabelWordModel, PreTrainedTokenizerBase, masks.MaskInfo]:
    """What ``save`` was given. Raises InputError where the folder is damaged or not one of a shrunk model."""
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        if (description["format"], description["format_version"]) != (FORM, VERSION):
            raise InputError(f"{folder / DESCRIPTION}: not a shrunk model of version {VERSION}, which is read here")
        if hashing.of_file(folder / WEIGHTS) != description["weights_sha256"]:
            raise InputError(f"{folder / WEIGHTS}: not the weights that {DESCRIPTION} belongs to")
        info = masks.read_info(description["mask"], folder / DESCRIPTION)
        classifier = standalone.empty_model(description["config"], info.kind, len(info.label_words), folder)
        shrunk.resize(classifier.backbone, [shrunk.BlockShape(**shape) for shape in description["blocks"]])
        standalone.fill(classifier, load_file(folder / WEIGHTS), folder)
        return classifier, standalone.load_tokenizer(folder), info
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise InputError(f"{folder}: not the whole folder of a shrunk model: {error!r}") from None
