"""Tiny models that can be shrunk, whose biases are random and not zero, and masks with much that is empty."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoModelForMaskedLM, BertConfig, ElectraConfig, PreTrainedTokenizerFast, RobertaConfig

from emmental.pruning.matrices import encoder_linears
from tests.helpers.tiny import WORDS

SIZES = {"vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
CONFIGS = {
    "bert": BertConfig(**SIZES, max_position_embeddings=70, initializer_range=0.3),
    "roberta": RobertaConfig(**SIZES, max_position_embeddings=70, initializer_range=0.3),
    "electra": ElectraConfig(**SIZES, max_position_embeddings=70, initializer_range=0.3, embedding_size=8),
}


def encoder(architecture: str, seed: int = 0):
    """A masked LM whose every bias is random, in evaluation mode and frozen."""
    torch.manual_seed(seed)
    model = AutoModelForMaskedLM.from_config(CONFIGS[architecture]).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.normal_(0, 0.5)
    return model


def save_encoder(folder: Path, architecture: str) -> Path:
    """The model and a tokenizer of whole words, as from_pretrained wants them."""
    encoder(architecture).save_pretrained(folder)
    save_tokenizer(folder, token_types=architecture != "roberta")
    return folder


def save_tokenizer(folder: Path, token_types: bool) -> None:
    """A tokenizer of whole words, with RoBERTa's special tokens."""
    words = ["<s>", "<pad>", "</s>", "<unk>", *WORDS[5:]]  # padding is number 1 in RoBERTa
    backend = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, "<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    inputs = ["input_ids", "attention_mask"] + ["token_type_ids"] * token_types
    names = {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>"}
    PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", model_input_names=inputs, model_max_length=64, **names
    ).save_pretrained(folder)


def folded(architecture: str, seed: int, density: float):
    """The encoder with what ``emptied`` leaves of its weights."""
    model = encoder(architecture, seed)
    for name, bits in emptied(model, seed, density).items():
        model.get_submodule(name).weight *= bits
    return model


def emptied(model, seed: int, density: float = 0.5) -> dict[str, torch.Tensor]:
    """Random bits for every encoder matrix, of which random shares of rows, columns and heads are empty."""
    draw = torch.Generator().manual_seed(seed)
    bits = {}
    for name, linear in encoder_linears(model).items():
        rows, columns = linear.weight.shape
        matrix = torch.rand(rows, columns, generator=draw) < density
        for axis, length in ((0, rows), (1, columns)):
            share = 1.2 * torch.rand(1, generator=draw)  # sometimes all of them
            matrix &= (torch.rand(length, generator=draw) >= share).unsqueeze(1 - axis)
        if name.endswith("value"):
            matrix &= (torch.rand(4, generator=draw) < 0.7).repeat_interleave(rows // 4).unsqueeze(1)
        bits[name] = matrix
    return bits
