"""Writing result files so that a file that exists is whole: a temporary name first, then a rename."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

UMASK = os.umask(0)
os.umask(UMASK)  # reading it means setting it


@contextlib.contextmanager
def replacing(path: Path):
    """Yield a temporary path beside ``path`` (same suffix), a file that nobody can have put there; rename it when the
    block ends well, else remove it. Folders on the way are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(path.suffix, f".{path.stem}-", path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~UMASK)  # it was for the owner alone; results are to be shared
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(folder: Path):
    """Yield a temporary folder beside ``folder``, which must not exist; rename it when the block ends well."""
    parent = folder.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=parent) as temporary:
        whole = Path(temporary) / folder.name
        whole.mkdir()
        yield whole
        whole.rename(folder)


def settle(folder: Path, place: Path) -> None:
    """Move a whole folder to its place. Where another process was quicker its folder stays, which holds the same."""
    try:
        folder.rename(place)
    except OSError:
        if not place.is_dir():
            raise


def write_json(path: Path, content) -> None:
    """Write ``content`` as indented JSON."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file, in UTF-8 on every machine."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table without its index, NaN as nothing; lines end as RFC 4180 has it."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\r\n")
