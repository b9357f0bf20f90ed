"""Files are whole or not there, are nobody else's, and can be read by whom the umask lets."""

import os
import stat
import subprocess
import sys

import pytest

from emmental.common.files import new_folder, replacing, settle, write_text
from tests.helpers.tiny import ROOT


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "result.txt"
    write_text(path, "before")
    with pytest.raises(TypeError), replacing(path) as temporary:
        temporary.write_text(None)
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.txt"]
    assert path.read_text() == "before"
    with replacing(path) as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".txt")
        temporary.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"


def test_two_at_once_do_not_share_a_name(tmp_path):
    with replacing(tmp_path / "a.txt") as one, replacing(tmp_path / "a.txt") as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "a.txt").read_text() == "one"


@pytest.mark.parametrize(("umask", "mode"), [("022", 0o644), ("027", 0o640)])
def test_the_umask_decides_who_reads(tmp_path, umask, mode):
    code = (
        "import sys; from pathlib import Path; from emmental.common.files import write_json; "
        "write_json(Path(sys.argv[1]), {})"
    )
    command = f'umask {umask}; exec "$0" -c "$1" "$2"'
    subprocess.run(["sh", "-c", command, sys.executable, code, tmp_path / "a.json"], cwd=ROOT, check=True)
    assert stat.S_IMODE(os.stat(tmp_path / "a.json").st_mode) == mode


def test_the_quicker_of_two_processes_settles(tmp_path):
    """Both have made the same folder; the second one's is not needed, and takes nothing away from readers."""
    for number in (1, 2):
        (tmp_path / f"made {number}").mkdir()
        (tmp_path / f"made {number}" / "logits").write_text("the same")
        settle(tmp_path / f"made {number}", tmp_path / "place")
        assert (tmp_path / "place" / "logits").read_text() == "the same"
    with pytest.raises(OSError, match="No such file"):
        settle(tmp_path / "nowhere", tmp_path / "other")


def test_a_new_folder_is_whole_or_not_there(tmp_path):
    with new_folder(tmp_path / "a" / "b") as whole:
        (whole / "file").touch()
        assert not (tmp_path / "a" / "b").exists()
    assert (tmp_path / "a" / "b" / "file").exists()
    with pytest.raises(RuntimeError), new_folder(tmp_path / "a" / "c"):
        raise RuntimeError
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
