"""Words of a backbone's vocabulary: those that are one token each, as label words must be."""

from transformers import PreTrainedTokenizerBase


def whole_words(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """The words of letters alone that are read as one token, in the order of the tokens' ids: word -> id."""
    special = set(tokenizer.all_special_ids)
    ids = [number for number in range(len(tokenizer)) if number not in special]
    words = [tokenizer.decode([number]).strip() for number in ids]
    letters = [(word, number) for word, number in zip(words, ids, strict=True) if word.isalpha()]
    read = tokenizer([f" {word}" for word, _ in letters], add_special_tokens=False)["input_ids"]
    return {word: number for (word, number), found in zip(letters, read, strict=True) if found == [number]}
