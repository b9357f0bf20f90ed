"""No room for a file: one message, what was there is whole, and with room the same command goes on."""

import pytest

from tests.helpers.tiny import command_line, short_run


@pytest.mark.parametrize("kilobytes", [4, 16, 40], ids=["events", "weights", "moments"])
def test_a_run_goes_on_when_there_is_room(kilobytes, finished, tiny_bert, reviews, command, tmp_path):
    arguments, variables = short_run(tiny_bert, reviews)
    limited = "bash", "-c", f'ulimit -f {kilobytes} && exec "$@"', "bash", *command_line(arguments)
    stopped = command(*limited, **variables, HF_DATASETS_CACHE=str(tmp_path / "cache"))
    assert stopped.returncode == 2, stopped.stderr
    assert stopped.stderr.count("error: a file cannot be written") == 1
    assert "Traceback" not in stopped.stderr
    resumed = command(*arguments, **variables)
    assert resumed.returncode == 0, resumed.stderr
    masks = [folder / "mask.safetensors" for folder in (tmp_path / "models" / "sst2_0.25_mag", finished[0])]
    assert masks[0].read_bytes() == masks[1].read_bytes()


def test_a_mask_is_written_whole_or_not_at_all(finished, command, tmp_path):
    mask = finished[0] / "mask.safetensors"
    smp = "-m", "emmental", "convert", mask, "there.smp"
    there = command("python", *smp)
    assert there.returncode == 0, there.stderr
    before = (tmp_path / "there.smp").read_bytes()
    stopped = command("bash", "-c", 'ulimit -f 1 && exec "$@"', "bash", "python", *smp)
    assert (stopped.returncode, stopped.stderr.count("\n")) == (2, 1), stopped.stderr
    assert "there.smp" in stopped.stderr or "File too large" in stopped.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["there.smp"]
    assert (tmp_path / "there.smp").read_bytes() == before
