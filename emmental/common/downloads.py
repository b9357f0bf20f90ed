"""Files from outside: pinned packages from PyPI, kept in a cache folder and checked by hash each time."""

import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pooch

from emmental.common.errors import InputError


def cache_folder() -> Path:
    """Where downloads are kept: the environment's SMP_CACHE, or ``smp`` in the user's cache folder."""
    return Path(os.environ.get("SMP_CACHE") or pooch.os_cache("smp"))


def from_pypi(filename: str, sha256: str) -> Path:
    """The path of a wheel or source archive of PyPI, fetched by pip on first use.

    filename: as on PyPI, e.g. ``vaderSentiment-3.3.2.tar.gz``. Raises InputError where the download fails or the
    hash is another one; nothing is left in the cache then.
    """
    pooch.get_logger().setLevel(logging.WARNING)
    try:
        return Path(
            pooch.retrieve(
                url=filename,
                known_hash=f"sha256:{sha256}",
                fname=filename,
                path=cache_folder(),
                downloader=_pip_download,
            )
        )
    except ValueError as error:  # pooch's word for a hash that differs
        raise InputError(f"{filename} is not the file that was pinned: {error}") from None


def _pip_download(filename: str, output_file: str, _pooch) -> None:
    project, version = filename.removesuffix(".tar.gz").split("-")[:2]
    form = "--only-binary" if filename.endswith(".whl") else "--no-binary"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", form, ":all:", f"{project}=={version}"]
    print(f"downloading {filename} from PyPI", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        pip = subprocess.run([*command, "--dest", folder], stderr=subprocess.PIPE, text=True, check=False)
        if pip.returncode:
            raise InputError(f"pip could not download {filename}: {pip.stderr.strip()}")
        (downloaded,) = Path(folder).iterdir()
        Path(output_file).write_bytes(downloaded.read_bytes())
