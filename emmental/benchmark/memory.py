"""How much memory something takes at most while it runs, of the whole process and so of every library in it."""

import contextlib
import ctypes
import re
from collections.abc import Callable
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
TIMES = 3


def peak_memory(run: Callable[[], object]) -> int | None:
    """Bytes of resident memory that run() needs beyond what was resident before; None where the system does not tell
    (it is Linux that does). The least of three times: how much the allocator keeps of what was freed varies."""
    try:
        return min(_growth(run) for _ in range(TIMES))
    except OSError:
        return None


def _growth(run: Callable[[], object]) -> int:
    give_back()
    CLEAR.write_text("5")  # the peak from now on
    before = resident("VmRSS")
    run()
    return resident("VmHWM") - before


def give_back() -> None:
    """Have the allocator give what was freed back to the system, where it can."""
    with contextlib.suppress(OSError, AttributeError):  # AttributeError: another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)


def resident(name: str) -> int:
    """Bytes of this process that are resident now (VmRSS), or were at most (VmHWM) from its start or from CLEAR on."""
    return 1024 * int(re.search(rf"{name}:\s+(\d+) kB", STATUS.read_text())[1])
