"""CoNLL files: a word and what is said of it per line, in columns, with a blank line after each sentence."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from emmental.common.errors import InputError
from emmental.common.files import replacing
from emmental.tasks.rows import Row

DOCUMENT = "-DOCSTART-"  # the first column of a line that is no word


def read_conll(path: Path) -> Iterator[Row]:
    """The sentences of a file in order: for each column, named by its number from "1" on, the list of its cells; a
    sentence's place is that of its first word. Columns are parted by tabs where a line has any, else by blanks.

    Raises InputError for a file that is missing, without words or no text, and for a line whose columns are not as
    many as the first word's.
    """
    columns = 0
    for sentence in _sentences(path):
        for number, cells in sentence:
            columns = columns or len(cells)
            if len(cells) != columns:
                raise InputError(
                    f"{path}, line {number}: {len(cells)} columns where the file's first word has {columns}: a word a "
                    f"line with as many columns each is expected, and a blank line after each sentence"
                )
        yield Row(
            f"{path}, line {sentence[0][0]}",
            {str(column): [cells[column - 1] for _, cells in sentence] for column in range(1, columns + 1)},
        )
    if not columns:
        raise InputError(f"{path}: no words in it")


def _sentences(path: Path) -> Iterator[list[tuple[int, list[str]]]]:
    """Numbered lines as cells, those of a sentence together."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    sentence = []
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            for number, line in enumerate(file, 1):
                cells = _cells(line)
                if cells and cells[0] != DOCUMENT:
                    sentence.append((number, cells))
                elif sentence:
                    yield sentence
                    sentence = []
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text: {error}") from None
    if sentence:
        yield sentence


def _cells(line: str) -> list[str]:
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
