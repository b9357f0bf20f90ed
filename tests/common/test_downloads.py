"""Pinned files from a folder in the place of PyPI: cached, checked by hash, a wrong one not kept, none of them run."""

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from emmental.common import downloads
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


def test_what_is_not_there(shelf, tmp_path):
    with pytest.raises(InputError, match=r"cannot download other-2\.0-py3-none-any\.whl: it is not at .*shelf"):
        from_pypi("other-2.0-py3-none-any.whl", "0" * 64)
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize("sha256", [None, "0" * 64])
def test_nothing_of_a_source_archive_is_run(shelf, tmp_path, sha256):
    """pip would run its setup.py to learn what it needs."""
    mark = tmp_path / "mark"
    setup = f"open({str(mark)!r}, 'w').close()\nfrom setuptools import setup\nsetup(name='tiny', version='1.0')\n"
    with tarfile.open(shelf / "tiny-1.0.tar.gz", "w:gz") as archive:
        for name, text in (("setup.py", setup), ("PKG-INFO", "Metadata-Version: 1.0\nName: tiny\nVersion: 1.0\n")):
            member = tarfile.TarInfo(f"tiny-1.0/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    content = (shelf / "tiny-1.0.tar.gz").read_bytes()
    if sha256:
        with pytest.raises(InputError, match="is not the file that was pinned"):
            from_pypi("tiny-1.0.tar.gz", sha256)
    else:
        assert from_pypi("tiny-1.0.tar.gz", hashlib.sha256(content).hexdigest()).read_bytes() == content
    assert not mark.exists()


def test_settings_of_pip_s_files_and_environment(tmp_path, monkeypatch):
    """The environment counts where both name an index."""
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://a.example/simple\nfind-links = /shelf /other\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_INDEX_URL", "https://b.example/simple")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)
    places = [(source["type"], source["url"]) for source in downloads._finder().sources]
    assert ("index", "https://b.example/simple") in places
    assert [url for kind, url in places if kind == "find_links"] == ["/shelf", "/other"]
    assert "https://a.example/simple" not in str(places)


def test_unpacked_files_are_compared_with_the_archive_each_time(tmp_path):
    with zipfile.ZipFile(tmp_path / "model-1.0.whl", "w") as archive:
        for name, text in (("model/vocab.txt", "good bad"), ("model/more/config.json", "{}"), ("setup.py", "print()")):
            archive.writestr(name, text)
    for damage in (lambda path: None, lambda path: path.write_text("bad good"), Path.unlink, lambda path: path.touch()):
        folder = downloads.unpacked(tmp_path / "model-1.0.whl", "model/")
        assert (folder / "vocab.txt").read_text() == "good bad"
        assert {path.name for path in folder.rglob("*")} == {"vocab.txt", "more", "config.json"}
        damage(folder / "vocab.txt")
