"""Folders of shrunk models: the same logits after loading, what the verb prints, and what is refused."""

import json
import re

import numpy as np
import pytest
import torch

from emmental import masks
from emmental.common.errors import InputError
from emmental.export import shrunk
from emmental.inference.load import load_pruned
from emmental.masks import container
from emmental.pruning.matrices import encoder_linears
from emmental.runtime import calibration
from emmental.runtime.calibration import TOKENS
from emmental.runtime.choose import RUNTIMES, ByTokens
from emmental.runtime.products import named_products
from emmental.runtime.sparse import SparseMaskedLM
from tests.helpers.encoders import CONFIGS, emptied, encoder, save_encoder
from tests.helpers.tiny import mask_over

TEXTS = ["good film", "dull plot bad music very slow", "actor"]


@pytest.fixture(scope="module", params=CONFIGS)
def folder(request, tmp_path_factory):
    """A folder with a backbone and ``mask.smp``, much of which is empty."""
    folder = save_encoder(tmp_path_factory.mktemp("models") / request.param, request.param)
    masks.save(mask_over(folder, emptied(encoder(request.param), seed=3)), folder / "mask.smp")
    return folder


def test_saved_and_loaded(emmental, folder, tmp_path):
    pruned = load_pruned(folder / "mask.smp")
    expected = pruned.logits(TEXTS)
    shown = emmental("shrink", folder / "mask.smp", tmp_path / "small")
    shrunk.shrink(pruned.model.backbone)
    in_memory = pruned.logits(TEXTS)
    loaded = load_pruned(tmp_path / "small")
    np.testing.assert_allclose(loaded.logits(TEXTS), in_memory, atol=1e-6)
    assert abs(in_memory - expected).max() < 1e-4
    assert loaded.labels == ["0", "1"]
    assert not list((tmp_path / "small").glob("*.bin"))

    rows = {line.split("  ")[0]: re.split(r"  +", line.strip()) for line in shown.splitlines()}
    shape = shrunk.shapes(loaded.model.backbone)[1]
    assert rows["1"][4:] == [
        f"{len(shape.value)}/4", f"{sum(shape.query_key)}/32", f"{sum(shape.value)}/32", f"{shape.attention_rows}/32",
        f"{shape.units}/48", f"{shape.output_rows}/32",
    ]  # fmt: skip
    assert rows["model"][2] == f"{sum(p.numel() for p in pruned.model.parameters()):,}"
    assert rows["bytes"][2] == f"{(tmp_path / 'small' / 'model.safetensors').stat().st_size:,}"


def test_a_folder_from_before_files_said_the_kind(emmental, folder, tmp_path):
    emmental("shrink", folder / "mask.smp", tmp_path / "small")
    small = tmp_path / "small"
    content = json.loads(said(small))
    assert content["mask"].pop("kind") == "label"
    content |= {"format_version": "1", "weights_sha256": content.pop("files_sha256")["model.safetensors"]}
    del content["sha256"]
    (small / "shrunk.json").write_text(json.dumps(content))
    assert load_pruned(small).info == load_pruned(folder / "mask.smp").info


def test_predict_and_eval(emmental, folder, reviews, tmp_path, monkeypatch):
    monkeypatch.setenv("SMP_CACHE", str(tmp_path))
    mask = folder / "mask.smp"
    emmental("shrink", mask, tmp_path / "small")
    small, whole = (emmental("predict", what, *TEXTS).split() for what in (tmp_path / "small", mask))
    assert list(map(float, small[3:])) == pytest.approx(list(map(float, whole[3:])), abs=1e-4)
    data = "--validation_file", reviews["validation"]
    shown = [emmental("eval", mask, *data)]
    shown += [emmental("eval", tmp_path / "small", *data, "--runtime", runtime) for runtime in RUNTIMES]
    assert len({re.search(r"accuracy +\S+", table)[0] for table in shown}) == 1
    assert len({re.search(r"encoder +[1-9]\S+ weights that are not zero", table)[0] for table in shown[1:]}) == 1


def test_every_runtime_computes_a_shrunk_folder(emmental, folder, tmp_path, monkeypatch):
    """auto, too, with costs at which it has both dense and sparse products."""
    monkeypatch.setenv("SMP_CACHE", str(tmp_path))
    expected = load_pruned(folder / "mask.smp").logits(TEXTS)
    emmental("shrink", folder / "mask.smp", tmp_path / "small")
    model = load_pruned(tmp_path / "small").model.backbone
    shapes = {layer.weight.shape for _, layer in named_products(model)}
    shapes |= {layer.weight.shape for layer in encoder_linears(model).values()}
    seconds = {f"{rows}x{columns}": dict.fromkeys(TOKENS, (2e-9, 1e-9 * (columns % 3))) for rows, columns in shapes}
    (tmp_path / "product_costs.json").write_text(json.dumps({calibration.machine(): seconds}))
    for runtime, form in (("sparse", SparseMaskedLM), ("auto", ByTokens)):
        pruned = load_pruned(tmp_path / "small", runtime=runtime)
        assert isinstance(pruned.model.form, form)
        assert abs(pruned.logits(TEXTS) - expected).max() < 1e-4


def test_heads_of_unequal_size_are_filled_up_or_scattered(folder):
    """A head short of one dimension is filled up; where the others lack most, rows of zeros would be too many."""
    for lacking, value in (((0, 1), [8, 8, 8, 8]), ((0, 7), [1, 1, 8])):
        model = load_pruned(folder / "mask.smp").model.backbone
        for name, weight in model.state_dict().items():
            if "encoder.layer" in name and weight.ndim == 2:
                torch.nn.init.normal_(weight)
        values = shrunk.blocks(model)[0].attention.self.value.weight
        values[slice(*lacking)] = 0
        if len(value) == 3:
            values[8:15] = 0
            values[16:24] = 0
        ids = torch.randint(5, 28, (2, 7))
        before = model(ids).logits
        shrunk.shrink(model)
        attention = shrunk.blocks(model)[0].attention.self
        assert attention.shape.value == value
        assert (attention.value_at is None) == (lacking == (0, 1))
        torch.testing.assert_close(model(ids).logits, before, atol=1e-4, rtol=1e-4)


def test_shrink_min_drops_sparse_rows(emmental, folder, tmp_path):
    for minimum in (0, 20):
        emmental("shrink", folder / "mask.smp", tmp_path / str(minimum), "--shrink_min", minimum)
    all_of_it, less = (shrunk.shapes(load_pruned(tmp_path / name).model.backbone) for name in ("0", "20"))
    bits = masks.load(folder / "mask.smp").bits
    name = next(name for name in bits if "layer.0.intermediate" in name)
    assert less[0].units == max(
        1, int(((bits[name].sum(1) >= 20) & bits[name.replace("intermediate", "output")].any(0)).sum())
    )
    assert less[0].units <= all_of_it[0].units
    assert less != all_of_it


def test_a_mask_of_another_backbone_is_refused(emmental, folder, tmp_path):
    model = encoder(folder.name)
    shrunk.blocks(model)[0].output.dense.weight[0, 0] += 1
    save_encoder(tmp_path / "other", folder.name)
    model.save_pretrained(tmp_path / "other")
    arguments = "shrink", folder / "mask.smp", tmp_path / "small", "--backbone", tmp_path / "other"
    assert "whose encoder weights" in emmental(*arguments, status=2)
    assert not (tmp_path / "small").exists()
    emmental(*arguments, "--force")


def test_other_architectures_are_refused():
    from transformers import DistilBertConfig, DistilBertForMaskedLM

    model = DistilBertForMaskedLM(DistilBertConfig(vocab_size=60, dim=16, n_layers=1, n_heads=2, hidden_dim=32))
    with pytest.raises(
        InputError, match="DistilBertForMaskedLM cannot be shrunk: only bert, roberta, xlm-roberta, electra models"
    ):
        shrunk.shrink(model)


@pytest.mark.parametrize("folder", ["bert"], indirect=True)
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda small: (small / "model.safetensors").unlink(), "not the whole folder"),
        (lambda small: (small / "tokenizer.json").unlink(), "not the whole folder"),
        (lambda small: (small / "shrunk.json").write_text("{"), "not the whole folder"),
        (lambda small: change(small, format_version="3"), "not a shrunk model of version 2"),
        (lambda small: (small / "shrunk.json").write_text(said(small).replace("great", "yes")), "match its checksum"),
        (lambda small: (small / "tokenizer.json").write_text("{}"), "not the file that shrunk.json belongs to"),
        (lambda small: change(small, blocks=[]), "not the whole folder"),
        (lambda small: change(small, files_sha256={"model.safetensors": "0"}), "not the file that shrunk.json"),
        (lambda small: change(small, mask={}), "cannot be read"),
        (lambda small: units(small, 3), "its weights are not those of its config"),
    ],
)
def test_a_damaged_folder(emmental, folder, tmp_path, damage, message):
    emmental("shrink", folder / "mask.smp", tmp_path / "small")
    damage(tmp_path / "small")
    assert message in emmental("predict", tmp_path / "small", "a film", status=2)


def said(small):
    return (small / "shrunk.json").read_text()


def change(small, **changes):
    description = json.loads(said(small)) | changes
    description["sha256"] = container.checksum({n: value for n, value in description.items() if n != "sha256"})
    (small / "shrunk.json").write_text(json.dumps(description))


def units(small, number):
    blocks = json.loads(said(small))["blocks"]
    change(small, blocks=[block | {"units": number + block["units"]} for block in blocks])


def test_an_existing_folder_is_kept(emmental, folder, tmp_path):
    assert "exists: name a new folder" in emmental("shrink", folder / "mask.smp", tmp_path, status=2)


def test_shrinking_twice_is_refused_and_task_checkpoints_can_be_shrunk(emmental, folder, tmp_path):
    emmental("pack", folder / "mask.smp", tmp_path / "sst2.task")
    emmental("shrink", tmp_path / "sst2.task", tmp_path / "small")
    assert (
        abs(load_pruned(tmp_path / "small").logits(TEXTS) - load_pruned(folder / "mask.smp").logits(TEXTS)).max() < 1e-4
    )
    assert "is shrunk already" in emmental("shrink", tmp_path / "small", tmp_path / "smaller", status=2)


def test_a_full_mask_leaves_every_shape(folder):
    model = encoder(folder.name)
    shrunk.shrink(model)
    assert shrunk.shapes(model) == [shrunk.BlockShape(8, [8] * 4, [8] * 4, 32, 48, 32)] * 2


def test_empty_output_rows_are_not_computed_where_they_are_many(folder):
    model = encoder(folder.name)
    first, second = (block.output.dense for block in shrunk.blocks(model))
    first.weight[:7], second.weight[3:24] = 0, 0
    shrunk.blocks(model)[0].attention.output.dense.weight.zero_()
    ids = torch.randint(5, 28, (2, 7))
    before = model(ids).logits
    shrunk.shrink(model)
    torch.testing.assert_close(model(ids).logits, before, atol=1e-4, rtol=1e-4)
    assert [(shape.attention_rows, shape.output_rows) for shape in shrunk.shapes(model)] == [(1, 32), (32, 11)]
