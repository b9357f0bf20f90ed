"""Models that need no backbone to be loaded: built empty from a config, and tokenizers as texts.

Config and texts come out of files that anybody may have written: they choose sizes and words, and no code.
"""

import contextlib
import re
import tempfile
import threading
from pathlib import Path

import torch
from torch.nn.modules.module import register_module_module_registration_hook
from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer, PreTrainedTokenizerBase
from transformers.initialization import no_init_weights

from emmental.common.errors import InputError, refusing
from emmental.models.heads import HEADS, LabelWordModel
from emmental.models.tokenizers import ready
from emmental.recipes.kinds import Kind

LARGEST_SETTING = 1 << 24  # of a config: no size or number of tokens comes near
MODULES_PER_WEIGHT = 20  # of a model: each layer has several weights
TOKENIZER_FILE = re.compile(r"[A-Za-z0-9_-]+\.(json|txt|model|jinja)")


def empty_model(config: dict, kind: Kind, words: int, weights: int, place: Path) -> LabelWordModel:
    """A model of this transformers config that answers in so many words; its weights are still to be filled in.

    weights: how many tensors they are, which bounds the model. place: the file that the config comes from, for the
    InputError where no masked LM is of such a config.
    """
    with refusing(f"{place}: no model can be built from its config"), no_init_weights():
        with _at_most(MODULES_PER_WEIGHT * weights):
            settings = {"dtype": torch.float32, "trust_remote_code": False}
            model = AutoModelForMaskedLM.from_config(AutoConfig.for_model(**_harmless(config)), **settings)
        return HEADS[kind](model.requires_grad_(False), list(range(words))).eval()


def _harmless(value):
    """A config, or a part of one, without what chooses code. Raises ValueError for sizes beyond all models."""
    if isinstance(value, dict):
        return {name: _harmless(inner) for name, inner in value.items() if not _chooses_code(name)}
    if isinstance(value, list):
        return [_harmless(inner) for inner in value]
    if isinstance(value, int) and abs(value) > LARGEST_SETTING:
        raise ValueError(f"{value:.3g} is beyond the size of any model")
    return value


def _chooses_code(name: str) -> bool:
    return name.startswith("_") or "implementation" in name or name in ("auto_map", "quantization_config")


@contextlib.contextmanager
def _at_most(modules: int):
    """While it is open, this thread cannot make more modules than so many: a file of a few bytes may ask for ten
    million layers. Raises ValueError where one tries."""
    made, thread = 0, threading.get_ident()

    def count(*_) -> None:
        nonlocal made
        made += threading.get_ident() == thread
        if made > modules:
            raise ValueError("it has more layers than there are weights for")

    hook = register_module_module_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def fill(model: LabelWordModel, weights: dict[str, torch.Tensor], place: Path) -> None:
    """Give an empty model its weights, by name in the backbone. Raises InputError where any lacks or differs."""
    with refusing(f"{place}: its weights are not those of its config"):
        own = model.backbone.state_dict()
        typed = {name: weight.to(own[name].dtype) if name in own else weight for name, weight in weights.items()}
        model.backbone.load_state_dict(typed, assign=True)  # counters among them are integers
    model.requires_grad_(False)


def tokenizer_texts(tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
    """The files that a tokenizer is saved as: contents by name."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        return {path.name: path.read_text(encoding="utf-8") for path in sorted(Path(folder).iterdir())}


def tokenizer_from_texts(texts: dict[str, str], place: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of ``tokenizer_texts``. place: as of empty_model, for the InputError where it is none."""
    with refusing(f"{place}: its tokenizer cannot be read"), tempfile.TemporaryDirectory() as folder:
        for name, text in texts.items():
            if not TOKENIZER_FILE.fullmatch(name):
                raise InputError(f"{place}: {name!r:.50} is not the name of a tokenizer's file")
            Path(folder, name).write_text(text, encoding="utf-8")
        return load_tokenizer(Path(folder), place)


def load_tokenizer(folder: Path, place: Path) -> PreTrainedTokenizerBase:
    """A saved tokenizer as the heads want it. place: what an InputError names."""
    return ready(AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False), place)
