"""Reading GLUE's files and others, labels, metrics, and what is said of bad data."""

import json

import numpy as np
import pytest
from transformers import EvalPrediction

from emmental.common.errors import InputError
from emmental.recipes.settings import check_files
from emmental.tasks import reviews
from emmental.tasks.glue import TASKS, load_train, load_validation
from emmental.tasks.label_map import parse_label_map
from emmental.tasks.metrics import compute_metrics, majority_baseline, score
from emmental.tasks.sentence_task import with_words
from emmental.tasks.source import Source

HEADERS = {
    "mnli": "index\tgenre\tsentence1\tsentence2\tlabel1\tgold_label",
    "qqp": "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate",
    "qnli": "index\tquestion\tsentence\tlabel",
    "sst2": "sentence\tlabel",
    "mrpc": "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String",
    "stsb": "index\tsentence1\tsentence2\tscore",
    "rte": "index\tsentence1\tsentence2\tlabel",
}
ROWS = {  # a line, and the text, second text and label in it
    "mnli": ("0\tx\tOne.\tTwo.\tneutral\tcontradiction", "One.", "Two.", 2),
    "qqp": ("0\t1\t2\tOne?\tTwo?\t1", "One?", "Two?", 1),
    "qnli": ("0\tWhy?\tSo.\tnot_entailment", "Why?", "So.", 1),
    "sst2": ('a "quoted film \t1', 'a "quoted film ', None, 1),
    "mrpc": ("0\t1\t2\tOne .\t\" Two .", "One .", '" Two .', 0),
    "cola": ("gj04\t0\t*\tHim went.", "Him went.", None, 0),
    "stsb": ("0\tOne.\tTwo.\t4.750", "One.", "Two.", 4.75),
    "rte": ("0\tOne.\tTwo.\tentailment", "One.", "Two.", 0),
}  # fmt: skip


def write_task(folder, name, rows):
    """The task's official files under ``folder``, each with these lines."""
    folder.mkdir(parents=True, exist_ok=True)
    header = [HEADERS[name]] if name in HEADERS else []
    for file in ("train.tsv", "dev_matched.tsv" if name == "mnli" else "dev.tsv"):
        (folder / file).write_text("\n".join([*header, *rows]) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ROWS)
def test_official_files(tmp_path, name):
    line, text, pair, label = ROWS[name]
    folder = write_task(tmp_path / TASKS[name].folder, name, [line, line])
    for data_dir in (folder, tmp_path):  # the folder itself, or its parent
        source = Source(str(data_dir))
        expected = {"text": text, "labels": label} | ({"text_pair": pair} if pair else {})
        assert load_train(TASKS[name], source).to_list() == [expected, expected]
        assert load_validation(TASKS[name], source)[""].to_list() == [expected, expected]


def test_mismatched_is_read_where_it_exists(tmp_path):
    write_task(tmp_path, "mnli", [ROWS["mnli"][0]])
    assert set(load_validation(TASKS["mnli"], Source(str(tmp_path)))) == {""}
    (tmp_path / "dev_mismatched.tsv").write_text((tmp_path / "dev_matched.tsv").read_text())
    assert set(load_validation(TASKS["mnli"], Source(str(tmp_path)))) == {"", "mm"}


def test_broken_rows_of_qqp_are_left_out(tmp_path):
    write_task(tmp_path, "qqp", [ROWS["qqp"][0], "7\t8\t9\tcut off"])
    assert len(load_train(TASKS["qqp"], Source(str(tmp_path)))) == 1


def as_csv(rows):
    return "sentence,label\n" + "".join(f'"{row["sentence"]}",{row["label"]}\n' for row in rows)


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        ("csv", as_csv),
        ("json", json.dumps),
        ("jsonl", lambda rows: "".join(json.dumps(row) + "\n" for row in rows)),
    ],
)
def test_other_files(tmp_path, suffix, write):
    rows = [{"sentence": "None, really", "label": 1}, {"sentence": "N/A", "label": 0}]
    for split in ("train", "dev"):
        (tmp_path / f"{split}.{suffix}").write_text(write(rows))
    source = Source(None, str(tmp_path / f"train.{suffix}"), str(tmp_path / f"dev.{suffix}"))
    check_files(source)
    assert load_validation(TASKS["sst2"], source)[""].to_list() == load_train(TASKS["sst2"], source).to_list()
    assert load_train(TASKS["sst2"], source).to_list() == [
        {"text": "None, really", "labels": 1},
        {"text": "N/A", "labels": 0},
    ]


def load_all(source):
    check_files(source)
    load_train(TASKS["sst2"], source)
    load_validation(TASKS["sst2"], source)


def bad_folder(tmp_path, case):
    """A folder of SST-2 with one thing wrong, and what must be said of it."""
    folder = write_task(tmp_path / "SST-2", "sst2", ["fine\t1"])
    train = folder / "train.tsv"
    if case == "missing folder":
        return tmp_path / "nowhere", "nowhere: no such folder"
    if case == "missing train":
        train.unlink()
        return folder, r"SST-2/train\.tsv: no such file"
    if case == "missing dev":
        (folder / "dev.tsv").unlink()
        return folder, r"dev\.tsv: no such file"
    if case == "empty":
        train.write_text("")
        return folder, r"train\.tsv: no examples"
    if case == "header only":
        train.write_text("sentence\tlabel\n")
        return folder, r"train\.tsv: no examples"
    if case == "short row":
        train.write_text("sentence\tlabel\nfine\t1\nno label here\n")
        return folder, r"train\.tsv, line 3: too few columns, 'label' is missing"
    if case == "unknown label":
        train.write_text("sentence\tlabel\nfine\t7\n")
        return folder, r"train\.tsv, line 2: unknown label '7', sst2 has 0, 1"
    train.write_bytes(b"sentence\tlabel\n\xff\xfe\t1\n")
    return folder, r"train\.tsv: not UTF-8"


@pytest.mark.parametrize(
    "case",
    ["missing folder", "missing train", "missing dev", "empty", "header only", "short row", "unknown label", "bytes"],
)
def test_bad_folder(tmp_path, case):
    folder, message = bad_folder(tmp_path, case)
    with pytest.raises(InputError, match=message):
        load_all(Source(str(folder)))


@pytest.mark.parametrize(
    ("train", "content", "message"),
    [
        ("a.csv", "sentence,label\nfine,1\n", "of different kinds"),
        ("a.jsonl", '{"sentence": "fine", "label": 1}\nnonsense\n', r"a\.jsonl, line 2: not JSON"),
        ("a.jsonl", '{"sentence": 5, "label": 1}\n', "'sentence' is 5, not a text"),
        ("a.jsonl", '{"sentence": "fine", "label": [1]}\n', r"line 1: unknown label \[1\], sst2 has 0, 1"),
        ("a.jsonl", '{"sentence": "fine", "label": {"a": 1}}\n', "unknown label"),
        ("a.jsonl", '{"sentence": "fine", "label": 1%s}\n' % ("0" * 400), "unknown label 10000"),
        ("a.jsonl", '{"sentence": "fine", "label": 1%s}\n' % ("0" * 5000), "line 1: JSON beyond reason"),
        ("a.jsonl", '{"sentence": "fine", "label": %s}\n' % ("[" * 5000), "line 1: JSON beyond reason"),
        ("a.json", "[" * 5000, r"a\.json: JSON beyond reason"),
        ("a.jsonl", '{"sentence": "fine \\ud800", "label": 1}\n', "'sentence': not UTF-8 text"),
        ("a.json", "[1]\n", r"a\.json, entry 1: a JSON object"),
        ("a.json", "[1,\n2", r"a\.json, line 2: not JSON"),
        ("a.jsonl", '"text"\n', r"a\.jsonl, line 1: a JSON object"),
        ("a.txt", "fine", "of different kinds"),
        ("a.csv", f"sentence,label\n{'x' * 140_000},1\n", r"a\.csv: not a csv file: field larger"),
    ],
)
def test_bad_files(tmp_path, train, content, message):
    (tmp_path / train).write_text(content)
    kinds = {"of different kinds": "b.jsonl"}
    validation = tmp_path / kinds.get(message, train.replace("a.", "b."))
    validation.write_text('{"sentence": "fine", "label": 1}\n')
    with pytest.raises(InputError, match=message):
        load_all(Source(None, str(tmp_path / train), str(validation)))


@pytest.mark.parametrize("label", ["[1]", "{}", '"nan"', "Infinity", "1" + "0" * 400, '"many"'])
def test_values_that_are_none(tmp_path, label):
    (tmp_path / "a.jsonl").write_text(f'{{"sentence1": "a", "sentence2": "b", "label": {label}}}\n')
    with pytest.raises(InputError, match=r"a\.jsonl, line 1: the label .* is not a number"):
        load_train(TASKS["stsb"], Source(None, str(tmp_path / "a.jsonl"), None))


def test_a_file_of_nothing_but_broken_rows(tmp_path):
    folder = write_task(tmp_path / "QQP", "qqp", ["what", "why?"])
    with pytest.raises(InputError, match="qqp: no row has all of the columns question1, question2, is_duplicate"):
        load_train(TASKS["qqp"], Source(str(folder)))


@pytest.mark.parametrize("text", ["{" * 5000, "[" * 5000, "(" * 5000])
def test_endless_label_maps(text):
    with pytest.raises(InputError, match="--label_map"):
        parse_label_map(text)


def test_one_file_alone_is_refused(tmp_path):
    with pytest.raises(InputError, match="go together"):
        check_files(Source(None, "a.csv", None))


@pytest.mark.parametrize("text", ['{"0": "bad", "1": "good"}', "{0: 'bad', 1: 'good'}", "{'1': 'good', '0': 'bad'}"])
def test_label_map(text):
    task = with_words(TASKS["sst2"], parse_label_map(text))
    assert list(task.words.items()) == [("0", "bad"), ("1", "good")]  # labels keep their numbers


def test_label_map_by_number_or_name():
    by_name = with_words(TASKS["rte"], {"entailment": "great", "not_entailment": "bad"})
    assert by_name == with_words(TASKS["rte"], {0: "great", 1: "bad"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("__import__('os').system('true')", "neither JSON nor a Python dictionary"),
        ("[1, 2]", "a dictionary from labels to words"),
        ('{"0": "bad"}', "one word for each of 0, 1"),
        ('{"0": "bad", "2": "good"}', "one word for each of 0, 1"),
        ('{"0": "bad", "1": 3}', "one word for each of 0, 1"),
    ],
)
def test_bad_label_map(text, message):
    with pytest.raises(InputError, match=message):
        with_words(TASKS["sst2"], parse_label_map(text))


def test_metrics_by_hand():
    labels, answers = np.array([1, 1, 1, 0, 0]), np.array([1, 1, 0, 1, 0])
    assert score(TASKS["mrpc"], answers, labels) == pytest.approx({"accuracy": 0.6, "f1": 2 / 3})
    # true positives 2, false positives 1, false negatives 1, true negatives 1
    assert score(TASKS["cola"], answers, labels) == pytest.approx({"matthews": (2 * 1 - 1 * 1) / 36**0.5})


def test_correlations_by_hand():
    logits, labels = np.array([[1.0], [2.0], [4.0]]), np.array([0.0, 3.0, 3.0])
    pearson = (-4 / 3 * -2 + -1 / 3 * 1 + 5 / 3 * 1) / ((42 / 9) * 6) ** 0.5
    measured = compute_metrics(TASKS["stsb"])(EvalPrediction(logits, labels))
    assert measured == pytest.approx({"pearson": pearson, "spearman": 1.5 / 3**0.5})
    constant = compute_metrics(TASKS["stsb"])(EvalPrediction(np.ones((3, 1)), labels))
    assert constant == {"pearson": 0.0, "spearman": 0.0}


def test_majority_baseline(tmp_path):
    folder = write_task(tmp_path / "SST-2", "sst2", ["a\t1", "b\t1", "c\t0"])
    assert majority_baseline(TASKS["sst2"], load_validation(TASKS["sst2"], Source(str(folder)))[""]) == 2 / 3


def test_reviews_keep_clear_ratings_and_split_by_text():
    lines = ["1\t2.5\tgood film", "2\t-0.5\tbad film", "3\t0.49\tso-so", "4\t-3\t\u0085odd", "5\t1.0\tgood film"]
    rows = reviews.rated_snippets("\r\n".join(lines) + "\r\n")
    assert [(row.values["sentence"], row.values["label"]) for row in rows] == [
        ("good film", "positive"), ("bad film", "negative"), ("\u0085odd", "negative"), ("good film", "positive"),
    ]  # fmt: skip
    shares = [reviews.split_of(f"film number {n}") for n in range(2000)]
    assert 150 < shares.count("validation") < 250
