"""Processes that end with the launcher that started them, however it ends."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # Linux's prctl(2)


def end_with_launcher() -> None:
    """Where torchrun started this process: have the system kill it once torchrun is dead. torchrun gives its processes
    sessions of their own, so that nothing else would end them: they would wait for each other and hold the output
    folder. Does nothing on other systems than Linux."""
    if "TORCHELASTIC_RUN_ID" in os.environ and sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
