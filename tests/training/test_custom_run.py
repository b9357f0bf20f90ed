"""A task of one's own from the first flag to the last verb, on a tiny backbone: several labels, with words found; the
dense model, and a mask that learns from it; a value; what is refused."""

import csv
import json
import random
import shutil

import numpy as np
import onnxruntime
import pytest
from transformers import AutoModelForSequenceClassification

from emmental import masks
from emmental.inference.load import load_pruned
from emmental.inference.switching import MaskedBackbone
from emmental.tasks import glue
from tests.helpers.tiny import WORDS

STEPS = ("--max_steps", 6, "--eval_steps", 3, "--per_device_train_batch_size", 8, "--disable_tqdm", "True")


def write_genres(path, rows, seed=0):
    """Texts that are good, or about a film, or both, or neither, and say so."""
    draw = random.Random(seed)
    lines = []
    for number in range(rows):
        marks = [mark for bit, mark in enumerate(("good", "film")) if number >> bit & 1]
        words = draw.choices(WORDS[17:24], k=3)
        labels = [{"good": "good", "film": "about film"}[mark] for mark in marks]
        lines.append(json.dumps({"review": " ".join([*words, *marks]), "genres": labels}))
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def genres(tmp_path_factory):
    folder = tmp_path_factory.mktemp("genres")
    return {"train": write_genres(folder / "train.jsonl", 64), "validation": write_genres(folder / "dev.jsonl", 16, 1)}


@pytest.fixture
def flags(tiny_bert, genres, monkeypatch, tmp_path):
    """The flags of the task, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    columns = ("--text_column", "review", "--label_column", "genres", "--task_label", "genres")
    files = ("--train_file", genres["train"], "--validation_file", genres["validation"])
    return ("--task_name", "custom", "--model_name_or_path", tiny_bert, *files, *columns)


def read_csv(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_several_labels_from_training_to_every_form(glue_script, emmental, flags, genres, tiny_bert, tmp_path):
    tests = ("--do_predict", "--test_file", genres["validation"])
    printed = glue_script(*flags, *STEPS, "--output_dir", "out", *tests)
    mask = masks.load(tmp_path / "out" / "mask.safetensors")
    assert (mask.info.task, mask.info.kind) == ("genres", "several")
    assert list(mask.info.label_words) == ["about film", "good"]
    assert mask.info.label_words["good"] == "good"
    assert f"about film={mask.info.label_words['about film']}, good=good" in printed
    results = json.loads((tmp_path / "out" / "all_results.json").read_text())
    assert {"eval_f1_micro", "eval_f1_macro", "majority_eval_f1_micro"} <= results.keys()

    texts = [json.loads(line)["review"] for line in genres["validation"].read_text().splitlines()]
    pruned = load_pruned(mask, str(tiny_bert))
    probabilities = pruned.probabilities(texts)
    assert probabilities == pytest.approx(1 / (1 + np.exp(-pruned.logits(texts))), abs=1e-6)
    fitting = [";".join(np.array(pruned.labels)[row > 0.5]) for row in probabilities]
    found = read_csv(tmp_path / "out" / "predictions" / "predictions.csv")
    assert [row["prediction"] for row in found] == fitting
    assert [row["index"] for row in found] == [str(number) for number in range(16)]
    head, row = emmental("predict", "out/mask.safetensors", texts[3]).splitlines()
    assert head == "labels\tabout film\tgood"
    assert row.split("\t")[0] == fitting[3]

    measured = f"f1_micro     {results['eval_f1_micro']:.4f}"
    assert measured in emmental("eval", "out")
    assert measured in glue_script(*flags[:4], "--task_label", "genres", "--use_mask_pt", "out")
    shutil.copy("out/mask.safetensors", "alone.safetensors")
    asked = ("--validation_file", genres["validation"], "--text_column", "review", "--label_column", "genres")
    assert measured in emmental("eval", "alone.safetensors", *asked)
    assert "genres is a task of one's own: give --validation_file" in emmental("eval", "alone.safetensors", status=2)
    missing = emmental("eval", "alone.safetensors", "--validation_file", genres["validation"], status=2)
    assert "no column 'text' or 'sentence'" in missing

    emmental("pack", "alone.safetensors", "genres.task")
    emmental("shrink", "alone.safetensors", "small")
    emmental("export", "alone.safetensors", "genres.onnx")
    shared = MaskedBackbone(str(tiny_bert))
    shared.add("genres", mask)
    for other in (load_pruned("genres.task"), load_pruned("small"), shared.activate("genres")):
        assert other.labels == pruned.labels
        assert other.probabilities(texts) == pytest.approx(probabilities, abs=1e-5)
    assert measured in emmental("eval", "genres.task", *asked)
    session = onnxruntime.InferenceSession("genres.onnx")
    inputs = pruned.tokenizer(texts, padding=True, return_tensors="np")
    (logits,) = session.run(None, {one.name: inputs[one.name] for one in session.get_inputs()})
    assert logits == pytest.approx(pruned.logits(texts), abs=1e-4)
    assert "label words  about film=" in emmental("inspect", "alone.safetensors")


def test_the_dense_model_and_a_mask_that_learns_from_it(glue_script, emmental, flags, genres, tmp_path):
    steps = ("--max_steps", 120, "--per_device_train_batch_size", 16, "--disable_tqdm", "True", "--eval_strategy", "no")
    dense = ("--pruning_method", "finetune", "--learning_rate", "3e-3", "--output_dir", "dense")
    glue_script(*flags, *steps, *dense, "--do_predict", "--test_file", genres["validation"])
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "dense")
    assert model.config.problem_type == "multi_label_classification"
    results = json.loads((tmp_path / "dense" / "all_results.json").read_text())
    assert results["eval_f1_micro"] > 0.95  # the texts say it
    wanted = [";".join(sorted(json.loads(line)["genres"])) for line in genres["validation"].read_text().splitlines()]
    found = [row["prediction"] for row in read_csv(tmp_path / "dense" / "predictions" / "predictions.csv")]
    assert sum(map(str.__eq__, found, wanted)) >= 15
    assert f"f1_micro     {results['eval_f1_micro']:.4f}" in emmental("eval", "dense")
    taught = ("--teacher_model_name_or_path", "dense", "--alpha_hidden", 1, "--output_dir", "taught")
    printed = glue_script(*flags, *STEPS, *taught)
    assert "its logits in the order about film, good" in printed
    history = emmental("eval", "taught")
    assert "f1_micro" in history


def test_a_value_and_its_metric(glue_script, emmental, reviews, tiny_bert, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name, file in reviews.items():
        rows = list(csv.reader(file.open(newline="")))[1:]
        lines = [f"{text},{int(label) + 0.5}" for text, label in rows]
        (tmp_path / f"{name}.csv").write_text("\n".join(["sentence,label", *lines]))
    flags = ("--task_name", "custom", "--model_name_or_path", tiny_bert, "--metric", "neg_mean_absolute_error")
    files = ("--train_file", "train.csv", "--validation_file", "validation.csv")
    glue_script(*flags, *files, *STEPS, "--output_dir", "out", "--do_predict", "--test_file", "validation.csv")
    mask = masks.load(tmp_path / "out" / "mask.safetensors")
    assert (mask.info.task, mask.info.kind, list(mask.info.label_words)) == ("custom", "value", ["score"])
    results = json.loads((tmp_path / "out" / "all_results.json").read_text())
    assert results["majority_eval_neg_mean_absolute_error"] == pytest.approx(-0.5)
    predictions = [float(row["prediction"]) for row in read_csv(tmp_path / "out" / "predictions" / "predictions.csv")]
    truth = [float(row["label"]) for row in read_csv(tmp_path / "validation.csv")]
    error = np.abs(np.subtract(predictions, truth)).mean()
    assert results["eval_neg_mean_absolute_error"] == pytest.approx(-error, abs=1e-4)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("--label_map", '{"about film": "film", "good": "unbelievable"}'), "label word 'unbelievable' is 3 tokens"),
        (
            ("--label_map", '{"about film": "Good", "good": "good"}'),
            "are one token: each label needs",
        ),
        (("--label_map", '{"good": "good"}'), "genres needs one word for each of about film, good"),
        (("--answer", "label"), "is not one label"),
        (("--metric", "accuracy,balanced_accuracy"), "there are f1_micro, f1_macro"),
        (("--task_label", "a b"), "--task_label a b: letters, digits"),
        (("--task_label", "mnli"), "no name of a task that there is"),
        (("--dataset_name", "x"), "takes --train_file and --validation_file, or --dataset_name"),
        (("--data_dir", "glue"), "--data_dir is for GLUE's official files"),
        (("--text_column", "text"), "no column 'text' (--text_column); there are 'review', 'genres'"),
        (("--do_predict",), "no test set but that of --test_file"),
    ],
)
def test_what_is_refused(glue_script, flags, asked, message, tmp_path):
    said = glue_script(*flags, *STEPS, "--output_dir", "out", *asked, status=2)
    assert message in said
    assert not (tmp_path / "out").exists()


def test_flags_of_one_s_own_are_not_for_glue(glue_script, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    said = glue_script("--task_name", "sst2", "--text_column", "x", "--output_dir", "out", status=2)
    assert "--text_column is for --task_name custom; leave it out for sst2" in said
    assert "custom" not in glue.TASKS
