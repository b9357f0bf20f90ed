"""Fetching published masks from a loopback server that serves files of the release's form, good and bad."""

import contextlib
import io
import tracemalloc
import zipfile

import numpy as np
import pooch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emmental.common.errors import InputError
from emmental.masks import published
from tests.helpers import loopback

NAME = "mnli_0.10_kd_mag"
MEMBER = f"{NAME}.npy"
ARCHIVE = f"{NAME}.npy.zip"
PACKED = np.resize(np.arange(256, dtype=np.uint8), published.BERT_BASE_WEIGHTS // 8)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def zipped(content: bytes, member: str = MEMBER, *others: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(member, content)
        for other in others:
            archive.writestr(other, b"other")
    return file.getvalue()


def claiming(size: int, content: bytes) -> bytes:
    """A zip whose directory says that its member has another size."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MEMBER, content)
        archive.infolist()[0].file_size = size
    return file.getvalue()


def encrypted(content: bytes) -> bytes:
    archive = bytearray(zipped(content))
    archive[6] |= 1
    archive[archive.rindex(b"PK\1\2") + 8] |= 1
    return bytes(archive)


@pytest.fixture(scope="module")
def good() -> bytes:
    return zipped(npy(PACKED))


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with loopback.Server() as server:
        yield server


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SMP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fetch(server: loopback.Server, **options):
    return published.fetch(NAME, f"{server.url}/SMP-S", **({"timeout": 5.0, "retries": 0} | options))


def files(folder) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_good_file(server, cache, good):
    server.answer = loopback.sending(good)
    path = fetch(server)
    assert path == cache / MEMBER
    assert path.read_bytes() == npy(PACKED)
    assert server.requests == [f"/SMP-S/{ARCHIVE}"]
    assert files(cache) == [MEMBER, ARCHIVE, f"{ARCHIVE}.sha256"]
    assert (cache / f"{ARCHIVE}.sha256").read_text().strip() == pooch.file_hash(str(cache / ARCHIVE))

    assert fetch(server) == path
    assert len(server.requests) == 1  # from the cache


def test_member_in_a_folder_and_redirect(server, cache):
    server.answer = loopback.redirecting("/elsewhere", zipped(npy(PACKED), f"runs/{MEMBER}", "runs/"))
    assert fetch(server).read_bytes() == npy(PACKED)
    assert "runs" not in files(cache)


def test_hash_of_the_first_download_holds(server, cache, good):
    server.answer = loopback.sending(good)
    fetch(server)
    (cache / ARCHIVE).write_bytes(b"bit rot")
    assert fetch(server).read_bytes() == npy(PACKED)
    assert len(server.requests) == 2  # what is damaged in the cache is fetched anew

    (cache / ARCHIVE).unlink()
    server.answer = loopback.sending(zipped(npy(~PACKED)))
    with pytest.raises(InputError, match=r"does not have the hash of the first download, remembered in .*\.sha256"):
        fetch(server)
    assert not (cache / ARCHIVE).exists()


def test_given_hash(server, cache, good, tmp_path):
    server.answer = loopback.sending(good)
    with pytest.raises(InputError, match=rf"{ARCHIVE} does not have the hash of --sha256"):
        fetch(server, sha256="0" * 64)
    assert files(cache) == []
    (tmp_path / "good").write_bytes(good)
    assert fetch(server, sha256=pooch.file_hash(str(tmp_path / "good"))).exists()


def test_second_attempt(server, cache, good, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    server.answer = lambda request: (
        loopback.sending(good) if len(server.requests) > 1 else loopback.sending(good[:9], 99)
    )(request)
    assert fetch(server, retries=1).exists()
    assert len(server.requests) == 2


BAD_CONTENT = {
    "not a zip": lambda: b"<html>",
    "empty": lambda: b"",
    "another member": lambda: zipped(npy(PACKED[:9]), "other.npy"),
    "a further member": lambda: zipped(npy(PACKED[:9]), MEMBER, "other.npy"),
    "no name": lambda: zipped(b"", "x").replace(b"x", b"\0"),
    "no member": lambda: zipped(b"", "folder/"),
    "parent folder": lambda: zipped(npy(PACKED), f"../{MEMBER}"),
    "absolute": lambda: zipped(npy(PACKED), f"/tmp/{MEMBER}"),
    "64 MB of zeros": lambda: zipped(bytes(64 << 20)),
    "10 GB by its own word": lambda: claiming(10 << 30, bytes(9)),
    "larger than its word": lambda: claiming(len(npy(PACKED)), bytes(64 << 20)),
    "encrypted": lambda: encrypted(npy(PACKED[:9])),
    "pickle": lambda: zipped(npy(np.array([{"a": 1}], object))),
    "bool": lambda: zipped(npy(PACKED.astype(bool))),
    "2-D": lambda: zipped(npy(PACKED[None])),
    "one byte short": lambda: zipped(npy(PACKED)[:-1]),
    "one byte more": lambda: zipped(npy(PACKED) + b"\0"),
    "one weight short": lambda: zipped(npy(PACKED[:-1])),
    "not an npy": lambda: zipped(b"text"),
}


@pytest.mark.parametrize("content", BAD_CONTENT.values(), ids=BAD_CONTENT.keys())
def test_bad_content_leaves_nothing(content, server, cache):
    server.answer = loopback.sending(content())
    with pytest.raises(InputError, match=NAME) as raised:
        fetch(server)
    assert "\n" not in str(raised.value)
    assert files(cache) == []
    assert files(cache.parent) == ["cache"]


BAD_ANSWERS = {
    "404": (loopback.missing, "404"),
    "truncated": (loopback.sending(bytes(500), declared=1000), "IncompleteRead"),
    "no answer": (loopback.stalling(b""), r"read timeout=0\.2"),
    "stalled": (loopback.stalling(bytes(500)), "timed out"),
    "redirect in a circle": (loopback.redirecting("/elsewhere", None), "redirects"),
    "endless": (loopback.endless, "exceeds"),
}


@pytest.mark.parametrize(("answer", "word"), BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
def test_bad_answer_leaves_nothing(answer, word, server, cache):
    server.answer = answer
    with pytest.raises(InputError, match=word) as raised:
        fetch(server, timeout=0.2)
    assert ARCHIVE in str(raised.value)
    assert files(cache) == []


def test_no_server(cache):
    with pytest.raises(InputError, match=ARCHIVE):
        published.fetch(NAME, "http://127.0.0.1:9/", timeout=0.2, retries=0)
    assert files(cache) == []


def test_unknown_name(cache):
    with pytest.raises(InputError, match=r"'mnli_0\.30_kd_mag'; there are mnli_0\.50_kd_mag, .*squad_0\.03_kd_mag"):
        published.fetch("mnli_0.30_kd_mag")
    assert not cache.exists()


@pytest.mark.parametrize("bomb", ["64 MB of zeros", "10 GB by its own word", "larger than its word"])
def test_bombs_are_not_unpacked(bomb, tmp_path):
    (tmp_path / ARCHIVE).write_bytes(BAD_CONTENT[bomb]())
    tracemalloc.start()
    with pytest.raises(InputError):
        published.unpack(tmp_path / ARCHIVE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * published.LARGEST_ARRAY


@settings(max_examples=300, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_archive(tmp_path_factory, data):
    content = bytearray(zipped(npy(PACKED[:20])))
    place = st.integers(0, len(content) - 1)
    for position in data.draw(st.lists(place, max_size=3)):
        content[position] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(place) :]
    path = tmp_path_factory.getbasetemp() / ARCHIVE
    path.write_bytes(content)
    with contextlib.suppress(InputError):
        assert len(published.unpack(path)) <= published.LARGEST_ARRAY


def test_published_figures():
    assert len(published.PUBLISHED) == 9
    for name, mask in published.PUBLISHED.items():
        assert name == f"{mask.task}_{mask.density:.2f}_kd_mag"
        assert all(50 < figure < 100 for figure in mask.figures.values())
    assert published.PUBLISHED["squad_0.03_kd_mag"].figures == {"exact_match": 75.0, "f1": 84.1}
