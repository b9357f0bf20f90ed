"""The benchmark of layer-wise distillation: each way learns from what it says, and all figures come out."""

import pytest
from transformers import BertConfig

from benchmarks.training import layer_distillation
from benchmarks.training.layer_distillation import WAYS, InTurn, Run, measure, rows, table, teacher

TINY = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "num_labels": 3}


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setattr(layer_distillation, "shape", lambda: BertConfig(**TINY))


def test_measures_what_it_promises():
    figures = measure(length=5, batches=3)
    assert figures["quartiles"]["none"][1] == 1
    assert figures["batches"] == 2
    assert figures["store_megabytes"] == 1024 * 5 * 16 * 2 / 1e6
    text = table(figures | {"peak_megabytes": dict.fromkeys(WAYS, 1)})
    assert all(words in text for words in WAYS.values())


def test_ways_take_turns_on_the_same_batch(tmp_path):
    features, seen = rows(5), []

    class Watched(Run):
        def training_step(self, model, inputs, *more):
            seen.append((timer.way, inputs["row"].tolist()))
            loss = super().training_step(model, inputs, *more)
            assert ("layers" in self.last_losses) == (timer.way in ("live", "stored"))
            assert ("distillation" in self.last_losses) == (timer.way != "none")
            return loss

    run = Watched(features, 2, len(WAYS), str(tmp_path))
    timer = InTurn(run, {way: teacher(way, features, str(tmp_path)) for way in WAYS})
    run.add_callback(timer)
    run.train()
    assert [way for way, _ in seen] == [*WAYS, *WAYS]
    assert [batch for _, batch in seen] == [list(range(32))] * 4 + [list(range(32, 64))] * 4
    assert {way: len(some) for way, some in timer.seconds.items()} == dict.fromkeys(WAYS, 2)
