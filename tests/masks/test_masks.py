"""A mask's own rules: what it says of itself, the backbones it fits, and its file by suffix."""

import dataclasses
import itertools
import json

import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from torch import nn

from emmental import masks
from emmental.common.errors import InputError
from emmental.masks import compact, container
from emmental.pruning.masked_linear import swap_in
from emmental.pruning.matrices import encoder_linears
from emmental.recipes.kinds import Kind

INFO = masks.MaskInfo(
    base_model="bert-base-uncased",
    base_revision="86b5e093",
    weights_sha256="a" * 64,
    head_sha256="b" * 64,
    task="mnli",
    kind=Kind.LABEL,
    label_words={"entailment": "yes", "neutral": "maybe", "contradiction": "no"},
    density=0.1,
    method="topK",
    allocation="soft",
    p=3.0,
    backbone_sha256="d" * 64,
)
SUFFIXES = (".safetensors", ".smp", ".npy")


def encoder() -> nn.Module:
    """Eleven blocks, so that layer 10 sorts before layer 2; sizes that do not fill their last byte."""
    blocks = [nn.ModuleDict({"inner": nn.Linear(7, 5), "outer": nn.Linear(5, 7)}) for _ in range(11)]
    return nn.ModuleDict({"block": nn.ModuleList(blocks)})


@pytest.fixture
def mask() -> masks.Mask:
    layers = swap_in(encoder())
    generator = torch.Generator().manual_seed(0)
    for layer in layers.values():
        layer.mask = torch.rand(layer.mask.shape, generator=generator) < 0.3
    return masks.Mask(masks.capture(layers), INFO)


def shapes(mask: masks.Mask) -> dict[str, tuple[int, int]]:
    return {name: tuple(matrix.shape) for name, matrix in mask.bits.items()}


def assert_same(mask: masks.Mask, other: masks.Mask):
    assert list(mask.bits) == list(other.bits)
    for name, matrix in mask.bits.items():
        assert other.bits[name].dtype == torch.bool
        assert torch.equal(matrix, other.bits[name]), name
    assert mask.info == other.info
    assert list(mask.info.label_words) == list(other.info.label_words)


@pytest.mark.parametrize(("first", "second"), list(itertools.product(SUFFIXES, SUFFIXES)))
def test_conversion_is_lossless(mask, first, second, tmp_path):
    masks.save(mask, tmp_path / f"a{first}")
    once = masks.load(tmp_path / f"a{first}", shapes(mask), INFO)
    masks.save(once, tmp_path / f"b{second}")
    assert_same(mask, masks.load(tmp_path / f"b{second}", shapes(mask), INFO))
    assert {path.name for path in tmp_path.iterdir()} == {f"a{first}", f"b{second}"}


def test_info_and_shapes_come_from_the_file(mask, tmp_path):
    for suffix in (".safetensors", ".smp"):
        masks.save(mask, tmp_path / f"mask{suffix}")
        assert_same(mask, masks.load(tmp_path / f"mask{suffix}"))


def test_npy_needs_a_backbone(mask, tmp_path):
    masks.save(mask, tmp_path / "mask.npy")
    with pytest.raises(InputError, match=r"mask\.npy: .* along with a backbone"):
        masks.load(tmp_path / "mask.npy")


def test_unknown_suffix(mask, tmp_path):
    with pytest.raises(InputError, match=r"\.safetensors, \.smp .* or \.npy"):
        masks.save(mask, tmp_path / "mask.bin")
    with pytest.raises(InputError, match=r"mask\.bin: .*\.safetensors, \.smp .* or \.npy"):
        masks.load(tmp_path / "mask.bin")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_missing_file(suffix, tmp_path):
    with pytest.raises(InputError, match=f"nowhere{suffix}"):
        masks.load(tmp_path / f"nowhere{suffix}", {}, INFO)


@pytest.mark.parametrize(
    "change", [{"density": "0.1"}, {"label_words": ["yes", "no"]}, {"label_words": {"0": 1}}, {"task": None}]
)
def test_info_of_the_wrong_kind(mask, change, tmp_path):
    odd = masks.Mask(mask.bits, dataclasses.replace(INFO, **change))
    with pytest.raises(InputError, match=f"mask\\.smp: .*{next(iter(change))}"):
        masks.save(odd, tmp_path / "mask.smp")
    compact.write(
        tmp_path / "mask.smp", {n: bits.numpy() for n, bits in mask.bits.items()}, dataclasses.asdict(odd.info)
    )
    with pytest.raises(InputError, match=f"mask\\.smp: .*{next(iter(change))}"):
        masks.load(tmp_path / "mask.smp")


def without_kind(path, task):
    """Write the file again as it was in version 1: without the kind, all else of the backbone, and a checksum."""
    with safe_open(path, "np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        description = json.loads(file.metadata()[container.KEY])
    del description["sha256"], description["info"]["kind"], description["info"]["backbone_sha256"]
    description["format_version"], description["info"]["task"] = "1", task
    save_file(tensors, path, {container.KEY: json.dumps(description)})


@pytest.mark.parametrize("suffix", [".safetensors", ".smp"])
def test_files_say_the_kind_and_older_ones_have_their_recipe_s(mask, suffix, tmp_path):
    path = tmp_path / f"mask{suffix}"
    masks.save(masks.Mask(mask.bits, dataclasses.replace(INFO, task="my own", kind=Kind.LABEL)), path)
    assert masks.load(path).info.kind is Kind.LABEL
    without_kind(path, "mnli")
    assert masks.load(path).info == dataclasses.replace(INFO, backbone_sha256="")
    without_kind_words = {"start": "yes", "end": "no"}
    masks.save(masks.Mask(mask.bits, dataclasses.replace(INFO, label_words=without_kind_words, kind=Kind.SPAN)), path)
    without_kind(path, "squad_v2")
    assert masks.load(path).info.kind is Kind.SPAN


def test_a_file_that_no_kind_is_known_for(mask, tmp_path):
    path = tmp_path / "mask.smp"
    masks.save(mask, path)
    without_kind(path, "squadron")
    with pytest.raises(InputError, match=r"mask\.smp: the kind .* cannot be read, and no recipe says it"):
        masks.load(path)
    masks.save(masks.Mask(mask.bits, dataclasses.replace(INFO, kind="sonnet")), path)
    with pytest.raises(InputError, match=r"mask\.smp: the kind of its task cannot be read"):
        masks.load(path)


def test_capture_and_apply(mask):
    layers = swap_in(encoder())
    masks.apply(mask.bits, layers)
    captured = masks.capture(layers)
    assert_same(mask, masks.Mask(captured, INFO))
    first = captured["block.0.inner"].clone()
    layers["block.0.inner"].mask.logical_not_()
    assert torch.equal(captured["block.0.inner"], first)  # a copy


def test_apply_refuses_other_matrices(mask):
    layers = swap_in(encoder())
    lacking = dict(list(mask.bits.items())[1:])
    with pytest.raises(InputError, match=r"block\.0\.inner is only in one"):
        masks.apply(lacking, layers)
    with pytest.raises(InputError, match=r"block\.0\.inner: the mask is \(7, 5\), the backbone's \(5, 7\)"):
        masks.apply(mask.bits | {"block.0.inner": mask.bits["block.0.inner"].T}, layers)


def test_fold_refuses_other_matrices_before_any_weight_is_changed(mask):
    model = encoder()
    before = {name: linear.weight.clone() for name, linear in encoder_linears(model).items()}
    turned = dataclasses.replace(mask, bits=mask.bits | {"block.9.outer": mask.bits["block.9.outer"].T})
    with pytest.raises(InputError, match=r"block\.9\.outer: the mask is \(5, 7\), the backbone's \(7, 5\)"):
        masks.fold(turned, model)
    unknown = dataclasses.replace(mask, vectors={"block.9.norm.weight": torch.ones(5)})
    with pytest.raises(InputError, match=r"trained block\.9\.norm\.weight \(5,\) is no norm or bias of the backbone"):
        masks.fold(unknown, model)
    assert all(torch.equal(linear.weight, before[name]) for name, linear in encoder_linears(model).items())


def test_check_backbone(capsys):
    own = {name: getattr(INFO, name) for name in ("weights_sha256", "head_sha256", "backbone_sha256")}
    masks.check_backbone(INFO, own)
    for name, message in (
        ("weights_sha256", r"bert-base-uncased 86b5e093, whose encoder weights .*aaaa.*cccc"),
        ("head_sha256", r"another masked-LM head .*bbbb.*cccc"),
        ("backbone_sha256", r"whose embeddings, biases, normalisation, vocabulary or settings .*dddd.*cccc"),
    ):
        with pytest.raises(InputError, match=message):
            masks.check_backbone(INFO, own | {name: "c" * 64})
        masks.check_backbone(INFO, own | {name: "c" * 64}, force=True)
    assert not capsys.readouterr().err


def test_an_older_mask_says_what_it_cannot_know(capsys):
    older = dataclasses.replace(INFO, backbone_sha256="")
    masks.check_backbone(older, {"weights_sha256": "a" * 64, "head_sha256": "b" * 64, "backbone_sha256": "c" * 64})
    assert "embeddings, biases, normalisation, vocabulary and settings are not checked" in capsys.readouterr().err


def test_density_and_entropy_bound():
    bits = {"a": torch.tensor([[True, False], [True, False]]), "b": torch.ones(2, 4, dtype=torch.bool)}
    assert masks.Mask(bits, INFO).density() == 10 / 12
    assert masks.entropy_bound(bits) == 0.5  # four fair bits, and nothing for the certain ones
    quarter = {"c": torch.arange(16).view(4, 4) < 4}
    assert masks.entropy_bound(quarter) == pytest.approx(16 * 0.8112781 / 8)
