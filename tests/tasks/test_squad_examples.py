"""Reading SQuAD data in all its forms, and refusing what is wrong with it."""

import json

import datasets
import pytest

from emmental.common.errors import InputError
from emmental.tasks import squad_examples
from tests.helpers.questions import CONTEXT, EXAMPLES, FLAT, QUESTIONS, official


def lines(rows):
    return "\n".join(json.dumps(row) for row in rows)


def table(rows):
    """CSV text in which every cell is quoted."""
    cells = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    return "\r\n".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in cells)


# --- reading ---


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("official.json", official(*QUESTIONS)),
        ("official-with-mark.json", "\ufeff" + official(*QUESTIONS)),
        ("list.json", json.dumps(EXAMPLES)),
        ("under-data.json", json.dumps({"version": "x", "data": FLAT}, indent=1)),
        ("lines.json", lines(EXAMPLES)),
        ("lines.jsonl", lines(FLAT)),
        ("texts.csv", table(FLAT)),
        ("answers.csv", table([row | {"answers": json.dumps(row["answers"])} for row in EXAMPLES])),
    ],
)
def test_every_form_of_file_gives_the_same_examples(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    examples = squad_examples.read_examples(tmp_path / name)
    assert examples.features == squad_examples.EXAMPLE
    assert examples.to_list() == EXAMPLES


def test_hub_data(monkeypatch):
    def load(name, split):
        if split == "test":
            raise ConnectionError("no route")
        return datasets.Dataset.from_list([{"title": "Ada", **example} for example in EXAMPLES])

    monkeypatch.setattr(squad_examples, "load_dataset", load)
    assert squad_examples.load_examples("rajpurkar/squad", "train").to_list() == EXAMPLES
    with pytest.raises(InputError, match="rajpurkar/squad: cannot load test from the Hub: no route"):
        squad_examples.load_examples("rajpurkar/squad", "test")


def test_unanswerable_questions_are_kept_where_they_are_meant(tmp_path):
    file = tmp_path / "v2.json"
    file.write_text(official(QUESTIONS[0], {"id": "q9", "question": "Why?"}))
    examples = squad_examples.read_examples(file, version_2_with_negative=True)
    assert examples[1]["answers"] == {"text": [], "answer_start": []}
    with pytest.raises(InputError, match=r"1 questions have no answer, the first is 'q9'.*--version_2_with_negative"):
        squad_examples.read_examples(file)


BAD_FILES = {
    "no such file": ("gone.json", None, "gone.json: no such file"),
    "another kind": ("data.txt", "x", r"data.txt: examples are read from"),
    "empty": ("data.json", "", r"data.json: no examples in it"),
    "no questions": ("data.json", '{"data": []}', r"data.json: no question in it"),
    "malformed": ("data.json", '{"data": [\n{"title": }]}', r"data.json, line 2, column 11: not JSON: Expecting value"),
    "malformed line": ("data.jsonl", lines(FLAT) + '\n{"id"', r"data.jsonl, line 3: not JSON: Expecting ':'"),
    "not UTF-8": ("data.json", b"\xff\xfe{", r"data.json: not UTF-8 text"),
    "not SQuAD": ("data.json", '{"rows": []}', r"data.json, data: not SQuAD's form"),
    "no qas": ("data.json", '{"data": [{"paragraphs": [{}]}]}', r"data\[0\].paragraphs\[0\]: not SQuAD's form"),
    "no question": ("data.jsonl", lines([FLAT[0], {"id": 7}]), r"line 2: empty or missing question; a row has id"),
    "empty context": ("data.csv", table([FLAT[0], FLAT[1] | {"context": " "}]), r"line \d: empty or missing context"),
    "no offset": ("data.csv", table([FLAT[0] | {"answer_start": ""}]), r"answers need a text and the .* \(id 'q1'\)"),
    "offset without text": ("data.jsonl", lines([EXAMPLES[0] | {"answers": [{"answer_start": 1}]}]), "answers need a"),
    "twice": ("data.json", official(*QUESTIONS, *QUESTIONS), r"2 ids stand more than once, the first is 'q1'"),
    "no answers": ("data.json", official({"id": "q9", "question": "?"}), r"no question has an answer"),
    "misplaced": (
        "data.json",
        official(
            QUESTIONS[0],
            QUESTIONS[1] | {"answer_start": 31},
            {**QUESTIONS[1], "id": "q3", "answer_start": 30 - len(CONTEXT)},
        ),
        r"2 answers do not stand at their answer_start, the first in 'q2': at 31 stands '843,', not '1843'; "
        r"mend them, or leave their questions out with --skip_misplaced_answers",
    ),
    "blank answer": ("data.json", official(QUESTIONS[0] | {"text": ""}), r"1 answers do not stand at"),
    "a list of lists": ("data.json", "[[1]]", "entry 1: a JSON object"),
    "endless nesting": ("data.json", "[" * 5000, "JSON beyond reason"),
    "endless nesting below": ("data.json", '{"data": ' + "[" * 5000, "JSON beyond reason"),
    "endless number": ("data.json", "9" * 5000, "JSON beyond reason"),
    "half a character": ("data.jsonl", json.dumps(FLAT[0] | {"question": "\ud800"}), "the question: not UTF-8 text"),
    "half an answer": ("data.jsonl", json.dumps(FLAT[0] | {"answer_text": "\ud800"}), "an answer: not UTF-8 text"),
    "a list for a question": (
        "data.jsonl",
        json.dumps(FLAT[0] | {"question": ["?"]}),
        "the question is .*, not a text",
    ),
    "an infinite place": ("data.jsonl", json.dumps(FLAT[0] | {"answer_start": 1e400}), "answers need a text"),
}


@pytest.mark.parametrize(("name", "content", "message"), BAD_FILES.values(), ids=BAD_FILES)
def test_bad_file(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message):
        squad_examples.read_examples(tmp_path / name)


def test_misplaced_answers_can_be_left_out(tmp_path, capsys):
    file = tmp_path / "data.json"
    file.write_text(official(QUESTIONS[0], QUESTIONS[1] | {"answer_start": 31}))
    assert squad_examples.read_examples(file, skip_misplaced_answers=True)["id"][:] == ["q1"]
    assert "1 answers do not stand at their answer_start, the first in 'q2'" in capsys.readouterr().err
    file.write_text(official(QUESTIONS[1] | {"answer_start": 31}))
    with pytest.raises(InputError, match="no question is left without them"):
        squad_examples.read_examples(file, skip_misplaced_answers=True)
