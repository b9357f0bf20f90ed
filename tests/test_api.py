"""emmental.prune: the command's mask from data sets in memory, for each kind of answer; nothing else is changed."""

import csv
import os
import random
import signal
from concurrent.futures import ThreadPoolExecutor

import datasets
import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset
from transformers import AutoModel, AutoModelForMaskedLM

import emmental
from emmental import InputError, masks
from emmental.common.run_folder import MASK, RESULTS
from emmental.training.claim import is_claimed

SHORT = {
    "num_train_epochs": 1,
    "per_device_train_batch_size": 8,
    "mask_scores_learning_rate": 0.05,
    "disable_tqdm": True,
}
WORDS = {"0": "terrible", "1": "great"}


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def rows(reviews):
    """The training and the validation examples as lists of dictionaries."""
    return [read(reviews[split]) for split in ("train", "validation")]


@pytest.fixture(scope="module")
def pruned(tiny_bert, rows):
    """What prune() makes of them."""
    return emmental.prune(str(tiny_bert), *rows, label_words=WORDS, **SHORT)


def same_masks(one, other):
    return one.info == other.info and all((one.mask.packed[n] == bits).all() for n, bits in other.mask.packed.items())


def test_the_mask_is_the_command_s_bit_for_bit(tiny_bert, reviews, rows, command, tmp_path):
    """The command reads csv files, as text; here labels are numbers of a data set's classes."""
    ran = command(
        "bash", "run.sh", "custom_0.25_mag", "--train_file", reviews["train"], "--validation_file",
        reviews["validation"], "--task_label", "films", "--mask_scores_learning_rate", "0.05",
        MODEL=str(tiny_bert), EPOCHS="1", BATCH_SIZE="8", SEED="3", OUTPUT_DIR=str(tmp_path / "command"),
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    classes = ClassLabel(names=["0", "1"])
    given = [
        Dataset.from_list([row | {"label": int(row["label"])} for row in part]).cast_column("label", classes)
        for part in rows
    ]
    pruned = emmental.prune(
        str(tiny_bert), *given, 0.25, output_dir=tmp_path / "here", task_label="films", seed=3, **SHORT
    )
    assert (tmp_path / "here" / MASK).read_bytes() == (tmp_path / "command" / MASK).read_bytes()
    assert pruned.results["eval_accuracy"] == pytest.approx(
        np.mean([answer == row["label"] for answer, row in zip(pruned.predict(column(rows[1])), rows[1], strict=True)])
    )
    pruned.save(tmp_path / f"again-{MASK}")
    assert (tmp_path / f"again-{MASK}").read_bytes() == (tmp_path / "command" / MASK).read_bytes()


def column(part, name="sentence"):
    return [row[name] for row in part]


def test_each_kind_of_answer_is_read_from_the_labels(tiny_bert, rows):
    """Values of pairs of texts; several labels, whose words are found."""

    def labelled(answer):
        return [
            [{"words": row["sentence"], "b": "a plot", "grade": answer(int(row["label"]))} for row in p] for p in rows
        ]

    columns = {"text_column": "words", "label_column": "grade", "max_steps": 4, "disable_tqdm": True}
    given = labelled(lambda one: one + 0.5)
    value = emmental.prune(str(tiny_bert), *given, text_pair_column="b", label_words={"score": "yes"}, **columns)
    assert type(value.predict(["a good film"], ["a plot"])[0]) is float
    several = emmental.prune(str(tiny_bert), *labelled(lambda one: ["good", "long"] if one else ["bad"]), **columns)
    assert len(set(several.info.label_words.values())) == 3
    assert set(several.predict(["a good film"])[0]) <= {"good", "long", "bad"}
    assert several.results.keys() >= {"eval_f1_micro", "eval_f1_macro"}


def test_tags_of_words(tiny_bert, rows):
    def tagged(sentence):
        words = sentence.split()
        return {"tokens": words, "tags": ["B-OPINION" if word in ("good", "bad") else "O" for word in words]}

    given = [[tagged(row["sentence"]) for row in part] for part in rows]
    columns = {"text_column": "tokens", "label_column": "tags"}
    tagger = emmental.prune(str(tiny_bert), *given, 0.5, **columns, **SHORT | {"num_train_epochs": 4})
    assert tagger.results["eval_f1"] > 0.5
    found = tagger.predict(column(given[1], "tokens"))
    right = np.concatenate(found) == np.concatenate(column(given[1], "tags"))
    assert tagger.results["eval_accuracy"] == pytest.approx(right.mean())


@pytest.mark.parametrize("dropout", [None, 0.0, 0.3])
def test_a_loaded_model_gives_the_same_mask_and_stays_as_it_is(dropout, tiny_bert, rows, pruned):
    model = AutoModelForMaskedLM.from_pretrained(tiny_bert)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    given = {"label_words": WORDS, "dropout": dropout, **SHORT}
    by_model = emmental.prune(model, *rows, **given)
    by_name = pruned if dropout is None else emmental.prune(str(tiny_bert), *rows, **given)
    assert same_masks(by_model, by_name)
    assert same_masks(by_name, pruned) is (dropout is None)
    assert (by_model.logits(["a good film"]) == by_name.logits(["a good film"])).all()
    assert model.config.hidden_dropout_prob == 0.1
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder that the process is in."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def test_nothing_else_is_changed(tiny_bert, rows, pruned, here, monkeypatch):
    """As a notebook needs it, whose sys.argv are the kernel's."""
    monkeypatch.setattr("sys.argv", ["ipykernel_launcher.py", "-f", "kernel.json", "--output_dir", "elsewhere"])

    def state():
        drawn = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
        return drawn, datasets.are_progress_bars_disabled(), dict(os.environ), signal.getsignal(signal.SIGTERM)

    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(1)
    before = state()
    assert same_masks(emmental.prune(str(tiny_bert), *rows, label_words=WORDS, **SHORT), pruned)
    assert state() == before
    with pytest.raises(InputError, match="must be a single token"):
        emmental.prune(str(tiny_bert), *rows, label_words={"0": "unbelievable", "1": "great"}, **SHORT)
    assert state() == before
    assert list(here.iterdir()) == []


def test_a_run_in_a_thread_is_the_same(tiny_bert, rows, pruned):
    """There SIGTERM cannot be waited for."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(emmental.prune, str(tiny_bert), *rows, label_words=WORDS, **SHORT)
        assert same_masks(running.result(), pruned)


def test_a_folder_keeps_the_run_and_is_free_afterwards(tiny_bert, rows, tmp_path):
    given = {"output_dir": tmp_path / "films", "label_words": WORDS, **SHORT}
    emmental.prune(str(tiny_bert), *rows, 0.5, **given)
    left = {path.name for path in (tmp_path / "films").iterdir()}
    assert {MASK, RESULTS, "curves.png", "density.png", "settings.json"} <= left
    assert masks.load(tmp_path / "films" / MASK).density() == pytest.approx(0.5, abs=0.01)
    assert not is_claimed(tmp_path / "films")
    with pytest.raises(InputError, match="films holds a finished run"):
        emmental.prune(str(tiny_bert), *rows, **given)
    assert not is_claimed(tmp_path / "films")


def test_a_dense_model_teaches_a_mask(tiny_bert, rows, tmp_path):
    dense = {
        "pruning_method": "finetune",
        "freeze_bert": False,
        "magnitude_topk_threshold": False,
        "learning_rate": 1e-2,
    }
    taught = emmental.prune(
        str(tiny_bert), *rows, output_dir=tmp_path / "teacher", **dense, max_steps=40, disable_tqdm=True
    )
    assert taught.mask is None
    with pytest.raises(InputError, match="has no mask"):
        taught.save(tmp_path / "mask.smp")
    pruned = emmental.prune(
        str(tiny_bert),
        *rows,
        teacher=str(tmp_path / "teacher"),
        label_words=WORDS,
        output_dir=tmp_path / "films",
        **SHORT,
    )
    assert pruned.mask.vectors  # as _lkd has it
    assert '"alpha_hidden": 30' in (tmp_path / "films" / "settings.json").read_text()


def test_it_trains_and_answers_on_a_device(device, tiny_bert, rows, tmp_path):
    pruned = emmental.prune(str(tiny_bert), *rows, label_words=WORDS, **SHORT)
    assert next(pruned.model.parameters()).device.type == device.type
    logits = pruned.logits(column(rows[1]))
    np.testing.assert_allclose(pruned.to("cpu").logits(column(rows[1])), logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"density": 1.5}, "a density lies above 0 and is at most 1"),
        ({"max_stpes": 3}, "there is no flag --max_stpes: is --max_steps meant?"),
        ({"train_file": "a.csv"}, r"train_file: prune\(\) has arguments for model, data"),
        ({"task_label": "mnli"}, "--task_label mnli: letters"),
        ({"text_column": "review"}, "the training data: no column 'review'"),
        ({"label_words": {"0": "great"}}, "custom needs one word for each of 0, 1"),
        ({"train": []}, "the training data: no examples in it"),
        (
            {"train": [{"sentence": "a film", "label": 1}, {"sentence": "", "label": 0}]},
            "the training data, row 2: .* empty",
        ),
        (
            {"train": {"sentence": ["a"], "label": [1]}},
            "the training data: a datasets.Dataset or a list of dictionaries",
        ),
        (
            {"train": [{"sentence": "a", "label": 1}, {"sentence": "b", "label": "x"}]},
            "the training data: a datasets.Dataset",
        ),
        (
            {"evaluation": [{"sentence": "a film", "label": 7}]},
            "the validation data, row 1: the label '7' is not",
        ),
        ({"teacher": "nowhere"}, "the teacher: cannot load 'nowhere'"),
    ],
)
def test_bad_input_is_one_message(given, words, tiny_bert, rows, here):
    train, evaluation = (given.pop(name, own) for name, own in zip(("train", "evaluation"), rows, strict=True))
    with pytest.raises(InputError, match=words):
        emmental.prune(str(tiny_bert), train, evaluation, **given)
    assert list(here.iterdir()) == []


def test_a_model_that_is_no_masked_lm_is_refused(tiny_bert, rows):
    with pytest.raises(InputError, match="BertModel: a masked LM is needed"):
        emmental.prune(AutoModel.from_pretrained(tiny_bert), *rows)
    with pytest.raises(InputError, match=r"the model is in torch\.bfloat16"):
        emmental.prune(AutoModelForMaskedLM.from_pretrained(tiny_bert, dtype=torch.bfloat16), *rows)
