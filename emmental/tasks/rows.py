"""Files of examples to rows with their place: GLUE's unquoted TSV, csv, json, jsonl. Knows no task."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from emmental.common.errors import InputError, reason


class Row(NamedTuple):
    """One example and where it stands. A csv or TSV row that is too short has None in the columns it lacks."""

    place: str  # "file, line 7"
    values: dict


def read_rows(path: Path, header: list[str] | None = None) -> Iterator[Row]:
    """The rows of a .tsv, .csv, .json or .jsonl file in order; ``header`` names the columns of a TSV without any.

    Raises InputError for a missing or empty file, a line that is no JSON object, or another kind of file.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    readers = {".tsv": _tsv, ".csv": _csv, ".json": _json, ".jsonl": _json_lines}
    if path.suffix not in readers:
        raise InputError(f"{path}: examples are read from .tsv, .csv, .json or .jsonl files")
    found = False
    try:
        for number, values in readers[path.suffix](path, header):
            found = True
            yield Row(f"{path}, line {number}", values)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text: {error}") from None
    except csv.Error as error:
        raise InputError(f"{path}: not a csv file: {error}") from None
    if not found:
        raise InputError(f"{path}: no examples in it")


def _tsv(path, header):
    # GLUE's files are not quoted and hold stray quotes and carriage returns: a line is split, nothing else.
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        first = 1
        if header is None:
            header = file.readline().rstrip("\r\n").split("\t")
            first = 2
        for number, line in enumerate(file, first):
            fields = line.rstrip("\r\n").split("\t")
            yield number, dict.fromkeys(header) | dict(zip(header, fields, strict=False))


def _csv(path, _header):
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        for values in reader:
            yield reader.line_num, values


def _json(path, _header):
    text = path.read_text(encoding="utf-8-sig")
    if not text.lstrip().startswith("["):
        yield from _json_lines(path, _header)
        return
    try:
        rows = parse_json(text, str(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: not JSON: {error.msg}") from None
    for number, values in enumerate(rows, 1):
        yield number, _object(values, f"{path}, entry {number}")


def _json_lines(path, _header):
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield number, _object(parse_json(line, f"{path}, line {number}"), f"{path}, line {number}")
                except json.JSONDecodeError as error:
                    raise InputError(f"{path}, line {number}: not JSON: {error.msg}") from None


def parse_json(text: str, place: str):
    """What a text in JSON says. Raises InputError for numbers of thousands of digits and for endless nesting, and
    JSONDecodeError where it is no JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: JSON beyond reason: {reason(error)}") from None


def _object(values, place):
    if not isinstance(values, dict):
        raise InputError(f"{place}: a JSON object with the columns' names is expected")
    return values
