"""What several test files need: a tiny backbone, a few examples, and the project's commands. No network."""

import os
from pathlib import Path

import pytest
import torch

os.environ["HF_HUB_OFFLINE"] = "1"  # before it is read
os.environ["ACCELERATE_USE_CPU"] = "true"  # but for tests marked ``device``: see helpers/devices.py
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else a GPU's products may differ from one to the next

from emmental.__main__ import main
from emmental.scripts import glue
from tests.helpers.devices import DEVICES, ON_CPU
from tests.helpers.tiny import run_command, save_tiny_bert, short_run, tiny_config, write_reviews


@pytest.fixture(params=DEVICES, scope="module")
def device(request) -> torch.device:
    """The CPU and, marked ``device``, each kind of accelerator: skipped where it is not there."""
    return torch.device(request.param)


@pytest.fixture(autouse=True)
def _accelerators_are_for_tests_of_them(request, monkeypatch):
    """See helpers/devices.py."""
    if request.node.get_closest_marker("device"):
        monkeypatch.delenv(ON_CPU)


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory) -> Path:
    """Folder of a 2-layer BERT of width 16 (12 matrices, 4,096 weights) with dropout."""
    return save_tiny_bert(tmp_path_factory.mktemp("models") / "tiny-bert", tiny_config())


@pytest.fixture(scope="session")
def reviews(tmp_path_factory) -> dict[str, Path]:
    """csv files: 40 examples to train, 12 to validate."""
    folder = tmp_path_factory.mktemp("data")
    return {
        "train": write_reviews(folder / "train.csv", 40),
        "validation": write_reviews(folder / "dev.csv", 12, seed=1),
    }


@pytest.fixture
def command(tmp_path):
    """Run a command of the project in an empty folder: command("bash", "run.sh", …, MODEL=…) -> CompletedProcess."""

    def run(*arguments, **variables):
        return run_command(arguments, variables, tmp_path)

    return run


@pytest.fixture
def emmental(monkeypatch, capsys):
    """Run a verb in this process: emmental("inspect", path) -> what it printed; the status with status=2."""

    def run(*arguments, status=0):
        monkeypatch.setattr("sys.argv", ["emmental", *map(str, arguments)])
        if status:
            with pytest.raises(SystemExit) as ended:
                main()
            assert ended.value.code == status
        else:
            main()
        printed = capsys.readouterr()
        assert not (status and printed.out), "something was printed before the error was found"
        return printed.err if status else printed.out

    return run


@pytest.fixture
def glue_script(monkeypatch, capsys):
    """Run masked_run_glue.py in this process: glue_script(flag, value, …) -> what it printed, or what it said of bad
    input with status=2."""

    def run(*arguments, status=0):
        monkeypatch.setattr("sys.argv", ["masked_run_glue.py", *map(str, arguments)])
        if status:
            with pytest.raises(SystemExit) as ended:
                glue.main()
            assert ended.value.code == status
        else:
            glue.main()
        printed = capsys.readouterr()
        return printed.err if status else printed.out

    return run


@pytest.fixture(scope="session")
def finished(tmp_path_factory, tiny_bert, reviews):
    """A finished run: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("finished")
    arguments, variables = short_run(tiny_bert, reviews)
    run = run_command(arguments, variables, folder)
    assert run.returncode == 0, run.stderr
    return folder / "models" / "sst2_0.25_mag", run
