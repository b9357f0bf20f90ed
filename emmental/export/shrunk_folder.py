"""Shrunk models in a folder of their own, which is all that is needed to use one: ``shrunk.json`` (sizes, config, what
the mask was), ``model.safetensors`` and the tokenizer's files. No pickles.
"""

import json
from dataclasses import asdict
from pathlib import Path

from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerBase

from emmental import masks
from emmental.common import hashing
from emmental.common.errors import InputError, refusing
from emmental.common.files import new_folder, write_json
from emmental.export import shrunk
from emmental.masks import container
from emmental.models import standalone
from emmental.models.heads import LabelWordModel

FORM = "smp-shrunk"
VERSION, UNCHECKED = "2", "1"
DESCRIPTION = "shrunk.json"
WEIGHTS = "model.safetensors"


def save(classifier: LabelWordModel, tokenizer: PreTrainedTokenizerBase, info: masks.MaskInfo, folder: Path) -> None:
    """Write a classifier whose model was shrunk. Raises InputError where the folder exists."""
    if folder.exists():
        raise InputError(f"{folder} exists: name a new folder")
    model = classifier.backbone
    with new_folder(folder) as whole:
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
            "files_sha256": {path.name: hashing.of_file(path) for path in sorted(whole.iterdir())},
        }
        description[container.CHECKSUM] = container.checksum(description)
        write_json(whole / DESCRIPTION, description)


def is_shrunk(path: Path) -> bool:
    """Whether the path is the folder of a shrunk model."""
    return (path / DESCRIPTION).is_file()


def load(folder: Path) -> tuple[LabelWordModel, PreTrainedTokenizerBase, masks.MaskInfo]:
    """What ``save`` was given. Raises InputError where the folder is damaged or not one of a shrunk model."""
    with refusing(f"{folder}: not the whole folder of a shrunk model"):
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        checksum, version = description.pop(container.CHECKSUM, None), description["format_version"]
        if description["format"] != FORM or version not in (VERSION, UNCHECKED):
            raise InputError(f"{folder / DESCRIPTION}: not a shrunk model of version {VERSION}, which is read here")
        if version == VERSION and checksum != container.checksum(description):
            raise InputError(f"{folder / DESCRIPTION}: it does not match its checksum, the file is damaged")
        for name, sha256 in _files(description).items():
            if hashing.of_file(folder / name) != sha256:
                raise InputError(f"{folder / name}: not the file that {DESCRIPTION} belongs to")
        info = masks.read_info(description["mask"], folder / DESCRIPTION)
        weights = load_file(folder / WEIGHTS)
        classifier = standalone.empty_model(
            description["config"], info.kind, len(info.label_words), len(weights), folder
        )
        shrunk.resize(classifier.backbone, [shrunk.BlockShape(**shape) for shape in description["blocks"]])
        standalone.fill(classifier, weights, folder)
        return classifier, standalone.load_tokenizer(folder, folder), info


def _files(description: dict) -> dict[str, str]:
    """The hashes of the folder's other files by name; those of version 1 know the weights' alone."""
    if description["format_version"] == UNCHECKED:
        return {WEIGHTS: description["weights_sha256"]}
    return {Path(name).name: sha256 for name, sha256 in description["files_sha256"].items()}
