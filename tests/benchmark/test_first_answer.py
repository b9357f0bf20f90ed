"""benchmarks.inference.first_answer: that it sees the stages of the command. How long they take is no test."""

import importlib
import operator

import pytest

from benchmarks.inference import first_answer, stages
from emmental import masks
from tests.helpers.tiny import random_mask


@pytest.mark.parametrize(("module", "function"), stages.STAGES)
def test_this_version_has_every_stage(module, function):
    assert callable(operator.attrgetter(function)(importlib.import_module(module)))


def test_a_process_tells_its_stages(tiny_bert, tmp_path):
    masks.save(random_mask(tiny_bert), tmp_path / "mask.smp")
    seconds = first_answer.answer_seconds(tmp_path / "mask.smp", "auto", tmp_path / "place", first_answer.TREE)
    assert seconds.keys() == {*stages.ORDER, first_answer.EXIT}
    assert all(own > 0 for own in seconds.values())
    assert (tmp_path / "place" / "cache" / "product_costs.json").is_file()  # its caches are its own


def test_a_stage_within_another_counts_for_itself():
    clock = stages.Clock(0.0)
    inner = clock.timed(lambda: None, "inner")
    clock.timed(lambda: (inner(), inner()), "outer")()
    assert clock.seconds.keys() == {stages.IMPORTS, "inner", "outer"}
    assert sum(clock.seconds.values()) == clock.since
    assert clock.stages == [stages.IMPORTS]
