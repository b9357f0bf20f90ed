"""Runs that learn from a teacher's layers: the loss by hand, over accumulated batches, resumed, and what is refused."""

import json
import re

import pytest
import torch
from transformers import AutoModelForQuestionAnswering, AutoModelForSequenceClassification, BertConfig

from emmental.common.errors import InputError
from emmental.models.layers import blocks, recorded
from emmental.models.losses import distillation, layer_loss
from emmental.training.live_teacher import LiveTeacher, aligned, check_layers
from emmental.training.teachers import Teacher
from tests.helpers.small_run import build, examples
from tests.helpers.tiny import data_flags, run_command, short_run, tiny_config
from tests.training.test_resume import kill_during_evaluation


@pytest.fixture(scope="module")
def teacher(device, tiny_bert):
    """A classifier over the tiny BERT, its first layer changed and its labels in the other order."""
    torch.manual_seed(5)
    model = AutoModelForSequenceClassification.from_pretrained(tiny_bert).eval().requires_grad_(False)
    model.bert.encoder.layer[0].output.dense.weight += 0.2 * torch.randn(16, 32)
    return Teacher(model.to(device), "teacher", (1, 0))


@pytest.mark.parametrize(
    ("student", "teacher", "expected"),
    [(3, 3, [0, 1, 2]), (6, 12, [1, 3, 5, 7, 9, 11]), (4, 6, [1, 2, 3, 5]), (1, 12, [11]), (2, 3, [1, 2])],
)
def test_layers_are_aligned_evenly(student, teacher, expected):
    assert aligned(student, teacher) == expected


def taught(tiny_bert, folder, teacher, **settings):
    trainer = build(tiny_bert, folder, dropout=0.0, final_lambda=0.0, alpha_hidden=3.0, **settings)
    trainer.teacher = LiveTeacher(teacher, 2)
    trainer.distillation = type(trainer.model).distillation
    trainer.train_dataset = examples().add_column("row", list(range(32)))
    return trainer


def test_the_loss_by_hand(tiny_bert, tmp_path, teacher):
    trainer = taught(tiny_bert, tmp_path, teacher, max_steps=1, train_sampling_strategy="sequential")
    inputs = trainer.data_collator([examples()[row] for row in range(8)]).to(trainer.args.device)
    trainer.model.train()
    with torch.no_grad(), recorded(blocks(trainer.model)) as own:
        outputs = trainer.model(**inputs)
    answer = teacher.model(
        **{name: values for name, values in inputs.items() if name != "labels"}, output_hidden_states=True
    )
    logits = distillation(outputs["logits"], answer.logits[:, [1, 0]], 2.0)
    layers = layer_loss(own, list(answer.hidden_states[1:]), inputs["attention_mask"])
    assert layers > 0.01
    trainer.train()
    (entry,) = [entry for entry in trainer.state.log_history if "task_loss" in entry]
    assert entry["layers"] == pytest.approx(layers.item(), rel=1e-4)
    assert entry["distillation"] == pytest.approx(logits.item(), rel=1e-4)
    assert entry["loss"] == pytest.approx((0.5 * outputs["loss"] + 0.5 * logits + 3 * layers).item(), rel=1e-4)


def test_the_unpruned_teacher_itself_is_at_no_distance(tiny_bert, teacher):
    ids = torch.tensor([[2, 12, 13, 3]], device=teacher.model.device)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    live = LiveTeacher(teacher, 2)
    with torch.no_grad(), recorded(blocks(teacher.model)) as own:
        teacher.model(**inputs)
    layers = live.batch(torch.tensor([0]), inputs)["layers"]
    assert layer_loss(own, layers, inputs["attention_mask"]) == 0


def test_padding_of_a_question_s_window_counts_nowhere(tiny_bert):
    torch.manual_seed(5)
    live = LiveTeacher(Teacher(AutoModelForQuestionAnswering.from_pretrained(tiny_bert).eval(), "t", (0, 1)), 2)
    short = {"input_ids": torch.tensor([[2, 12, 13, 3]]), "attention_mask": torch.ones(1, 4, dtype=torch.long)}
    longer = {name: torch.nn.functional.pad(values, (0, 3)) for name, values in short.items()}
    given = {"start_positions": torch.tensor([1]), "end_positions": torch.tensor([2])}
    one, other = (live.batch(torch.tensor([0]), inputs | given) for inputs in (short, longer))
    torch.testing.assert_close(one["start_logits"], other["start_logits"][:, :4])
    assert (other["end_logits"][:, 4:] == -1e4).all()
    torch.testing.assert_close(layer_loss([x[:, :4] for x in other["layers"]], one["layers"], None), torch.tensor(0.0))


@pytest.fixture(scope="module")
def fine_tuned(tmp_path_factory, tiny_bert, reviews):
    """A folder that run_teacher.sh leaves."""
    place = tmp_path_factory.mktemp("teachers")
    flags = (*data_flags(reviews), "--max_steps", "60")
    variables = {"MODEL": str(tiny_bert), "BATCH_SIZE": "8", "LR": "1e-2", "OUTPUT_DIR": "sst2"}
    made = run_command(("bash", "run_teacher.sh", "sst2", *flags), variables, place)
    assert made.returncode == 0, made.stderr
    return place / "sst2"


@pytest.mark.parametrize(
    ("epochs", "killed", "way", "shown"),
    [
        ("3", 9, "stored", r"its layers +stored before training, \d+\.\d kB"),
        ("1", 3, "live", r"its layers +computed beside the student's in every step; stored they would take \d+\.\d kB"),
    ],
)
def test_a_run_and_its_repetition_after_a_kill(
    tiny_bert, fine_tuned, reviews, tmp_path, command, epochs, killed, way, shown
):
    flags = (
        "--teacher_model_name_or_path",
        fine_tuned,
        "--alpha_hidden",
        "10",
        "--mask_init",
        "wanda",
        "--save_steps",
        "1",
    )
    arguments, variables = short_run(tiny_bert, reviews, *flags, "--mask_scale", "0.5")
    variables |= {"EPOCHS": epochs}
    whole = command(*arguments, **variables, OUTPUT_DIR="whole")
    assert whole.returncode == 0, whole.stderr
    assert "+ 10 x the layers' distance" in whole.stdout
    assert re.search(shown, whole.stdout)
    settings = json.loads((tmp_path / "whole" / "settings.json").read_text())
    assert (settings["alpha_hidden"], settings["teacher_layers"]) == (10, way)
    assert kill_during_evaluation(arguments, variables | {"PYTHONUNBUFFERED": "1"}, tmp_path, killed)
    resumed = run_command(arguments, variables, tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert re.search(r"resumes +checkpoint-\d", resumed.stdout)
    masks = [path / "mask.safetensors" for path in (tmp_path / "models" / "sst2_0.25_mag", tmp_path / "whole")]
    assert masks[0].read_bytes() == masks[1].read_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_hidden_layers": 1}, "has 1 layers, the backbone has 2"),
        ({"hidden_size": 32}, "is 32 wide, the backbone 16: layers learn from layers of their width"),
    ],
)
def test_teachers_whose_layers_cannot_be_learned_from(tiny_bert, changes, message):
    student = AutoModelForSequenceClassification.from_pretrained(tiny_bert)
    other = AutoModelForSequenceClassification.from_config(BertConfig(**tiny_config().to_dict() | changes))
    with pytest.raises(InputError, match=message):
        check_layers(Teacher(other, "other", (0, 1)), student)


def test_layers_of_no_teacher(tiny_bert, reviews, command, tmp_path):
    arguments, variables = short_run(tiny_bert, reviews, "--alpha_hidden", "1")
    refused = command(*arguments, **variables)
    assert refused.returncode == 2
    assert "there are no layers to learn from without --teacher_model_name_or_path" in refused.stderr
    assert not list(tmp_path.iterdir())
