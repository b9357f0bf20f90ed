"""Words and their tags from files and data sets, and what is said of those that are wrong."""

import json

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from emmental.common.errors import InputError
from emmental.tasks import words, words_examples
from emmental.tasks.source import Source
from emmental.tasks.tables import Columns
from tests.helpers.tagged import TAGS, tagged, write_tagged

NAMED = Features({"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=["B-PER", "O", "B-LOC"]))})


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def source(folder, kind="conll", **settings) -> Source:
    files = {"train_file": folder / f"train.{kind}", "validation_file": folder / f"dev.{kind}"}
    return Source(**{name: str(path) for name, path in files.items()}, **settings)


def jsonl(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("kind", ["conll", "jsonl", "txt"])
def test_every_kind_of_file_gives_the_same(tmp_path, kind):
    for name, rows, seed in (("train", 30, 0), ("dev", 10, 1)):
        write_tagged(tmp_path / f"{name}.{kind}", rows, seed)
    assert words.asked_for(source(tmp_path, kind))
    task, train, validation = words.load("names", source(tmp_path, kind))
    assert task.labels == ["O", "B-ART", "B-PER", "I-ART", "I-PER"]
    assert (task.kind, task.finds_words, task.metrics[0]) == ("tokens", True, "f1")
    for examples, texts in ((train, tagged(30)), (validation, tagged(10, 1))):
        assert examples["words"][:] == [own for own, _ in texts]
        assert examples["tags"][:] == [[task.labels.index(tag) for tag in tags] for _, tags in texts]


def test_columns_of_a_conll_file(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("1 EU NNP B-ORG\n2 rejects VBZ O\n")
    table = words_examples.of_file(path, Columns(text="2", label="3"))
    assert (table.rows["text"][:], list(table.labels())) == ([["EU", "rejects"]], [["NNP", "VBZ"]])
    assert words_examples.tags_of(words_examples.of_file(path, Columns(text="2"))) == ["O", "B-ORG"]


def test_a_data_set_s_own_names_and_their_order(tmp_path):
    rows = {"tokens": [["Ada", "wrote"], ["notes"]], "ner_tags": [[0, 1], [1]]}
    splits = DatasetDict(train=Dataset.from_dict(rows, NAMED), test=Dataset.from_dict(rows, NAMED))
    splits.save_to_disk(tmp_path / "set")
    where = Source(dataset_name=str(tmp_path / "set"))
    assert words.asked_for(where)
    task, train, validation = words.load("names", where)
    assert task.labels == ["B-PER", "O", "B-LOC"]  # B-LOC may come
    assert train["tags"][:] == validation["tags"][:] == [[0, 1], [1]]
    with pytest.raises(InputError, match="there is no test set: give --test_file"):  # it validates
        words.load_test(where)


def test_tags_that_are_numbers_without_names(tmp_path):
    path = jsonl(tmp_path / "a.jsonl", {"words": ["a", "b"], "tags": [3, 10]}, {"words": ["c"], "tags": [3]})
    table = words_examples.of_file(path, Columns())
    assert words_examples.tags_of(table) == ["10", "3"]
    assert words_examples.examples(table, ["3", "10"])["tags"][:] == [[0, 1], [0]]


def test_a_test_set_wants_no_tags(tmp_path):
    write_tagged(tmp_path / "a.conll", 5)
    only = tmp_path / "b.txt"
    only.write_text("the\nfilm\n\na\n")
    assert words.load_test(Source(test_file=str(only)))["words"][:] == [["the", "film"], ["a"]]
    assert words.load_test(Source(test_file=str(tmp_path / "a.conll")))["words"][:] == [own for own, _ in tagged(5)]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"words": ["a"], "tags": ["O", "O"]}, "a.jsonl, line 2: 1 words and 2 tags"),
        ({"words": [], "tags": []}, "a.jsonl, line 2: no words in 'words'"),
        ({"words": ["a"]}, "a.jsonl, line 2: nothing in the column 'tags': a list of tags"),
        ({"words": "a film", "tags": ["O"]}, "line 2: 'a film' in the column 'words': a list of words"),
        ({"words": ["a", None], "tags": ["O", "O"]}, "line 2: 'words', word 2 is None"),
        ({"words": ["a", "\ud800"], "tags": ["O", "O"]}, "line 2: 'words', word 2: not UTF-8"),
        ({"words": ["a"], "tags": [-100]}, "line 2: -100 in 'tags' is no tag"),
        ({"words": ["a"], "tags": [1.5]}, "line 2: 1.5 in 'tags' is no tag"),
        ({"words": ["a"], "tags": [""]}, "line 2: '' in 'tags' is no tag"),
        ({"words": ["a"], "tags": ["B-\n"]}, "is no tag"),
    ],
)
def test_rows_that_are_wrong(tmp_path, row, said):
    path = jsonl(tmp_path / "a.jsonl", {"words": ["a"], "tags": ["O"]}, row)
    with pytest.raises(InputError, match=said):
        words_examples.of_file(path, Columns())


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.conll", "EU\nrejects\n", "a.conll: no column of tags beside the words' '1'"),
        ("a.jsonl", '{"tokens": ["a"]}\n', "a.jsonl: no column 'tags' or 'ner_tags'"),
        ("a.jsonl", "", "no examples in it"),
        ("a.conll", "\n", "no words in it"),
        ("a.csv", "words,tags\na,O\n", "a.csv: lists of words are read from"),
    ],
)
def test_files_that_are_wrong(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=said):
        words_examples.of_file(tmp_path / name, Columns())


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"tokens": [["a"], ["b"]], "ner_tags": [[0], [0, 1]]}, "the set, row 2: 1 words and 2 tags"),
        ({"tokens": [["a"], None], "ner_tags": [[0], [0]]}, "the set, row 2: None in the column 'tokens'"),
        ({"tokens": [], "ner_tags": []}, "the set: no examples in it"),
    ],
)
def test_data_sets_that_are_wrong(rows, said):
    with pytest.raises(InputError, match=said):
        words_examples.of_dataset(Dataset.from_dict(rows, NAMED), "the set", Columns())


def test_a_tag_that_only_validates(tmp_path):
    jsonl(tmp_path / "train.jsonl", {"words": ["a", "b"], "tags": ["O", "B-PER"]})
    jsonl(tmp_path / "dev.jsonl", {"words": ["a"], "tags": ["O"]}, {"words": ["a"], "tags": ["B-LOC"]})
    said = "dev.jsonl, line 2: the tag 'B-LOC' is not among the training data's: O, B-PER"
    with pytest.raises(InputError, match=said):
        words.load("names", source(tmp_path, "jsonl"))


def test_one_tag_is_nothing_to_tell_apart(tmp_path):
    for name in ("train", "dev"):
        jsonl(tmp_path / f"{name}.jsonl", {"words": ["a"], "tags": ["O"]})
    with pytest.raises(InputError, match="the training data have one tag, O"):
        words.load("names", source(tmp_path, "jsonl"))


@pytest.mark.parametrize("flag", ["text_pair_column", "label_separator"])
def test_flags_of_texts(tmp_path, flag):
    for name in ("train", "dev"):
        write_tagged(tmp_path / f"{name}.conll", 9)
    with pytest.raises(InputError, match=f"--{flag} is for texts"):
        words.load("names", source(tmp_path, answer="tokens", **{flag: "x"}))


def test_what_looks_like_words(tmp_path):
    texts = jsonl(tmp_path / "a.jsonl", {"text": "a film", "labels": ["good", "funny"]})
    (tmp_path / "a.csv").write_text("text,label\na,b\n")
    assert not words.asked_for(Source(train_file=str(texts)))
    assert not words.asked_for(Source(train_file=str(tmp_path / "a.csv")))
    assert words.asked_for(Source(train_file=str(tmp_path / "a.csv"), answer="tokens"))
    given = jsonl(tmp_path / "b.jsonl", {"pieces": ["a", "film"], "kinds": TAGS[:2]})
    assert words.asked_for(Source(train_file=str(given), text_column="pieces"))
    assert not words.asked_for(Source(train_file=str(given)))
