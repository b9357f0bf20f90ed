"""How a command ends: bad input, and nobody who reads what it prints."""

import subprocess
import sys

from tests.helpers.tiny import ROOT

LINES = "from emmental.common.errors import exit_on_input_error, InputError\nwith exit_on_input_error():\n    "


def run(body, **variables):
    return subprocess.run(
        [sys.executable, "-c", LINES + body], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60
    )


def test_bad_input_is_one_line_and_status_2():
    ended = run("raise InputError('no such thing')")
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", "error: no such thing\n")


def test_only_one_of_several_processes_waits_before_it_speaks():
    body = "import time; time.sleep = lambda seconds: print('waited'); raise InputError('x')"
    several = {"WORLD_SIZE": "2"}
    for variables, waited in (
        ({"RANK": "1"}, ""),
        ({"RANK": "0"} | several, ""),
        ({"RANK": "1"} | several, "waited\n"),
    ):
        ended = run(body, **variables)
        assert (ended.returncode, ended.stdout, ended.stderr) == (2, waited, "error: x\n")


def test_a_reader_that_has_gone_is_no_error():
    command = f'"{sys.executable}" -c "$0" | head -1; echo ${{PIPESTATUS[0]}}'
    body = LINES + "print(*range(100_000), sep=chr(10))"
    ended = subprocess.run(["bash", "-c", command, body], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (ended.stdout, ended.stderr) == ("0\n141\n", "")
