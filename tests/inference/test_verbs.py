"""python -m emmental VERB and eval.sh: what they print, and what they say of bad input."""

import io
import json
import re
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import BertConfig

from emmental import masks
from emmental.__main__ import build_parser
from emmental.inference import scoring, subjects
from emmental.inference.load import fold, load_pruned
from emmental.masks import published
from emmental.models.backbones import load_backbone
from emmental.pruning.matrices import encoder_linears
from emmental.tasks import squad
from emmental.tasks.source import Source
from tests.helpers import loopback
from tests.helpers.tiny import WORDS, random_mask, save_tiny_bert, tiny_config


@pytest.fixture
def mask_file(tiny_bert, tmp_path):
    masks.save(random_mask(tiny_bert), tmp_path / "mask.safetensors")
    return tmp_path / "mask.safetensors"


def test_every_verb_has_help(capsys):
    verbs = "inspect convert diff fold predict eval shrink pack export push pull list"
    for verb in verbs.split():
        with pytest.raises(SystemExit):
            build_parser().parse_args([verb, "--help"])
        assert f"usage: smp {verb}" in capsys.readouterr().out


def test_nothing_is_loaded_that_is_not_needed():
    """Flags and their mistakes take no library, and labels of texts none that only tags, runs or pictures need."""
    code = "import sys; from emmental.__main__ import build_parser; build_parser(); before = {*sys.modules}\n"
    code += "import emmental.verbs.predict\n"
    code += "assert not before & {'torch', 'transformers', 'numpy', 'datasets'}\n"
    code += "assert not {'sklearn', 'seqeval', 'matplotlib', 'transformers.trainer', 'tensorboard'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_inspect(emmental, tiny_bert, tmp_path):
    mask = random_mask(tiny_bert)
    query = mask.bits["bert.encoder.layer.1.attention.self.query"]
    query[:] = False
    query[0, :4] = True
    masks.save(mask, tmp_path / "mask.smp")
    shown = emmental("inspect", tmp_path / "mask.smp")
    assert re.search(r"label words +0=terrible, 1=great", shown)
    assert re.search(rf"density +{mask.density():.4f} \(asked for 0\.3\)", shown)
    assert re.search(r"on disk +\d+\.\d [kM]B; entropy of its densities 0\.00 MB", shown)
    rows = {line.split("  ")[0]: re.split(r"  +", line) for line in shown.splitlines() if line}
    assert rows["layer"][1:] == [
        "attention.query", "attention.key", "attention.value", "attention.output", "intermediate", "output",
    ]  # fmt: skip
    assert rows["1"][1] == f"{100 * 4 / 256:.2f} %"
    assert rows["empty rows"][1].startswith("15/")
    assert rows["empty columns"][1].startswith("12/")


@pytest.mark.parametrize("target", ["mask.smp", "mask.npy", "copy.safetensors"])
def test_convert_there_and_back(emmental, tiny_bert, mask_file, tmp_path, target):
    emmental("convert", mask_file, tmp_path / target)
    npy = "--backbone", tiny_bert, "--task_name", "sst2"
    emmental("convert", tmp_path / target, tmp_path / "back.safetensors", *npy)
    before, after = masks.load(mask_file), masks.load(tmp_path / "back.safetensors")
    assert all((before.bits[name] == after.bits[name]).all() for name in before.bits)
    if target != "mask.npy":
        assert (tmp_path / "back.safetensors").read_bytes() == mask_file.read_bytes()


def test_diff(emmental, tiny_bert, mask_file, tmp_path):
    other = random_mask(tiny_bert, seed=5)
    masks.save(other, tmp_path / "other.smp")
    shown = emmental("diff", mask_file, tmp_path / "other.smp")
    pairs = [(masks.load(mask_file).bits[name].numpy(), other.bits[name].numpy()) for name in other.bits]
    a, b = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    row = next(line for line in shown.splitlines() if line.startswith("all"))
    assert re.split(r"  +", row)[1:4] == [f"{100 * share:.2f} %" for share in (a.mean(), b.mean(), (a & b).mean())]
    assert row.endswith(f"{(a & b).sum() / (a | b).sum():.4f}")


def test_predict(emmental, mask_file, tmp_path):
    shown = emmental("predict", mask_file, "a good film", "bad plot").splitlines()
    assert shown[0] == "label\t0\t1"
    label, *values = shown[1].split("\t")
    assert label == str(int(float(values[1]) > float(values[0])))
    (tmp_path / "texts.tsv").write_text("a good film\nbad plot\n")
    assert emmental("predict", mask_file, "--tsv", tmp_path / "texts.tsv").splitlines() == shown


def test_every_verb_can_be_forced_onto_another_backbone(emmental, tiny_bert, mask_file, tmp_path):
    other = save_tiny_bert(tmp_path / "other", tiny_config(initializer_range=0.3))
    for verb, *rest in (("predict", "a film"), ("fold", tmp_path / "folded"), ("shrink", tmp_path / "small")):
        words = (verb, mask_file, *rest, "--backbone", other)
        assert "whose encoder weights" in emmental(*words, status=2), verb
        emmental(*words, "--force")
    plain = load_backbone(str(tmp_path / "folded")).model
    expected = fold(masks.load(mask_file), str(other), force=True).model
    assert all(
        torch.equal(plain.get_submodule(name).weight, linear.weight)
        for name, linear in encoder_linears(expected).items()
    )


def test_predict_cuts_windows_as_the_flags_say(emmental, tiny_bert, tmp_path):
    mask = random_mask(tiny_bert, "squad", {"start": "yes", "end": "no"})
    masks.save(mask, tmp_path / "mask.smp")
    question, context = "good or bad", " ".join(WORDS[14:30] * 2)
    pruned, shown = load_pruned(mask), []
    for flags, reading in (
        ((), squad.Reading()),
        (("--max_seq_length", 16, "--doc_stride", 2), squad.Reading(16, 2)),
        (("--max_seq_length", 16, "--doc_stride", 7), squad.Reading(16, 7)),
        (("--max_seq_length", 24, "--doc_stride", 2), squad.Reading(24, 2)),
        (("--doc_stride", 2), squad.Reading(stride=2)),  # one window: nothing to cut
    ):
        best = pruned.answers(question, context, reading)[0]
        shown.append(emmental("predict", tmp_path / "mask.smp", "--question", question, "--context", context, *flags))
        assert shown[-1] == f"answer\tprobability\n{best['text']}\t{best['probability']:.6f}\n"
    assert len(set(shown)) == 4
    alone = "--max_seq_length", 16
    said = emmental("predict", tmp_path / "mask.smp", "--question", "a", "--context", "a", *alone, status=2)
    assert "stride 128: must be at least 0 and below the max length of 16 tokens" in said


def test_push_dry_run_shows_the_card(emmental, mask_file):
    shown = emmental("push", mask_file, "someone/films", "--dry_run")
    assert "would push" in shown
    assert '"label_words"' in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("inspect", "nowhere.safetensors"), "nowhere.safetensors"),
        (("inspect", "{folder}/mask.npy"), "give --backbone"),
        (("inspect", "{folder}/mask.txt"), "ends in .safetensors, .smp"),
        (("convert", "{mask}", "{folder}/mask.zip"), "ends in .safetensors, .smp"),
        (("predict", "{mask}"), "give texts"),
        (("predict", "{mask}", "a film", "--backbone", "nowhere"), "cannot load 'nowhere'"),
        (("fold", "{mask}", "{folder}"), "exists: name a new folder"),
        (("eval", "nothing_0.50"), "neither a folder, nor a mask file, nor a published mask"),
        (("eval", "{folder}/empty"), "not the folder of a finished run"),
        (("eval", "{mask}", "--label_map", "{{'0': 'yes'}}", "--data_dir", "."), "one word for each of 0, 1"),
        (("push", "{mask}", "someone/films"), "cannot push to someone/films"),
        (("pull", "someone/films"), "cannot pull from someone/films"),
    ],
)
def test_bad_input(emmental, mask_file, tmp_path, arguments, message):
    for name in ("mask.npy", "mask.txt"):
        (tmp_path / name).write_bytes(b"nothing")
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.iterdir())
    said = emmental(*(word.format(mask=mask_file, folder=tmp_path) for word in arguments), status=2)
    assert message in said
    assert said.count("error:") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_eval_gives_exactly_what_training_printed(command, tiny_bert, reviews, tmp_path):
    flags = ("--max_steps", "6", "--train_file", reviews["train"], "--validation_file", reviews["validation"])
    assert command("bash", "run.sh", "sst2_0.50_mag", *flags, MODEL=str(tiny_bert)).returncode == 0
    folder = tmp_path / "models" / "sst2_0.50_mag"
    trained = json.loads((folder / "all_results.json").read_text())["eval_accuracy"]
    for what in (folder, folder / "mask.safetensors"):
        run = command("bash", "eval.sh", what, "--validation_file", reviews["validation"])
        assert run.returncode == 0, run.stderr
        assert f"accuracy     {trained:.4f}\n" in run.stdout


def test_eval_without_a_name(command):
    run = command("bash", "eval.sh")
    assert run.returncode == 2
    assert "what is to be scored?" in run.stderr


def test_eval_uses_the_scrambled_words_of_published_mnli_masks(emmental, tiny_bert, tmp_path, monkeypatch):
    """A published name ends in the mask of that name with its words, in the order of the data's labels."""
    masks.save(random_mask(tiny_bert), tmp_path / "mnli.npy")
    subject = subjects.Subject(tmp_path / "mnli.npy", published.PUBLISHED["mnli_0.50_kd_mag"])
    mask = subjects.read_subject(subject, str(tiny_bert))
    assert mask.info.label_words == {"contradiction": "yes", "entailment": "maybe", "neutral": "no"}
    rows = ["premise,hypothesis,label", *(f"good film,bad plot,{label}" for label in ("entailment", "neutral"))]
    (tmp_path / "dev.csv").write_text("\n".join(rows) + "\n")
    source = Source(validation_file=str(tmp_path / "dev.csv"))
    measured = scoring.score(mask, source, str(tiny_bert), {})
    shown = scoring.show(subject, mask, measured)
    assert re.search(r"accuracy +\d\.\d{4}  \(published: 0\.857\)", shown)

    straight = replace(mask.info, label_words={"entailment": "maybe", "neutral": "no", "contradiction": "yes"})
    assert scoring.score(replace(mask, info=straight), source, str(tiny_bert), {}) == measured


@pytest.fixture
def release(monkeypatch):
    """A web server that has one published mask, over 10 % of BERT-base's weights."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    packed, zipped = io.BytesIO(), io.BytesIO()
    np.save(packed, np.packbits(np.random.default_rng(0).random(published.BERT_BASE_WEIGHTS, np.float32) < 0.1))
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("mnli_0.50_kd_mag.npy", packed.getvalue())
    with loopback.Server() as server:
        server.answer = loopback.sending(zipped.getvalue())
        yield server


@pytest.fixture(scope="module")
def bert_base(tmp_path_factory):
    """A folder with a BERT of BERT-base's size, random weights and a vocabulary of a few words."""
    return save_tiny_bert(
        tmp_path_factory.mktemp("models") / "bert-base",
        BertConfig(vocab_size=len(WORDS), max_position_embeddings=64, initializer_range=0.02),
    )


def test_eval_of_a_published_mask_that_is_not_there(emmental, release, tmp_path, monkeypatch):
    monkeypatch.setenv("SMP_CACHE", str(tmp_path / "cache"))
    release.answer = loopback.missing
    said = emmental("eval", "mnli_0.50_kd_mag", "--base_url", release.url, status=2)
    assert "cannot download" in said
    assert "404" in said
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_eval_of_a_published_mask(command, bert_base, release, tmp_path):
    """The whole way: download from a web server, unpack, apply, score, compare with the paper."""
    rows = ["premise,hypothesis,label", *(f"good film,bad plot,{label}" for label in ("entailment", "neutral"))]
    (tmp_path / "dev.csv").write_text("\n".join(rows) + "\n")
    variables = {"BASE_URL": release.url, "SMP_CACHE": str(tmp_path / "cache"), "MODEL": str(bert_base)}
    run = command("bash", "eval.sh", "mnli_0.50_kd_mag", "--validation_file", "dev.csv", **variables)
    assert run.returncode == 0, run.stderr
    assert "trained with scrambled label words" in run.stdout
    assert "contradiction=yes, entailment=maybe, neutral=no" in run.stdout
    assert re.search(r"accuracy +\d\.\d{4}  \(published: 0\.857\)", run.stdout)
    assert re.search(r"density +0\.1000", run.stdout)


def test_a_file_of_texts_is_parted_at_line_feeds_alone(emmental, mask_file, tmp_path):
    texts = tmp_path / "texts.tsv"
    texts.write_bytes("\ufeffa good\u2028film\r\na bad\x85film\x0cplot\n".encode())
    answers = emmental("predict", mask_file, "--tsv", texts).splitlines()[1:]
    assert len(answers) == 2
    assert answers == emmental("predict", mask_file, "a good\u2028film", "a bad\x85film\x0cplot").splitlines()[1:]
    texts.write_bytes(b"caf\xe9\n")
    assert "texts.tsv: not a readable UTF-8 text" in emmental("predict", mask_file, "--tsv", texts, status=2)
