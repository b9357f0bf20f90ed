"""How processes end: with the launcher that started them, however it ends, and at once."""

import atexit
import ctypes
import gc
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


def end_at_once() -> None:
    """Have Python not search all that was loaded for garbage at its end, which takes a second and more."""
    atexit.register(gc.freeze)
