"""Models that need no backbone are scored as the masks that they came from, by the runtime that is asked for."""

import re

import pytest
from torch.nn.modules import module

from emmental import masks
from tests.helpers.tiny import random_mask


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
        assert ("SparseMaskedLM" in seen, "BertLayer" in seen) == (runtime == "sparse", runtime == "dense")
    assert shown[0] == shown[1]
    assert re.search(r"encoder +1,\d{3} weights that are not zero", shown[0])


def test_labels_may_stand_in_another_order_than_the_data_s(emmental, tiny_bert, reviews, tmp_path):
    found = []
    for words in ({"0": "terrible", "1": "great"}, {"1": "great", "0": "terrible"}):
        masks.save(random_mask(tiny_bert, words=words), tmp_path / "mask.smp")
        emmental("pack", tmp_path / "mask.smp", tmp_path / "sst2.task")
        for model in ("mask.smp", "sst2.task"):
            shown = emmental("eval", tmp_path / model, "--validation_file", reviews["validation"])
            found.append(float(re.search(r"accuracy +(\S+)", shown)[1]))
    assert len(set(found)) == 1
    assert found[0] != 0.5  # which is what the other order would give as well
