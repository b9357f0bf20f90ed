"""What the heads want of a tokenizer."""

from transformers import PreTrainedTokenizerBase

from emmental.common.errors import InputError


def ready(tokenizer: PreTrainedTokenizerBase, place) -> PreTrainedTokenizerBase:
    """The tokenizer with texts at the first position, which heads read. place: where it is from, for the InputError
    where it cannot pad."""
    if tokenizer.pad_token_id is None:
        raise InputError(f"{place}: its tokenizer has no padding token, which batches of texts need")
    tokenizer.padding_side = "right"
    return tokenizer
