"""What the tests of transformers' flags share: a script's run in this process, its refusals, runs without a flag."""

import os

import pytest
import torch

from emmental.scripts import glue, squad
from tests.helpers.flags import outcome
from tests.helpers.small_run import build
from tests.helpers.tiny import data_flags


def words(tiny_bert, reviews, folder, *flags):
    """The command line of a run of 6 steps, evaluated after 3."""
    chosen = (
        "--task_name", "sst2", "--model_name_or_path", tiny_bert, *data_flags(reviews), "--output_dir", folder,
        "--max_steps", 6, "--eval_steps", 3, "--per_device_train_batch_size", 8, "--logging_steps", 1,
        "--mask_scores_learning_rate", 0.05, *flags,
    )  # fmt: skip
    return ["masked_run_glue.py", *map(str, chosen)]


@pytest.fixture
def run(monkeypatch, tiny_bert, reviews, tmp_path):
    """masked_run_glue.py in this process with these flags; returns its output folder."""

    def train(*flags, name="out"):
        monkeypatch.setattr("sys.argv", words(tiny_bert, reviews, tmp_path / name, *flags))
        glue.main()
        return tmp_path / name

    return train


@pytest.fixture
def refusal(monkeypatch, capsys, tiny_bert, reviews, tmp_path):
    """What a script says of these flags, which it refuses before it writes anything."""

    def start(*flags, script=glue):
        monkeypatch.setattr("sys.argv", words(tiny_bert, reviews, tmp_path / "out", *flags))
        if script is squad:
            monkeypatch.setattr("sys.argv", ["masked_run_squad.py", *flags, "--output_dir", str(tmp_path / "out")])
        with pytest.raises(SystemExit) as ended:
            script.main()
        said = capsys.readouterr().err
        assert (ended.value.code, said.count("\n")) == (2, 1), said
        assert said.startswith("error: ")
        assert not list(tmp_path.iterdir())
        return said

    return start


@pytest.fixture(scope="module")
def plain(tiny_bert, tmp_path_factory):
    """What is known of a run with these settings, which is trained once."""
    known = {}

    def ran(settings):
        if str(settings) not in known:
            folder = tmp_path_factory.mktemp("plain")
            trainer = build(tiny_bert, folder, **settings)
            trainer.train()
            known[str(settings)] = outcome(trainer, folder)
        return known[str(settings)]

    return ran


@pytest.fixture
def deterministic():
    """Puts back what --full_determinism sets."""
    before = os.environ.copy()
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.deterministic = False
    os.environ.clear()
    os.environ.update(before)
