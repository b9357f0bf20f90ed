"""Pinned packages through pip, from a folder in the place of PyPI: cached, checked by hash, a wrong one not kept."""

import hashlib
import zipfile

import pytest

from emmental.common.downloads import from_pypi
from emmental.common.errors import InputError

WHEEL = "tiny-1.0-py3-none-any.whl"


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """The folder that pip looks in, with one wheel; the cache is beside it."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("SMP_CACHE", str(tmp_path / "cache"))
    return folder


def test_downloaded_once_and_kept(shelf):
    content = (shelf / WHEEL).read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    path = from_pypi(WHEEL, sha256)
    (shelf / WHEEL).unlink()
    assert from_pypi(WHEEL, sha256) == path
    assert path.read_bytes() == content


def test_a_damaged_file_in_the_cache_is_fetched_anew(shelf):
    content = (shelf / WHEEL).read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    from_pypi(WHEEL, sha256).write_bytes(content[:-1])
    assert from_pypi(WHEEL, sha256).read_bytes() == content


def test_a_wrong_hash_leaves_nothing(shelf, tmp_path):
    with pytest.raises(InputError, match=rf"{WHEEL} is not the file that was pinned"):
        from_pypi(WHEEL, "0" * 64)
    assert not list((tmp_path / "cache").iterdir())


def test_what_pip_cannot_find(shelf, tmp_path):
    with pytest.raises(InputError, match=r"pip could not download other-2\.0-py3-none-any\.whl: [^~]*No matching"):
        from_pypi("other-2.0-py3-none-any.whl", "0" * 64)
    assert not list((tmp_path / "cache").iterdir())
