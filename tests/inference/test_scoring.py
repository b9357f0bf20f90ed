"""Models that need no backbone are scored as the masks that they came from, by the runtime that is asked for."""

import re

import pytest
from torch.nn.modules import module

from emmental import masks
from emmental.inference.load import load_pruned
from tests.helpers.tiny import WORDS, random_mask


@pytest.fixture
def seen():
    """The names of the classes of all modules that compute something in the test."""
    names = set()
    handle = module.register_module_forward_hook(lambda own, inputs, output: names.add(type(own).__name__))
    yield names
    handle.remove()


@pytest.mark.parametrize(("verb", "name"), [("pack", "sst2.task"), ("shrink", "small")])
def test_a_model_of_its_own_is_scored_by_the_runtime_asked_for(
    verb, name, emmental, seen, tiny_bert, reviews, tmp_path
):
    masks.save(random_mask(tiny_bert), tmp_path / "mask.smp")
    emmental(verb, tmp_path / "mask.smp", tmp_path / name)
    shown = []
    for runtime in ("dense", "sparse"):
        seen.clear()
        words = ("--validation_file", reviews["validation"], "--runtime", runtime)
        shown.append(emmental("eval", tmp_path / name, *words))
        assert ("SparseMaskedLM" in seen) == (runtime == "sparse")
    assert shown[0] == shown[1]
    assert re.search(r"encoder +1,\d{3} weights that are not zero", shown[0])


def test_labels_may_stand_in_another_order_than_the_data_s(emmental, tiny_bert, tmp_path):
    """On data that the mask is always right about, and so with the other order always wrong."""
    texts = [" ".join(WORDS[first : first + 4]) for first in range(14, 26)]
    right = load_pruned(random_mask(tiny_bert)).logits(texts).argmax(axis=1)
    rows = [f"{text},{label}" for text, label in zip(texts, right, strict=True)]
    (tmp_path / "dev.csv").write_text("\n".join(["sentence,label", *rows]) + "\n")
    for words in ({"0": "terrible", "1": "great"}, {"1": "great", "0": "terrible"}):
        masks.save(random_mask(tiny_bert, words=words), tmp_path / "mask.smp")
        emmental("pack", tmp_path / "mask.smp", tmp_path / "sst2.task")
        for model in ("mask.smp", "sst2.task"):
            shown = emmental("eval", tmp_path / model, "--validation_file", tmp_path / "dev.csv")
            assert "accuracy     1.0000\n" in shown, (words, model)
