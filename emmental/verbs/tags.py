"""What ``smp predict`` prints of words."""

from emmental.common.errors import InputError
from emmental.inference.words import PrunedWords, words_of


def tag(arguments, pruned: PrunedWords, rows: list[list[str]]) -> None:
    """A line for each word with its tag, the tag's probability and, at the first word of an entity, type and text of
    it; a blank line between texts."""
    if {len(row) for row in rows} != {1}:
        raise InputError(f"{pruned.info.task} is about single texts")
    length, texts = arguments.max_seq_length, [text.split() if arguments.words else text for (text,) in rows]
    print("word\ttag\tprobability\tentity")
    for number, (text, chances) in enumerate(zip(texts, pruned.probabilities(texts, length), strict=True)):
        tags = [pruned.labels[best] for best in chances.argmax(-1)]
        begun = {entity.first: f"{entity.type} {entity.text}".strip() for entity in pruned.group(text, tags)}
        print("\n" * (number > 0), end="")
        for place, word in enumerate(words_of(text)):
            print(f"{word}\t{tags[place]}\t{chances[place].max():.6f}\t{begun.get(place, '')}")
