"""Rows to texts of words with a tag each, checked. Where rows come from, and what tags mean, is not known here."""

from collections.abc import Iterable

from datasets import Dataset, Features, List, Value, concatenate_datasets

from emmental.common.errors import InputError
from emmental.common.text import check_text
from emmental.tasks.conll import TAGS, WORDS
from emmental.tasks.glue import check_columns
from emmental.tasks.rows import Row

OUTSIDE = "O"  # the tag of words that are in no entity
TOGETHER = 10_000  # rows that are held as Python's objects; Arrow holds them in a fraction of the memory
FEATURES = Features({WORDS: List(Value("string")), TAGS: List(Value("int32"))})


def tagged(
    rows: Iterable[Row],
    columns: tuple[str, str] = (WORDS, TAGS),
    tags: list[str] | None = None,
    names: list[str] | None = None,
) -> tuple[Dataset, list[str]]:
    """The texts with the columns WORDS (strings) and TAGS (numbers), and the tags by number.

    columns: the rows' names for words and tags. tags: those that there may be, for data beside the training data; by
    default those of the rows, OUTSIDE first. names: what tags that are numbers are called.

    Raises InputError for no rows, columns that lack or hold no lists, an empty text, another number of tags than of
    words, and unknown tags.
    """
    known = {tag: number for number, tag in enumerate(tags or names or [])}
    closed, parts, part = bool(known), [], {WORDS: [], TAGS: []}
    for row in rows:
        words, own = read_words(row, columns[0]), _tags(row, columns[1], names)
        if len(words) != len(own):
            raise InputError(f"{row.place}: {len(words)} words and {len(own)} tags: each word needs its own")
        for tag in own:
            if tag not in known:
                if closed:
                    shown = ", ".join(list(known)[:20]) + (", …" if len(known) > 20 else "")
                    raise InputError(f"{row.place}: unknown tag {tag!r:.50}, the training data has {shown}")
                known[tag] = len(known)
        part[WORDS].append(words)
        part[TAGS].append([known[tag] for tag in own])
        if len(part[WORDS]) == TOGETHER:
            parts.append(_as_dataset(part))
            part = {WORDS: [], TAGS: []}
    if part[WORDS]:
        parts.append(_as_dataset(part))
    if not parts:
        raise InputError("0 rows: there are no words to learn from, or to score")
    examples = concatenate_datasets(parts)
    return (examples, list(known)) if closed else _in_order(examples, list(known))


def read_words(row: Row, column: str) -> list[str]:
    """The row's words. Raises InputError where there is no list of texts, or an empty one."""
    words = _list(row, column, "words")
    if not words:
        raise InputError(f"{row.place}: {column!r} has no words: leave empty texts away")
    for number, word in enumerate(words, 1):
        check_text(word, f"{row.place}: {column!r}, number {number}")
    return words


def _tags(row: Row, column: str, names: list[str] | None) -> list[str]:
    tags = _list(row, column, "tags")
    for tag in tags:
        number = isinstance(tag, int) and not isinstance(tag, bool) and tag >= 0
        if not (number and (names is None or tag < len(names)) or isinstance(tag, str) and tag.strip()):
            raise InputError(
                f"{row.place}: {tag!r:.50} in {column!r} is no tag: texts are expected, or "
                + ("numbers from 0 on" if names is None else f"numbers from 0 to {len(names) - 1}")
            )
    return [tag if isinstance(tag, str) else str(tag) if names is None else names[tag] for tag in tags]


def _list(row: Row, column: str, what: str) -> list:
    check_columns(row, [column])
    if not isinstance(row.values[column], list | tuple):
        raise InputError(f"{row.place}: {column!r} holds {row.values[column]!r:.50}: a list of {what} is expected")
    return list(row.values[column])


def _in_order(examples: Dataset, found: list[str]) -> tuple[Dataset, list[str]]:
    """The same with tags numbered in an order that does not depend on that of the rows."""
    tags = sorted(found, key=lambda tag: (tag != OUTSIDE, tag))
    place = [tags.index(tag) for tag in found]

    def numbered(batch: dict) -> dict:
        return {TAGS: [[place[number] for number in own] for own in batch[TAGS]]}

    return examples.map(numbered, batched=True, keep_in_memory=True), tags


def _as_dataset(part: dict[str, list]) -> Dataset:
    return Dataset.from_dict(part, features=FEATURES)
