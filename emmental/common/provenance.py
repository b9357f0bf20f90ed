"""By what a result came about: command, versions, commit. For tracing, not for deciding anything."""

import platform
import re
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


def processor(device: torch.device) -> str:
    """The name of what computes on this device, as far as the system tells it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpus = Path("/proc/cpuinfo")  # Linux; elsewhere there is a name for the kind alone
    found = re.search(r"^model name\s*:\s*(.+)$", cpus.read_text() if cpus.exists() else "", re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True)
    except FileNotFoundError:  # no git on this machine
        return ""
    return done.stdout.strip()


COMMIT = _git("describe", "--always", "--abbrev=40", "--dirty=+")  # now: a run takes hours, and files may change
