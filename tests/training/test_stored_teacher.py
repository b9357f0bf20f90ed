"""Teachers that are asked once: what is kept is what a live one says, of the size foretold, where it fits and pays."""

import copy
import json

import pytest
import torch
from transformers import AutoModelForQuestionAnswering, AutoModelForSequenceClassification, DataCollatorWithPadding

from emmental.common.errors import InputError
from emmental.models.backbones import load_backbone
from emmental.models.losses import layer_loss
from emmental.recipes.plan import Plan
from emmental.training import taught_layers
from emmental.training.config import SMPConfig
from emmental.training.live_teacher import LiveTeacher
from emmental.training.stored_teacher import StoredTeacher, layer_bytes
from emmental.training.taught_layers import LIVE, STORED, TaughtLayers, choose_layers, chosen_way, free_memory
from emmental.training.teachers import Teacher
from tests.helpers.small_run import build, examples

ROWS = 150  # three batches of the pass


@pytest.fixture(scope="module", params=[AutoModelForSequenceClassification, AutoModelForQuestionAnswering])
def live(request, tiny_bert):
    """Of labels in another order than the task's, or of spans."""
    torch.manual_seed(5)
    return LiveTeacher(Teacher(request.param.from_pretrained(tiny_bert).eval(), "teacher", (1, 0)), 2)


@pytest.fixture(scope="module")
def features():
    return examples(ROWS).remove_columns("labels").add_column("row", list(range(ROWS)))


@pytest.fixture(scope="module")
def collate(tiny_bert):
    return DataCollatorWithPadding(load_backbone(str(tiny_bert)).tokenizer)


@pytest.mark.parametrize("half", [False, True])
def test_kept_is_what_a_live_teacher_says(live, features, collate, half, device):
    """Of batches in another order and with other padding than the pass had, the longest tokens padding."""
    there = LiveTeacher(Teacher(copy.deepcopy(live.model).to(device), "teacher", (1, 0)), 2)
    inputs_of = collate([features[row] for row in (149, 0, 6, 13)]).to(device)
    rows = inputs_of.pop("row")
    inputs = {name: torch.nn.functional.pad(values, (0, 3)) for name, values in inputs_of.items()}
    with torch.autocast(device.type, torch.bfloat16, enabled=half):
        stored = StoredTeacher(there, features, collate.tokenizer)
        kept, said = stored.batch(rows, inputs), there.batch(rows, inputs)
    assert kept.keys() == said.keys()
    real = inputs["attention_mask"].bool()
    precision = {"rtol": 2e-2, "atol": 2e-2} if half else {"rtol": 2**-8, "atol": 1e-5}
    for mine, other in zip(kept.pop("layers"), said.pop("layers"), strict=True):
        assert (mine.dtype, mine.shape) == (torch.bfloat16, other.shape)
        torch.testing.assert_close(mine[real].float(), other[real].float(), **precision)
        assert layer_loss([mine], [other], real) < (1e-3 if half else 1e-5)
    for name, values in kept.items():
        torch.testing.assert_close(values, said[name], **(precision if half else {}))


def test_two_passes_keep_the_same_bits(live, features, collate):
    first, second = (StoredTeacher(live, features, collate.tokenizer) for _ in range(2))
    assert torch.equal(first.layers, second.layers)
    assert all(torch.equal(first.logits[name], second.logits[name]) for name in first.logits)


def test_what_is_kept_has_the_size_foretold(live, features, collate):
    kept = StoredTeacher(live, features, collate.tokenizer).layers
    assert kept.numel() * kept.itemsize == layer_bytes(features, 2, 16)
    assert layer_bytes(features, 2, 16) == sum(map(len, features["input_ids"])) * 2 * 16 * 2


def test_a_run_with_kept_layers_has_a_live_one_s_losses(tiny_bert, tmp_path, features, collate):
    torch.manual_seed(5)
    model = AutoModelForSequenceClassification.from_pretrained(tiny_bert).eval()
    model.bert.encoder.layer[0].output.dense.weight.data += 0.2 * torch.randn(16, 32)
    live = LiveTeacher(Teacher(model, "teacher", (1, 0)), 2)
    logged = []
    for teacher in (live, StoredTeacher(live, features, collate.tokenizer)):
        trainer = build(tiny_bert, tmp_path, final_lambda=0.0, alpha_hidden=3.0)
        trainer.teacher, trainer.distillation = teacher, type(trainer.model).distillation
        trainer.train_dataset = examples().add_column("row", list(range(32)))
        trainer.train()
        logged.append([entry for entry in trainer.state.log_history if "loss" in entry])
    for name in ("loss", "layers", "distillation"):
        apart, kept = ([entry[name] for entry in entries] for entries in logged)
        assert kept == pytest.approx(apart, rel=1e-3), name
    assert min(entry["layers"] for entry in logged[0]) > 0.01


@pytest.mark.parametrize(
    ("size", "free", "passes", "begun", "expected"),
    [
        (50, 100, 3, None, STORED),
        (51, 100, 3, None, LIVE),  # training wants the other half
        (50, 100, 1, None, LIVE),  # no example is seen twice
        (50, 100, 1.2, None, STORED),
        (1, 0, 3, None, LIVE),  # nothing is known to be free
        (100, 100, 3, STORED, STORED),  # resumed
        (50, 100, 3, LIVE, LIVE),
        (500, 100, 1, LIVE, LIVE),
    ],
)
def test_the_way_is_chosen_by_size(size, free, passes, begun, expected):
    assert chosen_way(size, free, passes, begun) == expected


def test_a_resumed_run_does_not_change_its_way_for_lack_of_memory():
    with pytest.raises(InputError, match=r"they take 1\.85 GB, and 1\.80 GB are free\. Resume it where"):
        chosen_way(1_850_000_000, 1_800_000_000, 3, STORED)


@pytest.mark.parametrize(
    ("settings", "overwrite", "total", "expected"),
    [
        (None, False, 15, STORED),
        (None, False, 5, LIVE),
        ({"teacher_layers": "live"}, False, 15, LIVE),
        ({"teacher_layers": "live"}, True, 15, STORED),
        ({"teacher_layers": "stored"}, False, 5, STORED),
    ],
)
def test_a_run_goes_on_as_it_began(tiny_bert, tmp_path, features, settings, overwrite, total, expected):
    if settings:
        (tmp_path / "settings.json").write_text(json.dumps(settings))
    config = SMPConfig(output_dir=str(tmp_path), overwrite_output_dir=overwrite)
    plan = Plan(config.method, 8, 5, total, 1, 2, 0)
    chosen = choose_layers(config, plan, features, load_backbone(str(tiny_bert)).model)
    assert chosen == TaughtLayers(expected, layer_bytes(features, 2, 16))


def test_processes_share_the_machine_s_memory(monkeypatch):
    monkeypatch.setattr(taught_layers, "available", lambda: 100)
    assert free_memory(torch.device("cpu"), 4) == 25
