"""Texts and their answers: each text has its own, whatever stands beside it, and is read up to the length asked for."""

import numpy as np
import pytest

from emmental import masks
from emmental.inference.load import load_pruned
from emmental.tasks.batches import BATCH
from emmental.tasks.glue import TASKS
from tests.helpers.tiny import WORDS, random_mask, write_reviews


@pytest.fixture(scope="module")
def pruned(tiny_bert):
    return load_pruned(random_mask(tiny_bert))


@pytest.mark.parametrize("count", [1, BATCH, BATCH + 1, 2 * BATCH + 3])
def test_every_text_is_answered_by_itself(pruned, count):
    """All differ, and the shortest come last: another order, or the answer of another text, is noticed."""
    texts = [" ".join(WORDS[16:30][number % 14 :] * (1 + (count - number) // 50)) or "bad" for number in range(count)]
    alone = np.concatenate([pruned.logits([text]) for text in texts])
    np.testing.assert_allclose(pruned.logits(texts), alone, atol=1e-5)


def test_texts_are_read_up_to_the_length_asked_for(pruned, tiny_bert):
    words = WORDS[16:28]
    text, start = " ".join(words), " ".join(words[:6])
    short = pruned.logits([text], max_length=8)  # six words between [CLS] and [SEP]
    assert (short == pruned.logits([start])).all()
    assert (short != pruned.logits([text])).any()
    softmax = np.exp(short) / np.exp(short).sum()
    assert pruned.probabilities([text], max_length=8) == pytest.approx(softmax)
    paired = load_pruned(random_mask(tiny_bert, "mnli", TASKS["mnli"].words))
    pair = paired.logits([text], [text], max_length=9)  # three words of each, three special tokens
    assert (pair == paired.logits([" ".join(words[:3])], [" ".join(words[:3])])).all()


def test_eval_counts_every_example(emmental, tiny_bert, pruned, tmp_path):
    """More than a batch of them, against the answers to one text at a time; up to a length, too."""
    masks.save(random_mask(tiny_bert), tmp_path / "mask.smp")
    rows = write_reviews(tmp_path / "dev.csv", 3 * BATCH - 5, seed=3).read_text().splitlines()[1:]
    examples = [row.rsplit(",", 1) for row in rows]
    for flags, length in (((), 128), (("--max_seq_length", 4), 4)):
        right = [
            pruned.labels[pruned.logits([text.strip('"')], max_length=length).argmax()] == label
            for text, label in examples
        ]
        shown = emmental("eval", tmp_path / "mask.smp", "--validation_file", tmp_path / "dev.csv", *flags)
        assert f"accuracy     {np.mean(right):.4f}\n" in shown
