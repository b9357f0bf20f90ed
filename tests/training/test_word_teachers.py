"""Teachers of words: their tags' order, and the same logits stored, live and with their layers."""

from dataclasses import replace

import datasets
import numpy as np
import pytest
import torch
from transformers import BertForTokenClassification, DataCollatorForTokenClassification

from emmental.common.errors import InputError
from emmental.models.backbones import load_backbone, load_tokenizer
from emmental.models.heads import TokenClassifier
from emmental.models.losses import IGNORED
from emmental.recipes.kinds import Kind
from emmental.tasks import words
from emmental.tasks.sentence_task import SentenceTask
from emmental.tasks.words_windows import windows
from emmental.training.live_teacher import LiveTeacher
from emmental.training.stored_teacher import StoredTeacher
from emmental.training.teacher_logits import TeacherLogits, stored_logits
from emmental.training.teachers import check_order, load_teacher
from tests.helpers.tagged import TAG_WORDS, TAGS, tagged
from tests.helpers.tiny import tiny_config

TASK = SentenceTask("names", ("words",), TAG_WORDS, ("f1",), kind=Kind.TOKENS)
OTHER = ("I-PER", "O", "B-PER", "I-ART", "B-ART")


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture(scope="module")
def examples():
    columns = {"words": [], "tags": []}
    for own, tags in tagged(60):
        columns["words"].append(own)
        columns["tags"].append([TAGS.index(tag) for tag in tags])
    return datasets.Dataset.from_dict(columns)


@pytest.fixture(scope="module")
def problem(tiny_bert, examples):
    return words.as_problem(TASK, examples, examples, load_tokenizer(str(tiny_bert)), 16, {})


@pytest.fixture(scope="module")
def teacher_folder(tiny_bert, tmp_path_factory):
    """A random teacher whose logits stand in another order."""
    folder = tmp_path_factory.mktemp("teacher")
    config = tiny_config(id2label=dict(enumerate(OTHER)), label2id={tag: number for number, tag in enumerate(OTHER)})
    torch.manual_seed(3)
    BertForTokenClassification(config).save_pretrained(folder)
    load_tokenizer(str(tiny_bert)).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def teacher(teacher_folder, problem, tiny_bert):
    return load_teacher(teacher_folder, problem, load_tokenizer(str(tiny_bert)))


def test_the_names_of_tags_decide_their_order(teacher):
    assert [OTHER[number] for number in teacher.order] == list(TAGS)


def test_a_teacher_that_says_the_same_of_all_words_is_refused(teacher, problem, tiny_bert):
    teacher.model.classifier.weight.data.zero_()
    with pytest.raises(InputError, match=r"is no better than chance: it gets 20\.0 %"):
        check_order(teacher, problem, load_tokenizer(str(tiny_bert)))


def test_another_order_that_is_better_is_named(teacher, problem, tiny_bert):
    """Of data whose labels are what the teacher says in its own order."""
    tokenizer = load_tokenizer(str(tiny_bert))
    said = stored_logits(teacher.model, problem.train, tokenizer)["logits"][:]
    labels = [
        np.where(np.array(row) == IGNORED, IGNORED, np.argmax(logits, -1))
        for row, logits in zip(problem.train["labels"][:], said, strict=True)
    ]
    assert {*np.concatenate(labels)} == {IGNORED, *range(5)}
    own = replace(problem, train=problem.train.remove_columns("labels").add_column("labels", labels))
    with pytest.raises(InputError, match=f"give --teacher_label_order {','.join(TAGS)}"):
        check_order(teacher, own, tokenizer)
    check_order(replace(teacher, order=(0, 1, 2, 3, 4)), own, tokenizer)


def test_stored_live_and_with_layers_are_the_same(teacher, problem, tiny_bert):
    """In batches with other padding than they were computed in; the distillation's loss, too."""
    tokenizer, rows = load_tokenizer(str(tiny_bert)), torch.tensor([40, 3, 17, 8])
    features = problem.train.add_column("row", np.arange(len(problem.train)))
    inputs = DataCollatorForTokenClassification(tokenizer)([features[int(row)] for row in rows])
    inputs.pop("row")
    longer = {
        name: torch.nn.functional.pad(values, (0, 2), value=IGNORED * (name == "labels"))
        for name, values in inputs.items()
    }
    live = LiveTeacher(teacher, 2)
    student = TokenClassifier(load_backbone(str(tiny_bert)).model, [5, 6, 7, 8, 9]).eval()
    ways = (
        live,
        TeacherLogits(stored_logits(teacher.model, problem.train, tokenizer), teacher.order),
        StoredTeacher(live, problem.train, tokenizer),
    )
    losses, real = [], longer["attention_mask"].bool()
    for way in ways:
        said = way.batch(rows, longer)
        expected = live.batch(rows, longer)
        torch.testing.assert_close(said["logits"][real], expected["logits"][real], rtol=1e-4, atol=1e-5)
        assert said["logits"].shape == (*real.shape, 5)
        losses.append(student.distillation(student(**longer), said, longer, 2.0).item())
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-4)


def test_windows_of_the_training_data_are_what_a_model_takes(problem, examples, tiny_bert):
    whole = windows(examples, load_tokenizer(str(tiny_bert)), 16)
    assert problem.train["labels"][:] == whole["labels"][:]
    assert set(problem.train.column_names) == {"input_ids", "token_type_ids", "attention_mask", "labels"}
    assert len(problem.train) > len(examples)  # some were longer than 16 tokens
