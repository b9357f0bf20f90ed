"""CoNLL files: a word and its tags per line in columns, a blank line after each sentence. Knows no task."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from emmental.common.errors import InputError
from emmental.common.files import replacing
from emmental.tasks.rows import Row

DOCUMENT = "-DOCSTART-"  # the first column of a line that is no word
WORDS, TAGS = "words", "tags"  # the columns of a row that is read


def read_conll(path: Path, word: int = 1, tag: int | None = -1) -> Iterator[Row]:
    """The sentences of a file in order, with the lists WORDS and, where a tag is asked for, TAGS; a row's place is that
    of its first word. Columns are parted by tabs where the file has any, else by blanks.

    word, tag: their columns, counted from 1, or backwards from -1. Raises InputError for a file that is missing, empty
    or no text, and for a line whose columns are not as many as the first line's or too few.
    """
    found, columns = False, None
    for sentence in _sentences(path):
        for number, line in sentence:
            columns = columns or len(line)
            if len(line) != columns:
                raise InputError(
                    f"{path}, line {number}: {len(line)} columns, but the file's first word has {columns}: a word and "
                    f"its tags are expected, and a blank line after each sentence"
                )
            for name, column in ((WORDS, word), (TAGS, tag)):
                if column is not None and not 1 <= abs(column) <= columns:
                    raise InputError(f"{path}, line {number}: no column {column} for the {name}, there are {columns}")
        if tag is not None and _index(tag, columns) == _index(word, columns):
            raise InputError(f"{path}, line {sentence[0][0]}: the only column {word} holds words, there are no tags")
        found = True
        picked = {WORDS: word} | ({TAGS: tag} if tag is not None else {})
        values = {name: [line[_index(column, columns)] for _, line in sentence] for name, column in picked.items()}
        yield Row(f"{path}, line {sentence[0][0]}", values)
    if not found:
        raise InputError(f"{path}: no words in it")


def _index(column: int, columns: int) -> int:
    return column - 1 if column > 0 else columns + column


def _sentences(path: Path) -> Iterator[list[tuple[int, list[str]]]]:
    """Numbered lines as columns, those of a sentence together."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    sentence = []
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            for number, line in enumerate(file, 1):
                columns = _columns(line)
                if columns and columns[0] != DOCUMENT:
                    sentence.append((number, columns))
                elif sentence:
                    yield sentence
                    sentence = []
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text: {error}") from None
    if sentence:
        yield sentence


def _columns(line: str) -> list[str]:
    # Not str.split(): a word may hold signs that Unicode counts as blanks.
    line = line.strip(" \t\r\n")
    return re.split(r" *\t *" if "\t" in line else " +", line) if line else []


def write_conll(path: Path, sentences: Iterable[tuple[list[str], list[str]]]) -> None:
    """Write words and as many tags, one word a line and a tab between both. Blanks and line breaks in a word become
    single blanks; a word of nothing else becomes an underscore."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for words, tags in sentences:
            file.writelines(f"{_cell(word)}\t{tag}\n" for word, tag in zip(words, tags, strict=True))
            file.write("\n")


def _cell(word: str) -> str:
    return re.sub(r"[ \t\r\n]+", " ", word).strip(" ") or "_"
