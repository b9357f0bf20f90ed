"""What the heads want of a tokenizer, and how long a text a model can read."""

from torch import nn
from transformers import PreTrainedTokenizerBase

from emmental.common.errors import InputError


def ready(tokenizer: PreTrainedTokenizerBase, place) -> PreTrainedTokenizerBase:
    """The tokenizer with texts at the first position, which heads read. place: where it is from, for the InputError
    where it cannot pad."""
    if tokenizer.pad_token_id is None:
        raise InputError(f"{place}: its tokenizer has no padding token, which batches of texts need")
    tokenizer.padding_side = "right"
    return tokenizer


def longest_text(model: nn.Module, tokenizer: PreTrainedTokenizerBase) -> int:
    """The most tokens that a model reads at once: what its tokenizer says and, where it learns positions, what it has.
    RoBERTa's kind counts positions from its padding's number on."""
    lengths = [tokenizer.model_max_length]
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            lengths.append(module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1))
    return min(lengths)


def check_length(max_length: int, longest: int, who: str = "the backbone") -> None:
    """Raise InputError where texts of so many tokens cannot be read, or hold nothing but special tokens."""
    if not 2 < max_length <= longest:
        raise InputError(f"--max_seq_length {max_length}: {who} reads 3 to {longest} tokens")
