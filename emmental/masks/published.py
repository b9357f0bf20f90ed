"""The paper's published masks of BERT-base: their names, fetching them, and how they were trained.

Fetching checks that a file is a mask of BERT-base's size; putting it on a backbone is for others.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pooch
import requests

from emmental.common.downloads import cache_folder
from emmental.common.errors import InputError, refusing
from emmental.common.files import replacing
from emmental.masks import npy
from emmental.recipes.paper_results import published

RELEASE = "https://github.com/kongds/SMP/releases/download/SMP-S/"
ALLOCATION = "soft"
P = 1.0

# The published MNLI masks were trained with the words of other labels than one would think; in the order of the logits.
MNLI_LABEL_WORDS = {"contradiction": "yes", "entailment": "maybe", "neutral": "no"}

BERT_BASE_WEIGHTS = 84_934_656
LARGEST_ARRAY = BERT_BASE_WEIGHTS // 8 + 4096  # bytes of a .npy file; the rest is its header
LARGEST_ARCHIVE = LARGEST_ARRAY + (1 << 20)


@dataclass(frozen=True)
class Published:
    """A published mask. figures: its results on the dev set in percent, by metric as eval names it."""

    task: str
    density: float
    figures: dict[str, float]


PUBLISHED = {
    f"{task}_{density:.2f}_kd_mag": Published(task, density, published(task, density, ALLOCATION, kd=True))
    for task in ("mnli", "qqp", "squad")
    for density in (0.50, 0.10, 0.03)
}


def fetch(
    name: str, base_url: str = RELEASE, sha256: str | None = None, timeout: float = 30.0, retries: int = 2
) -> Path:
    """The path of a published mask's .npy in the cache folder, downloaded on first use.

    sha256: of the zip archive, where it is known; else the hash of the first download holds ever after. timeout:
    seconds without an answer. Raises InputError for another name, a failed download and a file that is not a packed
    mask of BERT-base; nothing of it is left in the cache then.
    """
    if name not in PUBLISHED:
        raise InputError(f"no published mask is named {name!r}; there are {', '.join(PUBLISHED)}")
    url = f"{base_url.rstrip('/')}/{name}.npy.zip"
    archive = cache_folder() / f"{name}.npy.zip"
    remembered, array = _hash_file(archive), archive.with_suffix("")
    _download(url, archive, sha256, timeout, retries)
    try:
        with replacing(array) as temporary:
            temporary.write_bytes(unpack(archive))
        npy.packed(array, BERT_BASE_WEIGHTS)
    except InputError as error:
        for path in (archive, remembered, array):
            path.unlink(missing_ok=True)
        raise InputError(f"{url} is not kept: {error}") from None
    with replacing(remembered) as temporary:
        temporary.write_text(pooch.file_hash(str(archive)) + "\n")
    return array


def unpack(archive: Path) -> bytes:
    """The one member of ``<name>.npy.zip``, which is to be <name>.npy. Raises InputError for any other archive.

    The member's path is read but never written to, and no more is unpacked than a mask needs. The caller says whose
    error it is.
    """
    with refusing("it is not a readable zip archive"), zipfile.ZipFile(archive) as zipped:
        members = [member for member in zipped.infolist() if not member.filename.endswith("/")]
        paths = [PurePosixPath(member.filename) for member in members]
        if [path.name for path in paths] != [archive.stem] or paths[0].is_absolute() or ".." in paths[0].parts:
            found = ", ".join(repr(str(path)) for path in paths[:3]) or "nothing"
            raise InputError(f"it should hold {archive.stem} and nothing else, but holds {found}")
        if members[0].file_size > LARGEST_ARRAY:
            raise InputError(
                f"its {archive.stem} would unpack to {members[0].file_size:,} bytes, a mask of BERT-base "
                f"has about {BERT_BASE_WEIGHTS // 8:,}"
            )
        with zipped.open(members[0]) as member:
            return member.read(LARGEST_ARRAY)


def _download(url: str, archive: Path, sha256: str | None, timeout: float, retries: int) -> None:
    """Have the archive in the cache, of the given or the remembered hash."""
    remembered = _hash_file(archive)
    known = sha256 or (remembered.read_text().strip() if remembered.exists() else None)
    release = pooch.create(
        archive.parent, base_url="", registry={archive.name: known}, urls={archive.name: url}, retry_if_failed=retries
    )
    http = pooch.HTTPDownloader(progressbar=True, chunk_size=1 << 16, timeout=timeout)

    def download(url: str, output_file: str, _pooch) -> None:
        with open(output_file, "wb") as file:
            http(url, _Bounded(file, url), _pooch)

    try:
        release.fetch(archive.name, downloader=download)
    except requests.RequestException as error:
        raise InputError(f"cannot download {url}: {error}") from None
    except ValueError as error:  # pooch's word for a hash that differs
        whose = "--sha256" if sha256 else f"the first download, remembered in {remembered}"
        raise InputError(f"{url} does not have the hash of {whose}: {error}") from None


class _Bounded:
    """A file that refuses to grow past the size of any release file."""

    def __init__(self, file, url: str):
        self.file, self.url = file, url
        self.flush = file.flush

    def write(self, chunk: bytes) -> None:
        if self.file.tell() + len(chunk) > LARGEST_ARCHIVE:
            raise InputError(f"{self.url} exceeds {LARGEST_ARCHIVE:,} bytes: no mask of BERT-base is that large")
        self.file.write(chunk)


def _hash_file(archive: Path) -> Path:
    return archive.with_name(archive.name + ".sha256")
