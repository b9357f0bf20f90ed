"""ONNX files in a folder with the config and the tokenizer, as Optimum's ORTModel classes want them."""

import copy
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from emmental import masks
from emmental.common.errors import InputError
from emmental.common.files import new_folder
from emmental.export import onnx_file
from emmental.export.pipeline_folder import answers
from emmental.models.backbones import DENSE_MODELS
from emmental.models.heads import LabelWordModel

MODEL = "model.onnx"


def save(
    classifier: LabelWordModel, tokenizer: PreTrainedTokenizerBase, info: masks.MaskInfo, folder: Path
) -> tuple[float, list[str], list[str]]:
    """Write ``model.onnx`` with what is needed to use it. Returns and raises what onnx_file.export does, and InputError
    where the folder exists."""
    if folder.exists():
        raise InputError(f"{folder} exists: name a new folder")
    config = copy.deepcopy(classifier.backbone.config)
    config.update(answers(info))
    config.architectures = [DENSE_MODELS[info.kind]._model_mapping[type(config)].__name__]
    with new_folder(folder) as whole:
        config.save_pretrained(whole)
        tokenizer.save_pretrained(whole)
        return onnx_file.export(classifier, tokenizer, list(info.label_words), whole / MODEL)
