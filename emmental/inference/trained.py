"""Checkpoints whose weights were trained, densely or by a baseline method, as models that answer.

Such a folder is a run's output: transformers' own files beside settings.json, which names the task.
"""

import json
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from emmental import masks
from emmental.common.run_folder import CONFIG, SETTINGS
from emmental.masks.files import read_kind
from emmental.models.backbones import DENSE_MODELS, load_model, load_tokenizer
from emmental.recipes.kinds import Kind
from emmental.tasks import squad


def is_fine_tuned(path: Path) -> bool:
    """Whether the path is the output folder of a run that trained weights."""
    return (path / CONFIG).is_file() and (path / SETTINGS).is_file()


def load(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, masks.MaskInfo]:
    """The model, ready to answer, its tokenizer, and what there is to say of it: task and labels, which have no words.

    Raises InputError where the model cannot be loaded.
    """
    settings = json.loads((folder / SETTINGS).read_text())
    kind = read_kind(settings, folder / SETTINGS)
    model, _ = load_model(DENSE_MODELS[kind], str(folder))
    labels = list(squad.WORDS) if kind is Kind.SPAN else [name for _, name in sorted(model.config.id2label.items())]
    info = masks.MaskInfo(
        base_model=str(folder),
        base_revision="",
        weights_sha256="",
        head_sha256="",
        task=settings["task"],
        kind=kind,
        label_words={label: label for label in labels},
        density=1.0,
        method="weights trained",
        allocation="",
        p=0.0,
    )
    return model.eval(), load_tokenizer(str(folder)), info
