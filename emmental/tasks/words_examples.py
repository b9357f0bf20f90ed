"""Texts as lists of words with a tag each: files and data sets to tables, tables to examples with numbered tags.

Tags are what the data has; what they mean, and what is asked of a model, is not known here.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

from datasets import ClassLabel, Dataset, Features, LargeList, List, Value

from emmental.common.errors import InputError
from emmental.common.text import check_text, some
from emmental.tasks import tables
from emmental.tasks.conll import read_conll
from emmental.tasks.rows import Row, read_rows
from emmental.tasks.tables import LABEL, Columns, Table

WORDS, TAGS = "words", "tags"  # the columns of examples
OUTSIDE = "O"  # the tag of words that are in no entity
TEXT = "text"  # the column of a table's words
DEFAULTS = {  # the columns that are looked for, in order
    "text": ("words", "tokens", "text"),
    "label": ("tags", "ner_tags", "labels", "label"),
}


def of_file(path: Path, columns: Columns, labelled: bool = True) -> Table:
    """The table of a json, jsonl or CoNLL file. Raises InputError for a missing file, one without words, a missing
    column, what is no list of words or of tags, an empty text, and another number of tags than of words."""
    columns = _among(columns, list(next(read(path)).values), str(path), labelled)
    names = [TEXT, *([LABEL] if labelled else [])]
    features = Features(dict.fromkeys(names, List(Value("string"))))
    rows = tables.stored(path, partial(_cells, columns), features, read)
    return Table(rows, lambda number: next(islice(read(path), number, None)).place, list)


def read(path: Path) -> Iterator[Row]:
    """The rows of a json or jsonl file, or the sentences of a CoNLL file, whose name ends in anything else."""
    if path.suffix == ".csv":
        raise InputError(f"{path}: lists of words are read from .json or .jsonl, or from CoNLL files")
    return read_rows(path) if path.suffix in (".json", ".jsonl") else read_conll(path)


def of_dataset(rows: Dataset, name: str, columns: Columns, labelled: bool = True) -> Table:
    """The table of a data set, on disk or in memory, that has such columns. Errors as of of_file. name: for these."""
    if not len(rows):
        raise InputError(f"{name}: no examples in it")
    columns = _among(columns, rows.column_names, name, labelled)
    given = {columns.text: TEXT} | ({columns.label: LABEL} if labelled else {})
    rows = rows.with_format(None).select_columns(list(given))
    for number, values in enumerate(_each(rows), 1):
        _cells(columns, Row(f"{name}, row {number}", values))
    decode = partial(_names, rows.features[columns.label]) if labelled else list
    rows = rows.rename_columns({old: new for old, new in given.items() if old != new})
    return Table(rows, lambda number: f"{name}, row {number + 1}", decode)


def are_in_file(path: Path, column: str | None) -> bool:
    """Whether a file's examples are lists of words, by its name and its first row. column: that of the words, if known.
    Raises InputError where there is none."""
    if path.suffix in (".csv", ".tsv"):
        return False
    first = next(read(path)).values
    return "1" in first or any(isinstance(first.get(name), list) for name in _likely(column))


def are_in_columns(features: Features, column: str | None) -> bool:
    """Whether a data set's examples are lists of words; see are_in_file."""
    return any(isinstance(features.get(name), List | LargeList) for name in _likely(column))


def _likely(column: str | None) -> tuple[str, ...]:
    return (column,) if column else DEFAULTS["text"]


def tags_of(table: Table) -> list[str]:
    """The table's tags: those that a data set names, in its order, else those that occur, OUTSIDE first."""
    inner = getattr(table.rows.features[LABEL], "feature", None)
    if isinstance(inner, ClassLabel):
        return inner.names
    counts = Counter(tag for tags in table.labels() for tag in tags)
    return sorted(counts, key=lambda tag: (tag != OUTSIDE, tag))


def examples(table: Table, tags: list[str]) -> Dataset:
    """The table's texts with the columns WORDS and, as numbers, TAGS. Raises InputError for a tag that is not among
    these, which are the training data's."""
    numbers = {tag: number for number, tag in enumerate(tags)}
    for row, own in enumerate(table.labels()):
        for tag in own:
            if tag not in numbers:
                raise InputError(
                    f"{table.place(row)}: the tag {tag!r:.50} is not among the training data's: {some(tags)}"
                )
    numbered = table.rows.map(
        partial(_numbered, numbers=numbers, decode=table.decode),
        batched=True,
        remove_columns=[LABEL],
        features=Features({TEXT: table.rows.features[TEXT], TAGS: List(Value("int32"))}),
    )
    return numbered.rename_column(TEXT, WORDS)


def without_tags(table: Table) -> Dataset:
    """The texts of a table without labels, as examples."""
    return table.rows.rename_column(TEXT, WORDS)


def _numbered(batch: dict, numbers: dict[str, int], decode) -> dict:
    return {TAGS: [[numbers[tag] for tag in decode(tags)] for tags in batch[LABEL]]}


def _among(columns: Columns, names: list[str], place: str, labelled: bool) -> Columns:
    """The columns of words and tags among these. A CoNLL file has numbered ones: the first and, for tags, the last."""
    defaults = {"text": ("1",), "label": (names[-1],)} if names[0] == "1" else DEFAULTS
    found = replace(columns, text_pair=None).among(names, place, labelled, defaults)
    if found.text == found.label:
        raise InputError(f"{place}: no column of tags beside the words' {found.text!r} (--label_column)")
    return found


def _cells(columns: Columns, row: Row) -> dict[str, list[str]]:
    words = _list(row, columns.text, "words")
    for number, word in enumerate(words, 1):
        check_text(word, f"{row.place}: {columns.text!r}, word {number}")
    if not words:
        raise InputError(f"{row.place}: no words in {columns.text!r}: leave empty texts out")
    if columns.label is None:
        return {TEXT: words}
    tags = _list(row, columns.label, "tags")
    if len(words) != len(tags):
        raise InputError(f"{row.place}: {len(words)} words and {len(tags)} tags: each word needs its own")
    for tag in tags:
        number = isinstance(tag, int) and not isinstance(tag, bool) and tag >= 0
        if not number and not (isinstance(tag, str) and tag.strip() and tag.isprintable()):
            raise InputError(f"{row.place}: {tag!r:.50} in {columns.label!r} is no tag: it must be a word or a number")
    return {TEXT: words, LABEL: [str(tag) for tag in tags]}


def _list(row: Row, column: str, what: str) -> list:
    if not isinstance(row.values.get(column), list):
        found = f"{row.values[column]!r:.50}" if column in row.values else "nothing"
        raise InputError(f"{row.place}: {found} in the column {column!r}: a list of {what} is expected")
    return row.values[column]


def _names(feature: List | LargeList, tags: list) -> list[str]:
    names = feature.feature.names if isinstance(feature.feature, ClassLabel) else None
    return [names[tag] if names else str(tag) for tag in tags]


def _each(rows: Dataset) -> Iterator[dict]:
    """The rows as dictionaries. Holds a thousand at a time."""
    for batch in rows.iter(1000):
        for values in zip(*batch.values(), strict=True):
            yield dict(zip(batch, values, strict=True))
