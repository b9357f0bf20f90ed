"""Tasks of one's own from files and data sets: kinds, labels, examples, and what is said of bad data."""

import csv
import json

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from emmental.common.errors import InputError
from emmental.recipes.kinds import Kind
from emmental.tasks import custom, custom_predictions, metrics
from emmental.tasks.sentence_task import SentenceTask, answers
from emmental.tasks.source import Source
from emmental.tasks.tables import Columns


def write(path, rows, names=("text", "label")):
    """Rows of cells as csv, tsv, json or jsonl, as the path ends."""
    if path.suffix in (".csv", ".tsv"):
        with path.open("w", newline="") as file:
            csv.writer(file, delimiter="," if path.suffix == ".csv" else "\t").writerows([names, *rows])
    else:
        objects = [dict(zip(names, row, strict=True)) for row in rows]
        lines = map(json.dumps, objects)
        path.write_text("\n".join(lines) if path.suffix == ".jsonl" else json.dumps(objects))
    return str(path)


def load(tmp_path, rows, validation=None, suffix=".csv", names=("text", "label"), **asked):
    files = {
        "train_file": write(tmp_path / f"train{suffix}", rows, names),
        "validation_file": write(tmp_path / f"validation{suffix}", validation or rows, names),
    }
    return custom.load("mine", Source(**files, **asked))


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".json", ".jsonl"])
def test_labels_of_every_kind_of_file(tmp_path, suffix):
    rows = [("one", 10), ("two", 9), ("three", 10), ("four", 9)]
    made = load(tmp_path, rows, rows[:2], suffix)
    assert made.task.kind is Kind.LABEL
    assert made.task.labels == ["9", "10"]  # in order of number
    assert made.train.to_list() == [{"text": t, "labels": int(n == 10)} for t, n in rows]
    assert made.validation["labels"][:] == [1, 0]
    assert made.task.metrics == ("accuracy", "f1_macro")


def test_names_are_sorted_and_pairs_are_read_by_their_columns(tmp_path):
    rows = [("a", "b", "wine"), ("c", "d", "beer"), ("e", "f", "wine"), ("g", "h", "beer")]
    asked = {"text_column": "first", "text_pair_column": "second", "label_column": "drink"}
    made = load(tmp_path, rows, names=("first", "second", "drink"), **asked, metric="f1,matthews")
    assert made.task.labels == ["beer", "wine"]
    assert made.train[0] == {"text": "a", "text_pair": "b", "labels": 1}
    assert made.task.metrics == ("f1", "matthews")


def test_numbers_with_a_point_are_values_unless_labels_are_asked_for(tmp_path):
    rows = [("a", "1"), ("b", "2.5"), ("c", "4"), ("d", "2.5")]
    made = load(tmp_path, rows)
    assert made.task.kind is Kind.VALUE
    assert made.train["labels"][:] == [1, 2.5, 4, 2.5]
    assert load(tmp_path, rows, answer="label").task.labels == ["1", "2.5", "4"]


def test_several_labels_in_lists_or_parted(tmp_path):
    wanted = [[1.0, 1.0], [0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]
    lists = [("a", ["sad", "long"]), ("b", []), ("c", ["long"]), ("d", ["long", "sad"])]
    made = load(tmp_path, lists, suffix=".jsonl")
    assert (made.task.kind, made.task.labels) == (Kind.SEVERAL, ["long", "sad"])
    assert made.train["labels"][:] == wanted
    parted = [(text, "; ".join(labels)) for text, labels in lists]
    assert load(tmp_path, parted, label_separator=";").train["labels"][:] == wanted


def test_several_hundred_labels(tmp_path):
    rows = [(f"text {number}", f"class {number % 300}") for number in range(900)]
    made = load(tmp_path, rows)
    assert len(made.task.labels) == 300
    names = [made.task.labels[number] for number in made.train["labels"]]
    assert names == [label for _, label in rows]


def shuffled(labels, feature):
    columns = {"id": list(range(len(labels))), "note": [f"text {number}" for number in range(len(labels))]}
    features = Features({"id": Value("int64"), "note": Value("string"), "label": feature})
    return Dataset.from_dict(columns | {"label": labels}, features=features).shuffle(seed=3)


@pytest.mark.parametrize(
    ("feature", "labels", "kind"),
    [
        (ClassLabel(names=["v", "u"]), [0, 1, 1, 0, 1, 0], Kind.LABEL),
        (Value("string"), list("vuuvuv"), Kind.LABEL),
        (List(ClassLabel(names=["v", "u"])), [[0], [1], [1], [0], [1, 0], []], Kind.SEVERAL),
    ],
)
def test_data_sets_in_memory(feature, labels, kind):
    """Rows that were shuffled keep their labels; classes of the Hub's are their names."""
    rows = shuffled(labels, feature)
    made = custom.from_datasets(rows, rows.select([4, 2]), Columns(text="note"))
    assert (made.task.kind, made.task.labels) == (kind, ["u", "v"])
    given = {"v": [0, 1], "u": [1, 0]}
    for row, own in zip(made.train, rows, strict=True):
        assert row["text"] == own["note"]
        read = custom.tables._decoder(feature)(own["label"])
        if kind is Kind.LABEL:
            assert made.task.labels[row["labels"]] == read
        else:
            assert row["labels"] == (np.sum([given[name] for name in read], axis=0).tolist() if read else [0, 0])
    assert made.validation["text"][:] == [rows[4]["note"], rows[2]["note"]]


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_data_set_on_disk(tmp_path, split):
    rows = Dataset.from_dict({"text": list("abcd"), "labels": [3, 5, 3, 5]})
    DatasetDict({"train": rows, split: rows.select([1])}).save_to_disk(tmp_path / "set")
    source = Source(dataset_name=str(tmp_path / "set"))
    made = custom.load("mine", source)
    assert made.validation.to_list() == [{"text": "b", "labels": 1}]
    if split == "test":
        with pytest.raises(InputError, match="no test set"):
            custom_predictions.load_tests(source)


GOOD = [("a", "x"), ("b", "y"), ("c", "x"), ("d", "y")]


@pytest.mark.parametrize(
    ("rows", "validation", "names", "message"),
    [
        (GOOD, [("e", "z")], ("text", "label"), "validation.csv, line 2: the label 'z' is not among .*data's: x, y"),
        ([*GOOD, (" ", "x")], None, ("text", "label"), r"train.csv, line 6: 'text' is empty"),
        (GOOD, None, ("title", "label"), "no column 'text' or 'sentence' .*; there are 'title', 'label'"),
        (GOOD, None, ("text", "class"), "no column 'label' or 'labels' .*; there are 'text', 'class'"),
        ([], None, ("text", "label"), "train.csv: no examples in it"),
        ([*GOOD, ("e", "")], None, ("text", "label"), "train.csv, line 6: '' is no label"),
        ([*GOOD, ("e",)], None, ("text", "label"), "train.csv, line 6: None is no label"),
        ([("a", "x"), ("b", "x")], None, ("text", "label"), "the training data have one label, x"),
        ([("a", "1.5"), ("b", "nan")], None, ("text", "label"), "train.csv, line 3: the label 'nan' is not a number"),
        ([("a", "1.5"), ("b", "2")], [("c", "many")], ("text", "label"), "line 2: the label 'many' is not a number"),
    ],
)  # fmt: skip
def test_bad_files(tmp_path, rows, validation, names, message):
    with pytest.raises(InputError, match=message):
        load(tmp_path, rows, validation, names=names)


@pytest.mark.parametrize(
    ("labels", "asked", "message"),
    [
        ([1.5, float("nan")], {}, "row 2: the label nan is not a number"),
        (["x", None], {}, "row 2: None is no label"),
        ([["x"], None], {}, "row 2: the label None is not a list of labels"),
        (["x", "y"], {"answer": Kind.VALUE}, "row 1: the label 'x' is not a number"),
        (["x", "y"], {"answer": Kind.SEVERAL}, "row 1: the label 'x' is not a list of labels"),
        ([["x"], ["y"]], {"answer": Kind.LABEL}, r"row 1: the label \['x'\] is not one label"),
        (["x", "y"], {"metric": "f1_samples"}, "--metric f1_samples: there are accuracy, f1_macro"),
        (["x", "y", "z"], {"metric": "f1"}, "--metric f1 is for two labels, there are 3"),
        ([], {}, "the training data: no examples"),
    ],
)
def test_bad_data_sets(labels, asked, message):
    rows = Dataset.from_dict({"text": [f"text {number}" for number in range(len(labels))], "label": labels})
    with pytest.raises(InputError, match=message):
        custom.from_datasets(rows, rows, **asked)


def test_a_label_of_one_example_is_named(tmp_path, capsys):
    load(tmp_path, [*GOOD, ("e", "rare")], GOOD)
    assert capsys.readouterr().err == "one example alone of rare: too few to learn from\n"


def test_a_file_that_changes_is_read_anew(tmp_path):
    assert load(tmp_path, GOOD).train["text"][:] == list("abcd")
    assert load(tmp_path, [*GOOD, ("new", "x")]).train["text"][:] == [*"abcd", "new"]


def task_of(kind, *names, words=("u", "v")):
    return SentenceTask("mine", ("text",), {word: word for word in words}, names, kind=kind)


def test_metrics_of_several_labels():
    task = task_of(Kind.SEVERAL, "f1_micro", "f1_macro", "accuracy")
    predicted = answers(task, np.array([[2.0, -1.0], [0.5, 0.1], [-3.0, -1.0]]))
    assert predicted.tolist() == [[1, 0], [1, 1], [0, 0]]
    truth = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    # u: 2 of 3 found, none wrong: 0.8; v: one wrong: 0; together 2 right, 1 wrong, 1 missed: 2/3
    assert metrics.score(task, predicted, truth) == pytest.approx(
        {"f1_micro": 2 / 3, "f1_macro": 0.4, "accuracy": 1 / 3}
    )


def test_metrics_of_values_are_better_when_higher():
    task = task_of(Kind.VALUE, "neg_mean_absolute_error", "neg_root_mean_squared_error", words=["score"])
    measured = metrics.score(task, np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    assert measured == pytest.approx({"neg_mean_absolute_error": -1, "neg_root_mean_squared_error": -(2**0.5)})


def test_baselines_answer_what_is_commonest():
    several = Dataset.from_dict({"labels": [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]})
    assert metrics.majority_baseline(task_of(Kind.SEVERAL, "accuracy"), several) == pytest.approx(2 / 3)
    values = Dataset.from_dict({"labels": [1.0, 2.0, 6.0]})
    task = task_of(Kind.VALUE, "neg_mean_absolute_error", words=["score"])
    assert metrics.majority_baseline(task, values) == pytest.approx(-2)  # the mean is 3
    assert np.isclose(
        metrics.majority_baseline(task_of(Kind.LABEL, "accuracy"), Dataset.from_dict({"labels": [0, 1, 1]})), 2 / 3
    )
