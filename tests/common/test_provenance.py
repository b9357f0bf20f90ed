"""common/provenance.py: which code a result came from."""

import importlib.util
import shutil
import subprocess

from emmental.common import provenance


def test_the_commit_is_that_of_the_code_that_runs(tmp_path):
    """And not of what the folder holds hours later, when the results are written."""

    def git(*words):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run(
            ["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    file = tmp_path / "copied.py"
    shutil.copy(provenance.__file__, file)
    git("init", "--quiet")
    git("add", "copied.py")
    git("commit", "--quiet", "-m", "first")
    first = git("rev-parse", "HEAD").strip()
    spec = importlib.util.spec_from_file_location("copied", file)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    git("commit", "--quiet", "--allow-empty", "-m", "second")
    file.write_text("")
    assert loaded.of_this_run()["commit"] == first
