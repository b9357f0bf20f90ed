"""The examples in the docstrings of the Python interface, run on a tiny backbone."""

import doctest

import pytest

from emmental import masks
from emmental.inference import load, sentences, spans, switching, words
from emmental.masks import files
from tests.helpers.tagged import names_mask
from tests.helpers.tiny import random_mask

MODULES = {
    load: 1,
    sentences: 2,
    spans: 1,
    words: 2,
    switching: 1,
    files: 2,
}  # and how many of their docstrings have examples


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples(module, tiny_bert, tmp_path, monkeypatch):
    masks.save(random_mask(tiny_bert), tmp_path / "sst2.smp")
    masks.save(random_mask(tiny_bert, "squad", {"start": "yes", "end": "no"}), tmp_path / "squad.smp")
    masks.save(names_mask(tiny_bert, {"O": "no", "B-ART": "yes"}), tmp_path / "names.smp")
    (tmp_path / "tiny-bert").symlink_to(tiny_bert)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SMP_CACHE", str(tmp_path / "cache"))
    found = [test for test in doctest.DocTestFinder().find(module) if test.examples]
    assert len(found) == MODULES[module]
    results = doctest.testmod(module)
    assert results.failed == 0
