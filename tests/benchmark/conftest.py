"""What tests of the experiments share."""

import sys

import pytest


@pytest.fixture
def experiment(monkeypatch, capsys, tmp_path):
    """Run an experiment's module with a folder of its own: experiment(module, flag, …) -> what it printed."""

    def run(module, *flags):
        monkeypatch.setattr(sys, "argv", [module.__name__, "--output_dir", str(tmp_path), *flags])
        module.main()
        return capsys.readouterr().out

    return run
