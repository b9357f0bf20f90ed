"""Masks and dense models that tag words, by command: trained, resumed, scored, asked for a test set."""

import contextlib
import io
import json

import pytest
import transformers
from transformers import AutoModelForTokenClassification, AutoTokenizer

from emmental import masks
from emmental.inference.load import load_pruned
from emmental.recipes.kinds import Kind
from emmental.scripts import glue
from emmental.tasks.conll import read_conll
from tests.helpers.tagged import TAG_WORDS, tagged, write_tagged
from tests.training.test_resume import kill_during_evaluation


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    return {
        "train": write_tagged(folder / "train.conll", 120),
        "dev": write_tagged(folder / "dev.conll", 40, seed=1),
        "test": write_tagged(folder / "test.conll", 9, seed=2),
    }


def files(data):
    return "--task_label", "names", "--train_file", data["train"], "--validation_file", data["dev"]


def words(tiny_bert, data, *flags):
    """What stands after masked_run_glue.py: 12 steps, evaluated and saved every 3."""
    steps = "--max_steps", 12, "--eval_steps", 3, "--max_seq_length", 24, "--per_device_train_batch_size", 16
    rates = "--mask_scores_learning_rate", 5e-2, "--mask_init", "magnitude", "--mask_scale", 0.5, "--final_lambda", 0
    base = "--task_name", "custom", "--model_name_or_path", tiny_bert, "--final_threshold", 0.25
    return [str(word) for word in (*base, *files(data), *steps, *rates, *flags)]


def in_process(folder, arguments) -> str:
    """Run masked_run_glue.py in this folder; returns what it printed."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.chdir(folder)
        patch.setattr("sys.argv", ["masked_run_glue.py", *map(str, arguments)])
        glue.main()
    return printed.getvalue()


@pytest.fixture(scope="module")
def run(tiny_bert, data, tmp_path_factory):
    """A finished run's folder, and what it printed."""
    folder = tmp_path_factory.mktemp("run")
    flags = "--test_file", data["test"], "--do_predict", "--output_dir", folder / "out"
    return folder / "out", in_process(folder, words(tiny_bert, data, *flags))


def predicted(path):
    return [row.values for row in read_conll(path)]


def test_a_run_leaves_a_mask_for_words(run):
    folder, shown = run
    info = masks.load(folder / "mask.safetensors").info
    tags = ("O", "B-ART", "B-PER", "I-ART", "I-PER")
    assert (info.task, info.kind, tuple(info.label_words)) == ("names", Kind.TOKENS, tags)
    assert len({*info.label_words.values()}) == 5
    results = json.loads((folder / "all_results.json").read_text())
    assert results["density"] == pytest.approx(0.25, abs=1e-3)
    assert {"eval_f1", "eval_precision", "eval_recall", "eval_accuracy"} <= results.keys()
    assert results["majority_eval_f1"] == 0.0  # all words O
    assert "windows to train, " in shown


def test_its_score_is_that_of_its_mask(run, emmental):
    """By the run's own evaluation, by eval, and by the tags that load_pruned gives, in windows of the run's length."""
    folder, _ = run
    results = json.loads((folder / "all_results.json").read_text())
    shown = emmental("eval", folder, "--max_seq_length", 24)
    for name in ("f1", "precision", "recall", "accuracy"):
        assert f"{name:13}{results[f'eval_{name}']:.4f}\n" in shown
    found = load_pruned(folder / "mask.safetensors").tags([words for words, _ in tagged(40, 1)], max_length=24)
    truth = [tag for _, tags in tagged(40, 1) for tag in tags]
    right = sum(one == other for one, other in zip([t for tags in found for t in tags], truth, strict=True))
    assert right / len(truth) == pytest.approx(results["eval_accuracy"])


def test_predictions_are_words_with_tags(run):
    folder, shown = run
    rows = predicted(folder / "predictions" / "predictions.conll")
    assert [row["1"] for row in rows] == [words for words, _ in tagged(9, 2)]
    found = load_pruned(folder / "mask.safetensors").tags([row["1"] for row in rows], max_length=24)
    assert [row["2"] for row in rows] == found
    assert f"predictions.conll: {sum(map(len, found))} words of 9 texts: " in shown


def test_killed_and_resumed_equals_undisturbed(run, tiny_bert, data, tmp_path):
    arguments = words(tiny_bert, data, "--output_dir", tmp_path / "out")
    command = "python", "masked_run_glue.py", *arguments
    assert kill_during_evaluation(command, {"PYTHONUNBUFFERED": "1"}, tmp_path, 9)
    assert "resumes" in in_process(tmp_path, arguments)
    assert (tmp_path / "out" / "mask.safetensors").read_bytes() == (run[0] / "mask.safetensors").read_bytes()


def test_the_launcher_plans_a_run(data, command):
    shown = command("bash", "run.sh", "custom_0.10_mag", *files(data), "--answer", "tokens", "--dry_run").stdout
    assert "by f1" in shown
    assert "models/names_0.10_mag" in shown


@pytest.fixture(scope="module")
def dense(tiny_bert, data, tmp_path_factory):
    """A dense model's folder: enough steps to learn that the word before a noun decides."""
    folder = tmp_path_factory.mktemp("dense")
    learning = "--learning_rate", "2e-2", "--max_steps", "150", "--per_device_train_batch_size", "16"
    flags = "--task_name", "custom", "--pruning_method", "finetune", "--model_name_or_path", tiny_bert
    asked = "--test_file", data["test"], "--do_predict", "--eval_steps", "50", "--output_dir", folder / "dense"
    in_process(folder, (*flags, *files(data), *learning, *asked))
    return folder / "dense"


def test_a_dense_model_learns_tags(dense):
    results = json.loads((dense / "all_results.json").read_text())
    assert results["eval_f1"] > 0.6
    rows = predicted(dense / "predictions" / "predictions.conll")
    assert rows[0]["1"] == tagged(1, 2)[0][0]
    assert load_pruned(dense).tags([row["1"] for row in rows]) == [row["2"] for row in rows]


def test_transformers_own_pipeline_reads_it_alike(dense):
    texts = [" ".join(words) for words, _ in tagged(9, 2)]
    tagger = transformers.pipeline(
        "token-classification", AutoModelForTokenClassification.from_pretrained(dense),
        tokenizer=AutoTokenizer.from_pretrained(dense), aggregation_strategy="first", device="cpu",
    )  # fmt: skip
    found = load_pruned(dense).entities(texts)
    assert any(found)
    for theirs, own in zip(tagger(texts), found, strict=True):
        assert [(e["entity_group"], e["start"], e["end"]) for e in theirs] == [(e.type, e.start, e.end) for e in own]


@pytest.mark.parametrize(
    "taught", [(), ("--alpha_hidden", "30", "--norms_learning_rate", "3e-3", "--label_smoothing_factor", "0.1")]
)
def test_a_mask_learns_from_a_teacher(glue_script, dense, tiny_bert, data, tmp_path, monkeypatch, taught):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    shown = glue_script(
        "--task_name", "custom", *files(data), "--model_name_or_path", tiny_bert, "--max_steps", "6", "--eval_steps", 3,
        "--per_device_train_batch_size", "8", "--mask_scores_learning_rate", "0.05", "--final_threshold", "0.5",
        "--teacher_model_name_or_path", dense, "--output_dir", tmp_path / "out",
        "--label_map", json.dumps(TAG_WORDS), *taught,
    )  # fmt: skip
    assert "its logits in the order O, B-ART, B-PER, I-ART, I-PER" in shown
    assert {*TAG_WORDS.items()} == {*masks.load(tmp_path / "out" / "mask.safetensors").info.label_words.items()}


@pytest.mark.parametrize("method", ["magnitude", "sigmoied_threshold"])
def test_methods_that_train_weights(glue_script, tiny_bert, data, tmp_path, method):
    loose = {"magnitude": (), "sigmoied_threshold": ("--initial_threshold", "0")}[method]
    glue_script(
        "--task_name", "custom", *files(data), "--model_name_or_path", tiny_bert, "--max_steps", "6", "--eval_steps", 3,
        "--per_device_train_batch_size", "8", "--final_threshold", "0.1", "--pruning_method", method, "--final_lambda",
        0 if method == "magnitude" else 10, "--freeze_bert", "False", "--output_dir", tmp_path / "out", *loose,
    )  # fmt: skip
    assert len(load_pruned(tmp_path / "out").tags(["the film"])[0]) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("the O\nfilm\n", "line 2: 1 columns where the file's first word has 2"),
        ("the O\nfilm FILM\n", "the tag 'FILM' is not among the training data's: O, B-ART"),
        ("", "no words in it"),
    ],
)
def test_wrong_data_end_with_one_line(glue_script, data, tiny_bert, tmp_path, content, said):
    (tmp_path / "dev.conll").write_text(content)
    flags = files(data | {"dev": tmp_path / "dev.conll"})
    error = glue_script(
        "--task_name", "custom", *flags, "--model_name_or_path", tiny_bert, "--output_dir", tmp_path / "out", status=2
    )
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
