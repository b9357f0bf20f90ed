"""transformers' flags that change what is learned, and those that must not."""

from contextlib import nullcontext

import pytest
import torch
import transformers
from torch.nn import functional as F
from transformers import BertForMaskedLM, BertForQuestionAnswering, BertForSequenceClassification

from emmental.common.run_folder import MASK
from emmental.models.backbones import load_backbone
from emmental.models.heads import HEADS, SpanClassifier
from emmental.pruning.masked_linear import swap_in
from emmental.recipes.kinds import Kind
from emmental.training import refused
from emmental.training.config import SMPConfig
from emmental.training.task_trainer import TaskTrainer
from tests.helpers.flags import CHECKPOINTING, CURRENT, LEARNED, outcome
from tests.helpers.small_run import STEPS, build, scores_of
from tests.helpers.tiny import tiny_config


@pytest.mark.parametrize("name", LEARNED)
def test_scores_differ_with_it(name, tiny_bert, tmp_path, plain):
    value, others = LEARNED[name]
    trainer = build(tiny_bert, tmp_path, **others | {name: value})
    trainer.train()
    scores = outcome(trainer, tmp_path)["scores"]
    assert scores.isfinite().all()
    assert not torch.equal(scores, plain(others)["scores"])


@pytest.mark.parametrize("name", refused.OPTIMISERS)
def test_every_optimiser_that_is_taken_is_used(name, tiny_bert, tmp_path):
    trainer = build(tiny_bert, tmp_path, optim=name)
    before = scores_of(trainer)
    trainer.train()
    assert type(trainer.optimizer.optimizer).__name__.lower() == name.removesuffix("_fused").removesuffix("_torch")
    assert all(not torch.equal(before[matrix], scores) for matrix, scores in scores_of(trainer).items())


def test_the_least_rate_of_a_schedule_is_one_of_the_scores(tiny_bert, tmp_path):
    settings = {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr": 0.01}}
    trainer = build(tiny_bert, tmp_path, **settings)
    trainer.train()
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(0.01)


def batch_of(trainer):
    """The training set's first batch on the run's device, and the model in training without dropout."""
    trainer.model.train()
    for module in trainer.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))


def test_labels_are_smoothed_in_training_alone(tiny_bert, tmp_path):
    trainer = build(tiny_bert, tmp_path, label_smoothing_factor=0.3)
    assert trainer.args.label_smoothing_factor == 0.3
    batch = batch_of(trainer)
    for smoothing in (0.3, 0.0):
        loss, outputs = trainer.compute_loss(trainer.model, batch, return_outputs=True)
        expected = F.cross_entropy(outputs["logits"], batch["labels"], label_smoothing=smoothing)
        torch.testing.assert_close(loss, expected)
        trainer.model.eval()


def spans(attention_mask):
    """A batch of questions; padding at the end."""
    ids = torch.randint(9, 32, attention_mask.shape, generator=torch.Generator().manual_seed(1))
    return {
        "input_ids": ids,
        "attention_mask": attention_mask,
        "start_positions": torch.tensor([1, 2]),
        "end_positions": torch.tensor([2, 2]),
    }


@pytest.mark.parametrize("padding", [0, 4])
def test_a_smoothed_place_is_one_of_the_window_s_tokens(padding, tiny_bert, tmp_path):
    """Towards 1 - e at the right token and e spread over those that are no padding, written down token by token."""
    backbone = load_backbone(str(tiny_bert)).model
    swap_in(backbone)
    model = SpanClassifier(backbone, [8, 9])
    config = SMPConfig(output_dir=str(tmp_path), label_smoothing_factor=0.2, eval_strategy="no")
    trainer = TaskTrainer(model, config, uniform=HEADS[Kind.SPAN].uniform)
    lengths = [5, 3]
    batch = spans(torch.tensor([[1] * length + [0] * (5 + padding - length) for length in lengths]))
    loss = trainer.compute_loss(model.eval(), batch)
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    smoothed, outputs = trainer.compute_loss(model, batch, return_outputs=True)
    expected = {0.0: 0.0, 0.2: 0.0}
    for side in ("start", "end"):
        for row, length in enumerate(lengths):
            surprise = -torch.log_softmax(outputs[f"{side}_logits"][row, :length], 0)
            right = batch[f"{side}_positions"][row]
            for factor in expected:
                expected[factor] += ((1 - factor) * surprise[right] + factor * surprise.mean()).item() / 4
    assert loss.item() == pytest.approx(expected[0.0], rel=1e-5)
    assert smoothed.item() == pytest.approx(expected[0.2], rel=1e-5)


def test_dense_models_are_smoothed_alike(tiny_bert, tmp_path):
    config = SMPConfig(output_dir=str(tmp_path), label_smoothing_factor=0.2, eval_strategy="no")
    batches = {
        BertForSequenceClassification: (Kind.LABEL, spans(torch.ones(2, 5)) | {"labels": torch.tensor([0, 1])}),
        BertForQuestionAnswering: (Kind.SPAN, spans(torch.ones(2, 5))),
    }
    for model_class, (kind, batch) in batches.items():
        model = model_class(tiny_config(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)).train()
        trainer = TaskTrainer(model, config, uniform=HEADS[kind].uniform)
        batch = {n: v for n, v in batch.items() if kind is Kind.SPAN or "positions" not in n}
        loss, outputs = trainer.compute_loss(model, batch, return_outputs=True)
        sides = [(outputs["logits"], "labels")] if kind is Kind.LABEL else [
            (outputs[f"{side}_logits"], f"{side}_positions") for side in ("start", "end")
        ]  # fmt: skip
        losses = [F.cross_entropy(logits, batch[name], label_smoothing=0.2) for logits, name in sides]
        torch.testing.assert_close(loss, sum(losses) / len(losses))


def test_numbers_are_not_smoothed(refusal, tmp_path_factory):
    pairs = tmp_path_factory.mktemp("pairs") / "pairs.csv"
    pairs.write_text("sentence1,sentence2,label\n" + "good film,bad plot,1.5\na film,a film,5.0\n" * 8)
    files = ("--train_file", str(pairs), "--validation_file", str(pairs))
    said = refusal("--task_name", "stsb", *files, "--label_smoothing_factor", "0.1")
    assert "--label_smoothing_factor: stsb asks for numbers" in said


# --- memory and speed: nothing is learned differently ---


class Gradients(transformers.TrainerCallback):
    """Keeps the scores' gradients of every step."""

    def __init__(self, trainer):
        self.trainer, self.kept = trainer, []

    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        self.kept += [matrix.grad.clone() for matrix in self.trainer.scores()]


def trained(tiny_bert, folder, **settings):
    """All gradients, the last scores and masks of a run with dropout, and how often a layer was computed."""
    trainer = build(tiny_bert, folder, **settings)
    gradients, calls = Gradients(trainer), []
    trainer.add_callback(gradients)
    layer = trainer.model.backbone.base_model.encoder.layer[0]  # its input needs no gradient
    layer.attention.register_forward_hook(lambda *arguments: calls.append(1))
    trainer.train()
    masks = [layer.mask for layer in trainer.masked_layers.values()]
    return gradients.kept + list(scores_of(trainer).values()) + masks, len(calls)


@pytest.mark.parametrize("name", dict.fromkeys([CHECKPOINTING, "gradient_checkpointing"]))
def test_checkpointed_activations_are_computed_anew_and_change_nothing(name, tiny_bert, tmp_path):
    kept, calls = trained(tiny_bert, tmp_path)
    with warned() if name != CHECKPOINTING else nullcontext():
        anew, calls_anew = trained(tiny_bert, tmp_path, **{name: True})
    assert (calls, calls_anew) == (STEPS, 2 * STEPS)
    assert len(kept) == len(anew) == 12 * (STEPS + 2)
    assert all(tensor.any() for tensor in kept)
    assert all(torch.equal(*pair) for pair in zip(kept, anew, strict=True))


def warned():
    return pytest.warns(FutureWarning, match="deprecated")


def test_the_older_name_of_checkpointing(tiny_bert):
    """What Trainer calls before transformers 5.23."""
    model = SpanClassifier(load_backbone(str(tiny_bert)).model, [8, 9])
    with warned() if CURRENT else nullcontext():
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=None)
    assert all(layer.gradient_checkpointing for layer in model.backbone.base_model.encoder.layer)


@pytest.mark.parametrize("flags", [(), ("--pruning_method", "finetune")])
def test_trained_weights_are_the_same_over_checkpointed_activations(flags, run):
    """transformers' own models; dropout is on."""
    weights = ("--freeze_bert", "false", "--learning_rate", "1e-2", "--final_lambda", "0", *flags)
    whole, anew = run(*weights, name="whole"), run(*weights, f"--{CHECKPOINTING}", name="anew")
    assert (anew / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_an_encoder_without_checkpointing(refusal, monkeypatch):
    monkeypatch.setattr(BertForMaskedLM, "supports_gradient_checkpointing", False)
    assert "--gradient_checkpointing: BertForMaskedLM has none" in refusal(f"--{CHECKPOINTING}")


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch of its compiler
def test_a_compiled_run_learns_the_same_mask(run):
    whole = run(name="whole")
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    compiled = run("--torch_compile_backend", "eager", name="compiled")  # inductor takes a minute
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    assert (compiled / MASK).read_bytes() == (whole / MASK).read_bytes()


def test_how_to_compile_reaches_the_accelerator(tiny_bert, tmp_path):
    for settings, backend, mode in (
        ({"torch_compile": True}, "INDUCTOR", "default"),
        ({"torch_compile_backend": "aot_eager"}, "AOT_EAGER", "default"),
        ({"torch_compile_mode": "max-autotune"}, "INDUCTOR", "max-autotune"),
    ):
        plugin = build(tiny_bert, tmp_path, **settings).accelerator.state.dynamo_plugin
        assert (plugin.backend.name, plugin.mode) == (backend, mode)


@pytest.mark.parametrize("strategy", ["group_by_length", "random"])
def test_batches_are_made_by_workers(strategy, tiny_bert, tmp_path):
    settings = {"train_sampling_strategy": strategy, "eval_strategy": "no"}
    workers = {"num_workers": 1, "prefetch_factor": 3, "multiprocessing_context": "fork"}
    trainer = build(tiny_bert, tmp_path, **settings, **{f"dataloader_{name}": value for name, value in workers.items()})
    for loader in (trainer.get_train_dataloader(), trainer.get_eval_dataloader()):
        assert (loader.num_workers, loader.prefetch_factor) == (1, 3)
        assert loader.multiprocessing_context.get_start_method() == "fork"
    trainer.train()
    alone = build(tiny_bert, tmp_path, **settings)
    alone.train()
    assert all(torch.equal(scores_of(alone)[name], scores) for name, scores in scores_of(trainer).items())


@pytest.mark.parametrize("settings", [{}, {"magnitude_topk_threshold": True}, {"global_topk": True}])
def test_full_determinism_is_asked_of_torch_which_refuses_nothing(device, deterministic, settings, tiny_bert, tmp_path):
    assert not torch.are_deterministic_algorithms_enabled()
    build(tiny_bert, tmp_path, full_determinism=True, **settings).train()
    assert torch.are_deterministic_algorithms_enabled()


@pytest.mark.device  # asks for nothing where there is none
def test_a_run_can_be_kept_off_the_gpu(tiny_bert, tmp_path):
    trainer = build(tiny_bert, tmp_path, use_cpu=True)
    assert {parameter.device.type for parameter in trainer.model.parameters()} == {"cpu"}
