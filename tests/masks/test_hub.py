"""Masks on the Hub: the card as the Hub reads it, push and pull against a server here that answers as the Hub does."""

import base64
import json

import huggingface_hub
import pytest
from huggingface_hub import ModelCard

from emmental import masks
from emmental.common.errors import InputError
from emmental.masks import hub
from tests.helpers import loopback
from tests.helpers.tiny import random_mask

COMMIT = "c0" * 20


@pytest.fixture
def mask(tiny_bert):
    return random_mask(tiny_bert)


@pytest.fixture
def mask_file(mask, tmp_path):
    masks.save(mask, tmp_path / "mine.smp")
    return tmp_path / "mine.smp"


class Hub:
    """Answers requests as the Hub does. invalid: what it says of the card, if anything; commits: the lines of each;
    files: contents by name."""

    def __init__(self, invalid: str | None = None, files: dict[str, bytes] | None = None):
        self.invalid, self.commits, self.files = invalid, [], files or {}

    def __call__(self, request):
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        if request.path == "/api/repos/create":
            self.say(request, {"url": f"{request.server.url}/someone/films"})
        elif request.path == "/api/validate-yaml":
            errors = [{"message": self.invalid}] if self.invalid else []
            self.say(request, {"errors": errors, "warnings": []}, 400 if errors else 200)
        elif request.path == "/api/models/someone/films/preupload/main":
            names = [file["path"] for file in json.loads(body)["files"]]
            files = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]
            self.say(request, {"files": files})
        elif request.path == "/api/models/someone/films/commit/main":
            self.commits.append([json.loads(line) for line in body.splitlines()])
            self.say(request, {"commitOid": "c0", "commitUrl": f"{request.server.url}/someone/films/commit/c0"})
        elif request.path.startswith("/api/models/someone/films"):  # what there is, in either form that is asked for
            names = [{"rfilename": name, "path": name, "type": "file", "size": 0, "oid": "0"} for name in self.files]
            info = {"id": "someone/films", "sha": COMMIT, "siblings": names}
            self.say(request, names if "/tree/" in request.path else info)
        elif (name := request.path.removeprefix("/someone/films/resolve/").partition("/")[2]) in self.files:
            self.send(request, self.files[name], {"X-Repo-Commit": COMMIT, "ETag": f'"{name}"'})
        else:
            loopback.missing(request)

    def say(self, request, content, status=200):
        self.send(request, json.dumps(content).encode(), {}, status)

    @staticmethod
    def send(request, content, headers, status=200):
        request.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(content)


def test_mask_and_card_are_one_commit(mask, mask_file, server):
    server.answer = Hub()
    said = hub.push(mask_file, "someone/films")
    assert said == f"someone/films: mask.smp and README.md pushed ({server.url}/someone/films/commit/c0)"
    card = str(hub.card(mask, hub.Known(repository="someone/films")))
    assert pushed(server) == {"mask.smp": mask_file.read_bytes(), "README.md": card.encode()}


def pushed(server):
    """What the one commit holds: contents by name."""
    (commit,) = server.answer.commits
    files = {line["value"]["path"]: line["value"]["content"] for line in commit if line["key"] == "file"}
    return {name: base64.b64decode(content) for name, content in files.items()}


def test_what_a_run_leaves_beside_its_mask_goes_along(mask, mask_file, server):
    results = {"task": "sst2", "density": mask.density(), "eval_accuracy": 0.75, "eval_loss": 0.5}
    mask_file.with_name("all_results.json").write_text(json.dumps(results))
    mask_file.with_name("density.png").write_bytes(b"a picture")
    server.answer = Hub()
    said = hub.push(mask_file, "someone/films", known=hub.Known(license="mit", languages=["en"], datasets=["a/films"]))
    assert said.startswith("someone/films: mask.smp, README.md and density.png pushed")
    files = pushed(server)
    assert files["density.png"] == b"a picture"
    text = files["README.md"].decode()
    assert "![Densities of all matrices](density.png)" in text
    data = ModelCard(text).data
    assert (data.license, data.language, data.datasets) == ("mit", ["en"], ["a/films"])
    assert [(one.metric_name, one.metric_value) for one in data.eval_results] == [("accuracy", 0.75)]


def test_what_the_hub_says_of_a_card_reaches_the_user(mask_file, server):
    server.answer = Hub(invalid="no such base_model")
    with pytest.raises(InputError, match=r"(?s)cannot push to someone/films: .*no such base_model"):
        hub.push(mask_file, "someone/films")
    assert not server.answer.commits


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty folder as the Hub's cache."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("name", ["mask.smp", "mask.safetensors"])
def test_a_pulled_mask_is_the_pushed_one(mask, server, tmp_path, name):
    masks.save(mask, tmp_path / name)
    server.answer = Hub(files={"README.md": b"", name: (tmp_path / name).read_bytes()})
    path = hub.pull("someone/films")
    assert path.read_bytes() == (tmp_path / name).read_bytes()
    assert path.name == name


@pytest.mark.usefixtures("cache")
def test_the_smaller_of_two_masks_is_pulled_of_the_revision_asked_for(mask_file, server):
    server.answer = Hub(files=dict.fromkeys(("mask.safetensors", "mask.smp"), mask_file.read_bytes()))
    assert hub.pull("someone/films", "v2").name == "mask.smp"
    assert "/someone/films/resolve/v2/mask.smp" in server.requests


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(
    ("name", "message"),
    [("mask.smp", "its rows and columns are damaged"), ("mask.bin", "neither mask.smp nor mask.safetensors in it")],
)
def test_a_pulled_mask_is_checked(mask_file, server, name, message):
    content = bytearray(mask_file.read_bytes())
    content[-1] ^= 4
    server.answer = Hub(files={name: bytes(content)})
    with pytest.raises(InputError, match=message):
        hub.pull("someone/films")
