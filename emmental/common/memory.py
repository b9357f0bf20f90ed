"""Memory of the machine: how much is free, and the C library's allocator while a model trains on a CPU.

Changes no result. Knows nothing of models.
"""

import ctypes
import platform
import re
import sys
from pathlib import Path

# glibc's mallopt(3)
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8


def keep_freed_memory() -> None:
    """Let glibc keep what is freed instead of handing it back, so that what a step frees the next one takes: pages
    that come anew must be filled with zeros first, and a step frees and takes gradients, activations and masked weights
    of hundreds of megabytes. One pool for all threads, so that selection's threads use it, too. Does nothing with other
    C libraries."""
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(MMAP_THRESHOLD, 32 << 20)  # the most it takes: larger blocks come from the system each time
        mallopt(TRIM_THRESHOLD, 2**31 - 1)
        mallopt(ARENA_MAX, 1)


def available(root: Path = Path("/")) -> int:
    """Bytes that this process may still take without swapping: what the machine has free, or less where the process
    belongs to a group that is limited (Linux's cgroups, version 2). 0 where the system does not tell."""
    try:
        machine = 1024 * int(re.search(r"MemAvailable:\s+(\d+) kB", (root / "proc/meminfo").read_text())[1])
        (own,) = re.findall(r"^0::/(.*)", (root / "proc/self/cgroup").read_text(), re.MULTILINE) or [""]
    except OSError:
        return 0
    group = root / "sys/fs/cgroup" / own
    return min([machine, *(_left(place) for place in (group, *group.parents) if (place / "memory.max").exists())])


def _left(group: Path) -> int:
    """Bytes that a group of processes may still take; files that are merely cached make room."""
    limit, used, counts = ((group / f"memory.{name}").read_text() for name in ("max", "current", "stat"))
    cached = re.search(r"^inactive_file (\d+)", counts, re.MULTILINE)[1]
    return sys.maxsize if limit.strip() == "max" else int(limit) - int(used) + int(cached)
