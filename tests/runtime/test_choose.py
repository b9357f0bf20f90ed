"""Runtimes: all give the same logits, auto chooses by the costs that were measured, what cannot be done is said."""

import json

import pytest
import torch
from transformers import AutoModelForMaskedLM, DistilBertConfig

from emmental import masks
from emmental.__main__ import main
from emmental.common.errors import InputError
from emmental.export import shrunk
from emmental.inference.load import load_pruned
from emmental.models.forms import DenseForm
from emmental.runtime import calibration, choose
from emmental.runtime.calibration import TOKENS, costs
from emmental.runtime.multiply import HalfProduct, SparseProduct
from emmental.runtime.sparse import SparseMaskedLM
from emmental.tasks import squad
from tests.helpers.architectures import CONFIGS
from tests.helpers.tiny import random_mask, save_tiny_bert, tiny_config

TEXTS = ["a good film", "very dull plot , bad music", "the actor was funny", "bad"] * 20
SHAPES = [(16, 16), (32, 16), (16, 32)]  # of the tiny BERT
KINDS = "dense", "sparse", "bf16"
SPARSE, DENSE, HALF = (2.0, 0.1, 1.0), (0.2, 1.0, 1.0), (2.0, 2.0, 0.2)  # nanoseconds by kind, sparse at 20 % density:
# nothing that is measured is less


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setenv("SMP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "product_costs.json"


def remember(cache, by_shape):
    """As if a calibration had measured these nanoseconds: {shape: {tokens: (dense, sparse, bf16)}}."""
    known = {
        f"{rows}x{columns}": {
            kind: {tokens: 1e-9 * cost[place] for tokens, cost in by_tokens.items()} for place, kind in enumerate(KINDS)
        }
        for (rows, columns), by_tokens in by_shape.items()
    }
    cache.parent.mkdir()
    cache.write_text(json.dumps({calibration.machine(): known}))


def products(form, kind) -> set[str]:
    return {name for name, module in form.named_modules() if isinstance(module, kind)}


@pytest.mark.parametrize("runtime", ["sparse", "auto"])
def test_every_runtime_gives_the_dense_logits(tiny_bert, cache, runtime):
    remember(cache, {shape: dict.fromkeys(TOKENS, SPARSE if shape[0] == 16 else DENSE) for shape in SHAPES})
    mask = random_mask(tiny_bert)
    dense = load_pruned(mask).logits(TEXTS)
    other = load_pruned(mask, runtime=runtime)
    assert isinstance(other.model.form, choose.ByTokens if runtime == "auto" else SparseMaskedLM)
    torch.testing.assert_close(torch.from_numpy(other.logits(TEXTS)), torch.from_numpy(dense), atol=1e-5, rtol=1e-5)


def test_questions_are_answered_alike(tiny_bert):
    mask = random_mask(tiny_bert, "squad", {"start": "yes", "end": "no"})
    question, context = "is the film good ?", "the film is very dull , the actor is bright and the story is funny ."
    dense, sparse = (
        load_pruned(mask, runtime=runtime).answers(question, context, squad.Reading(max_length=16, stride=4))
        for runtime in ("dense", "sparse")
    )
    assert [answer["text"] for answer in sparse] == [answer["text"] for answer in dense]
    for name in ("start_logit", "end_logit", "probability"):
        assert [answer[name] for answer in sparse] == pytest.approx([answer[name] for answer in dense], abs=1e-5)


def test_auto_chooses_each_product_by_its_cost_and_the_tokens(tiny_bert, cache):
    costs = {shape: dict.fromkeys(TOKENS, DENSE) for shape in SHAPES}
    costs[32, 16] = {32: SPARSE, 128: SPARSE, 256: DENSE}
    remember(cache, costs)
    model = load_pruned(random_mask(tiny_bert), runtime="auto").model.form
    few, _, many = model.mixed
    assert isinstance(model.plain, DenseForm)
    assert products(few, SparseProduct) == {f"blocks.{layer}.intermediate" for layer in (0, 1)}
    assert not products(many, SparseProduct)
    layer = model.plain.model.bert.encoder.layer[0]
    assert few.blocks[0].output.weight.data_ptr() == layer.output.dense.weight.data_ptr()
    assert few.blocks[0].output is many.blocks[0].output
    assert model.mixed[1] is few
    used = []
    for number, form in enumerate((few, model.plain)):
        form.register_forward_hook(lambda form, inputs, output, number=number: used.append(number))
    for texts, length in ((1, 30), (8, 20), (20, 30)):
        model(torch.full((texts, length), 5))
    assert used == [0, 0, 1]


@pytest.mark.parametrize(("density", "sparse"), [(0.1, True), (0.6, False)])
def test_auto_knows_the_density(tiny_bert, cache, density, sparse):
    """Sparse costs a third of dense at 20 %, so more than dense at 60 %."""
    remember(cache, {shape: dict.fromkeys(TOKENS, (0.3, 0.11, 0.3)) for shape in SHAPES})
    form = load_pruned(random_mask(tiny_bert, density=density), runtime="auto").model.form
    assert all(bool(products(mixed, SparseProduct)) is sparse for mixed in form.mixed)
    assert (form.plain is None) is sparse  # so that nothing holds the dense matrices
    assert (form.form(torch.ones(4, 8), None) is form.plain) is not sparse


def test_auto_is_the_plain_model_where_little_is_gained(tiny_bert, cache):
    """A gain of 5 % is not worth another path through the encoder, a gain of 15 % is."""
    seconds = {32: (1.0, 0.95, 9.0), 128: (1.0, 0.85, 9.0), 256: (1.0, 1.05, 9.0)}
    remember(cache, dict.fromkeys(SHAPES, seconds))
    form = load_pruned(random_mask(tiny_bert, density=0.2), runtime="auto").model.form
    chosen = [form.form(torch.ones(tokens, 1), None) is form.plain for tokens in TOKENS]
    assert chosen == [True, False, True]


def test_auto_leaves_padding_out_where_that_is_faster(tiny_bert, cache):
    """The plain form computes it: 8 texts of which one is 20 tokens long and the others are 10 cost 160 tokens, not
    90."""
    remember(cache, {shape: dict.fromkeys(TOKENS, DENSE) for shape in SHAPES})
    form = load_pruned(random_mask(tiny_bert), runtime="auto").model.form
    real = (torch.arange(20) < torch.tensor([20, *[10] * 7])[:, None]).long()
    assert form.form(torch.full((8, 20), 5), real) is form.mixed[1]
    assert form.form(torch.full((8, 20), 5), torch.ones_like(real)) is form.plain


def test_auto_rounds_to_bf16_only_where_it_may_and_that_is_fastest(tiny_bert, cache):
    costs = {shape: dict.fromkeys(TOKENS, HALF) for shape in SHAPES}
    costs[32, 16] = {32: SPARSE, 128: SPARSE, 256: HALF}
    remember(cache, costs)
    mask = random_mask(tiny_bert)
    dense, exact, rounded = (
        load_pruned(mask, runtime=runtime, dtype=dtype)
        for runtime, dtype in (("dense", "fp32"), ("auto", "fp32"), ("auto", "bf16"))
    )
    assert not products(exact.model.form, HalfProduct)
    assert products(rounded.model.form.mixed[0], SparseProduct) == {f"blocks.{n}.intermediate" for n in (0, 1)}
    assert len(products(rounded.model.form.mixed[0], HalfProduct)) == 10
    plain, half = (pruned.model.form.plain for pruned in (exact, rounded))
    assert (plain.model.dtype, half.model.dtype) == (torch.float32, torch.bfloat16)
    logits = dense.logits(TEXTS)
    assert abs(exact.logits(TEXTS) - logits).max() < 1e-5
    assert 1e-5 < abs(rounded.logits(TEXTS) - logits).max() < 0.1


def test_dense_in_bf16(tiny_bert):
    mask = random_mask(tiny_bert)
    dense, rounded = (load_pruned(mask, dtype=dtype) for dtype in ("fp32", "bf16"))
    assert rounded.model.backbone.dtype == torch.bfloat16
    assert rounded.logits(TEXTS).dtype == dense.logits(TEXTS).dtype
    assert 1e-5 < abs(rounded.logits(TEXTS) - dense.logits(TEXTS)).max() < 0.1


def test_calibration_is_remembered_and_only_gets_better(cache):
    remember(cache, {(16, 16): {32: (1, 5e10, 1), 128: (5e10, 1, 1), 256: (5e10, 5e10, 1)}})
    found = costs([(16, 16), (32, 16)], KINDS[:2])
    dense, sparse = (found[16, 16][kind] for kind in KINDS[:2])
    assert (dense[32], sparse[128]) == (1e-9, 1e-9)
    assert 1e-9 < max(sparse[32], dense[128], dense[256]) < 1
    again = costs([(32, 16)], KINDS)[32, 16]
    assert all(again["dense"][tokens] <= found[32, 16]["dense"][tokens] for tokens in TOKENS)
    known = json.loads(cache.read_text())[calibration.machine()]
    assert known.keys() == {"16x16", "32x16"}
    assert known["16x16"]["dense"]["32"] == 1e-9
    assert known["32x16"].keys() == {*KINDS}


def test_a_damaged_calibration_is_mended(cache):
    cache.parent.mkdir()
    for damage in (b"", b"[1]", b'{"here": 3}', b'{"here": {"16x16": {"dense": {"32": 1}}}}', b"\xff"):
        cache.write_bytes(damage)
        assert costs([(16, 16)], KINDS).keys() == {(16, 16)}
        assert json.loads(cache.read_text())


def test_calibration_without_a_place_to_write(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("SMP_CACHE", str(tmp_path / "file"))
    assert costs([(16, 16)], ["dense"])[16, 16]["dense"].keys() == set(TOKENS)


def test_shapes_nearly_alike_are_measured_as_one(cache):
    remember(cache, {(16, 256): dict.fromkeys(TOKENS, (4.0, 2.0, 1.0)), (16, 384): dict.fromkeys(TOKENS, (7, 3, 2))})
    found = costs([(16, 256), (16, 288), (16, 384)], KINDS)
    assert [found[16, 288][kind][128] for kind in KINDS] == pytest.approx([4.5e-9, 2.25e-9, 1.125e-9])
    assert [found[16, 256][kind][32] for kind in KINDS] == pytest.approx([4e-9, 2e-9, 1e-9])
    assert [found[16, 384][kind][32] for kind in KINDS] == pytest.approx([7e-9, 3e-9, 2e-9])


@pytest.mark.parametrize(
    "config", [CONFIGS["mpnet"][0], tiny_config(is_decoder=True), DistilBertConfig(vocab_size=9, dim=8, n_heads=2)]
)
def test_other_architectures_and_decoders(cache, config, capsys):
    dense = DenseForm(AutoModelForMaskedLM.from_config(config))
    name = type(dense.model).__name__
    if config.model_type == "distilbert":
        assert isinstance(choose.prepared(dense, "sparse"), SparseMaskedLM)
    else:
        assert choose.prepared(dense, "auto") is dense
        said = capsys.readouterr().err
        computed = "the sparse runtime computes bert, roberta, xlm-roberta, electra, distilbert as encoders"
        assert said == f"{computed}, not this {name}: dense instead\n"
        with pytest.raises(InputError, match=f"{computed}, not this {name}: use the runtime dense or auto"):
            choose.prepared(dense, "sparse")
    with pytest.raises(InputError, match="cannot be shrunk"):
        shrunk.shrink(dense.model)


def test_a_mask_of_another_backbone_is_refused(tiny_bert, tmp_path):
    other = save_tiny_bert(tmp_path / "other", tiny_config(initializer_range=0.3))
    for runtime in ("sparse", "auto"):
        with pytest.raises(InputError, match="whose encoder weights"):
            load_pruned(random_mask(tiny_bert), str(other), runtime=runtime)


def test_unknown_runtime(tiny_bert):
    with pytest.raises(InputError, match="no runtime 'fast': choose one of dense, sparse, auto"):
        load_pruned(random_mask(tiny_bert), runtime="fast")
    with pytest.raises(InputError, match="no dtype 'fp16': choose one of fp32, bf16"):
        load_pruned(random_mask(tiny_bert), dtype="fp16")
    with pytest.raises(InputError, match="the sparse runtime computes in fp32"):
        load_pruned(random_mask(tiny_bert), runtime="sparse", dtype="bf16")


def test_the_verbs_take_a_runtime(tiny_bert, reviews, tmp_path, monkeypatch, capsys):
    masks.save(random_mask(tiny_bert), tmp_path / "mask.smp")
    shown = {"predict": [], "eval": []}
    for runtime in ("dense", "sparse"):
        for verb, rest in (("predict", ["a good film"]), ("eval", ["--validation_file", str(reviews["validation"])])):
            arguments = ["emmental", verb, str(tmp_path / "mask.smp"), *rest, "--runtime", runtime]
            monkeypatch.setattr("sys.argv", arguments)
            main()
            shown[verb].append(capsys.readouterr().out)
    assert shown["eval"][0] == shown["eval"][1]
    dense, sparse = (output.splitlines()[1].split("\t") for output in shown["predict"])
    assert dense[0] == sparse[0]
    assert [float(value) for value in dense[1:]] == pytest.approx([float(value) for value in sparse[1:]], abs=2e-6)
    monkeypatch.setattr("sys.argv", ["emmental", "predict", str(tmp_path / "mask.smp"), "a", "--runtime", "fast"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "'fast'" in capsys.readouterr().err
