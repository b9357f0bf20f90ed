"""Numbers that the reference code computed on tiny inputs, from the folder ``SMP_GOLDEN`` or ``../shared/golden``."""

import csv
import json

import numpy as np
import pytest
import torch

from emmental.models.backbones import load_backbone
from emmental.models.heads import HEADS, SpanClassifier, label_word_ids
from emmental.models.losses import distillation, span_loss
from emmental.pruning import allocation, schedule
from emmental.pruning.masked_linear import masked_layers, swap_in
from emmental.pruning.matrices import matrix_type
from emmental.pruning.regulariser import add_regulariser
from emmental.recipes.kinds import Kind
from tests.helpers.shared import GOLDEN

if not GOLDEN.is_dir():
    pytest.skip(f"no golden numbers at {GOLDEN}; SMP_GOLDEN names their folder", allow_module_level=True)

CASES = {path.stem: json.loads(path.read_text()) for path in sorted(GOLDEN.glob("*.json"))}
GLUE_CASES = [name for name, case in CASES.items() if "csv" in case]
SPAN_CASES = [name for name, case in CASES.items() if "start_positions" in case]


def pruned_backbone(case, arrays, device):
    """The tiny backbone with the case's scores, allocation and density."""
    backbone = load_backbone(str(GOLDEN / "models" / "tiny-bert"))
    backbone.model.to(device)
    layers = swap_in(backbone.model)
    for name, layer in layers.items():
        layer.mask_scores.data.copy_(torch.from_numpy(arrays[f"{name}.scores"]))
    scores = {name: layer.mask_scores for name, layer in layers.items()}
    if case["allocation"] == "local":
        densities = allocation.local(scores, case["density"])
    else:
        densities = allocation.soft(scores, case["density"], case["p"], matrix_type)
    for name, layer in layers.items():
        layer.select(densities[name])
    return backbone, densities


def glue_batch(case, tokenizer):
    """The case's CSV as the model's inputs, padded to its length, and the labels."""
    with (GOLDEN / case["csv"]).open(newline="") as file:
        rows = list(csv.DictReader(file))
    texts = [[row[column] for row in rows] for column in ("sentence", "sentence1", "sentence2") if column in rows[0]]
    inputs = tokenizer(
        *texts, padding="max_length", truncation=True, max_length=case["max_seq_length"], return_tensors="pt"
    )
    kind = float if case["num_labels"] == 1 else int
    return inputs, torch.tensor([kind(row["label"]) for row in rows])


def placed(array, device):
    return torch.from_numpy(array).to(device)


def relative(value, expected):
    return abs(value.item() - expected) / abs(expected)


@pytest.mark.parametrize("name", GLUE_CASES)
def test_glue_case(device, name):
    case, arrays = CASES[name], np.load(GOLDEN / f"{name}.npz")
    backbone, densities = pruned_backbone(case, arrays, device)
    kind = Kind.VALUE if case["num_labels"] == 1 else Kind.LABEL
    model = HEADS[kind](backbone.model, label_word_ids(backbone.tokenizer, case["label_words"])).eval()
    inputs, labels = glue_batch(case, backbone.tokenizer)
    loss, logits = model(**inputs.to(device), labels=labels.to(device)).values()
    assert (logits.detach().cpu() - torch.tensor(case["logits"])).abs().max() < 1e-4
    kd = distillation(logits, torch.tensor(case["teacher_logits"], device=device)) if case["teacher"] else None
    check_masks_and_losses(case, arrays, backbone, densities, loss, kd)


@pytest.mark.parametrize("name", SPAN_CASES)
def test_span_case(device, name):
    case, arrays = CASES[name], np.load(GOLDEN / f"{name}.npz")
    backbone, densities = pruned_backbone(case, arrays, device)
    model = SpanClassifier(backbone.model, label_word_ids(backbone.tokenizer, case["label_words"])).eval()
    inputs = {key: placed(arrays[key], device) for key in ("input_ids", "token_type_ids", "attention_mask")}
    outputs = model(**inputs)
    sides = "start", "end"
    for side in sides:
        expected = placed(arrays[f"{side}_logits"], device)
        assert (outputs[f"{side}_logits"].detach() - expected).abs().max() < 1e-4
    kd = None
    if case["teacher"]:
        teacher = {side: placed(arrays[f"teacher_{side}"], device) for side in sides}
        kd = sum(distillation(outputs[f"{side}_logits"], teacher[side]) for side in sides) / 2
    positions = [torch.tensor(case[f"{side}_positions"], device=device) for side in sides]
    loss = span_loss(*outputs.values(), positions)  # over the padding, too, as the reference code does
    check_masks_and_losses(case, arrays, backbone, densities, loss, kd)


def check_masks_and_losses(case, arrays, backbone, densities, ce, kd):
    """What all cases have: densities, masks, losses, regulariser and the gradients of their sum."""
    layers, device = masked_layers(backbone.model), backbone.model.device
    rounding = 1e-7 if device.type == "cpu" else 1e-6  # of a mean of float32
    for matrix, density in case["matrix_density"].items():
        assert densities[matrix] == pytest.approx(density, abs=rounding), matrix
        assert torch.equal(layers[matrix].mask.cpu(), torch.from_numpy(arrays[f"{matrix}.mask"]).bool()), matrix

    loss = ce
    assert relative(ce, case["ce"]) < 1e-5
    if kd is not None:
        assert relative(kd, case["kd"]) < 1e-5
        loss = 0.5 * kd + 0.5 * ce
    loss.backward()
    regulariser = add_regulariser([layer.mask_scores for layer in layers.values()], case["final_lambda_t"])
    assert relative(regulariser, case["regulariser"]) < 1e-5
    assert relative(loss + case["final_lambda_t"] * regulariser, case["total"]) < 1e-5
    for matrix, layer in layers.items():
        expected = placed(arrays[f"{matrix}.grad"], device)
        assert (layer.mask_scores.grad - expected).abs().max() / expected.abs().max() < 1e-5, matrix


@pytest.mark.parametrize("case", CASES.get("schedule", []), ids=lambda case: f"{case['final_density']}")
def test_schedule(case):
    plan = schedule.Schedule(
        case["total_steps"], case["pruning_steps"], case["final_density"], case["final_lambda"], case["initial_density"]
    )
    for step, density, weight in case["rows"]:
        assert plan.density(step) == pytest.approx(density, rel=1e-9)
        assert plan.regulariser_weight(step) == pytest.approx(weight, rel=1e-9, abs=1e-12)


def test_every_file_is_covered():
    others = {"schedule", "packed_mask"}  # above, and in masks/test_encodings.py
    assert CASES.keys() - others == {*GLUE_CASES, *SPAN_CASES}
