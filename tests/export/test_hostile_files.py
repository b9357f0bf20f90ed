"""Task checkpoints and shrunk models from others: anybody can compute a checksum, so that nothing is taken on trust."""

import json
import time
import zlib

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from emmental import masks
from emmental.common.errors import InputError
from emmental.export import task_file
from emmental.inference.load import load_pruned
from emmental.masks import container
from tests.helpers.encoders import save_encoder
from tests.helpers.tiny import random_mask

BOUND = 20  # seconds that no refusal comes near, on the slowest of machines


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A task checkpoint as ``pack`` writes it: tensors, description, and what its ``about`` says."""
    folder = save_encoder(tmp_path_factory.mktemp("models") / "bert", "bert")
    mask = random_mask(folder)
    pruned = load_pruned(mask)
    path = folder / "good.task"
    task_file.pack(pruned.model, pruned.tokenizer, mask, path)
    with safe_open(path, "np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        description = json.loads(file.metadata()[container.KEY])
    return tensors, description, json.loads(zlib.decompress(tensors["about"]))


def write(path, tensors, description):
    """The file with the checksums of what it holds."""
    description["info"]["content_sha256"] = task_file._sha256(tensors)
    description.pop(container.CHECKSUM, None)
    description[container.CHECKSUM] = container.checksum(description)
    save_file(tensors, path, {container.KEY: json.dumps(description)})
    return path


def refusal(path) -> str:
    """What is said of a file that must be refused, soon."""
    started = time.monotonic()
    with pytest.raises(InputError) as refused:
        load_pruned(path)
    assert time.monotonic() - started < BOUND
    said = str(refused.value)
    assert path.name in said
    assert len(said) < 1000
    return said


def config(**changes):
    return lambda about: about["config"].update(changes)


def tokenizer(**files):
    return lambda about: about["tokenizer"].update(files)


def at(*keys, value):
    def change(about):
        inner = about
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value

    return change


NAME = "bert.encoder.layer.0.attention.self.query.bias"
EMBEDDING = "bert.embeddings.word_embeddings.weight"
CHANGES = {
    "ten million layers": config(num_hidden_layers=10**7),
    "a width of a billion": config(hidden_size=10**9),
    "a thousand digits": config(vocab_size=10**999),
    "negative sizes": config(hidden_size=-4),
    "sizes that are words": config(hidden_size="wide"),
    "no size": config(num_attention_heads=0),
    "heads that do not divide": config(num_attention_heads=5),
    "an unknown architecture": config(model_type="evil"),
    "an architecture without a masked LM": config(model_type="gpt2"),
    "an architecture of other weights": config(model_type="roberta"),
    "an unknown activation": config(hidden_act="evil"),
    "another width": config(intermediate_size=47),
    "no config": at("config", value=[]),
    "config of nulls": at("config", value=dict.fromkeys(("model_type", "hidden_size"))),
    "deep config": at("config", "x", value=json.loads("[" * 900 + "]" * 900)),
    "tokenizer outside": tokenizer(**{"..": "x"}),
    "tokenizer at a path": tokenizer(**{"../../x.json": "x"}),
    "tokenizer at the root": tokenizer(**{"/tmp/x.json": "x"}),
    "code beside the tokenizer": tokenizer(**{"tokenization_evil.py": "x"}),
    "tokenizer that is a number": tokenizer(**{"tokenizer.json": 5}),
    "tokenizer of half a character": tokenizer(**{"tokenizer.json": "\ud800"}),
    "tokenizer that is no JSON": tokenizer(**{"tokenizer.json": "{"}),
    "tokenizer without padding": tokenizer(**{"tokenizer_config.json": '{"tokenizer_class": "T"}'}),
    "tokenizer of code": tokenizer(**{"tokenizer_config.json": '{"auto_map": {"AutoTokenizer": [null, "e--t.T"]}}'}),
    "no tokenizer": at("tokenizer", value={}),
    "tokenizers in a list": at("tokenizer", value=["tokenizer.json"]),
    "unknown precision": at("dtype", value="fp7"),
    "vectors of other sizes": at("vectors", NAME, value=[31]),
    "vectors of negative sizes": at("vectors", NAME, value=[-32]),
    "matrices of vast sizes": at("matrices", EMBEDDING, value=[2**40, 2**40]),
    "matrices of words": at("matrices", EMBEDDING, value=["a", "b"]),
    "weights by another name": at("vectors", "evil", value=[0]),
    "weights in a list": at("vectors", value=[]),
    "a backbone of another hash": at("embeddings_sha256", value="0"),
    "a number for a hash": at("embeddings_sha256", value=5),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_a_task_checkpoint_says(good, tmp_path, change):
    tensors, description, about = json_copy(good)
    change(about)
    tensors["about"] = np.frombuffer(zlib.compress(json.dumps(about).encode(), 9), np.uint8)
    refusal(write(tmp_path / "evil.task", tensors, description))


def json_copy(good):
    tensors, description, about = good
    return dict(tensors), json.loads(json.dumps(description)), json.loads(json.dumps(about))


def compressed(content: bytes):
    return np.frombuffer(zlib.compress(content, 9), np.uint8)


BYTES = {
    "no zlib": ("about", np.zeros(9, np.uint8)),
    "a bomb": ("about", compressed(bytes(200 << 20))),
    "no text": ("about", compressed(b"\xff\xfe")),
    "no JSON": ("about", compressed(b"{")),
    "deep JSON": ("about", compressed(b"[" * 100_000)),
    "no object": ("about", compressed(b"5")),
    "nothing in it": ("about", compressed(b"{}")),
    "not about anything": ("about", None),
    "no vectors": ("vectors.first", None),
    "half of the vectors": ("vectors.rest", np.zeros((3, 3), np.uint8)),
    "vectors in a row": ("vectors.rest", np.zeros(9, np.uint8)),
    "no stream": ("stream", None),
    "levels that are none": ("levels", np.zeros(9, np.uint8)),
}


@pytest.mark.parametrize(("name", "tensor"), BYTES.values(), ids=BYTES.keys())
def test_what_a_task_checkpoint_holds(good, tmp_path, name, tensor):
    tensors, description, _ = json_copy(good)
    tensors[name] = tensor
    tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    refusal(write(tmp_path / "evil.task", tensors, description))


@pytest.mark.parametrize(
    "changes",
    [
        {"task": "\x1b]0;owned\x07"},
        {"task": "\ud800"},
        {"task": "x" * 5000},
        {"base_model": "a\nb"},
        {"label_words": {"0": "yes", "": "no"}},
        {"label_words": {"0": "yes", "1": " "}},
        {"label_words": {"0": "yes"}},
        {"label_words": {"start": "yes", "end": "no"}, "kind": "value"},
        {"label_words": {"0": "yes", "1": "no"}, "kind": "span"},
        {"density": 10**1000},
        {"density": float("nan")},
        {"density": float("inf")},
        {"density": True},
        {"p": "1"},
        {"kind": []},
        {"evil": 1},
    ],
)
def test_what_any_file_says_of_its_mask(good, tmp_path, changes):
    tensors, description, _ = json_copy(good)
    description["info"]["mask"] |= changes
    refusal(write(tmp_path / "evil.task", tensors, description))


def test_a_file_chooses_no_code(good, tmp_path):
    """Kernels, code and quantisation that a config names are as if it did not name them."""
    tensors, description, about = json_copy(good)
    about["config"] |= {
        "attn_implementation": "evil/kernel",
        "_attn_implementation": "evil/kernel",
        "experts_implementation": "evil/kernel",
        "auto_map": {"AutoModelForMaskedLM": "evil--modeling.Evil", "AutoConfig": "evil--configuration.Evil"},
        "quantization_config": {"quant_method": "bitsandbytes"},
    }
    settings = json.loads(about["tokenizer"]["tokenizer_config.json"]) | {"tokenizer_class": "os.system"}
    about["tokenizer"]["tokenizer_config.json"] = json.dumps(settings)
    tensors["about"] = compressed(json.dumps(about).encode())
    pruned = load_pruned(write(tmp_path / "good.task", tensors, description))
    assert pruned.logits(["a film"]).shape == (1, 2)
    assert pruned.model.backbone.config._attn_implementation in ("sdpa", "eager")


@pytest.mark.parametrize(
    "name",
    ["weight", "a.b", "a.1", "1.a", "a." + "9" * 3000 + ".w", "a.\x1b[2J.1.w", "a.1.\ud800", "a" * 999 + ".1.w", ""],
)
def test_names_of_matrices(name, tmp_path):
    description = {"format": "smp-mask", "format_version": "2", "shapes": {name: [2, 4]}, "bits_sha256": "", "info": {}}
    description[container.CHECKSUM] = container.checksum(description)
    save_file({"x": np.zeros(1, np.uint8)}, tmp_path / "evil.safetensors", {container.KEY: json.dumps(description)})
    with pytest.raises(InputError, match=r"evil\.safetensors: its metadata do not describe a mask"):
        masks.load(tmp_path / "evil.safetensors")
