"""Masks described: densities by layer and type, what is empty, and what two masks share, counted by hand."""

import re
from dataclasses import replace

import pytest
import torch

from emmental.common.errors import InputError
from emmental.masks import describe
from tests.helpers.tiny import random_mask

QUERY, OUTPUT = "attention.self.query", "output.dense"


@pytest.fixture
def mask(tiny_bert):
    """A mask with one matrix type that is worked out by hand, over layers of 16 x 16 queries."""
    mask = random_mask(tiny_bert)
    first, second = (mask.bits[f"bert.encoder.layer.{layer}.{QUERY}"] for layer in (0, 1))
    first.fill_(True)
    second.fill_(False)
    second[3, :8] = True
    return mask


def cells(table):
    """The cells of each row by the row's first one."""
    rows = [re.split(r"  +", line.strip()) for line in table.splitlines()]
    return {row[0]: row[1:] for row in rows}


def test_densities_by_layer_and_type(mask):
    shown = cells(describe.densities(mask.bits))
    assert list(shown) == ["layer", "0", "1", "all", "empty rows", "empty columns"]
    column = shown["layer"].index("attention.query")
    assert [row[column] for row in shown.values()] == [
        "attention.query", "100.00 %", "3.12 %", "51.56 %", "15/32", "8/32",
    ]  # fmt: skip
    column = shown["layer"].index("output")
    for layer in "01":
        share = 100 * mask.bits[f"bert.encoder.layer.{layer}.{OUTPUT}"].float().mean().item()
        assert shown[layer][column] == f"{share:.2f} %"


def test_overlap_of_two_masks(mask):
    other = replace(mask, bits={name: bits.clone() for name, bits in mask.bits.items()})
    other.bits[f"bert.encoder.layer.0.{QUERY}"][:, 4:] = False  # 64 of 256
    other.bits[f"bert.encoder.layer.1.{QUERY}"][4, :8] = True  # 8 more than the other's 8
    shown = cells(describe.overlap(mask, other))
    a, b, both, either = 264 / 512, 80 / 512, 72 / 512, 272 / 512
    shares = [f"{100 * share:.2f} %" for share in (a, b, both, a * b)]
    assert shown["attention.query"] == [*shares, f"{both / either:.4f}"]
    assert shown["output"][-1] == "1.0000"
    nothing = replace(mask, bits={name: torch.zeros_like(bits) for name, bits in mask.bits.items()})
    assert cells(describe.overlap(nothing, nothing))["all"] == ["0.00 %"] * 4 + ["1.0000"]
    assert cells(describe.overlap(mask, nothing))["all"][-1] == "0.0000"


def test_masks_of_other_matrices_have_no_overlap(mask):
    fewer = replace(mask, bits=dict(list(mask.bits.items())[1:]))
    with pytest.raises(InputError, match="they belong to different backbones"):
        describe.overlap(mask, fewer)
