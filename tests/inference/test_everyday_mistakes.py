"""Everyday mistakes at the verbs: one sentence and exit status 2, nothing half-written; parent folders are made."""

import shutil

import pytest

from emmental import masks
from emmental.inference import subjects
from tests.helpers.tiny import random_mask


@pytest.fixture(scope="module")
def files(tiny_bert, tmp_path_factory):
    """Masks for sst2, mnli and SQuAD, and what else is made of the first: small/ and sst2.task."""
    folder = tmp_path_factory.mktemp("masks")
    words = {"sst2": None, "mnli": {"entailment": "yes", "neutral": "maybe", "contradiction": "no"}}
    for task, words_of_task in (words | {"squad": {"start": "yes", "end": "no"}}).items():
        masks.save(random_mask(tiny_bert, task, words_of_task), folder / f"{task}.smp")
    return folder


def test_parent_folders_are_made(emmental, files, tmp_path):
    for verb, name in (("convert", "a/b/c.npy"), ("fold", "d/e"), ("shrink", "f/g"), ("pack", "h/i.task")):
        emmental(verb, files / "sst2.smp", tmp_path / name)
        assert (tmp_path / name).exists()
    assert {path.name for path in tmp_path.iterdir()} == set("adfh")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("predict", "sst2.smp", "a film", "--max_seq_length", "513"), "the model reads 3 to 512 tokens"),
        (("predict", "sst2.smp", "a film", "--max_seq_length", "-5"), "--max_seq_length -5: the model reads"),
        (("predict", "sst2.smp", "a film", "--max_seq_length", "0"), "--max_seq_length 0: the model reads"),
        (("predict", "sst2.smp", "a film", "--max_seq_length", "1"), "--max_seq_length 1: the model reads"),
        (("predict", "sst2.smp", "a \udcff film"), "texts, number 1: not UTF-8 text"),
        (("predict", "mnli.smp", "a film"), "mnli is about pairs of texts: give two for each, with --tsv"),
        (("predict", "squad.smp", "a film"), "give --question and --context"),
        (("predict", "squad.smp", "--question", "good?", "--context", "  "), "the context is blank"),
        (("predict", "squad.smp", "--question", "", "--context", "a film"), "the question is blank"),
        (("predict", "squad.smp", "--question", "good?"), "--question and --context go together"),
        (("predict", "squad.smp", "--question", "?", "--context", "a", "--max_seq_length", "900"), "reads 3 to 512"),
        (("predict", "squad.smp", "--question", "?", "--context", "a", "--doc_stride", "-1"), "stride -1"),
        (("predict", "nowhere.smp", "a film"), "not a readable mask file"),
        (("predict", "sst2.smp", "--tsv", "nowhere.tsv"), "nowhere.tsv: not a readable UTF-8 text"),
        (("predict", "sst2.smp", "a film", "--backbone", "nowhere"), "cannot load 'nowhere'"),
        (("convert", "sst2.smp", "sst2.zip"), "a mask file ends in"),
        (("convert", "sst2.smp", "sst2.smp/x.npy"), "a file cannot be written"),
        (("fold", "sst2.smp", "sst2.smp"), "exists: name a new folder"),
    ],
)
def test_one_sentence(emmental, files, monkeypatch, words, message):
    monkeypatch.chdir(files)
    before = sorted(files.rglob("*"))
    said = emmental(*words, status=2)
    assert message in said
    assert said.count("\n") == 1, said
    assert sorted(files.rglob("*")) == before


@pytest.mark.parametrize("make", ["small", "sst2.task"])
def test_a_backbone_beside_what_needs_none(emmental, files, tiny_bert, tmp_path, make):
    emmental("shrink" if make == "small" else "pack", files / "sst2.smp", tmp_path / make)
    said = emmental("predict", tmp_path / make, "a film", "--backbone", tiny_bert, status=2)
    assert "no backbone goes with it" in said


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:1000]),
        lambda path: path.write_bytes(path.read_bytes()[:-500]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\0" * 5000),
    ],
)
def test_a_damaged_backbone(emmental, files, tiny_bert, tmp_path, damage):
    shutil.copytree(tiny_bert, tmp_path / "bert")
    damage(tmp_path / "bert" / "model.safetensors")
    said = emmental("predict", files / "sst2.smp", "a film", "--backbone", tmp_path / "bert", status=2)
    assert "cannot load" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("content", ["", "[", "[]", "5", "null"])
def test_damaged_words_of_a_backbone(emmental, files, tiny_bert, tmp_path, name, content):
    shutil.copytree(tiny_bert, tmp_path / "bert")
    (tmp_path / "bert" / name).write_text(content)
    said = emmental("predict", files / "sst2.smp", "a film", "--backbone", tmp_path / "bert", status=2)
    assert "Traceback" not in said
    assert said.count("error:") == 1


def test_npy_says_that_it_has_no_checksum(emmental, files, tiny_bert, tmp_path, capsys):
    emmental("convert", files / "sst2.smp", tmp_path / "mask.npy")
    subjects.read_mask(tmp_path / "mask.npy", str(tiny_bert), "sst2")
    assert "mask.npy: a .npy mask has no checksum: damage in it goes unnoticed" in capsys.readouterr().err
