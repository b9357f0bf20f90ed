"""The installed package alone prunes and answers: a fresh process in a folder with nothing of the repository."""

import os
import shutil
import subprocess
import sys

from tests.helpers.tiny import ROOT, environment, write_reviews

FRESH = """
import csv, pathlib, sys
import emmental

assert pathlib.Path(emmental.__file__).is_relative_to(sys.argv[1]), emmental.__file__
train, validation = (list(csv.DictReader(open(path, newline=""))) for path in sys.argv[3:])
pruned = emmental.prune(sys.argv[2], train, validation, density=0.25, max_steps=4)
pruned.save("films.smp")
print("ANSWERS", *pruned.predict(["a good film", "a bad film"]))
print("ANSWERS", *emmental.load_pruned("films.smp").predict(["a good film", "a bad film"]))
"""


def test_the_installed_package_is_enough(tiny_bert, tmp_path):
    here = tmp_path / "elsewhere"
    here.mkdir()
    for part in ("pyproject.toml", "README.md", "LICENSE"):
        (tmp_path / "source").mkdir(exist_ok=True)
        shutil.copy(ROOT / part, tmp_path / "source")
    shutil.copytree(ROOT / "emmental", tmp_path / "source" / "emmental", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", tmp_path / "site", tmp_path / "source"], check=True, cwd=tmp_path)
    data = [write_reviews(tmp_path / f"{name}.csv", count) for name, count in (("train", 24), ("validation", 8))]
    others = [path for path in os.environ.get("PYTHONPATH", "").split(":") if path and path != str(ROOT)]
    path = ":".join([str(tmp_path / "site"), *others])
    words = [sys.executable, "-c", FRESH, tmp_path / "site", tiny_bert, *data]
    ran = subprocess.run(words, cwd=here, env=environment({"PYTHONPATH": path}), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    first, second = (line for line in ran.stdout.splitlines() if line.startswith("ANSWERS"))
    assert first == second
    assert [path.name for path in here.iterdir()] == ["films.smp"]
