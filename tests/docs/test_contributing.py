"""CONTRIBUTING.md: the pruning method that it adds works, and touches its own file, one entry and one test."""

import re
import shutil
import subprocess

from tests.helpers.tiny import ROOT, environment

(DIFF,) = re.findall(r"```diff\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)


def test_the_method_of_the_checklist(tmp_path):
    for folder in ("emmental", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    subprocess.run(["git", "apply", "-"], input=DIFF, cwd=tmp_path, text=True, check=True)
    touched = re.findall(r"^\+\+\+ b/(.*)$", DIFF, re.MULTILINE)
    assert touched == [
        "emmental/pruning/random_masks.py",
        "emmental/recipes/methods.py",
        "tests/pruning/test_random_masks.py",
    ]
    for command in (
        ["python", "-m", "pytest", "-q", touched[2]],
        ["python", "-m", "emmental.launch", "run.sh", "rte_0.10", "--dry_run"],
    ):
        done = subprocess.run(
            command, cwd=tmp_path, env=environment({"METHOD": "random"}), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "allocation     random (local)" in done.stdout
