"""The list of masks that somebody has on the Hub, against a server here that answers as the Hub does."""

import json
import urllib.parse

import pytest
from huggingface_hub import ModelCard

from emmental.masks.card import Known, card
from tests.helpers import loopback
from tests.helpers.tiny import random_mask


@pytest.fixture
def model(tiny_bert):
    """What the Hub says of a repository: the head of a card that was pushed, read from its text."""
    mask = random_mask(tiny_bert)
    results = {"task": "sst2", "density": mask.density(), "eval_accuracy": 0.8125, "last_eval_accuracy": 0.8}
    head = ModelCard(str(card(mask, Known("someone/films", results=results)))).data.to_dict()
    return {"id": "someone/films", "library_name": "smp-pruning", "cardData": head}


@pytest.fixture
def answers(server):
    """Contents by path, which the server gives as JSON; ``asked``: the queries so far."""
    contents, asked = {}, []

    def answer(request):
        path, _, query = request.path.partition("?")
        asked.append(urllib.parse.parse_qs(query))
        if path not in contents:
            return loopback.missing(request)
        return loopback.sending(json.dumps(contents[path]).encode())(request)

    server.answer, contents["asked"] = answer, asked
    return contents


def cells(shown):
    return [line.split() for line in shown.splitlines()]


def test_the_masks_of_a_user(emmental, answers, model):
    answers["/api/models"] = [model, model | {"id": "someone/bare", "cardData": None}]
    head, first, bare = cells(emmental("list", "someone"))
    assert head == ["repository", "task", "density", "metric", "backbone"]
    backbone = model["cardData"]["smp"]["backbone"]
    assert first == [
        "someone/films",
        "sst2",
        f"{model['cardData']['smp']['density']:.4f}",
        "accuracy",
        "0.8125",
        backbone[:60],
    ]
    assert bare == ["someone/bare", "–", "–", "–", "–"]
    assert answers["asked"][-1]["author"] == ["someone"]
    assert answers["asked"][-1]["filter"] == ["smp-pruning"]


def test_of_a_collection_what_is_a_mask(emmental, answers, model):
    items = [("model", "someone/films"), ("dataset", "someone/data"), ("model", "someone/bert")]
    answers["/api/collections/someone/pruned-1a2b"] = {
        "slug": "someone/pruned-1a2b", "title": "pruned", "owner": {"name": "someone"}, "position": 0,
        "lastUpdated": "2026-01-01T00:00:00.000Z", "private": False, "theme": "blue", "upvotes": 0,
        "items": [{"_id": name, "id": name, "type": kind, "position": 0} for kind, name in items],
    }  # fmt: skip
    answers["/api/models/someone/films"] = model
    answers["/api/models/someone/bert"] = {"id": "someone/bert", "library_name": "transformers", "cardData": {}}
    assert [row[0] for row in cells(emmental("list", "someone/pruned-1a2b"))] == ["repository", "someone/films"]


def test_a_stranger_s_card_moves_no_cursor_and_stops_nothing(emmental, answers, model):
    strange = {"task": "a\x1b[2J\nb" + 99 * "c", "density": "low", "backbone": ["x"]}
    answers["/api/models"] = [
        model | {"cardData": model["cardData"] | {"smp": strange}},
        model | {"cardData": {"smp": "none", "model-index": "none"}},
    ]
    shown = emmental("list", "someone")
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == 3
    assert "a\\x1b[2J b" + 40 * "c" in shown
    assert 60 * "c" not in shown


@pytest.mark.parametrize(("place", "said"), [("nobody", "cannot list nobody"), ("a/b-1", "cannot list a/b-1")])
def test_what_the_hub_does_not_know(emmental, answers, place, said):
    assert said in emmental("list", place, status=2)


def test_somebody_without_masks(emmental, answers):
    answers["/api/models"] = []
    assert "someone: no repository of the library smp-pruning in it" in emmental("list", "someone", status=2)
