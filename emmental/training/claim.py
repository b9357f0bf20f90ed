"""One run at a time in an output folder: a lock that the system takes back when a process dies, however it dies."""

import contextlib
from pathlib import Path

from filelock import FileLock, Timeout

from emmental.common.errors import InputError
from emmental.common.run_folder import LOCK

PATIENCE = 10  # seconds; a killed run's workers notice after some
_held: dict[Path, FileLock] = {}  # of a script for the life of its process


def claim(output_dir: Path) -> None:
    """Take the folder, which is made where there is none. Raises InputError where another process has it."""
    output_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(output_dir / LOCK, timeout=PATIENCE, is_singleton=True)
    with contextlib.suppress(NotImplementedError):  # a file system without locks: nothing is known of others there
        try:
            lock.acquire()
        except Timeout:
            raise InputError(
                f"another run is writing to {output_dir}: wait until it has ended, or choose another --output_dir"
            ) from None
    _held[output_dir] = lock


def release(output_dir: Path) -> None:
    """Let others have the folder, where this process has taken it."""
    if output_dir in _held:
        _held.pop(output_dir).release(force=True)


def is_claimed(output_dir: Path) -> bool:
    """Whether this process has taken the folder."""
    return output_dir in _held
