"""Models that need no backbone to be loaded: built empty from a config, and tokenizers as texts."""

import tempfile
from pathlib import Path

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer, PreTrainedTokenizerBase
from transformers.initialization import no_init_weights

from emmental.common.errors import InputError
from emmental.models.heads import HEADS, LabelWordModel
from emmental.recipes.kinds import Kind


def empty_model(config: dict, kind: Kind, words: int, place: Path) -> LabelWordModel:
    """A model of this transformers config that answers in so many words; its weights are still to be filled in.

    place: the file that the config comes from, for the InputError where no masked LM is of such a config.
    """
    try:
        with no_init_weights():
            settings = {"dtype": torch.float32, "trust_remote_code": False}
            model = AutoModelForMaskedLM.from_config(AutoConfig.for_model(**config), **settings)
    except (TypeError, ValueError, StrictDataclassError) as error:
        raise InputError(f"{place}: no model can be built from its config: {error}") from None
    return HEADS[kind](model.requires_grad_(False), list(range(words))).eval()


def fill(model: LabelWordModel, weights: dict[str, torch.Tensor], place: Path) -> None:
    """Give an empty model its weights, by name in the backbone. Raises InputError where any lacks or differs."""
    try:
        model.backbone.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise InputError(f"{place}: its weights are not those of its config: {error}") from None
    model.requires_grad_(False)


def tokenizer_texts(tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
    """The files that a tokenizer is saved as: contents by name."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        return {path.name: path.read_text(encoding="utf-8") for path in sorted(Path(folder).iterdir())}


def tokenizer_from_texts(texts: dict[str, str]) -> PreTrainedTokenizerBase:
    """The tokenizer of ``tokenizer_texts``."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in texts.items():
            Path(folder, Path(name).name).write_text(text, encoding="utf-8")
        return load_tokenizer(Path(folder))


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """A saved tokenizer as the heads want it: texts start at the first position."""
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    tokenizer.padding_side = "right"
    return tokenizer
