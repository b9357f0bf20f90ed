"""Folders of transformers' own classifiers: a process that cannot import this package gets the mask's logits from them,
for every architecture and kind of task. What no classifier can hold is refused."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AlbertConfig, AutoModelForMaskedLM, MPNetConfig, XLMRobertaConfig

from emmental import masks
from emmental.export import pipeline_folder, probes
from emmental.inference.load import load_pruned
from emmental.recipes.kinds import Kind
from tests.helpers import architectures
from tests.helpers.encoders import save_tokenizer
from tests.helpers.tiny import environment, random_mask

CONFIGS = {name: config for name, (config, _) in architectures.CONFIGS.items()} | {
    "mpnet": MPNetConfig(**architectures.SIZES),
    "xlm-roberta": XLMRobertaConfig(**architectures.SIZES, layer_norm_eps=1e-5),
}
TEXTS = ["a good film", "bad", "very dull plot , bad music and a slow story"]
WORDS = {
    Kind.LABEL: {"dull": "bad", "fine": "good", "in between": "film"},
    Kind.VALUE: {"stars": "good"},
    Kind.SEVERAL: {"sad": "bad", "funny": "good"},
    Kind.SPAN: {"start": "good", "end": "bad"},
    Kind.TOKENS: {"THING": "the", "PERSON": "actor"},
}
ASKED = [(name, Kind.LABEL) for name in CONFIGS] + [("bert", kind) for kind in WORDS if kind is not Kind.LABEL]

STRANGER = """
import json, sys
sys.modules["emmental"] = None  # cannot be imported
import torch, transformers
*folders, texts = sys.argv[1:]
texts, said = json.loads(texts), {}
for folder in folders:
    config = transformers.AutoConfig.from_pretrained(folder)
    model = getattr(transformers, config.architectures[0]).from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        outputs = model(**tokenizer(texts, padding=True, return_tensors="pt"))
    said[folder] = [{name: value.tolist() for name, value in outputs.items()}]
    if "QuestionAnswering" not in type(model).__name__:  # transformers 5 has no pipeline for it
        task = "text-classification" if "Sequence" in type(model).__name__ else "token-classification"
        said[folder].append(transformers.pipeline(task, folder)(texts))
print(json.dumps(said, default=float))
"""


def save_backbone(folder, config):
    """A masked LM of this config with weights, norms and biases that are all random, and a tokenizer."""
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn(parameter.shape)
    model.save_pretrained(folder)
    save_tokenizer(folder, token_types=config.model_type in ("bert", "electra", "deberta-v2"))
    return folder


def open_mask(folder, kind=Kind.LABEL, words=None):
    """A random mask over the backbone in this folder, opened."""
    mask = random_mask(folder, words=words or WORDS[kind])
    return load_pruned(replace(mask, info=replace(mask.info, kind=kind)))


@pytest.fixture(scope="module")
def backbones(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backbones")
    return {name: save_backbone(folder / name, config) for name, config in CONFIGS.items()}


@pytest.fixture(scope="module")
def said(backbones, tmp_path_factory):
    """By architecture and kind: what transformers says in a process of its own, and what this package says."""
    place, expected = tmp_path_factory.mktemp("plain"), {}
    for name, kind in ASKED:
        pruned = open_mask(backbones[name], kind)
        pipeline_folder.save(pruned.model, pruned.tokenizer, pruned.info, place / f"{name}-{kind}")
        inputs = pruned.tokenizer(TEXTS, padding=True, return_tensors="pt")
        with torch.inference_mode():
            expected[name, kind] = {name: logits.numpy() for name, logits in pruned.model(**inputs).items()}
    folders = {asked: str(place / f"{asked[0]}-{asked[1]}") for asked in ASKED}
    command = [sys.executable, "-I", "-c", STRANGER, *folders.values(), json.dumps(TEXTS)]
    run = subprocess.run(command, cwd=place, env=environment({}), capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    answers = json.loads(run.stdout)
    return {asked: (*answers[folders[asked]], expected[asked]) for asked in ASKED}


@pytest.mark.parametrize(("name", "kind"), ASKED)
def test_a_stranger_computes_the_same_logits(said, name, kind):
    logits, *_, expected = said[name, kind]
    assert logits.keys() == expected.keys()
    for output, values in expected.items():
        assert np.ptp(values) > 0.01
        np.testing.assert_allclose(np.array(logits[output]), values, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_pipeline_names_the_labels(said, name):
    _, answers, expected = said[name, Kind.LABEL]
    probabilities = torch.from_numpy(expected["logits"]).softmax(-1)
    labels = list(WORDS[Kind.LABEL])
    assert [answer["label"] for answer in answers] == [labels[best] for best in probabilities.argmax(-1)]
    np.testing.assert_allclose([answer["score"] for answer in answers], probabilities.max(-1).values, atol=1e-5)


def test_a_pipeline_gives_values_as_they_are_each_label_its_own_chance_and_tags(said):
    _, answers, expected = said["bert", Kind.VALUE]
    assert {answer["label"] for answer in answers} == {"stars"}
    np.testing.assert_allclose([answer["score"] for answer in answers], expected["logits"][:, 0], atol=1e-5)

    _, answers, expected = said["bert", Kind.SEVERAL]
    likeliest = torch.from_numpy(expected["logits"]).sigmoid().max(-1).values
    np.testing.assert_allclose([answer["score"] for answer in answers], likeliest, atol=1e-5)

    _, answers, expected = said["bert", Kind.TOKENS]
    best = expected["logits"][0].argmax(-1)[1:4]  # [CLS] a good film [SEP]
    tags = [(word["word"], word["entity"]) for word in answers[0]]
    assert tags == [(w, ["THING", "PERSON"][tag]) for w, tag in zip(TEXTS[0].split(), best, strict=True)]


def test_one_that_differs_is_not_written(backbones, tmp_path, monkeypatch):
    pruned = open_mask(backbones["bert"])
    put_last = pipeline_folder.head_layer.put_last

    def put_nearly(source, target, variance):
        put_last(source, target, variance)
        target.get_submodule("bert.encoder.layer.2.output.LayerNorm").bias += 0.01

    monkeypatch.setattr(pipeline_folder.head_layer, "put_last", put_nearly)
    with pytest.raises(pipeline_folder.InputError, match="a BertForSequenceClassification's logits differ by"):
        pipeline_folder.save(pruned.model, pruned.tokenizer, pruned.info, tmp_path / "plain")
    assert not list(tmp_path.iterdir())


def test_normalising_twice_adds_epsilon_once(tmp_path):
    """Where the encoder's last vectors are small, the epsilon of two normalisations would be seen."""
    pruned = open_mask(save_backbone(tmp_path / "small", CONFIGS["xlm-roberta"]))
    last = pruned.model.backbone.roberta.encoder.layer[-1]
    for layer in (last.attention.output.LayerNorm, last.output.dense):
        layer.weight.mul_(0.2)
        layer.bias.mul_(0.2)
    plain = pipeline_folder.as_plain(pruned.model, pruned.tokenizer, pruned.info)
    batch = probes.batch(pruned.tokenizer, 4, 20)
    with torch.inference_mode():
        assert (plain(**batch).logits - pruned.model(**batch)["logits"]).abs().max() < 1e-5


ALBERT = AlbertConfig(**architectures.SIZES, embedding_size=8)
WIDE = type(CONFIGS["electra"])(**architectures.SIZES, embedding_size=12)
MANY = {str(number): word for number, word in enumerate("a good bad film plot actor was is not very".split())}


@pytest.mark.parametrize(
    ("config", "words", "reason"),
    [
        (ALBERT, None, "AlbertForMaskedLM cannot become one of transformers' classifiers: its layers share their"),
        (WIDE, None, "its head's width 12 does not divide its encoder's 16"),
        (CONFIGS["distilbert"], MANY, "10 labels are too many: each takes two units .* which has 16"),
    ],
)
def test_what_no_classifier_can_hold(emmental, tmp_path, config, words, reason):
    save_backbone(tmp_path / "backbone", config)
    masks.save(random_mask(tmp_path / "backbone", words=words), tmp_path / "mask.smp")
    said = emmental("fold", tmp_path / "mask.smp", tmp_path / "plain", "--for", "pipeline", status=2)
    assert re.search(reason, said)
    assert not (tmp_path / "plain").exists()


def test_the_verb(emmental, tiny_bert, tmp_path):
    masks.save(random_mask(tiny_bert), tmp_path / "mask.smp")
    shown = emmental("fold", tmp_path / "mask.smp", tmp_path / "plain", "--for", "pipeline")
    assert "plain: a plain BertForSequenceClassification, 0.3" in shown
    assert "of its encoder remain; its logits differ from the mask's by" in shown
    config = json.loads((tmp_path / "plain" / "config.json").read_text())
    assert config["id2label"] == {"0": "0", "1": "1"}
    assert "auto_map" not in config
    assert not list((tmp_path / "plain").glob("*.py"))
