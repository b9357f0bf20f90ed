"""Tiny models of every architecture that is tested, with tokenizers of each one's own kind, made on the spot."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForMaskedLM,
    BertConfig,
    BertTokenizer,
    DebertaV2Config,
    DebertaV2Tokenizer,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    MPNetTokenizer,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    RobertaConfig,
    XLMRobertaConfig,
    XLMRobertaTokenizer,
)

from tests.helpers.tiny import WORDS

SIZES = {"vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
DISTIL = {"vocab_size": 60, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}
MODERN = {"pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1, "eos_token_id": 2}
CONFIGS = {  # and the matrices of one layer
    "bert": (BertConfig(**SIZES), 6),
    "roberta": (RobertaConfig(**SIZES), 6),
    "xlm-roberta": (XLMRobertaConfig(**SIZES, max_position_embeddings=130, type_vocab_size=1), 6),
    "distilbert": (DistilBertConfig(**DISTIL), 6),
    "electra": (ElectraConfig(**SIZES, embedding_size=8), 6),
    "mpnet": (MPNetConfig(**SIZES, max_position_embeddings=130), 6),
    "deberta-v2": (
        DebertaV2Config(  # as version 3 sets them
            **SIZES, relative_attention=True, pos_att_type=["p2c", "c2p"], share_att_key=True, position_buckets=8,
            norm_rel_ebd="layer_norm", position_biased_input=False, type_vocab_size=0,
        ),
        6,
    ),
    "modernbert": (ModernBertConfig(**SIZES, **MODERN, local_attention=8), 4),
}  # fmt: skip
OTHERS = ("distilbert", "electra", "xlm-roberta", "mpnet", "deberta-v2", "modernbert")  # than the published ones


def save_model(folder: Path, architecture: str) -> Path:
    """A masked LM with random weights and biases and its tokenizer, as from_pretrained wants them."""
    tokenizer = TOKENIZERS[architecture]()
    tokenizer.save_pretrained(folder)
    config = type(CONFIGS[architecture][0]).from_dict(CONFIGS[architecture][0].to_dict())
    config.vocab_size, config.initializer_range = len(tokenizer), 0.3
    for name in ("pad", "bos", "eos", "cls", "sep"):
        setattr(config, f"{name}_token_id", getattr(tokenizer, f"{name}_token_id"))
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(config)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, 0, 0.5)
    model.save_pretrained(folder)
    if architecture == "deberta-v2":
        as_published(folder)
    return folder


def as_published(folder: Path) -> None:
    """DeBERTa's checkpoints have other names for the head than transformers, and no word of it in their config."""
    weights = load_file(folder / "model.safetensors")
    names = {"cls.predictions.transform.": "lm_predictions.lm_head.", "cls.predictions.": "lm_predictions.lm_head."}
    for old, new in names.items():
        weights = {name.replace(old, new): weight for name, weight in weights.items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def word_pieces() -> PreTrainedTokenizerBase:
    """WordPiece, as BERT's; DistilBERT and ELECTRA have the same."""
    return BertTokenizer({word: number for number, word in enumerate(WORDS)}, model_max_length=128)


def mpnet() -> PreTrainedTokenizerBase:
    """BERT's WordPiece between RoBERTa's special tokens."""
    words = ["<s>", "<pad>", "</s>", "[UNK]", "<mask>", *WORDS[5:]]
    return MPNetTokenizer({word: number for number, word in enumerate(words)}, model_max_length=128)


def pieces(special: list[str]) -> list[tuple[str, float]]:
    """A SentencePiece vocabulary (Unigram): whole words behind their blank, and letters for all else."""
    words = [word for word in WORDS[5:] if "#" not in word]
    letters = sorted({letter for word in words for letter in word} | {"▁"})
    return [(word, 0.0) for word in special] + [("▁" + w, -2.0) for w in words] + [(one, -9.0) for one in letters]


def xlm_roberta() -> PreTrainedTokenizerBase:
    return XLMRobertaTokenizer(pieces(["<s>", "<pad>", "</s>", "<unk>", "<mask>"]), model_max_length=128)


def deberta() -> PreTrainedTokenizerBase:
    return DebertaV2Tokenizer(pieces(["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]))  # with no longest text


def modernbert() -> PreTrainedTokenizerBase:
    """Byte-level BPE between BERT's special tokens."""
    special = WORDS[:5]
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator([" " + word for word in WORDS[5:]] * 2, trainer)
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {f"{name.strip('[]').lower()}_token": name for name in special}
    inputs = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=inputs, model_max_length=128, **names)


TOKENIZERS = {
    "distilbert": word_pieces,
    "electra": word_pieces,
    "mpnet": mpnet,
    "xlm-roberta": xlm_roberta,
    "deberta-v2": deberta,
    "modernbert": modernbert,
}
