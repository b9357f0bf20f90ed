"""SQuAD's files and Hub data to checked examples: one row per question."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from datasets import Dataset, Features, List, Value, load_dataset

from emmental.common.errors import InputError
from emmental.common.text import check_text
from emmental.tasks.rows import Row, parse_json, read_rows

EXAMPLE = Features(
    {
        "id": Value("string"),
        "question": Value("string"),
        "context": Value("string"),
        "answers": {"text": List(Value("string")), "answer_start": List(Value("int32"))},
    }
)
ANSWERS_FORM = "answers need a text and the answer_start where it begins in the context, counted in characters"


def read_examples(path: Path, *, version_2_with_negative=False, skip_misplaced_answers=False) -> Dataset:
    """The questions of a local file, with the columns of EXAMPLE, checked and kept in the cache of ``datasets``.

    path: official SQuAD v1.1 or v2.0 (.json), or a row per question (.json, .jsonl, .csv) with the columns id,
    context, question and either answers, in any of SQuAD's forms, or answer_text and answer_start.
    version_2_with_negative: questions without an answer are meant. skip_misplaced_answers: leave out questions with
    an answer that does not stand at its offset, instead of stopping. Raises InputError for whatever else is wrong.
    """
    return _checked(_rows(Path(path)), str(path), version_2_with_negative, skip_misplaced_answers)


def load_examples(name: str, split: str, *, version_2_with_negative=False, skip_misplaced_answers=False) -> Dataset:
    """The same from the Hub, e.g. ``rajpurkar/squad`` or ``rajpurkar/squad_v2``, split ``train`` or ``validation``."""
    try:
        rows = load_dataset(name, split=split)
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: cannot load {split} from the Hub: {error}") from None
    rows = (Row(f"{name} {split}, row {number}", row) for number, row in enumerate(rows, 1))
    return _checked(rows, f"{name} {split}", version_2_with_negative, skip_misplaced_answers)


# --- files to rows ---


def _rows(path: Path) -> Iterator[Row]:
    if path.suffix == ".json" and path.is_file():
        content = _json_content(path)
        if isinstance(content, dict) and "id" not in content:
            return _official_rows(path, content.get("data"))
    return read_rows(path)


def _json_content(path: Path):
    try:
        return parse_json(path.read_text(encoding="utf-8-sig"), str(path))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text: {error}") from None
    except json.JSONDecodeError as error:
        if error.pos == 0 or error.msg == "Extra data":  # nothing in it, or an object per line: rows know what to say
            return None
        raise InputError(f"{path}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from None


def _official_rows(path: Path, articles: list) -> Iterator[Row]:
    place = f"{path}, data"
    try:
        for a, article in enumerate(articles):
            place = f"{path}, data[{a}]"
            if "id" in article:  # a flat row, as transformers' example scripts want them
                yield Row(place, article)
                continue
            for p, paragraph in enumerate(article["paragraphs"]):
                place = f"{path}, data[{a}].paragraphs[{p}]"
                for q, question in enumerate(paragraph["qas"]):
                    yield Row(f"{place}.qas[{q}]", paragraph | question)
    except (KeyError, TypeError):
        raise InputError(
            f"{place}: not SQuAD's form, articles with 'paragraphs', those with 'context' and 'qas'"
        ) from None


# --- rows to examples ---


def _checked(rows: Iterable[Row], source: str, unanswerable_meant: bool, skip_misplaced: bool) -> Dataset:
    examples = [_example(row) for row in rows]
    if not examples:
        raise InputError(f"{source}: no question in it")
    _refuse_duplicates(examples, source)
    _refuse_unanswered(examples, source, unanswerable_meant)
    examples = _well_placed(examples, source, skip_misplaced)
    return Dataset.from_generator(_each, gen_kwargs={"examples": examples}, features=EXAMPLE)


def _each(examples: list[dict]) -> Iterator[dict]:
    yield from examples


def _example(row: Row) -> dict:
    example = {}
    for name in ("id", "question", "context"):
        value = row.values.get(name)
        example[name] = str(value) if isinstance(value, int) else value or ""
        check_text(example[name], f"{row.place}: the {name}")
        if not example[name].strip():
            raise InputError(f"{row.place}: empty or missing {name}; a row has id, question, context and answers")
    try:
        return example | {"answers": _answers(row.values)}
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        raise InputError(f"{row.place}: {ANSWERS_FORM} (id {example['id']!r})") from None


def _answers(row: dict) -> dict[str, list]:
    answers = row.get("answers") or []
    if row.get("answer_text"):
        answers = [{"text": row["answer_text"], "answer_start": row["answer_start"]}]
    if isinstance(answers, str):  # a cell of a CSV file
        answers = json.loads(answers)
    if isinstance(answers, dict):
        pairs = list(zip(answers["text"], answers["answer_start"], strict=True))
    else:
        pairs = [(answer["text"], answer["answer_start"]) for answer in answers]
    for text, _ in pairs:
        check_text(text, "an answer")
    return {"text": [text for text, _ in pairs], "answer_start": [int(start) for _, start in pairs]}


def _refuse_duplicates(examples: list[dict], source: str) -> None:
    repeated = [name for name, count in Counter(example["id"] for example in examples).items() if count > 1]
    if repeated:
        raise InputError(f"{source}: {len(repeated)} ids stand more than once, the first is {repeated[0]!r}")


def _refuse_unanswered(examples: list[dict], source: str, unanswerable_meant: bool) -> None:
    without = [example["id"] for example in examples if not example["answers"]["text"]]
    if len(without) == len(examples):
        raise InputError(f"{source}: no question has an answer, there is nothing to train on or to score")
    if without and not unanswerable_meant:
        raise InputError(
            f"{source}: {len(without)} questions have no answer, the first is {without[0]!r}: "
            f"if that is meant, as in SQuAD v2.0, give --version_2_with_negative"
        )


def _well_placed(examples: list[dict], source: str, skip: bool) -> list[dict]:
    misplaced = [
        (example, text, start)
        for example in examples
        for text, start in zip(*example["answers"].values(), strict=True)
        if start < 0 or not text.strip() or not example["context"].startswith(text, start)
    ]
    if not misplaced:
        return examples
    first, text, start = misplaced[0]
    problem = (
        f"{source}: {len(misplaced)} answers do not stand at their answer_start, the first in {first['id']!r}: "
        f"at {start} stands {first['context'][max(start, 0) :][: len(text)]!r}, not {text!r}"
    )
    if not skip:
        raise InputError(f"{problem}; mend them, or leave their questions out with --skip_misplaced_answers")
    left_out = {example["id"] for example, _, _ in misplaced}
    if len(left_out) == len(examples):
        raise InputError(f"{problem}; no question is left without them")
    print(f"{problem}; left out {len(left_out)} of {len(examples)} questions", file=sys.stderr)
    return [example for example in examples if example["id"] not in left_out]
