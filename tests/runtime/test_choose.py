"""Runtimes: all give the same logits, auto chooses by the costs that were measured, what cannot be done is said."""

import json
from dataclasses import astuple

import pytest
import torch
from transformers import AutoModelForMaskedLM, DistilBertConfig

from emmental import masks
from emmental.__main__ import main
from emmental.common.errors import InputError
from emmental.export import shrunk
from emmental.inference.load import fold, load_pruned
from emmental.models.forms import DenseForm
from emmental.runtime import calibration, choose
from emmental.runtime.calibration import TOKENS, Cost, costs
from emmental.runtime.sparse import SparseMaskedLM
from emmental.tasks import squad
from tests.helpers.architectures import CONFIGS
from tests.helpers.tiny import random_mask, save_tiny_bert, tiny_config

TEXTS = ["a good film", "very dull plot , bad music", "the actor was funny", "bad"] * 20
SHAPES = [(16, 16), (32, 16), (16, 32)]  # of the tiny BERT
SPARSE, DENSE = (1.0, 0.1), (0.1, 1.0)  # nanoseconds dense and, at 20 % density, sparse: nothing measured is less


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setenv("SMP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "product_costs.json"


def remember(cache, by_shape):
    """As if a calibration had measured these nanoseconds: {shape: {tokens: (dense, sparse)}}."""
    known = {
        f"{rows}x{columns}": {tokens: [1e-9 * own for own in cost] for tokens, cost in by_tokens.items()}
        for (rows, columns), by_tokens in by_shape.items()
    }
    cache.parent.mkdir()
    cache.write_text(json.dumps({calibration.machine(): known}))


def csr_products(form) -> set[str]:
    return {name for name, buffer in form.named_buffers() if buffer.layout == torch.sparse_csr}


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
    plain, few = model.forms[2], model.forms[0]
    assert isinstance(plain, DenseForm)
    assert csr_products(few) == {f"blocks.{layer}.intermediate.weight" for layer in (0, 1)}
    assert few.blocks[0].output.weight.data_ptr() == plain.model.bert.encoder.layer[0].output.dense.weight.data_ptr()
    assert model.forms[1] is few
    used = []
    for number, form in enumerate((few, plain)):
        form.register_forward_hook(lambda form, inputs, output, number=number: used.append(number))
    for texts, length in ((1, 30), (8, 20), (20, 30)):
        model(torch.full((texts, length), 5))
    assert used == [0, 0, 1]


@pytest.mark.parametrize(("density", "sparse"), [(0.1, True), (0.6, False)])
def test_auto_knows_the_density(tiny_bert, cache, density, sparse):
    """Sparse costs a third of dense at 20 %, so more than dense at 60 %."""
    remember(cache, {shape: dict.fromkeys(TOKENS, (0.3, 0.11)) for shape in SHAPES})
    model = load_pruned(random_mask(tiny_bert, density=density), runtime="auto").model.form
    assert all(isinstance(form, SparseMaskedLM) is sparse for form in model.forms)


def test_auto_is_the_plain_model_where_little_is_gained(tiny_bert, cache):
    """A gain of 5 % is not worth another path through the encoder, a gain of 15 % is."""
    remember(cache, {shape: {32: (1.0, 0.95), 128: (1.0, 0.85), 256: (1.0, 1.05)} for shape in SHAPES})
    model = fold(random_mask(tiny_bert, density=0.2)).model
    assert [bool(names) for names in choose.sparse_products(model).values()] == [False, True, False]


def test_calibration_is_remembered_and_only_gets_better(cache):
    remember(cache, {(16, 16): {32: (1, 5e10), 128: (5e10, 1), 256: (5e10, 5e10)}})
    found = costs([(16, 16), (32, 16)])
    assert (found[16, 16][32].dense, found[16, 16][128].at_density) == (1e-9, 1e-9)
    assert 1e-9 < max(found[16, 16][32].at_density, found[16, 16][128].dense, found[16, 16][256].dense) < 1
    again = costs([(32, 16)])[32, 16]
    assert all(again[tokens].dense <= found[32, 16][tokens].dense for tokens in TOKENS)
    known = json.loads(cache.read_text())[calibration.machine()]
    assert known.keys() == {"16x16", "32x16"}
    assert known["16x16"]["32"][0] == 1e-9


def test_a_damaged_calibration_is_mended(cache):
    cache.parent.mkdir()
    for damage in (b"", b"[1]", b'{"here": 3}', b'{"here": {"16x16": {"32": [1]}}}', b"\xff"):
        cache.write_bytes(damage)
        assert costs([(16, 16)]).keys() == {(16, 16)}
        assert json.loads(cache.read_text())


def test_calibration_without_a_place_to_write(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("SMP_CACHE", str(tmp_path / "file"))
    assert costs([(16, 16)])[16, 16].keys() == set(TOKENS)


def test_shapes_nearly_alike_are_measured_as_one(cache):
    remember(cache, {(16, 256): dict.fromkeys(TOKENS, (4.0, 2.0)), (16, 384): dict.fromkeys(TOKENS, (7.0, 3.0))})
    found = costs([(16, 256), (16, 288), (16, 384)])
    assert astuple(found[16, 288][128]) == pytest.approx((4.5e-9, 2.25e-9))
    assert astuple(found[16, 256][32]) == pytest.approx((4e-9, 2e-9))
    assert astuple(found[16, 384][32]) == pytest.approx((7e-9, 3e-9))


def test_costs_scale_with_density():
    assert Cost(1.0, 0.5).sparse(0.1) == pytest.approx(0.25)


@pytest.mark.parametrize("runtime", ["sparse", "auto"])
def test_without_mkl_all_is_dense_and_said(tiny_bert, monkeypatch, capsys, runtime):
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: False)
    mask = random_mask(tiny_bert)
    pruned = load_pruned(mask, runtime=runtime)
    assert "no MKL" in capsys.readouterr().err
    assert (pruned.logits(TEXTS) == load_pruned(mask).logits(TEXTS)).all()


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
