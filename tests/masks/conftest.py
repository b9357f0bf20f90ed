"""A server in place of the Hub."""

import huggingface_hub
import pytest

from tests.helpers import loopback


@pytest.fixture
def server(monkeypatch):
    """In place of huggingface.co, with somebody logged in."""
    with loopback.Server() as running:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", running.url)
        template = running.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", "hf_nobody")
        yield running
