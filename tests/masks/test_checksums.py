"""Nothing that a mask file says can change unnoticed."""

import itertools
from collections import Counter

import pytest
import torch

from emmental import masks
from emmental.common.errors import InputError
from emmental.recipes.kinds import Kind

INFO = masks.MaskInfo("b", "", "a", "b", "t", Kind.LABEL, {"0": "no", "1": "yes"}, 0.5, "m", "s", 1.0, "c")


@pytest.mark.parametrize("suffix", [".smp", ".safetensors"])
def test_every_bit_flipped_in_turn(suffix, tmp_path):
    """A file with one bit changed is refused, or says just the same (the blanks that fill up a header are nothing)."""
    mask = masks.Mask({"a.0.w": torch.tensor([[True, False, True], [False, True, True]])}, INFO)
    path = tmp_path / f"mask{suffix}"
    masks.save(mask, path)
    whole = path.read_bytes()
    found = Counter()
    for place, bit in itertools.product(range(len(whole)), range(8)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        try:
            read = masks.load(path)
        except InputError:
            found["refused"] += 1
            continue
        assert (read.info, list(read.info.label_words)) == (INFO, ["0", "1"]), (place, bit)
        assert read.bits["a.0.w"].equal(mask.bits["a.0.w"]), (place, bit)
        found["the same"] += 1
    assert found["refused"] > 20 * found["the same"], found
