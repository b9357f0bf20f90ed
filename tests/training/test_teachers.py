"""Teachers: the order of their labels, what is refused, logits that are computed once and equal a live teacher's."""

import functools

import datasets
import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import (
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    BertForQuestionAnswering,
    BertForSequenceClassification,
)

from emmental.common.errors import InputError
from emmental.models.backbones import load_tokenizer
from emmental.models.heads import SequenceRegressor, SpanClassifier
from emmental.models.losses import PADDING_LOGIT, distillation
from emmental.recipes import lengths
from emmental.recipes.kinds import Kind
from emmental.tasks.problem import Problem
from emmental.training.teacher_logits import TeacherLogits, compute_logits, stored_logits
from emmental.training.teachers import check_order, load_teacher
from tests.helpers.tiny import tiny_config

NLI = {"entailment": "yes", "neutral": "maybe", "contradiction": "no"}
SST2 = {"0": "terrible", "1": "great"}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "cache"


def problem(words, train, kind=Kind.LABEL, names=("labels",), task="some"):
    return Problem(
        task, kind, words, names, "examples", train, {"": train}, None, ("accuracy",), None,
        {"max_length": 32}, lengths.GLUE,
    )  # fmt: skip


@pytest.fixture
def teacher_folder(tiny_bert, tmp_path):
    """Save a teacher that answers each word's class: make(model class, names) -> folder."""

    def make(model_class=BertForSequenceClassification, names=("a", "b"), **changes):
        config = tiny_config(**changes)
        config.id2label = dict(enumerate(names))
        config.label2id = {name: number for number, name in enumerate(names)}
        torch.manual_seed(1)
        model = model_class(config)
        folder = tmp_path / "teacher"
        model.save_pretrained(folder)
        load_tokenizer(str(tiny_bert)).save_pretrained(folder)
        return str(folder)

    return make


def labelled_by(folder, order, noise=0.1, count=200):
    """Texts whose label is the teacher's answer, its logit k standing for label order[k]; some labels are noise."""
    draw = np.random.default_rng(0)
    ids = [[2, *draw.integers(9, 32, draw.integers(2, 9)).tolist(), 3] for _ in range(count)]
    train = Dataset.from_dict({"input_ids": ids, "attention_mask": [[1] * len(row) for row in ids]})
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    # what a class scores above its mean, so that all classes occur
    logits = np.array(compute_logits(model, train, load_tokenizer(folder))["logits"])
    answers = logits.argmax(1)
    labels = [int(draw.integers(len(order))) if draw.random() < noise else order[answer] for answer in answers]
    return train.add_column("labels", labels)


@pytest.fixture
def balanced(monkeypatch):
    """Makes a random teacher answer all classes about equally often."""

    def centre(folder):
        model = AutoModelForSequenceClassification.from_pretrained(folder)
        draw = np.random.default_rng(1)
        ids = [[2, *draw.integers(9, 32, draw.integers(2, 9)).tolist(), 3] for _ in range(200)]
        train = Dataset.from_dict({"input_ids": ids, "attention_mask": [[1] * len(row) for row in ids]})
        logits = np.array(compute_logits(model.eval(), train, load_tokenizer(folder))["logits"])
        model.classifier.bias.data -= torch.from_numpy(np.median(logits, axis=0))
        model.save_pretrained(folder)
        return folder

    return centre


@pytest.mark.parametrize(
    ("words", "names", "asked", "order"),
    [
        (NLI, ("LABEL_0", "LABEL_1", "LABEL_2"), None, (0, 1, 2)),
        (NLI, ("contradiction", "entailment", "neutral"), None, (1, 2, 0)),
        (NLI, ("CONTRADICTION", "Entailment", "NEUTRAL"), None, (1, 2, 0)),
        (NLI, ("LABEL_0", "LABEL_1", "LABEL_2"), "dynabert", (1, 2, 0)),
        (NLI, ("entailment", "neutral", "contradiction"), "neutral,contradiction,entailment", (2, 0, 1)),
        (SST2, ("positive", "negative"), None, (1, 0)),
        (SST2, ("0", "1"), None, (0, 1)),
        ({"0": "no", "1": "yes"}, ("not-equivalent", "equivalent"), None, (0, 1)),
    ],
)
def test_order_of_labels(teacher_folder, tiny_bert, words, names, asked, order):
    task = "sst2" if words is SST2 else "mrpc" if len(words) == 2 else "mnli"
    teacher = load_teacher(
        teacher_folder(names=names), problem(words, None, task=task), load_tokenizer(str(tiny_bert)), asked
    )
    assert teacher.order == order


def test_dynabert_is_known_by_name(teacher_folder, tiny_bert, tmp_path):
    folder = teacher_folder(names=("LABEL_0", "LABEL_1", "LABEL_2"))
    (tmp_path / "teacher").rename(tmp_path / "DynaBERT-mnli")
    task = problem(NLI, None, task="mnli")
    assert load_teacher(folder.replace("teacher", "DynaBERT-mnli"), task, load_tokenizer(str(tiny_bert))).order == (
        1,
        2,
        0,
    )


@pytest.mark.parametrize(
    ("words", "permutation", "named"), [(NLI, (2, 0, 1), "contradiction,entailment,neutral"), (SST2, (1, 0), "1,0")]
)
def test_permuted_labels_are_refused_and_the_right_order_named(
    teacher_folder, tiny_bert, balanced, words, permutation, named
):
    """The teacher's logit k means label permutation[k], which its config does not say."""
    folder = balanced(teacher_folder(names=[f"LABEL_{number}" for number in range(len(words))]))
    task = problem(words, labelled_by(folder, permutation))
    tokenizer = load_tokenizer(str(tiny_bert))
    with pytest.raises(InputError, match=rf"in the label order {named}: give --teacher_label_order {named}$"):
        check_order(load_teacher(folder, task, tokenizer), task, tokenizer)
    check_order(load_teacher(folder, task, tokenizer, named), task, tokenizer)


def test_a_teacher_that_knows_nothing_is_refused(teacher_folder, tiny_bert, balanced):
    folder = balanced(teacher_folder(names=("0", "1")))
    task = problem(SST2, labelled_by(folder, (0, 1), noise=1.0))
    tokenizer = load_tokenizer(str(tiny_bert))
    with pytest.raises(InputError, match=r"no better than chance: it gets .* % of the training labels right"):
        check_order(load_teacher(folder, task, tokenizer), task, tokenizer)


def test_a_span_teacher_that_knows_nothing_is_refused(teacher_folder, tiny_bert):
    folder = teacher_folder(BertForQuestionAnswering)
    tokenizer = load_tokenizer(str(tiny_bert))
    draw = np.random.default_rng(0)
    ids = [[2, *draw.integers(9, 32, 20).tolist(), 3] for _ in range(200)]
    train = Dataset.from_dict({"input_ids": ids, "attention_mask": [[1] * 22] * 200})
    found = compute_logits(AutoModelForQuestionAnswering.from_pretrained(folder).eval(), train, tokenizer)
    answers = {f"{side}_positions": [int(row.argmax()) for row in found[f"{side}_logits"]] for side in ("start", "end")}
    names = tuple(answers)
    good = problem({"start": "yes", "end": "no"}, _with(train, answers), Kind.SPAN, names)
    check_order(load_teacher(folder, good, tokenizer), good, tokenizer)
    wrong = {name: draw.integers(0, 22, 200) for name in answers}
    bad = problem({"start": "yes", "end": "no"}, _with(train, wrong), Kind.SPAN, names)
    with pytest.raises(InputError, match="no better than chance: it finds"):
        check_order(load_teacher(folder, bad, tokenizer), bad, tokenizer)


def _with(dataset, columns):
    for name, values in columns.items():
        dataset = dataset.add_column(name, values)
    return dataset


def test_values_must_correlate(teacher_folder, tiny_bert):
    folder, tokenizer = teacher_folder(names=("score",)), load_tokenizer(str(tiny_bert))
    train = labelled_by(folder, (0,))
    values = [float(row[0]) for row in compute_logits(load_any(folder), train, tokenizer)["logits"]]
    for sign, ends in ((1, "well"), (-1, "badly")):
        task = problem(
            {"score": "yes"},
            train.remove_columns("labels").add_column("labels", [sign * v for v in values]),
            Kind.VALUE,
        )
        teacher = load_teacher(folder, task, tokenizer)
        if ends == "well":
            check_order(teacher, task, tokenizer)
        else:
            with pytest.raises(InputError, match=r"correlates by -1\.00 with"):
                check_order(teacher, task, tokenizer)


def load_any(folder):
    return AutoModelForSequenceClassification.from_pretrained(folder).eval()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", "the teacher: cannot load"),
        ("labels", r"has 3 labels, sst2 has 2"),
        ("vocabulary", "has another vocabulary than the backbone"),
        ("head", r"lacks 4 weights, first bert\.pooler\.dense\.bias: fine-tune it"),
        ("order", "--teacher_label_order 0,2: give 0, 1 by commas"),
    ],
)
def test_bad_teachers(teacher_folder, tiny_bert, tmp_path, change, message):
    folder = teacher_folder(names=("a", "b", "c") if change == "labels" else ("a", "b"))
    if change == "vocabulary":
        config = tmp_path / "teacher" / "tokenizer.json"
        config.write_text(config.read_text().replace("slow", "fast"))
    folder = {"missing": "nowhere", "head": str(tiny_bert)}.get(change, folder)
    with pytest.raises(InputError, match=message):
        load_teacher(
            folder,
            problem(SST2, None, task="sst2"),
            load_tokenizer(str(tiny_bert)),
            "0,2" if change == "order" else None,
        )


# --- logits, computed once ---


def test_logits_are_computed_once_per_example_and_kept(device, teacher_folder, tiny_bert, cache, monkeypatch):
    folder, tokenizer = teacher_folder(), load_tokenizer(str(tiny_bert))
    train, model = labelled_by(folder, (0, 1)), load_any(folder).to(device)
    asked = []
    forward = BertForSequenceClassification.forward

    @functools.wraps(forward)
    def counted(self, **inputs):
        asked.append(len(inputs["input_ids"]))
        return forward(self, **inputs)

    monkeypatch.setattr(BertForSequenceClassification, "forward", counted)
    for _ in range(2):
        stored = stored_logits(model, train, tokenizer)
    assert sum(asked) == len(train)
    literal = [model(input_ids=torch.tensor([ids], device=device)).logits[0].tolist() for ids in train["input_ids"]]
    np.testing.assert_allclose(stored["logits"][:], literal, atol=1e-5)

    (kept,) = (cache / "teacher_logits").iterdir()
    model.classifier.bias.data += 1
    stored_logits(model, train, tokenizer)
    stored_logits(model, train.select(range(10)), tokenizer)
    assert len(list((cache / "teacher_logits").iterdir())) == 3
    assert kept.exists()


def test_rows_come_in_the_task_s_order_and_padded(device):
    stored = Dataset.from_dict({"logits": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]})
    batch = TeacherLogits(stored, (2, 0, 1)).batch(torch.tensor([1, 0], device=device), {})
    assert batch["logits"].device.type == device.type
    assert batch["logits"].tolist() == [[6.0, 4.0, 5.0], [3.0, 1.0, 2.0]]
    stored = Dataset.from_dict({"start_logits": [[1.0], [2.0, 3.0]], "end_logits": [[4.0], [5.0, 6.0]]})
    inputs = {"input_ids": torch.zeros(2, 3, device=device)}  # of a batch that had a longer row
    batch = TeacherLogits(stored, (0, 1)).batch(torch.tensor([0, 1], device=device), inputs)
    assert batch["start_logits"].device.type == device.type
    assert batch["start_logits"].tolist() == [[1.0, *[PADDING_LOGIT] * 2], [2.0, 3.0, PADDING_LOGIT]]
    assert batch["end_logits"].dtype == torch.float32
    stored = Dataset.from_dict({"logits": [[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]]})  # of words
    batch = TeacherLogits(stored, (1, 0)).batch(torch.tensor([1, 0], device=device), inputs)
    nothing = [PADDING_LOGIT] * 2
    assert batch["logits"].tolist() == [[[4.0, 3.0], [6.0, 5.0], nothing], [[2.0, 1.0], nothing, nothing]]


def test_span_distillation_ignores_padding(device):
    draw = torch.Generator().manual_seed(0)
    lengths = [5, 9, 7]
    sides = ([torch.randn(n, generator=draw).to(device) for n in lengths] for _ in range(4))
    student, teacher = ([next(sides), next(sides)] for _ in range(2))
    literal = sum(
        distillation(s[None], t[None]) for side in (0, 1) for s, t in zip(student[side], teacher[side], strict=True)
    ) / (2 * len(lengths))

    def padded(rows, to, value):
        return torch.stack([torch.nn.functional.pad(row, (0, to - len(row)), value=value) for row in rows])

    outputs = {name: padded(rows, 12, 3.0) for name, rows in zip(("start_logits", "end_logits"), student, strict=True)}
    targets = {
        name: padded(rows, 12, PADDING_LOGIT)
        for name, rows in zip(("start_logits", "end_logits"), teacher, strict=True)
    }
    mask = torch.tensor([[1] * n + [0] * (12 - n) for n in lengths], device=device)
    torch.testing.assert_close(SpanClassifier.distillation(outputs, targets, {"attention_mask": mask}, 2.0), literal)


def test_one_logit_distils_by_its_square_error():
    outputs, teacher = {"logits": torch.tensor([[1.0], [2.0]])}, {"logits": torch.tensor([[1.5], [4.0]])}
    assert SequenceRegressor.distillation(outputs, teacher, {}, 2.0).item() == pytest.approx((0.25 + 4) / 2)
