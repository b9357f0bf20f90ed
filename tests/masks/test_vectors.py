"""Norms and biases in a mask's file: lossless in both encodings, checked, shown, and refused where there is no room."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

from emmental import masks
from emmental.common.errors import InputError
from emmental.masks import container, hub
from tests.helpers.tiny import random_mask, with_random_vectors

SUFFIXES = (".safetensors", ".smp")


@pytest.fixture
def plain(tiny_bert):
    return random_mask(tiny_bert)


@pytest.fixture
def mask(plain, tiny_bert):
    return with_random_vectors(plain, tiny_bert)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_bit_for_bit(mask, suffix, tmp_path):
    masks.save(mask, tmp_path / f"mask{suffix}")
    other = masks.load(tmp_path / f"mask{suffix}")
    assert other.vectors.keys() == mask.vectors.keys()
    assert len(mask.vectors) == 2 * (6 + 4)  # two blocks of six linear layers and two norms
    for name, vector in mask.vectors.items():
        assert other.vectors[name].dtype == torch.float32
        assert torch.equal(other.vectors[name], vector), name
    assert all(torch.equal(other.bits[name], bits) for name, bits in mask.bits.items())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_mask_alone_is_written_as_ever(plain, suffix, tmp_path):
    masks.save(plain, tmp_path / f"mask{suffix}")
    with safe_open(tmp_path / f"mask{suffix}", framework="numpy") as file:
        assert "vectors_sha256" not in json.loads(file.metadata()[container.KEY])
        assert not [name for name in file.keys() if name.startswith(container.VECTOR)]  # noqa: SIM118
    assert masks.load(tmp_path / f"mask{suffix}").vectors == {}


def test_no_room_in_npy(mask, tmp_path):
    with pytest.raises(InputError, match=r"mask\.npy: a \.npy has no room for trained norms and biases"):
        masks.save(mask, tmp_path / "mask.npy")
    assert not list(tmp_path.iterdir())


def rewritten(path, change):
    """The file with its tensors changed by a function, its description as it was."""
    with safe_open(path, framework="numpy") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    change(tensors)
    save_file(tensors, path, metadata)


NAME = container.VECTOR + "bert.encoder.layer.1.output.LayerNorm.weight"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors[NAME].__setitem__(3, 7.0), "do not match their checksum"),
        (lambda tensors: tensors.pop(NAME), "do not match their checksum"),
        (lambda tensors: tensors.update({NAME: tensors[NAME].reshape(4, 4)}), "is no norm or bias"),
        (lambda tensors: tensors[NAME].__setitem__(3, np.nan), "is no norm or bias"),
        (lambda tensors: tensors.update({container.VECTOR + "a b": tensors.pop(NAME)}), "'a b' is no norm or bias"),
        (lambda tensors: tensors.update({NAME: tensors[NAME].astype(np.float64)}), "not one that holds a mask"),
        (lambda tensors: [tensors.pop(name) for name in list(tensors) if container.VECTOR in name], "do not match"),
    ],
)
def test_damage_is_noticed(mask, suffix, change, message, tmp_path):
    masks.save(mask, tmp_path / f"mask{suffix}")
    rewritten(tmp_path / f"mask{suffix}", change)
    with pytest.raises(InputError, match=rf"mask\{suffix}: .*{message}"):
        masks.load(tmp_path / f"mask{suffix}")


def test_what_cannot_be_read_is_not_written(mask, tmp_path):
    odd = dataclasses.replace(mask, vectors={"embeddings.LayerNorm.weight": torch.ones(16)})
    with pytest.raises(InputError, match=r"'embeddings\.LayerNorm\.weight' is no norm or bias of an encoder's block"):
        masks.save(odd, tmp_path / "mask.smp")
    assert not list(tmp_path.iterdir())


def test_shown(emmental, mask, plain, tmp_path):
    paths = [tmp_path / "mask.smp", tmp_path / "plain.smp"]
    for one, path in zip((mask, plain), paths, strict=True):
        masks.save(one, path)
    numbers = sum(vector.numel() for vector in mask.vectors.values())
    said = f"{numbers:,} numbers in 20 vectors, trained beside the mask; 0.00 MB"
    assert f"norms, biases  {said}" in emmental("inspect", paths[0])
    assert "norms" not in emmental("inspect", paths[1])
    assert emmental("diff", *paths).endswith(f"norms and biases\nA: {said}\nB: none\n")
    assert "norms" not in emmental("diff", paths[1], paths[1])
    assert "one bit per encoder weight, and beside it norms and biases" in str(hub.card(mask))
    assert "one bit per encoder weight.\n" in str(hub.card(plain))
