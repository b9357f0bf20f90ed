"""The C library's allocator while a model trains on a CPU: what a step frees, the next one takes without the system.

Changes no result. Knows nothing of models.
"""

import ctypes
import platform

# glibc's mallopt(3)
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8


def keep_freed_memory() -> None:
    """Let glibc keep what is freed instead of handing it back: pages that come anew must be filled with zeros first,
    and a step frees and takes gradients, activations and masked weights of hundreds of megabytes. One pool for all
    threads, so that selection's threads use it, too. Does nothing with other C libraries."""
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(MMAP_THRESHOLD, 32 << 20)  # the most it takes: larger blocks come from the system each time
        mallopt(TRIM_THRESHOLD, 2**31 - 1)
        mallopt(ARENA_MAX, 1)
