"""By what a result came about: command, versions, commit. For tracing, not for deciding anything."""

import platform
import shlex
import subprocess
import sys
from pathlib import Path

import torch
import transformers


def of_this_run() -> dict[str, str]:
    """The command of this process, the versions of what computed, and the commit of this code when it was loaded, with
    "+" where files differed from it; empty where it is not in a git repository."""
    return {
        "command": shlex.join(["python", *sys.argv]),
        "commit": COMMIT,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True)
    except FileNotFoundError:  # no git on this machine
        return ""
    return done.stdout.strip()


COMMIT = _git("describe", "--always", "--abbrev=40", "--dirty=+")  # now: a run takes hours, and files may change
