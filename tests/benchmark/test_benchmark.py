"""python -m emmental benchmark: what it prints, counts and draws. How fast anything is, is no test."""

import json
import sys

import pytest
import torch
from matplotlib import image

from benchmarks.inference import speed
from emmental import masks
from emmental.__main__ import main
from emmental.benchmark import serving
from emmental.benchmark.contenders import contenders as contenders_of
from emmental.benchmark.contenders import weights_in_memory, written
from emmental.benchmark.measure import SETTINGS, Measured
from emmental.benchmark.memory import peak_memory
from emmental.benchmark.report import as_json, draw, show
from emmental.benchmark.timing import Timing, random_texts, timed
from emmental.inference.load import load_pruned
from emmental.runtime.multiply import SparseProduct
from tests.helpers.architectures import save_model
from tests.helpers.tiny import random_mask, save_tiny_bert, tiny_config

NAMES = ["dense fp32", "dense bf16", "sparse", "auto", "auto bf16", "shrunk", "shrunk + sparse", "ONNX Runtime"]
FILES = ["mask", "folded model fp32", "folded model bf16", "task checkpoint fp32", "shrunk model", "ONNX"]


@pytest.fixture
def mask_file(tiny_bert, tmp_path, monkeypatch):
    monkeypatch.setenv("SMP_CACHE", str(tmp_path / "cache"))
    for module in ("measure", "serving"):
        monkeypatch.setattr(f"emmental.benchmark.{module}.SECONDS", 0.0)  # as few rounds as there may be
    monkeypatch.setattr("emmental.benchmark.serving.LARGEST", 4)
    monkeypatch.setattr("emmental.benchmark.measure.SETTINGS", ((1, 8), (2, 8), (1, 16), (2, 16)))
    masks.save(random_mask(tiny_bert), tmp_path / "mask.smp")
    return tmp_path / "mask.smp"


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["emmental", "benchmark", *map(str, arguments)])
    main()
    return capsys.readouterr().out


def test_json_holds_everything(mask_file, monkeypatch, capsys):
    measured = json.loads(run(monkeypatch, capsys, mask_file, "--json", "--latency_ms", "1e9"))
    assert [(entry["texts"], entry["tokens"]) for entry in measured["timings"]] == [(1, 8), (2, 8), (1, 16), (2, 16)]
    for entry in measured["timings"]:
        assert list(entry["seconds"]) == list(entry["memory_of_a_pass"]) == NAMES
        assert all(0 < own["low"] <= own["median"] <= own["high"] for own in entry["seconds"].values())
    assert measured["memory"]["dense bf16"] < measured["memory"]["dense fp32"]
    assert list(measured["disk"]) == FILES
    assert measured["disk"]["mask"] == mask_file.stat().st_size
    assert measured["disk"]["ONNX"] == measured["memory"]["ONNX Runtime"] > measured["memory"]["dense fp32"]
    assert measured["missing"] == []
    assert measured["serving"]["latency"] == 1e6
    for length, tokens in zip(measured["serving"]["lengths"], (8, 16), strict=True):
        assert length["tokens"] == tokens
        assert list(length["best"]) == NAMES
        assert [own["texts"] for own in length["passes"]] == [1, 2, 4]
        # passes that were timed already are not timed again
        assert [own["seconds"] for own in length["passes"][:2]] == [
            entry["seconds"] for entry in measured["timings"] if entry["tokens"] == tokens
        ]
    difference = measured["largest_difference_of_logits"]
    assert difference.pop("dense fp32") == 0
    assert difference.pop("dense bf16") > 1e-5
    assert difference.pop("auto bf16") < 0.1
    assert all(0 <= apart < 1e-5 for apart in difference.values())
    assert measured["best"] in NAMES


def test_question_answerers_are_timed_too(mask_file, tiny_bert, monkeypatch, capsys):
    masks.save(random_mask(tiny_bert, "squad", {"start": "yes", "end": "no"}), mask_file)
    difference = json.loads(run(monkeypatch, capsys, mask_file, "--json"))["largest_difference_of_logits"]
    assert difference.pop("dense fp32") == 0
    assert difference.pop("dense bf16") > 1e-5
    assert difference.pop("auto bf16") < 0.1
    assert list(difference) == [*NAMES[2:4], *NAMES[5:]]
    assert max(difference.values()) < 1e-5


@pytest.fixture
def no_onnx_runtime(monkeypatch):
    """As on a machine where it is not installed."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "emmental.export.onnx_file", raising=False)
    monkeypatch.delattr("emmental.export.onnx_file", raising=False)


@pytest.mark.usefixtures("no_onnx_runtime")
def test_table_and_picture_without_onnx_runtime(mask_file, monkeypatch, capsys):
    shown = run(monkeypatch, capsys, mask_file, "--latency_ms", "1e-3")
    lines = shown.splitlines()
    assert "sst2 at density" in lines[0]
    assert lines[1] == "memory: of the weights, and at most beyond them during a pass of 2x16"
    columns = lines[2].removeprefix("texts x tokens").removesuffix("weights  a pass  logits off by").split()
    assert columns == ["1x8", "2x8", "1x16", "2x16"]
    assert [line.split("  ")[0] for line in lines[3:10]] == NAMES[:-1]
    served = lines.index("texts per second, and texts of a pass, where 3 passes in 4 take 0.001 ms at most")
    assert lines[served + 1].split() == ["tokens", "of", "a", "text", "8", "16"]
    assert [line.split() for line in lines[served + 2 : served + 9]] == [
        [*name.split(), "none", "none"] for name in NAMES[:-1]
    ]
    assert "ONNX Runtime: onnxruntime is not installed" in lines
    picture = mask_file.with_name("benchmark.png")
    assert f"picture: {picture}" in lines
    assert image.imread(picture).shape > (200, 600)


@pytest.mark.usefixtures("no_onnx_runtime")
def test_other_architectures_have_what_can_be_had(tmp_path):
    """MPNet is neither computed sparse nor shrunk, but packed; auto is dense."""
    mask = random_mask(save_model(tmp_path / "model", "mpnet"))
    pruned = load_pruned(mask)
    files, missing = written(pruned, mask, tmp_path)
    assert files.keys() == {"task checkpoint fp32"}
    assert [line.split(":")[0] for line in missing] == ["shrunk model", "ONNX Runtime"]
    assert [way.name for way in contenders_of(pruned.model, files)] == [*NAMES[:2], *NAMES[3:5]]


def test_a_mask_of_another_backbone_is_refused(emmental, mask_file, tmp_path):
    other = save_tiny_bert(tmp_path / "other", tiny_config(initializer_range=0.3))
    assert "whose encoder weights" in emmental("benchmark", mask_file, "--backbone", other, status=2)
    assert not mask_file.with_name("benchmark.png").exists()


def test_weights_that_are_shared_count_once():
    model = torch.nn.Linear(3, 4)  # 12 weights and 4 of the bias
    assert weights_in_memory(model) == 4 * 16
    model.register_buffer("again", model.weight.detach())
    model.register_buffer("part", model.weight.detach()[:2])
    assert weights_in_memory(model) == 4 * 16
    model.sparse = SparseProduct(torch.eye(4, 3), model.bias.detach())  # 5 ends of rows, 3 columns, 3 values of 4 bytes
    assert weights_in_memory(model) == 4 * 16 + 4 * (5 + 3 + 3)


def test_peak_memory_is_that_of_the_call():
    kept = torch.ones(10**6)
    assert 110e6 < peak_memory(lambda: [kept + number for number in range(30)]) < 140e6
    assert peak_memory(lambda: kept.sum()) < 10e6


def test_peak_memory_is_unknown_where_the_system_does_not_tell(monkeypatch, tmp_path):
    monkeypatch.setattr("emmental.benchmark.memory.CLEAR", tmp_path / "no" / "such")
    assert peak_memory(int) is None


def test_the_grid_that_is_promised():
    assert SETTINGS == ((1, 32), (1, 128), (8, 32), (8, 128), (32, 32), (32, 128))


def test_contenders_agree_and_hold_what_they_need(tiny_bert, tmp_path, monkeypatch):
    monkeypatch.setenv("SMP_CACHE", str(tmp_path))
    dense = load_pruned(random_mask(tiny_bert)).model
    ways = contenders_of(dense)
    inputs = random_texts([12, 3, 7], 31)
    _, difference = timed(ways, inputs, seconds=0)
    assert max(difference["sparse"], difference["auto"]) < 1e-5
    assert 1e-5 < difference["dense bf16"] < 0.1
    linears = [dense.backbone.get_submodule(name) for name in random_mask(tiny_bert).bits]
    matrices = sum(4 * linear.weight.numel() for linear in linears)
    sparse = sum(8 * int(linear.weight.count_nonzero()) + 4 * (len(linear.weight) + 1) for linear in linears)
    memory = {way.name: way.memory for way in ways}
    assert memory["sparse"] == memory["dense fp32"] - matrices + sparse
    assert weights_in_memory(dense) == memory["dense fp32"]


def test_best_is_the_one_with_the_highest_mean_gain(tmp_path):
    seconds = {(1, 32): {"dense fp32": 4.0, "a": 2.0, "b": 1.0}, (8, 32): {"dense fp32": 4.0, "a": 2.0, "b": 8.0}}
    timings = {
        setting: {name: Timing(value, value / 2, value * 2) for name, value in own.items()}
        for setting, own in seconds.items()
    }
    peaks = {setting: {"dense fp32": 10**6, "a": 23 * 10**5, "b": None} for setting in seconds}
    memory, difference = {"dense fp32": 3, "a": 2, "b": 1}, {"dense fp32": 0.0, "a": 0.0, "b": 1.0}
    passes = {32: {texts: timing for (texts, _), timing in timings.items()}}
    measured = Measured(timings, peaks, memory, difference, {"mask": 5}, ["c: is not here"], 8.0, passes)
    assert measured.speed("a") == pytest.approx(2)
    assert measured.speed("b") == pytest.approx(2**0.5)
    assert measured.best() == as_json(measured)["best"] == "a"
    shown = show(measured, "films")
    assert "best choice: a, 2.00x dense fp32" in shown
    assert "4000.0 ±3000.0" in shown
    assert "c: is not here" in shown.splitlines()
    assert [line.split()[-3:] for line in shown.splitlines()[4:6]] == [
        ["2.3", "MB", "0e+00"],
        ["MB", "unknown", "1e+00"],
    ]
    assert [line.split()[-2:] for line in shown.splitlines() if line.startswith("fastest")] == [["b", "a"]]
    # within 8 s are dense fp32's passes of either size, and b's of one text
    served = shown.splitlines()[shown.splitlines().index("tokens of a text       32") + 1 :][:3]
    assert [line.split()[-2:] for line in served] == [["2.0", "(8)"], ["4.0", "(8)"], ["1.0", "(1)"]]
    draw(measured, "films", tmp_path / "benchmark.png")
    assert (tmp_path / "benchmark.png").stat().st_size > 5000


def test_a_sweep_ends_for_each_contender_where_it_is_too_slow(tiny_bert, monkeypatch):
    monkeypatch.setattr("emmental.benchmark.serving.SECONDS", 0.0)
    ways = contenders_of(load_pruned(random_mask(tiny_bert)).model)[:2]
    fast, edge, slow = Timing(0.1, 0.1, 0.2), Timing(0.4, 0.1, 0.5), Timing(0.4, 0.1, 0.6)
    known = {1: {"dense fp32": fast, "dense bf16": edge}, 4: {"dense fp32": fast, "dense bf16": slow}}
    known[8] = {"dense fp32": slow, "dense bf16": slow}
    passes = serving.sweep(ways, 8, 31, known, latency=0.5)
    assert list(passes) == [1, 2, 4, 8]
    assert passes[2].keys() == {"dense fp32", "dense bf16"}  # the only one that was measured
    assert passes[4] is known[4]
    known[2] = {"dense fp32": fast, "dense bf16": slow}
    passes = serving.sweep(ways, 8, 31, known | {4: {"dense fp32": slow}}, latency=0.5)
    assert list(passes) == [1, 2, 4]
    assert serving.best(passes, 0.5) == {
        "dense fp32": serving.Served(pytest.approx(20), 2),
        "dense bf16": serving.Served(pytest.approx(2.5), 1),
    }


def test_random_texts_are_padded_behind():
    inputs = random_texts([2, 5], 30)
    assert inputs["attention_mask"].tolist() == [[1, 1, 0, 0, 0], [1, 1, 1, 1, 1]]
    assert torch.equal(inputs["input_ids"] > 0, inputs["attention_mask"] > 0)


def test_goals_are_judged_by_ratios_of_medians():
    timings = {
        name: Timing(median, 0, 9) for name, median in (("dense fp32", 8.0), ("dense bf16", 2.0), ("sparse", 1.6))
    }
    goals = [goal for goal in speed.GOALS if (goal.density, goal.batch, goal.runtime) == (0.03, "1 x 128", "sparse")]
    judged = speed.entry(0.03, "1 x 128", timings, dict.fromkeys(timings, 0.0), goals)["goals"]
    assert [(goal["measured"], goal["reached"]) for goal in judged] == [(pytest.approx(5.0), True), (1.25, False)]
    assert sum(speed.MNLI) == 1278
    assert len(speed.MNLI) == 32
