"""Examples of one's own as tables in Arrow, which are read from disk as they are needed: files, and data sets that
``datasets`` loads or that are there already. Knows columns, and no task.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import datasets
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from datasets.exceptions import DatasetGenerationError

from emmental.common.errors import InputError, refusing
from emmental.common.text import check_text
from emmental.tasks.rows import Row, read_rows

TEXTS = ("text", "text_pair")  # what the one or two texts' columns are called from here on
LABEL = "label"
DEFAULTS = {"text": ("text", "sentence"), "label": ("label", "labels")}  # the columns that are looked for, in order


@dataclass(frozen=True)
class Columns:
    """What the columns of examples are called; None: see DEFAULTS, and no second text."""

    text: str | None = None
    text_pair: str | None = None
    label: str | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.text,) if self.text_pair is None else (self.text, self.text_pair)

    def among(
        self, names: Iterable[str], place: str, labelled: bool = True, defaults: dict[str, tuple[str, ...]] = DEFAULTS
    ) -> "Columns":
        """The same with the columns that are not named chosen among these. Raises InputError where one is missing.
        labelled: whether there must be labels. defaults: the columns that are looked for, in order."""
        names, found = list(names), {}
        for part in ("text", "text_pair", *(["label"] if labelled else [])):
            asked = getattr(self, part)
            wanted = (asked,) if asked else defaults.get(part, ())
            found[part] = next((name for name in wanted if name in names), None)
            if wanted and not found[part]:
                raise InputError(
                    f"{place}: no column {' or '.join(map(repr, wanted))} (--{part}_column); there are "
                    f"{', '.join(map(repr, names))}"
                )
        return Columns(**found)


@dataclass(frozen=True)
class Table:
    """Rows with the columns text, text_pair (of pairs) and, where there are labels, label."""

    rows: Dataset
    place: Callable[[int], str]  # where a row stands that is named by its number
    decode: Callable[[object], object]  # what a cell of the column label says: a name, a number, a list of names, None

    def labels(self) -> Iterator:
        """What all rows' labels say, in order."""
        return map(self.decode, _column(self.rows, LABEL))


def _column(rows: Dataset, name: str) -> Iterator:
    """A column's cells. Holds a thousand at a time."""
    for batch in rows.select_columns(name).iter(1000):
        yield from batch[name]


def of_file(path: Path, columns: Columns, labelled: bool = True) -> Table:
    """The table of a csv, tsv, json or jsonl file. Raises InputError for a missing file, one without examples, a
    missing column, and for what is no text or an empty one."""
    columns = columns.among(next(read_rows(path)).values, str(path), labelled)
    names = [*TEXTS[: len(columns.texts)], *([LABEL] if labelled else [])]
    rows = stored(path, partial(_cells, columns), Features(dict.fromkeys(names, Value("string"))))
    return Table(rows, partial(_place, path), json.loads)


def stored(
    path: Path,
    read: Callable[[Row], dict],
    features: Features,
    rows: Callable[[Path], Iterator[Row]] = read_rows,
) -> Dataset:
    """The rows of a file, each as ``read`` makes it, streamed into the cache of ``datasets`` and memory-mapped: once,
    as long as the file and ``read`` stay what they are. read, rows: functions of a module, or partial ones."""
    status = path.stat()
    given = {"path": path.resolve(), "read": read, "rows": rows, "status": (status.st_size, status.st_mtime_ns)}
    try:
        return Dataset.from_generator(_read, features, gen_kwargs=given)
    except DatasetGenerationError as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from None
        raise


def _read(
    path: Path, read: Callable[[Row], dict], rows: Callable[[Path], Iterator[Row]], status: tuple
) -> Iterator[dict]:
    yield from map(read, rows(path))


def _cells(columns: Columns, row: Row) -> dict:
    for column in (*columns.texts, *filter(None, [columns.label])):
        if column not in row.values:
            raise InputError(f"{row.place}: no column {column!r}; there are {', '.join(map(repr, row.values))}")
    cells = dict(zip(TEXTS, (row.values[column] for column in columns.texts), strict=False))
    for column, text in zip(columns.texts, cells.values(), strict=True):
        check_written(text, f"{row.place}: {column!r}")
    return cells if columns.label is None else cells | {LABEL: json.dumps(row.values[columns.label])}


def check_written(text, place: str) -> None:
    """Raise InputError for what is no text, and for a text without a word."""
    check_text(text, place)
    if not text.strip():
        raise InputError(f"{place} is empty: fill it in, or leave the row out")


def _place(path: Path, number: int) -> str:
    return next(islice(read_rows(path), number, None)).place


def of_dataset(rows: Dataset, name: str, columns: Columns, labelled: bool = True) -> Table:
    """The table of a data set, on disk or in memory, that has such columns. Errors as of of_file. name: for these."""
    columns = columns.among(rows.column_names, name, labelled)
    if not len(rows):
        raise InputError(f"{name}: no examples in it")
    decode = _decoder(rows.features[columns.label]) if labelled else None
    given = dict(zip(columns.texts, TEXTS, strict=False)) | ({columns.label: LABEL} if labelled else {})
    rows = rows.with_format(None).select_columns(list(given))
    rows = rows.rename_columns({old: new for old, new in given.items() if old != new})
    for column, new in zip(columns.texts, TEXTS, strict=False):
        for number, text in enumerate(_column(rows, new), 1):
            check_written(text, f"{name}, row {number}: {column!r}")
    return Table(rows, lambda number: f"{name}, row {number + 1}", decode)


def _decoder(feature) -> Callable:
    """What a cell of a column with this feature says: of classes their names."""
    inner = getattr(feature, "feature", None)  # of a list
    if isinstance(inner, ClassLabel):
        return partial(_class_names, inner.names)
    if isinstance(feature, ClassLabel):
        return partial(_class_name, feature.names)
    return _same


def _class_name(names: list[str], number: int | None) -> str | None:
    return names[number] if number is not None and number >= 0 else None  # -1: the Hub's tests without labels


def _class_names(names: list[str], numbers: list[int] | None) -> list[str] | None:
    return numbers and [names[number] for number in numbers]


def _same(value):
    return value


def load_dataset(name: str, config: str | None) -> DatasetDict:
    """A data set of the Hub or of a folder, by split. Raises InputError where there is none."""
    with refusing(f"--dataset_name {name}: datasets.load_dataset cannot load it"):
        if Path(name, "dataset_dict.json").is_file():  # what save_to_disk writes
            return DatasetDict.load_from_disk(name)
        return datasets.load_dataset(name, config)
