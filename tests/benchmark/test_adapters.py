"""benchmarks/experiments/adapters.py: fair runs, what an adapter trains, and what the table says."""

import functools
import shlex
from pathlib import Path

import pytest
import torch

from benchmarks.experiments import adapters
from benchmarks.experiments.adapter_run import ADAPTERS, adapted
from benchmarks.experiments.layerwise_runs import DENSE, FULL, Run
from emmental.common.files import write_json
from emmental.models.backbones import load_dense
from emmental.recipes.kinds import Kind


@pytest.fixture
def script(experiment):
    """The script with a folder of its own: script(flag, …) -> what it printed."""
    return functools.partial(experiment, adapters)


def flags_of(words):
    """A command's flags."""
    first = next(place for place, word in enumerate(words) if word.startswith("--"))
    return dict(zip(words[first::2], words[first + 1 :: 2], strict=True))


def test_all_ways_take_the_same_steps_on_the_same_data(script):
    found = [
        flags_of(shlex.split(line)) for line in script("--dry_run", "--tasks", "mrpc", "--seeds", "7").splitlines()
    ]
    for flag in ("--max_steps", "--seed", "--data_dir", "--per_device_train_batch_size", "--max_seq_length"):
        assert len({flags[flag] for flags in found}) == 1, flag
    assert [flags["--adapter"] for flags in found if "--adapter" in flags] == list(adapters.RATES)
    dense, masks = found[0], [flags for flags in found if "--final_threshold" in flags]
    assert len(masks) == 3
    assert {flags["--teacher_model_name_or_path"] for flags in masks} == {dense["--output_dir"]}


def test_rates_are_chosen_without_the_validation_sets(script, tmp_path):
    found = [flags_of(shlex.split(line)) for line in script("--dry_run", "--part", "choice").splitlines()]
    assert {flags["--data_dir"] for flags in found} == {str(tmp_path / "held_back_data")}
    tried = {(flags["--adapter"], flags["--learning_rate"]) for flags in found}
    assert tried == {(adapter, rate) for adapter, rates in adapters.TRIED.items() for rate in rates}
    assert not {flags["--task_name"] for flags in found} - {"stsb", "cola"}  # that have rows held back


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_adapter_trains_what_it_says_and_begins_as_the_dense_model(adapter, tiny_bert):
    torch.manual_seed(0)
    dense = load_dense(Kind.LABEL, ["0", "1"], str(tiny_bert)).eval()
    ids = torch.arange(2, 12).view(1, 10)
    before = dense(ids).logits
    model = adapted(dense, adapter, None).eval()
    assert torch.equal(model(ids).logits, before)
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert {"classifier.weight", "classifier.bias"} <= trained
    others = trained - {"classifier.weight", "classifier.bias"}
    if adapter == "probe":
        assert not others
    elif adapter == "bitfit":
        assert others == {name for name, _ in model.named_parameters() if name.endswith(".bias")} - {"classifier.bias"}
    else:
        layers = dense.config.num_hidden_layers
        assert len(others) == 4 * layers  # A and B, of queries and values
        assert {min(dict(model.named_parameters())[name].shape) for name in others} == {int(adapter[4:])}


def test_the_table_says_what_a_task_costs(script, tmp_path):
    for method, density, accuracy, file, size in (
        (FULL, 0.03, 0.5, "mask.safetensors", 100),
        (FULL, 0.1, 0.7, "mask.safetensors", 100),
        ("probe", 1.0, 0.4, "", 0),
        ("lora8", 1.0, 0.6, "adapter.safetensors", 200),
        (DENSE, 1.0, 0.8, "model.safetensors", 3000),
    ):
        folder = Run("mrpc", method, density, 1).folder(tmp_path)
        folder.mkdir(parents=True)
        if file:
            (folder / file).write_bytes(bytes(size))
        results = {"eval_accuracy": accuracy, "density": density, "trained_parameters": 7000, "seconds": 12.3}
        write_json(folder / "all_results.json", results)
    assert script("--report_only").splitlines()[4:9] == [
        "| dense | 100 % | 80.0 (100.0 %) | 7,000 | 3.0 kB | 12 |",
        "| LoRA, rank 8 | 100 % | 60.0 (75.0 %) | 7,000 | 0.2 kB | 12 |",
        "| linear probe | 100 % | 40.0 (50.0 %) | 7,000 | – | 12 |",  # of which only the results were kept
        "| mask, norms and biases | 10 % | 70.0 (87.5 %) | 7,000 | 0.1 kB | 12 |",
        "| mask, norms and biases | 3 % | 50.0 (62.5 %) | 7,000 | 0.1 kB | 12 |",
    ]
    assert Path(tmp_path / "table.json").exists()
