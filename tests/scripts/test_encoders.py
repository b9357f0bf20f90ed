"""Encoders of other kinds than BERT, each with its own kind of tokenizer: pruned, scored, folded, packed, exported."""

import json
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from emmental import MaskedBackbone, masks
from emmental.common.errors import InputError
from emmental.export import task_file
from emmental.inference.load import load_pruned
from emmental.models.backbones import load_backbone
from emmental.models.forms import DenseForm
from emmental.runtime.sparse import SparseMaskedLM
from emmental.scripts import glue, squad
from emmental.tasks.squad import Reading
from tests.helpers.architectures import CONFIGS, OTHERS, save_model
from tests.helpers.tiny import random_mask, write_questions

TEXTS = ["a good film", "dull plot , bad music very slow and the actor was unbelievable .", "actor"]
SPARSE = ("distilbert", "electra", "xlm-roberta")
SHRUNK = ("electra", "xlm-roberta")
MASK = "mask.safetensors"


@pytest.fixture(scope="module", params=OTHERS)
def run(request, tmp_path_factory, reviews) -> Path:
    """A folder with a ``backbone`` of the kind that it is named after, and a ``run`` on it by masked_run_glue.py."""
    folder = tmp_path_factory.mktemp("encoders") / request.param
    save_model(folder / "backbone", request.param)
    script(
        glue, "--task_name", "sst2", "--model_name_or_path", folder / "backbone", "--train_file", reviews["train"],
        "--validation_file", reviews["validation"], "--output_dir", folder / "run", "--max_steps", 6,
        "--per_device_train_batch_size", 8, "--final_threshold", 0.3, "--mask_scores_learning_rate", 0.05,
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def questions(tmp_path_factory) -> Path:
    """SQuAD's folder."""
    folder = tmp_path_factory.mktemp("squad")
    write_questions(folder / "train-v1.1.json", 24)
    write_questions(folder / "dev-v1.1.json", 4, seed=1)
    return folder


def script(module, *flags) -> None:
    """A script of the project in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["script.py", *map(str, flags)])
        module.main()


def kind(run: Path) -> str:
    return run.name


def test_what_was_trained(run):
    mask = masks.load(run / "run" / MASK)
    assert len(mask.bits) == 2 * CONFIGS[kind(run)][1]
    assert mask.density() == pytest.approx(0.3, abs=0.005)
    assert mask.info.label_words == {"0": "terrible", "1": "great"}
    backbone = load_backbone(str(run / "backbone"))
    assert not backbone.random_head
    assert backbone.hashes().items() <= vars(mask.info).items()


def test_the_script_scores_the_mask_as_training_did(run, reviews, glue_script):
    shown = glue_script(
        "--task_name", "sst2", "--model_name_or_path", run / "backbone", "--use_mask_pt", run / "run",
        "--validation_file", reviews["validation"],
    )  # fmt: skip
    accuracy = json.loads((run / "run" / "all_results.json").read_text())["eval_accuracy"]
    assert re.search(rf"accuracy +{accuracy:.4f}\n", shown)


def test_a_folded_model_is_plain_transformers(run, emmental, tmp_path):
    """Which loads it and computes the label words' logits at the first token with the whole head."""
    emmental("fold", run / "run" / MASK, tmp_path / "folded")
    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "folded").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "folded")
    words = tokenizer(" terrible great", add_special_tokens=False)["input_ids"]
    pruned = load_pruned(run / "run" / MASK)
    for text, logits in zip(TEXTS, pruned.logits(TEXTS), strict=True):
        inputs = tokenizer(text, return_tensors="pt")
        if kind(run) == "distilbert":
            del inputs["token_type_ids"]
        with torch.inference_mode():
            expected = model(**inputs).logits[0, 0, words]
        np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_pairs_of_texts(run):
    """In one batch with others and alone; the order of a pair counts."""
    pruned = load_pruned(random_mask(run / "backbone", "rte", {"entailment": "yes", "not_entailment": "no"}))
    together = pruned.logits(TEXTS, TEXTS[::-1])
    alone = [pruned.logits([one], [other])[0] for one, other in zip(TEXTS, TEXTS[::-1], strict=True)]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert abs(together[0] - together[2]).max() > 1e-3


def test_the_longest_text(run):
    """As many tokens as there are positions, and in one batch with a short one."""
    pruned = load_pruned(run / "run" / MASK)
    texts = ["good " * 300, *TEXTS]
    features = pruned.tokenizer(texts[0], truncation=True, max_length=pruned.reading_length())
    assert len(features["input_ids"]) == 128
    alone = [pruned.logits([text])[0] for text in texts]
    np.testing.assert_allclose(pruned.logits(texts), alone, atol=1e-5)


def test_many_masks_over_one_backbone(run):
    backbone = MaskedBackbone(str(run / "backbone"))
    other = random_mask(run / "backbone", words={"0": "bad", "1": "good"})
    backbone.add("trained", run / "run" / MASK)
    backbone.add("random", other)
    for name, mask in (("trained", run / "run" / MASK), ("random", other), ("trained", run / "run" / MASK)):
        np.testing.assert_allclose(backbone.activate(name).logits(TEXTS), load_pruned(mask).logits(TEXTS), atol=1e-5)


@pytest.mark.parametrize("embeddings", [True, False])
def test_task_files(run, tmp_path, embeddings):
    pruned = load_pruned(run / "run" / MASK)
    mask = masks.load(run / "run" / MASK)
    task_file.pack(pruned.model, pruned.tokenizer, mask, tmp_path / "reviews.task", embeddings=embeddings)
    again = load_pruned(tmp_path / "reviews.task")
    np.testing.assert_allclose(again.logits(TEXTS), pruned.logits(TEXTS), atol=1e-6)


def test_shrinking(run, emmental, tmp_path):
    arguments = "shrink", run / "run" / MASK, tmp_path / "small"
    if kind(run) in SHRUNK:
        emmental(*arguments)
        expected = load_pruned(run / "run" / MASK).logits(TEXTS)
        for runtime in ("dense", "sparse"):
            small = load_pruned(tmp_path / "small", runtime=runtime)
            np.testing.assert_allclose(small.logits(TEXTS), expected, atol=1e-4)
    else:
        assert "cannot be shrunk: only bert, roberta, xlm-roberta, electra models" in emmental(*arguments, status=2)
        assert not (tmp_path / "small").exists()


def test_runtimes(run, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("SMP_CACHE", str(tmp_path))
    expected = load_pruned(run / "run" / MASK).logits(TEXTS)
    automatic = load_pruned(run / "run" / MASK, runtime="auto")
    np.testing.assert_allclose(automatic.logits(TEXTS), expected, atol=1e-5)
    said = capsys.readouterr().err
    if kind(run) in SPARSE:
        pruned = load_pruned(run / "run" / MASK, runtime="sparse")
        assert isinstance(pruned.model.form, SparseMaskedLM)
        np.testing.assert_allclose(pruned.logits(TEXTS), expected, atol=1e-5)
        assert not said
    else:
        assert isinstance(automatic.model.form, DenseForm)
        assert said.count("\n") == 1
        assert said.endswith("ForMaskedLM: dense instead\n")
        with pytest.raises(InputError, match=r"as encoders, not this \w+ForMaskedLM: use the runtime dense or auto"):
            load_pruned(run / "run" / MASK, runtime="sparse")


@pytest.mark.parametrize("run", ["distilbert", "mpnet", "deberta-v2", "modernbert"], indirect=True)
def test_onnx_files(run, emmental, tmp_path):
    """Of those that differ from BERT in what moves with the length: positions between tokens, windows, inputs."""
    emmental("export", run / "run" / MASK, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    pruned = load_pruned(run / "run" / MASK)
    texts = [*TEXTS, " ".join(TEXTS * 3)]  # beyond what the export was compared on
    inputs = pruned.tokenizer(texts, padding=True, return_tensors="np")
    (logits,) = session.run(None, {given.name: inputs[given.name] for given in session.get_inputs()})
    np.testing.assert_allclose(logits, pruned.logits(texts), atol=1e-4)


def test_questions(run, questions, tmp_path):
    """Trained, and answered by spans of the context, in several windows of it."""
    script(
        squad, "--model_name_or_path", run / "backbone", "--data_dir", questions, "--output_dir", tmp_path / "out",
        "--max_steps", 3, "--per_device_train_batch_size", 8, "--final_threshold", 0.3, "--max_seq_length", 40,
        "--doc_stride", 8, "--report_to", "none",
    )  # fmt: skip
    contexts = json.loads((questions / "dev-v1.1.json").read_text())["data"][0]["paragraphs"]
    context = {paragraph["qas"][0]["id"]: paragraph["context"] for paragraph in contexts}
    answers = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert answers.keys() == context.keys()
    pruned = load_pruned(tmp_path / "out" / MASK)
    for question, text in answers.items():
        assert text
        assert f" {text} " in f" {context[question]} "  # whole words, with no blank of their own
        (best, *_) = pruned.answers("good or bad", context[question], Reading(max_length=40, stride=8))
        assert best["text"] == text


@pytest.mark.parametrize("run", ["modernbert"], indirect=True)
def test_the_launcher(run, command, reviews, tmp_path):
    """One of them by its command, as the others ran in this process."""
    ran = command(
        "bash", "run.sh", "sst2_0.30", "--train_file", reviews["train"], "--validation_file", reviews["validation"],
        "--max_steps", 6, MODEL=str(run / "backbone"), BATCH_SIZE="8", LR="0.05", OUTPUT_DIR="out", REPORT_TO="none",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "Warning" not in ran.stderr
    launched, own = (masks.load(folder / MASK) for folder in (tmp_path / "out", run / "run"))
    assert launched.info == own.info
    assert launched.density() == own.density()
