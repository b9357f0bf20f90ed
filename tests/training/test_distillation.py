"""Runs with a teacher: one that was fine-tuned by the project's own command, stored logits against a live teacher."""

import json
import re

import datasets
import pytest
import torch
from transformers import AutoModelForQuestionAnswering, AutoModelForSequenceClassification, DataCollatorWithPadding

from emmental.models.backbones import load_backbone
from emmental.models.heads import SequenceClassifier, SpanClassifier
from emmental.pruning.masked_linear import swap_in
from emmental.pruning.schedule import Schedule
from emmental.pruning.score_init import init_scores
from emmental.scripts import glue as masked_run_glue
from emmental.tasks import problem
from emmental.training import checkpoints
from emmental.training.config import SMPConfig
from emmental.training.teacher_logits import TeacherLogits, stored_logits
from emmental.training.trainer import SMPTrainer
from tests.helpers.tiny import data_flags, run_command, write_questions, write_reviews

LOOP = ("--max_steps", "6", "--per_device_train_batch_size", "8", "--eval_steps", "3", "--logging_steps", "1")


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """More examples than other tests need: enough to learn that a film is as good as its last word."""
    folder = tmp_path_factory.mktemp("films")
    return {"train": write_reviews(folder / "a.csv", 160), "validation": write_reviews(folder / "b.csv", 40, seed=1)}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory, tiny_bert, films):
    """A folder that --pruning_method finetune leaves, and what the command printed."""
    place = tmp_path_factory.mktemp("teachers")
    command = (
        "python",
        "masked_run_glue.py",
        "--pruning_method",
        "finetune",
        "--task_name",
        "sst2",
        *data_flags(films),
    )
    settings = ("--learning_rate", "1e-2", "--max_steps", "60", "--per_device_train_batch_size", "16")
    run = run_command((*command, *settings, "--model_name_or_path", tiny_bert, "--output_dir", "sst2"), {}, place)
    assert run.returncode == 0, run.stderr
    return place / "sst2", run


def test_fine_tuning_leaves_a_model_and_its_results(teacher):
    folder, run = teacher
    results = json.loads((folder / "all_results.json").read_text())
    assert (results["method"], results["density"], results["global_step"]) == ("finetune", 1.0, 60)
    assert results["eval_accuracy"] > 0.7 > results["majority_eval_accuracy"]
    assert "parameters, all trained" in run.stdout
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert model.config.id2label == {0: "0", 1: "1"}
    assert not list(folder.glob("checkpoint-*"))


def test_a_run_with_a_teacher(teacher, tiny_bert, films, command, tmp_path):
    flags = (
        "--task_name",
        "sst2",
        *data_flags(films),
        "--model_name_or_path",
        tiny_bert,
        *LOOP,
        "--report_to",
        "tensorboard",
    )
    taught = ("--teacher_model_name_or_path", teacher[0], "--output_dir", "out", "--magnitude_topk_threshold")
    run = command("python", "masked_run_glue.py", *flags, *taught, HF_DATASETS_CACHE=str(tmp_path / "cache"))
    assert run.returncode == 0, run.stderr
    assert re.search(
        r"teacher +.*sst2 \(BertForSequenceClassification\), its logits in the order 0, 1; 0\.5 x", run.stdout
    )
    assert len(list((tmp_path / "cache" / "teacher_logits").iterdir())) == 1
    assert json.loads((tmp_path / "out" / "settings.json").read_text())["teacher_order"] == [0, 1]
    refused = command(
        "python", "masked_run_glue.py", *flags, *taught[:2], "--output_dir", "other", "--teacher_label_order", "1,0"
    )
    assert refused.returncode == 2
    assert "give --teacher_label_order 0,1" in refused.stderr
    assert not (tmp_path / "other").exists()


class Live:
    """A teacher that is asked anew in every step, with the padding of the step's batch."""

    def __init__(self, model, train, tokenizer):
        self.model, self.train, self.pad = model.eval(), train, DataCollatorWithPadding(tokenizer)

    @torch.no_grad()
    def batch(self, rows, inputs):
        names = ["input_ids", "attention_mask"]
        inputs = self.pad(self.train.select_columns(names)[rows.tolist()]).to(self.model.device)
        outputs = self.model(**inputs)
        hidden = inputs["attention_mask"] == 0
        return {
            name: outputs[name].masked_fill(hidden, -1e4) if name != "logits" else outputs[name]
            for name in ("logits", "start_logits", "end_logits")
            if name in outputs
        }


@pytest.mark.parametrize("spans", [False, True])
def test_stored_logits_give_the_losses_of_a_live_teacher(device, tiny_bert, tmp_path, monkeypatch, spans):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    draw = torch.Generator().manual_seed(3)
    texts = [[2, *torch.randint(9, 32, (n % 9 + 2,), generator=draw).tolist(), 3] for n in range(48)]
    answers = (
        {"start_positions": [1] * 48, "end_positions": [2] * 48} if spans else {"labels": [n % 2 for n in range(48)]}
    )
    masks = [[1] * len(text) for text in texts]
    train = datasets.Dataset.from_dict({"input_ids": texts, "attention_mask": masks, "row": range(48), **answers})
    torch.manual_seed(5)
    kind = AutoModelForQuestionAnswering if spans else AutoModelForSequenceClassification
    model = kind.from_pretrained(tiny_bert).eval().to(device)
    tokenizer = load_backbone(str(tiny_bert)).tokenizer
    logged = []
    for teacher in (TeacherLogits(stored_logits(model, train, tokenizer), (0, 1)), Live(model, train, tokenizer)):
        torch.manual_seed(0)
        backbone = load_backbone(str(tiny_bert))
        init_scores(swap_in(backbone.model), "magnitude", 0.5)
        config = SMPConfig(
            str(tmp_path), max_steps=6, save_strategy="no", eval_strategy="no", logging_steps=1, disable_tqdm=True,
            per_device_train_batch_size=8, mask_scores_learning_rate=0.05,
        )  # fmt: skip
        trainer = SMPTrainer(
            (SpanClassifier if spans else SequenceClassifier)(backbone.model, [8, 9]),
            config,
            Schedule(6, 4, 0.2, 20.0),
            teacher=teacher,
            distillation=(SpanClassifier if spans else SequenceClassifier).distillation,
            train_dataset=train,
            processing_class=tokenizer,
            data_collator=DataCollatorWithPadding(tokenizer),
        )
        trainer.train()
        logged.append([entry for entry in trainer.state.log_history if "loss" in entry])
    for stored, live in zip(*logged, strict=True):
        for name in ("loss", "distillation", "task_loss", "grad_norm"):
            assert stored[name] == pytest.approx(live[name], rel=1e-4, abs=1e-5), name
        weight = trainer.schedule.regulariser_weight(stored["step"] - 1)
        whole = 0.5 * stored["distillation"] + 0.5 * stored["task_loss"] + weight * stored["regulariser"]
        assert stored["loss"] == pytest.approx(whole, rel=1e-4)


@pytest.mark.parametrize("method", ["topK", "magnitude"])
def test_methods_that_train_weights_distil_as_well(device, teacher, tiny_bert, films, tmp_path, monkeypatch, method):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    flags = ("--task_name", "sst2", *data_flags(films), "--model_name_or_path", tiny_bert, *LOOP, "--final_lambda", "0")
    taught = ("--teacher_model_name_or_path", teacher[0], "--freeze_bert", "False", "--pruning_method", method)
    words = ("masked_run_glue.py", *flags, *taught, "--output_dir", tmp_path / "out", "--disable_tqdm", "True")
    monkeypatch.setattr("sys.argv", [*map(str, words)])
    logged, original = [], SMPTrainer.log

    def log(self, logs, *more):
        original(self, logs, *more)
        logged.append(logs)

    monkeypatch.setattr(SMPTrainer, "log", log)
    masked_run_glue.main()
    steps = [entry for entry in logged if "loss" in entry]
    assert len(steps) == 6
    for entry in steps:
        whole = 0.5 * entry["distillation"] + 0.5 * entry["task_loss"]
        assert entry["loss"] == pytest.approx(whole, rel=1e-4)
    assert steps[0]["distillation"] > 0


def test_squad_distils_from_its_own_fine_tuned_model(tiny_bert, command, tmp_path):
    write_questions(tmp_path / "train.json", 80)
    write_questions(tmp_path / "dev.json", 12, seed=1)
    flags = ("--train_file", "train.json", "--validation_file", "dev.json", "--model_name_or_path", tiny_bert)
    flags = ("python", "masked_run_squad.py", *flags, "--max_seq_length", "20", "--doc_stride", "4")
    dense = ("--pruning_method", "finetune", "--learning_rate", "1e-2", "--max_steps", "60", "--output_dir", "teacher")
    assert command(*flags, *dense, HF_DATASETS_CACHE="cache").returncode == 0
    run = command(
        *flags, *LOOP, "--teacher_model_name_or_path", "teacher", "--output_dir", "out", HF_DATASETS_CACHE="cache"
    )
    assert run.returncode == 0, run.stderr
    assert "teacher (BertForQuestionAnswering)" in run.stdout
    taught = ("--teacher_model_name_or_path", "teacher", "--alpha_hidden", "10", "--num_train_epochs", "2")
    layers = command(*flags, *taught, "--final_threshold", "0.5", "--output_dir", "layers")
    assert layers.returncode == 0, layers.stderr
    assert re.search(r"its layers +stored before training, \d+\.\d kB", layers.stdout)


@pytest.mark.parametrize(("place", "name"), [(problem.Problem, "measure"), (checkpoints.Seal, "on_save")])
def test_fine_tuning_that_was_killed_goes_on(tiny_bert, films, tmp_path, monkeypatch, place, name):
    """Killed after the last step, or at the second checkpoint: the same weights as undisturbed."""
    flags = ("--task_name", "sst2", *data_flags(films), "--model_name_or_path", tiny_bert, *LOOP, "--save_steps", "3")
    flags = ("masked_run_glue.py", *flags, "--pruning_method", "finetune", "--disable_tqdm", "True")
    monkeypatch.setattr("sys.argv", [*map(str, flags), "--output_dir", str(tmp_path / "whole")])
    masked_run_glue.main()
    killed = tmp_path / "killed"
    monkeypatch.setattr("sys.argv", [*map(str, flags), "--output_dir", str(killed)])
    original = getattr(place, name)

    def kill(self, *arguments, **more):
        if list(killed.glob("checkpoint-*/sealed")):
            raise KeyboardInterrupt
        return original(self, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(place, name, kill)
        with pytest.raises(KeyboardInterrupt):
            masked_run_glue.main()
    assert not (killed / "all_results.json").exists()
    masked_run_glue.main()
    weights = [(folder / "model.safetensors").read_bytes() for folder in (tmp_path / "whole", killed)]
    assert weights[0] == weights[1]
