"""The benchmark of a training step: its rivals compute what we compute, and it measures all that it promises."""

import json

import pytest
import torch
from torch import nn
from transformers import BertConfig

from benchmarks.training import train_step, training_steps
from benchmarks.training.training_steps import MNLI, SQUAD, OurRun, SortedLinear, batches, padded
from emmental.models.heads import SequenceClassifier
from emmental.pruning import ranking
from emmental.pruning.masked_linear import MaskedLinear
from emmental.pruning.score_init import init_scores


def test_reference_layer_computes_what_ours_does():
    torch.manual_seed(0)
    linear = nn.Linear(24, 16).requires_grad_(False)
    ours, reference = MaskedLinear.from_linear(linear), SortedLinear(linear, 0.5)
    init_scores({"": ours}, "magnitude", 0.5)
    ours.select(SortedLinear.density)
    inputs = torch.randn(2, 5, 24)
    ours(inputs).square().sum().backward()
    reference(inputs).square().sum().backward()
    torch.testing.assert_close(reference(inputs), ours(inputs))
    torch.testing.assert_close(reference.scores.grad, ours.mask_scores.grad)


@pytest.mark.parametrize(("workload", "mean"), [(MNLI, 40), (SQUAD, 161)])
def test_batches_have_the_lengths_of_the_data(workload, mean):
    some = batches(workload, 8)
    assert sum(batch["input_ids"].shape[1] for batch in some) / 8 == pytest.approx(mean, rel=0.05)
    assert all(batch["attention_mask"][1].all() for batch in some)  # no padding beyond the longest
    assert {padded(batch, workload.reference_length)["input_ids"].shape[1] for batch in some} == {
        workload.reference_length
    }


def test_a_run_sees_all_of_a_large_batch(tmp_path):
    workload = training_steps.Workload(SequenceClassifier, 70, (8,) * 32, 8)  # more than a run's default of 64
    shape = BertConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    run, seen = OurRun(workload, batches(workload, 1), str(tmp_path), shape=shape), []

    def see(model, _, inputs):
        seen.append(len(inputs["input_ids"]))

    run.model.register_forward_pre_hook(see, with_kwargs=True)
    run.train()
    assert seen == [70]


def test_measures_what_it_promises(monkeypatch, tmp_path):
    small = BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    monkeypatch.setattr(training_steps, "BertConfig", lambda: small)
    benchmark = train_step.Benchmark((2, 1), (2, 1), str(tmp_path))
    benchmark.over_dense()
    benchmark.over_dense_bf16()
    ranked, together = [], ranking.select_together
    monkeypatch.setattr(ranking, "select_together", lambda *some: ranked.append(1) or together(*some))
    benchmark.selection()
    assert len(ranked) == 20 + 3
    benchmark.over_reference()
    benchmark.squad()
    promised = train_step.GOALS.keys() - {"memory_over_dense"}  # takes processes of its own
    assert promised <= benchmark.figures.keys()
    assert all(
        low <= benchmark.figures[name] <= high
        for name in promised - {"step_over_dense", "bf16_over_fp32", "bf16_over_dense", "bf16_over_dense_local"}
        for low, high in [benchmark.figures[f"{name}_spread"]]
    )
    json.dumps(benchmark.figures)
