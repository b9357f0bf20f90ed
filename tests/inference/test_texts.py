"""What is asked of models in Python: any sequence of texts, and one sentence for what is none."""

import numpy as np
import pandas as pd
import pytest
import torch

from emmental import masks
from emmental.common.errors import InputError
from emmental.inference.load import load_pruned
from emmental.tasks.glue import TASKS
from tests.helpers.tiny import random_mask, save_tiny_bert, tiny_config

TEXTS = ["a good film", "very dull plot , bad music"]


@pytest.fixture(scope="module")
def pruned(tiny_bert):
    return load_pruned(random_mask(tiny_bert))


@pytest.mark.parametrize("kind", [tuple, np.array, pd.Series, lambda texts: np.array(texts, object)])
def test_any_sequence_of_texts(pruned, kind):
    assert (pruned.probabilities(kind(TEXTS)) == pruned.probabilities(TEXTS)).all()


def test_no_texts(pruned):
    assert pruned.probabilities([]).shape == (0, 2)
    assert pruned.probabilities([]).dtype == np.float32


@pytest.mark.parametrize(
    ("texts", "pairs", "message"),
    [
        ("a good film", None, "texts: a list of texts is needed, not one text"),
        ([b"good"], None, "texts, number 1 is b'good', not a text"),
        (["good", None], None, "texts, number 2 is None, not a text"),
        (["good", "\udcff"], None, "texts, number 2: not UTF-8 text: surrogates not allowed at character 1"),
        (["good"], ["bad"], "sst2 is about single texts"),
        (["good", "bad"], ["bad"], "2 texts and 1 second texts: each needs its own"),
    ],
)
def test_what_are_no_texts(pruned, texts, pairs, message):
    with pytest.raises(InputError, match=message):
        pruned.probabilities(texts, pairs)


def test_a_task_about_pairs(tiny_bert):
    pruned = load_pruned(random_mask(tiny_bert, "mnli", TASKS["mnli"].words))
    assert pruned.logits(TEXTS, TEXTS).shape == (2, 3)
    with pytest.raises(InputError, match="mnli is about pairs of texts"):
        pruned.logits(TEXTS)


@pytest.mark.parametrize("length", [513, 2, 1, 0, -5])
def test_lengths_that_cannot_be_read(pruned, length):
    with pytest.raises(InputError, match=rf"--max_seq_length {length}: the model reads 3 to 512 tokens"):
        pruned.logits(TEXTS, max_length=length)


def test_models_of_few_positions_read_as_much_as_they_can(tmp_path):
    folder = save_tiny_bert(tmp_path / "short", tiny_config(max_position_embeddings=20))
    pruned = load_pruned(random_mask(folder))
    long = " ".join(["good", "film"] * 30)
    assert (pruned.logits([long]) == pruned.logits([long], max_length=20)).all()
    with pytest.raises(InputError, match="reads 3 to 20 tokens"):
        pruned.logits([long], max_length=21)


def test_logits_that_are_not_finite_are_no_answer(tiny_bert):
    mask = random_mask(tiny_bert)
    pruned = load_pruned(mask)
    with torch.no_grad():
        pruned.model.backbone.bert.encoder.layer[1].output.dense.bias[3] = float("inf")
    with pytest.raises(InputError, match="logits are not finite"):
        pruned.probabilities(TEXTS)


def test_weights_beyond_a_precision_are_not_packed(emmental, tmp_path):
    folder = save_tiny_bert(tmp_path / "bert", tiny_config(initializer_range=1e6))
    masks.save(random_mask(folder), tmp_path / "mask.smp")
    said = emmental("pack", tmp_path / "mask.smp", tmp_path / "x.task", "--dtype", "fp16", status=2)
    assert "beyond the range of float16" in said
    assert not (tmp_path / "x.task").exists()
