"""Every flag of transformers' TrainingArguments: it is refused, or does here what it says. A flag that a new version of
transformers brings fails the first test until somebody decides which.
"""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from contextlib import nullcontext
from dataclasses import fields

import pytest
import torch
import transformers
from torch.nn import functional as F
from transformers import BertForMaskedLM, BertForQuestionAnswering, BertForSequenceClassification, TrainingArguments
from transformers.trainer_pt_utils import EvalLoopContainer

from emmental.common.run_folder import MASK
from emmental.models.backbones import load_backbone
from emmental.models.heads import HEADS, SpanClassifier
from emmental.pruning.masked_linear import swap_in
from emmental.recipes.kinds import Kind
from emmental.recipes.settings import RunSettings
from emmental.scripts import glue, squad
from emmental.training import refused
from emmental.training.config import BOUNDS, SMPConfig
from emmental.training.task_trainer import TaskTrainer
from tests.helpers.small_run import STEPS, build, examples, scores_of
from tests.helpers.tiny import ROOT, data_flags, environment, tiny_config

FLAGS = {field.name: field for field in fields(TrainingArguments)}
OWN = FLAGS.keys() & {field.name for field in fields(RunSettings)}  # tests/recipes, tests/launch and test_run.py

# What is tried of flags that are refused and no switches.
ASKED = {
    "activation_checkpointing_kwargs": '{"every_n_layers": 2}',
    "gradient_checkpointing_kwargs": '{"use_reentrant": true}',
    "neftune_noise_alpha": "5",
    "hub_strategy": "end",
    "debug": "underflow_overflow",
    "fsdp": "full_shard",
    "local_rank": "0",
}
# Flags that take other machines or packages than these tests have: what is tried, and what opens them.
GPU = {
    "torch.accelerator.is_available": lambda: True,
    "emmental.training.refused.is_torch_tf32_available": lambda: True,
}
TRACKERS = {"emmental.training.refused.get_available_reporting_integrations": lambda: ["trackio"]}
PROCESSES, NODES = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}, {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1"}
ELSEWHERE = {
    "fp16": (True, GPU, {}),
    "tf32": (False, GPU, {}),
    "torch_empty_cache_steps": (2, GPU, {}),
    "dataloader_pin_memory": (True, GPU, {}),
    "ddp_timeout": (60, GPU, PROCESSES),
    "log_on_each_node": (False, {}, NODES),
    "run_name": ("first", TRACKERS, {}),
    "project": ("films", TRACKERS, {}),
    "trackio_space_id": ("films", TRACKERS, {}),
    "trackio_bucket_id": ("films", TRACKERS, {}),
    "trackio_static_space_id": ("films", TRACKERS, {}),
}
# Flags that change what is learned: a value, beside which others. Scores differ with it and without it.
LEARNED = {
    "lr_scheduler_type": ("constant", {}),
    "lr_scheduler_kwargs": ({"power": 3.0}, {"lr_scheduler_type": "polynomial"}),
    "optim": ("adafactor", {}),
    "optim_args": ("momentum=0.9", {"optim": "sgd"}),
    "adam_beta1": (0.5, {}),
    "adam_beta2": (0.9, {}),
    "adam_epsilon": (0.1, {}),
    "max_grad_norm": (1e-6, {"adam_epsilon": 1e-3}),  # Adam does not see a factor but through its epsilon
    "label_smoothing_factor": (0.5, {}),
    "bf16": (True, {}),
    "data_seed": (3, {}),
    "train_sampling_strategy": ("sequential", {}),
}
# Flags that change when something is logged, evaluated or saved: a value, beside which others, and what it gives.
NOTED = {
    "logging_strategy": ("no", {}, {"logged": []}),
    "logging_steps": (4, {}, {"logged": [4]}),
    "logging_first_step": (True, {"logging_steps": 4}, {"logged": [1, 4]}),
    "eval_delay": (4, {"eval_strategy": "steps", "eval_steps": 2}, {"evaluated": [4, 6]}),
    "eval_on_start": (True, {"eval_strategy": "steps", "eval_steps": 3}, {"evaluated": [0, 3, 6]}),
    "save_strategy": ("epoch", {}, {"saved": ["checkpoint-4", "checkpoint-6"]}),
    "save_steps": (3, {"save_strategy": "steps"}, {"saved": ["checkpoint-3", "checkpoint-6"]}),
    "save_total_limit": (1, {"save_strategy": "epoch"}, {"saved": ["checkpoint-6"]}),
}
# Flags that a test of their own below shows.
SHOWN = """
    activation_checkpointing gradient_checkpointing torch_compile torch_compile_backend torch_compile_mode
    include_num_input_tokens_seen logging_nan_inf_filter log_level log_level_replica disable_tqdm report_to
    skip_memory_metrics per_device_eval_batch_size eval_accumulation_steps full_determinism use_cpu
    dataloader_num_workers dataloader_prefetch_factor dataloader_multiprocessing_context
    ddp_find_unused_parameters ddp_bucket_cap_mb ddp_broadcast_buffers ddp_static_graph ddp_backend do_train do_eval
""".split()


def test_every_flag_is_classified_once():
    classes = Counter([*OWN, *refused.REFUSED, *ELSEWHERE, *LEARNED, *NOTED, *SHOWN])
    assert set(classes.values()) == {1}, [name for name, count in classes.items() if count > 1]
    assert classes.keys() == FLAGS.keys()
    assert refused.CONDITIONS.keys() | BOUNDS.keys() <= classes.keys() - refused.REFUSED.keys()


def words(tiny_bert, reviews, folder, *flags):
    """The command line of a run of 6 steps, evaluated after 3."""
    chosen = (
        "--task_name", "sst2", "--model_name_or_path", tiny_bert, *data_flags(reviews), "--output_dir", folder,
        "--max_steps", 6, "--eval_steps", 3, "--per_device_train_batch_size", 8, "--logging_steps", 1,
        "--mask_scores_learning_rate", 0.05, *flags,
    )  # fmt: skip
    return ["masked_run_glue.py", *map(str, chosen)]


@pytest.fixture
def run(monkeypatch, tiny_bert, reviews, tmp_path):
    """masked_run_glue.py in this process with these flags; returns its output folder."""

    def train(*flags, name="out"):
        monkeypatch.setattr("sys.argv", words(tiny_bert, reviews, tmp_path / name, *flags))
        glue.main()
        return tmp_path / name

    return train


@pytest.fixture
def refusal(monkeypatch, capsys, tiny_bert, reviews, tmp_path):
    """What a script says of these flags, which it refuses before it writes anything."""

    def start(*flags, script=glue):
        monkeypatch.setattr("sys.argv", words(tiny_bert, reviews, tmp_path / "out", *flags))
        if script is squad:
            monkeypatch.setattr("sys.argv", ["masked_run_squad.py", *flags, "--output_dir", str(tmp_path / "out")])
        with pytest.raises(SystemExit) as ended:
            script.main()
        said = capsys.readouterr().err
        assert (ended.value.code, said.count("\n")) == (2, 1), said
        assert said.startswith("error: ")
        assert not list(tmp_path.iterdir())
        return said

    return start


def asked(name):
    """A value on the command line that is not the default."""
    field = next(field for field in fields(SMPConfig) if field.name == name)
    switch = field.type in (bool, "bool") or "bool" in str(field.type)
    return ASKED.get(name, str(not refused.default(field)) if switch else "x")


@pytest.mark.parametrize("name", refused.REFUSED)
def test_refused(name, refusal):
    assert f"--{name}" in refusal(f"--{name}", asked(name))


def test_both_scripts_refuse(refusal):
    reason = refused.REFUSED["load_best_model_at_end"]
    assert refusal("--load_best_model_at_end", script=squad) == (
        f"error: --load_best_model_at_end is not taken here: {reason}\n"
    )


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_other_machines_can_do_is_refused_here_and_taken_there(name, monkeypatch, refusal):
    value, opened, variables = ELSEWHERE[name]
    if not torch.accelerator.is_available():
        assert f"error: --{name} {value}: {refused.CONDITIONS[name][1]}" in refusal(f"--{name}", str(value))
    config = SMPConfig.__new__(SMPConfig)  # as a parser fills it, before transformers sets up devices that are not here
    for field in fields(SMPConfig):
        setattr(config, field.name, refused.default(field))
    config.report_to = "trackio" if opened is TRACKERS else "none"
    setattr(config, name, value)
    for place, function in opened.items():
        monkeypatch.setattr(place, function)
    for variable, text in variables.items():
        monkeypatch.setenv(variable, text)
    refused.check_flags(config)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--optim lomo", "--optim lomo: takes adamw_torch_fused, adamw_torch, adafactor, sgd, adagrad, rmsprop"),
        ("--optim_args momentum=0.9", "--optim_args momentum=0.9: takes name=value by commas, and --optim sgd"),
        ("--optim sgd --optim_args momentum", "--optim_args momentum: takes name=value"),
        ("--optim sgd --optim_args speed=2", "--optim_args speed=2: sgd reads no speed there"),
        ("--optim sgd --optim_args weight_decay=2", "sgd reads no weight_decay there"),
        ("--optim sgd --optim_args momentum=x", "--optim sgd with --optim_args momentum=x: could not convert"),
        ("--optim sgd --optim_args nesterov=true", "Nesterov momentum requires a momentum"),
        ("--optim sgd --adam_beta1 0.5", "--adam_beta1 0.5: takes --optim adamw_torch_fused or adamw_torch"),
        ("--adam_beta2 1", "--adam_beta2 1.0: a number from 0 to 0.99999"),
        ("--lr_scheduler_type warmup_stable_decay", "missing 1 required positional argument: 'num_decay_steps'"),
        ("--lr_scheduler_type cosine_with_min_lr", "One of min_lr or min_lr_rate should be set"),
        ("--lr_scheduler_kwargs x", "--lr_scheduler_kwargs x: takes JSON such as"),
        ("--lr_scheduler_kwargs {x", "--lr_scheduler_kwargs {x: takes JSON such as"),
        ('--lr_scheduler_kwargs {"x":1}', "--lr_scheduler_type linear with --lr_scheduler_kwargs {'x': 1}: "),
        ('--lr_scheduler_type constant --lr_scheduler_kwargs {"x":1}', "takes JSON such as"),
        ("--lr_scheduler_type constant --warmup_steps 3", "--warmup_steps 3.0: takes an --lr_scheduler_type"),
        ("--lr_scheduler_type greedy --eval_strategy no", "requires an eval strategy"),
        ("--label_smoothing_factor 1.5", "--label_smoothing_factor 1.5: a number from 0 to 1"),
        ("--report_to nowhere", "--report_to nowhere: takes none, all, or a tracker whose package is installed"),
        ("--report_to wandb", "--report_to wandb: takes none"),
        ("--save_strategy best", "--save_strategy best: takes no, steps or epoch"),
        ("--train_sampling_strategy batch_rebalance", "invalid choice: 'batch_rebalance'"),
        ("--eval_delay 2 --eval_strategy no", "--eval_delay 2.0: takes --eval_strategy steps or epoch"),
        ("--eval_accumulation_steps 0", "--eval_accumulation_steps 0: a number from 1"),
        ("--data_seed -1", "--data_seed -1: a number from 0"),
        ("--save_steps 0", "--save_steps 0.0: a number from 1e-12"),
        ("--dataloader_prefetch_factor 2", "--dataloader_prefetch_factor 2: takes --dataloader_num_workers above 0"),
        ("--dataloader_multiprocessing_context fork", "takes --dataloader_num_workers above 0"),
        ("--torch_compile_backend tvm", "--torch_compile_backend tvm: takes inductor, aot_eager, eager"),
        ("--torch_compile_mode fast", "--torch_compile_mode fast: takes default"),
        ("--torch_compile_mode default --torch_compile_backend eager", "; and inductor"),
        ("--ddp_backend gloo", "--ddp_backend gloo: takes several processes"),
        ("--ddp_static_graph true", "--ddp_static_graph True: takes several processes"),
        ("--ddp_bucket_cap_mb 2", "--ddp_bucket_cap_mb 2: takes several processes"),
        ("--ddp_broadcast_buffers true", "--ddp_broadcast_buffers True: takes several processes"),
        ("--ddp_find_unused_parameters true", "--ddp_find_unused_parameters True: takes several processes"),
        ("--log_level_replica error", "--log_level_replica error: takes several processes"),
    ],
)  # fmt: skip
def test_refused_beside_others_or_for_its_value(flags, message, refusal):
    assert message in refusal(*flags.split())


def test_compilation_takes_a_compiler(monkeypatch, refusal):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "--torch_compile True: needs a C++ compiler" in refusal("--torch_compile")
    SMPConfig(torch_compile_backend="eager", torch_compile=True)


def test_the_page_has_the_tables_of_the_code():
    """docs/guide/flags.md: a row is for flags of one reason."""
    page = (ROOT / "docs" / "guide" / "flags.md").read_text()
    rows = re.findall(r"^\| (`.*`) \| (.*) \|$", page, re.MULTILINE)
    shown = [(name.strip("`"), reason) for names, reason in rows for name in names.split(", ")]
    told = refused.REFUSED | {name: words for name, (_, words) in refused.CONDITIONS.items()}
    assert dict(shown) == told
    assert len(shown) == len(told)


# --- what is learned ---


@pytest.fixture(scope="module")
def plain(tiny_bert, tmp_path_factory):
    """What is known of a run with these settings, which is trained once."""
    known = {}

    def ran(settings):
        if str(settings) not in known:
            folder = tmp_path_factory.mktemp("plain")
            trainer = build(tiny_bert, folder, **settings)
            trainer.train()
            known[str(settings)] = outcome(trainer, folder)
        return known[str(settings)]

    return ran


def outcome(trainer, folder):
    """Scores, and at which steps something was noted."""
    history = trainer.state.log_history
    return {
        "scores": torch.cat([matrix.flatten() for matrix in scores_of(trainer).values()]),
        "logged": [entry["step"] for entry in history if "loss" in entry],
        "evaluated": [entry["step"] for entry in history if "eval_loss" in entry],
        "saved": sorted(path.name for path in folder.iterdir()),
    }


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


@pytest.mark.parametrize("name", ["activation_checkpointing", "gradient_checkpointing"])
def test_checkpointed_activations_are_computed_anew_and_change_nothing(name, tiny_bert, tmp_path):
    kept, calls = trained(tiny_bert, tmp_path)
    older = pytest.warns(FutureWarning, match="deprecated") if name == "gradient_checkpointing" else nullcontext()
    with older:
        anew, calls_anew = trained(tiny_bert, tmp_path, **{name: True})
    assert (calls, calls_anew) == (STEPS, 2 * STEPS)
    assert len(kept) == len(anew) == 12 * (STEPS + 2)
    assert all(tensor.any() for tensor in kept)
    assert all(torch.equal(*pair) for pair in zip(kept, anew, strict=True))


def test_the_older_name_of_checkpointing(tiny_bert):
    """What Trainer calls before transformers 5.23."""
    model = SpanClassifier(load_backbone(str(tiny_bert)).model, [8, 9])
    with pytest.warns(FutureWarning, match="deprecated"):
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=None)
    assert all(layer.gradient_checkpointing for layer in model.backbone.base_model.encoder.layer)


@pytest.mark.parametrize("flags", [(), ("--pruning_method", "finetune")])
def test_trained_weights_are_the_same_over_checkpointed_activations(flags, run):
    """transformers' own models; dropout is on."""
    weights = ("--freeze_bert", "false", "--learning_rate", "1e-2", "--final_lambda", "0", *flags)
    whole, anew = run(*weights, name="whole"), run(*weights, "--activation_checkpointing", name="anew")
    assert (anew / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_an_encoder_without_checkpointing(refusal, monkeypatch):
    monkeypatch.setattr(BertForMaskedLM, "supports_gradient_checkpointing", False)
    assert "--gradient_checkpointing: BertForMaskedLM has none" in refusal("--activation_checkpointing")


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


@pytest.fixture
def deterministic():
    """Puts back what --full_determinism sets."""
    before = os.environ.copy()
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.deterministic = False
    os.environ.clear()
    os.environ.update(before)


def test_full_determinism_is_asked_of_torch(deterministic, tiny_bert, tmp_path):
    assert not torch.are_deterministic_algorithms_enabled()
    build(tiny_bert, tmp_path, full_determinism=True).train()
    assert torch.are_deterministic_algorithms_enabled()


def test_a_run_can_be_kept_off_the_gpu(tiny_bert, tmp_path):
    trainer = build(tiny_bert, tmp_path, use_cpu=True)
    assert {parameter.device.type for parameter in trainer.model.parameters()} == {"cpu"}


# --- what is noted ---


@pytest.mark.parametrize("name", NOTED)
def test_steps_at_which_something_is_noted(name, tiny_bert, tmp_path, plain):
    value, others, expected = NOTED[name]
    trainer = build(tiny_bert, tmp_path, **others | {name: value})
    trainer.train()
    ((kind, steps),) = expected.items()
    assert outcome(trainer, tmp_path)[kind] == steps != plain(others)[kind]


@pytest.mark.parametrize(("size", "batches"), [(3, 3), (8, 1)])
def test_evaluation_goes_by_batches(size, batches, tiny_bert, tmp_path, monkeypatch):
    """Of 8 examples; results stay on the device for as many batches as --eval_accumulation_steps says."""
    trainer = build(tiny_bert, tmp_path, per_device_eval_batch_size=size, eval_accumulation_steps=2)
    seen, moved = [], []
    monkeypatch.setattr(EvalLoopContainer, "to_cpu_and_numpy", lambda self: moved.append(1))
    trainer.model.register_forward_hook(lambda *arguments: seen.append(1))
    trainer.evaluate()
    assert len(seen) == batches
    assert len(moved) == 4 * (batches // 2) + 4  # losses, predictions, labels, inputs; and what is left at the end


@pytest.mark.parametrize("left_out", [True, False])
def test_losses_that_are_not_finite_are_logged_or_left_out(left_out, tiny_bert, tmp_path):
    trainer = build(tiny_bert, tmp_path, per_device_eval_batch_size=4, logging_nan_inf_filter=left_out)
    losses = iter([torch.tensor(torch.inf), torch.tensor(2.0)])
    trainer.model.loss = lambda logits, labels: next(losses)
    assert trainer.evaluate()["eval_loss"] == (2.0 if left_out else torch.inf)


def test_tokens_are_counted(tiny_bert, tmp_path):
    trainer = build(tiny_bert, tmp_path, include_num_input_tokens_seen=True, train_sampling_strategy="sequential")
    trainer.train()
    longest = [max(map(len, examples()["input_ids"][start : start + 8])) for start in (0, 8, 16, 24, 0, 8)]
    assert trainer.state.num_input_tokens_seen == 8 * sum(longest)


def test_memory_is_measured(tiny_bert, tmp_path):
    trainer = build(tiny_bert, tmp_path, skip_memory_metrics=False, max_steps=1)
    trainer.train()
    assert "train_mem_cpu_peaked_delta" in trainer.state.log_history[-1]


def test_what_a_script_s_run_shows(run, capsys, caplog):
    """It trains and evaluates, which --do_train and --do_eval say once more; log, progress and places as asked."""
    flags = ("--do_train", "--do_eval", "--report_to", "tensorboard", "--log_level", "info")
    folder = run(*flags, "--disable_tqdm", "true")
    results = json.loads((folder / "all_results.json").read_text())
    assert results["global_step"] == 6
    assert "eval_accuracy" in results
    assert len(list(folder.glob("runs/*/events.out.tfevents.*"))) == 1
    assert "***** Running training *****" in caplog.text
    assert "6/6" not in capsys.readouterr().err
    caplog.clear()
    folder = run("--log_level", "warning", "--disable_tqdm", "false", name="loud")
    assert "***** Running training *****" not in caplog.text
    assert "6/6" in capsys.readouterr().err
    assert not (folder / "runs").exists()


# --- several processes ---

WRAPPED = """
import os
import sys
from pathlib import Path

import torch
import transformers

from tests.helpers.small_run import build

trainer = build(
    Path(sys.argv[1]), Path(sys.argv[2]), max_steps=1, ddp_backend="gloo", ddp_static_graph=True, ddp_bucket_cap_mb=3,
    ddp_broadcast_buffers=False, ddp_find_unused_parameters=True, log_level_replica="error",
)
trainer.train()
wrapped = trainer.model_wrapped
if trainer.args.process_index:
    told = wrapped.static_graph, wrapped.find_unused_parameters, wrapped.broadcast_buffers
    told += wrapped.bucket_bytes_cap >> 20, torch.distributed.get_backend(), transformers.logging.get_verbosity()
    Path("told").write_text(str(told))
trainer.accelerator.wait_for_everyone()
os._exit(0)  # torch's threads may abort an interpreter that ends by itself
"""


def test_processes_are_joined_as_asked(tiny_bert, tmp_path):
    (tmp_path / "joined.py").write_text(WRAPPED)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, "joined.py", tiny_bert, "out"],
        cwd=tmp_path,
        env=environment({"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": ""}),  # accelerate uses an older name
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "told").read_text() == str((True, True, False, 3, "gloo", transformers.logging.ERROR))
