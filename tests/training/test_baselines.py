"""The methods that train weights, end to end: what they leave, resuming, learning rates; dense fine-tuning."""

import json

import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file
from transformers import (
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    set_seed,
)

from emmental import masks
from emmental.common.errors import InputError
from emmental.inference.load import load_pruned
from emmental.models.backbones import load_tokenizer
from emmental.pruning.matrices import encoder_linears
from emmental.scripts import glue as masked_run_glue
from emmental.training.config import SMPConfig
from emmental.training.task_trainer import TaskTrainer
from tests.helpers.tiny import data_flags

METHODS = ("movement", "soft_movement", "magnitude", "l0")
FLAGS = {
    "movement": (),
    "soft_movement": (
        "--pruning_method", "sigmoied_threshold", "--initial_threshold", "0", "--final_threshold", "0.3",
        "--final_lambda", "20", "--mask_scores_learning_rate", "1",
    ),
    "magnitude": ("--pruning_method", "magnitude"),
    "l0": (
        "--pruning_method", "l0", "--regularization", "l0", "--initial_threshold", "1", "--final_threshold", "1",
        "--mask_init", "constant", "--mask_scale", "2.197", "--final_lambda", "20", "--mask_scores_learning_rate", "1",
    ),
}  # fmt: skip


def train(monkeypatch, capsys, tiny_bert, reviews, folder, *flags):
    """masked_run_glue.py in this process, 12 steps; what it printed."""
    words = (
        "--task_name", "sst2", "--model_name_or_path", tiny_bert, *data_flags(reviews), "--output_dir", folder,
        "--max_steps", 12, "--eval_steps", 4, "--per_device_train_batch_size", 8, "--disable_tqdm", True,
        "--logging_steps", 2, "--mask_scores_learning_rate", "0.1", "--final_threshold", "0.25", "--final_lambda", 0,
        *flags,
    )  # fmt: skip
    monkeypatch.setattr("sys.argv", ["masked_run_glue.py", *map(str, words)])
    masked_run_glue.main()
    return capsys.readouterr().out


@pytest.mark.parametrize("method", METHODS)
def test_a_baseline_leaves_a_plain_checkpoint_with_its_mask(
    device, method, monkeypatch, capsys, tiny_bert, reviews, tmp_path, emmental
):
    flags = ("--freeze_bert", False, "--learning_rate", "1e-2", *FLAGS[method])
    folder = tmp_path / "out"
    printed = train(monkeypatch, capsys, tiny_bert, reviews, folder, *flags)
    results = json.loads((folder / "all_results.json").read_text())
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    mask = masks.load(folder / "mask.safetensors")
    for name, linear in encoder_linears(model).items():
        assert (linear.weight[~mask.bits[name]] == 0).all(), name
    assert mask.density() == results["density"] == mask.info.density
    assert f"{results['density']:.4f}  (" in printed
    if method in ("movement", "magnitude"):
        assert results["density"] == pytest.approx(0.25, abs=12 / 4096)
        assert results["evaluations_at_final_density"] == 2  # steps 8 and 12; the density falls for 7 steps
    else:
        assert 0 < results["density"] < 1
        assert (results["best_step"], results["evaluations_at_final_density"]) == (12, 1)
    start = AutoModelForSequenceClassification.from_pretrained(tiny_bert, num_labels=2).state_dict()
    for name, tensor in model.state_dict().items():
        if "classifier" not in name and "pooler" not in name:
            assert torch.equal(tensor, start[name]) == ("embeddings" in name), name
    trained = sum(p.numel() for name, p in model.named_parameters() if "embeddings" not in name)
    assert results["trained_parameters"] == trained + (4096 if method != "magnitude" else 0)

    shown = emmental("eval", folder, "--validation_file", reviews["validation"])
    assert f"accuracy     {results['eval_accuracy']:.4f}" in shown
    with pytest.raises(InputError, match="is for masks over a frozen backbone"):
        load_pruned(folder, runtime="sparse")
    assert "holds a fine-tuned model" in emmental("shrink", folder, tmp_path / "small", status=2)


@pytest.mark.parametrize("method", METHODS)
def test_baselines_resume_bit_for_bit(device, method, monkeypatch, capsys, tiny_bert, reviews, tmp_path):
    """A run that was stopped at its checkpoint of step 8 ends as an undisturbed one."""
    flags = ("--freeze_bert", False, "--learning_rate", "1e-2", *FLAGS[method])
    train(monkeypatch, capsys, tiny_bert, reviews, tmp_path / "whole", *flags)

    def stop(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("emmental.training.prune.conclude", stop)
        with pytest.raises(KeyboardInterrupt):
            train(broken, capsys, tiny_bert, reviews, tmp_path / "parts", *flags)
    for last in (tmp_path / "parts").glob("checkpoint-12"):
        (last / "sealed").unlink()
    assert "resumes        checkpoint-8" in train(monkeypatch, capsys, tiny_bert, reviews, tmp_path / "parts", *flags)
    parts, whole = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("parts", "whole"))
    assert parts == whole


def test_evaluation_of_l0_has_no_noise_and_draws_none(device, monkeypatch, capsys, tiny_bert, reviews, tmp_path):
    """How often one looks does not change what is trained."""
    flags = ("--freeze_bert", False, "--learning_rate", "1e-2", *FLAGS["l0"])
    train(monkeypatch, capsys, tiny_bert, reviews, tmp_path / "a", *flags)
    train(monkeypatch, capsys, tiny_bert, reviews, tmp_path / "b", *flags, "--eval_steps", 1)
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (tmp_path / "b" / "model.safetensors").read_bytes()


def test_scores_and_weights_have_their_own_learning_rates(monkeypatch, capsys, tiny_bert, reviews, tmp_path):
    """Weights that do not learn stay as they were, while masks are learned."""
    train(monkeypatch, capsys, tiny_bert, reviews, tmp_path, "--freeze_bert", False, "--learning_rate", 0)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    start = AutoModelForSequenceClassification.from_pretrained(tiny_bert, num_labels=2)
    bits = masks.load(tmp_path / "mask.safetensors").bits
    for name, linear in encoder_linears(start).items():
        assert torch.equal(model.get_submodule(name).weight, linear.weight * bits[name])


def test_finetune_is_transformers_own_training(tiny_bert, tmp_path):
    """The same losses as plain Trainer, step by step."""
    draw = torch.Generator().manual_seed(3)
    texts = [[2, *torch.randint(9, 32, (length % 5 + 2,), generator=draw).tolist(), 3] for length in range(64)]
    data = Dataset.from_dict(
        {"input_ids": texts, "attention_mask": [[1] * len(t) for t in texts], "labels": [n % 2 for n in range(64)]}
    )
    tokenizer = load_tokenizer(str(tiny_bert))
    settings = {
        "output_dir": str(tmp_path), "max_steps": 20, "logging_steps": 1, "disable_tqdm": True, "seed": 5,
        "per_device_train_batch_size": 8, "learning_rate": 1e-3, "warmup_steps": 0.1, "weight_decay": 0.01,
        "save_strategy": "no", "eval_strategy": "no", "train_sampling_strategy": "random", "report_to": "none",
        "use_cpu": True,
    }  # fmt: skip
    losses = []
    for trainer_class, configuration in (
        (Trainer, TrainingArguments(**settings)),
        (TaskTrainer, SMPConfig(**settings, pruning_method="finetune")),
    ):
        set_seed(5)
        model = AutoModelForSequenceClassification.from_pretrained(tiny_bert, num_labels=2)
        collator = DataCollatorWithPadding(tokenizer)
        trainer = trainer_class(model, configuration, train_dataset=data, data_collator=collator)
        trainer.train()
        losses.append([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
    assert len(losses[0]) == 20
    assert losses[0] == losses[1]


def test_a_dense_model_s_accumulated_batches_are_one_batch(monkeypatch, capsys, tiny_bert, reviews, tmp_path):
    """By plain gradient descent, whose step shows the gradient's size."""
    plain = ("--pruning_method", "finetune", "--dropout", 0, "--optim", "sgd", "--max_grad_norm", 0)
    parts = ("--per_device_train_batch_size", 4, "--gradient_accumulation_steps", 2)
    for folder, flags in (("whole", ()), ("parts", parts)):
        train(monkeypatch, capsys, tiny_bert, reviews, tmp_path / folder, *plain, "--learning_rate", 0.1, *flags)
    whole, parts = (load_file(tmp_path / folder / "model.safetensors") for folder in ("whole", "parts"))
    for name, weights in whole.items():
        torch.testing.assert_close(parts[name], weights, rtol=0, atol=1e-5)
