"""--do_predict: GLUE's submission files of every task, by a mask of known answers; after training; bad input."""

import json
import re

import pytest
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from emmental import masks
from emmental.inference.load import load_pruned
from emmental.tasks.glue import TASKS
from tests.helpers.tiny import data_flags, random_mask

TEXTS = ["good film", "bad plot , the actor was not very funny", "a slow story"]
FIRST = "the music was dull"
# the files as GLUE has them: header, a row around the texts, where predictions go, what they may be
OFFICIAL = {
    "cola": ("test.tsv", "index\tsentence", "{n}\t{a}", "CoLA.tsv", {"0", "1"}),
    "sst2": ("test.tsv", "index\tsentence", "{n}\t{a}", "SST-2.tsv", {"0", "1"}),
    "mrpc": (
        "test.tsv", "\ufeffindex\t#1 ID\t#2 ID\t#1 String\t#2 String", "{n}\t7\t8\t{a}\t{b}", "MRPC.tsv", {"0", "1"},
    ),
    "stsb": (
        "test.tsv", "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2",
        "{n}\tnews\tx\t2014\t5\ta\tb\t{a}\t{b}", "STS-B.tsv", None,
    ),
    "qqp": ("test.tsv", "id\tquestion1\tquestion2", "{n}\t{a}\t{b}", "QQP.tsv", {"0", "1"}),
    "qnli": ("test.tsv", "index\tquestion\tsentence", "{n}\t{a}\t{b}", "QNLI.tsv", {"entailment", "not_entailment"}),
    "rte": ("test.tsv", "index\tsentence1\tsentence2", "{n}\t{a}\t{b}", "RTE.tsv", {"entailment", "not_entailment"}),
    "mnli": (
        "test_matched.tsv",
        "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\t"
        "sentence2_parse\tsentence1\tsentence2",
        "{n}\t1\t1e\tfiction\t(\t(\t(\t(\t{a}\t{b}", "MNLI-m.tsv", {"entailment", "neutral", "contradiction"},
    ),
}  # fmt: skip


@pytest.fixture
def script(monkeypatch, glue_script, tmp_path):
    """Run masked_run_glue.py in this process in an empty folder: script("--do_predict", …) -> what it printed."""
    monkeypatch.chdir(tmp_path)
    return glue_script


def write_tests(folder, task, file=None):
    name, header, row, *_ = OFFICIAL[task]
    rows = [row.format(n=n, a=text, b=FIRST) for n, text in enumerate(TEXTS)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / (file or name)).write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def finished_run(folder, tiny_bert, task, words=None):
    """An output folder with a mask for the task, as a run leaves it."""
    folder.mkdir()
    mask = random_mask(tiny_bert, task, words or TASKS[task].words, seed=3)
    masks.save(mask, folder / "mask.safetensors")
    (folder / "all_results.json").write_text("{}")
    return load_pruned(mask, str(tiny_bert))


def predictions(path):
    header, *lines = path.read_text().split("\n")
    assert header == "index\tprediction"
    assert lines.pop() == ""
    return [tuple(line.split("\t")) for line in lines]


@pytest.mark.parametrize("task", OFFICIAL)
def test_every_task(script, tiny_bert, tmp_path, task):
    _, _, row, name, allowed = OFFICIAL[task]
    write_tests(tmp_path / "glue" / TASKS[task].folder, task)
    if task == "mnli":
        write_tests(tmp_path / "glue" / "MNLI", task, "test_mismatched.tsv")
    pruned = finished_run(tmp_path / "run", tiny_bert, task)
    flags = ("--task_name", task, "--data_dir", "glue", "--model_name_or_path", tiny_bert, "--output_dir", "run")
    printed = script(*flags, "--do_predict")
    assert f"run/predictions/{name}: 3" in printed

    wanted = pruned.logits(TEXTS, [FIRST] * 3 if "{b}" in row else None)
    if allowed is None:
        expected = [f"{value:.4f}" for value in wanted[:, 0]]
    else:
        expected = [list(TASKS[task].words)[number] for number in wanted.argmax(1)]
        assert set(expected) <= allowed
    assert predictions(tmp_path / "run" / "predictions" / name) == list(zip("012", expected, strict=True))
    files = {path.name for path in (tmp_path / "run" / "predictions").iterdir()}
    assert files == ({name, "MNLI-mm.tsv"} if task == "mnli" else {name})


def test_labels_in_the_order_of_the_mask(script, tiny_bert, tmp_path):
    """A mask whose label words stand in another order, as the published MNLI masks have them."""
    words = {"contradiction": "yes", "entailment": "maybe", "neutral": "no"}
    for file in ("test_matched.tsv", "test_mismatched.tsv"):
        write_tests(tmp_path, "mnli", file)
    pruned = finished_run(tmp_path / "run", tiny_bert, "mnli", words)
    flags = ("--task_name", "mnli", "--data_dir", ".", "--model_name_or_path", tiny_bert, "--output_dir", "run")
    script(*flags, "--do_predict")
    expected = [list(words)[number] for number in pruned.logits(TEXTS, [FIRST] * 3).argmax(1)]
    assert [label for _, label in predictions(tmp_path / "run" / "predictions" / "MNLI-m.tsv")] == expected


@pytest.mark.parametrize(
    ("rows", "indices"),
    [
        ([{"sentence": text} for text in TEXTS], ["0", "1", "2"]),
        ([{"idx": 7 + n, "sentence": text, "label": -1} for n, text in enumerate(TEXTS)], ["7", "8", "9"]),
    ],
)
def test_files_of_one_s_own(script, tiny_bert, tmp_path, rows, indices):
    (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, rows)))
    finished_run(tmp_path / "run", tiny_bert, "reviews")
    flags = ("--task_name", "reviews", "--model_name_or_path", tiny_bert, "--output_dir", "run", "--do_predict")
    script(*flags, "--test_file", "test.jsonl")
    found = predictions(tmp_path / "run" / "predictions" / "reviews.tsv")
    assert [index for index, _ in found] == indices
    assert {label for _, label in found} <= {"negative", "positive"}


def test_after_training(script, tiny_bert, reviews, tmp_path):
    (tmp_path / "test.csv").write_text("sentence\n" + "\n".join(text.replace(",", "") for text in TEXTS) + "\n")
    flags = ("--task_name", "sst2", *data_flags(reviews), "--model_name_or_path", tiny_bert, "--output_dir", "run")
    flags = (*flags, "--test_file", "test.csv", "--max_steps", "4", "--disable_tqdm", "true", "--do_predict")
    printed = script(*flags)
    assert re.search(r"results of run\n(.*\n)+run/predictions/SST-2.tsv: 3: \d 0, \d 1\n$", printed)
    mask = (tmp_path / "run" / "mask.safetensors").read_bytes()
    (tmp_path / "run" / "predictions" / "SST-2.tsv").unlink()
    assert "results of run" not in script(*flags)  # finished: no training
    assert len(predictions(tmp_path / "run" / "predictions" / "SST-2.tsv")) == 3
    assert (tmp_path / "run" / "mask.safetensors").read_bytes() == mask


def test_a_dense_model(script, tiny_bert, tmp_path):
    header, rows = (
        "index\tsentence1\tsentence2\tlabel",
        ["0\tgood film\tbad plot\tentailment", "1\ta\tb\tnot_entailment"],
    )
    for name in ("train", "dev"):
        (tmp_path / f"{name}.tsv").write_text("\n".join([header, *rows]) + "\n")
    write_tests(tmp_path, "rte")
    flags = "--task_name rte --data_dir . --output_dir out --pruning_method finetune --max_steps 2 --disable_tqdm true"
    script(*flags.split(), "--model_name_or_path", tiny_bert, "--do_predict")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    inputs = AutoTokenizer.from_pretrained(tmp_path / "out")(TEXTS, [FIRST] * 3, padding=True, return_tensors="pt")
    expected = [("entailment", "not_entailment")[number] for number in model(**inputs).logits.argmax(1)]
    assert predictions(tmp_path / "out" / "predictions" / "RTE.tsv") == list(zip("012", expected, strict=True))


@pytest.mark.parametrize(
    ("content", "flags", "message"),
    [
        (None, ("--data_dir", "."), r"test\.tsv: no such file"),
        ("index\tsentence\n", ("--data_dir", "."), r"test\.tsv: no examples"),
        ("index\tsentence\n0\tfine\n1\n", ("--data_dir", "."), r"test\.tsv, line 3: too few columns, 'sentence'"),
        ("sentence\tlabel\n", ("--test_file", "nowhere.csv"), r"nowhere\.csv: no such file"),
        (None, ("--task_name", "reviews"), "reviews has no test set of its own: give one with --test_file"),
        ("index\tsentence\n0\tfine\n", ("--task_name", "cola", "--data_dir", "."), "for sst2, but --task_name is cola"),
    ],
)  # fmt: skip
def test_bad_input(script, tiny_bert, tmp_path, content, flags, message):
    finished_run(tmp_path / "run", tiny_bert, "sst2")
    if content:
        (tmp_path / "test.tsv").write_text(content)
    before = sorted(tmp_path.rglob("*"))
    common = ("--task_name", "sst2", "--model_name_or_path", tiny_bert, "--output_dir", "run", "--do_predict")
    said = script(*common, *flags, status=2)
    assert re.search(message, said), said
    assert said.count("error:") == 1
    assert sorted(tmp_path.rglob("*")) == before
