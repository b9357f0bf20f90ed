"""What the scripts say of a mistyped command line: one sentence, exit status 2, no traceback."""

import pytest

from emmental.scripts import glue, squad


@pytest.mark.parametrize("script", [glue, squad])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--frobnicate", "3"], "there is no flag --frobnicate"),
        (["--max_step", "3"], "there is no flag --max_step: is --max_steps meant?"),
        (["sst2", "mnli"], "'sst2' stands alone: only flags and their values are expected"),
        (["--seed", "many"], "invalid int value: 'many'"),
        (["--logging_steps", "0"], "logging"),
        (["--eval_strategy", "sometimes"], "sometimes is not a valid"),
        (["--per_device_train_batch_size", "0"], "--per_device_train_batch_size 0: a number from 1"),
        (["--warmup_steps", "-5"], "warmup_steps"),
        (["--seed", "-1"], "--seed -1: a number from 0"),
    ],
)
def test_one_sentence(script, words, message, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("sys.argv", ["script", *words, "--output_dir", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        script.main()
    said = capsys.readouterr().err
    assert (ended.value.code, said.count("\n")) == (2, 1), said
    assert said.startswith("error: ")
    assert message in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("script", [glue, squad])
def test_help_says_what_the_script_does(script, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["script", "--help"])
    with pytest.raises(SystemExit) as ended:
        script.main()
    assert not ended.value.code
    assert script.__doc__.splitlines()[0] in " ".join(capsys.readouterr().out.split())
