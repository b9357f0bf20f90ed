"""The way in: which Python the launchers start, what they say where packages are missing, what is declared."""

import re
import shutil
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from emmental.launch.jobs import COMMON, DEFAULTS
from tests.helpers.tiny import ROOT

LAUNCHERS = {
    "run.sh": ["rte_0.50"],
    "run_squad.sh": ["squad_0.50"],
    "run_teacher.sh": ["rte"],
    "compare.sh": ["rte", "0.5"],
    "eval.sh": ["mask.smp"],
}
SAYS_WHICH = "#!/bin/sh\necho this one\n"


@pytest.fixture
def clone(tmp_path):
    """A copy of the launchers, with a Python in .venv that only says that it was started."""
    for name in LAUNCHERS:
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "emmental").symlink_to(ROOT / "emmental")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(SAYS_WHICH)
    python.chmod(0o755)
    return tmp_path


def run(clone, launcher, **variables):
    command = ["bash", str(clone / launcher), *LAUNCHERS[launcher]]
    return subprocess.run(command, cwd=clone.parent, env=variables, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_an_environment_beside_the_launcher_is_used_where_none_is_active(clone, launcher):
    assert "this one" in run(clone, launcher, PATH="/usr/bin:/bin").stdout
    bare = clone / "bare"
    bare.mkdir()
    (bare / "python").symlink_to(sys.executable)
    for active in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        other = run(clone, launcher, PATH=f"{bare}:/usr/bin:/bin", **{active: str(bare)})
        assert "this one" not in other.stdout


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_missing_packages_are_said_in_one_line(clone, launcher):
    python = clone / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')  # no installed packages
    ended = run(clone, launcher, PATH="/usr/bin:/bin")
    assert ended.returncode == 2
    assert re.fullmatch(r"error: \S+/\.venv/bin/python lacks the packages .* type 'make demo' once.*\n", ended.stderr)


def test_what_is_pinned_is_declared_with_bounds_that_hold_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {Requirement(text).name: Requirement(text).specifier for text in project["dependencies"]}
    pinned = pins("requirements.txt")
    assert declared.keys() == pinned.keys()
    for name, version in pinned.items():
        assert declared[name].contains(version), name
        assert "<" in str(declared[name]), name
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line]
    assert all(line.partition("#")[2].strip() for line in lines)
    lowest = {name: Version(bound.version) for name in declared for bound in declared[name] if bound.operator == ">="}
    assert {name: Version(version) for name, version in pins("requirements-oldest.txt").items()} == lowest


def pins(file: str) -> dict[str, str]:
    """What a requirements file pins, by name."""
    return dict(re.findall(r"^(\S+)==(\S+)", (ROOT / file).read_text(), re.MULTILINE))


def test_defaults_of_the_shell_are_those_of_smp():
    shell = (ROOT / "run.sh").read_text()
    for name, value in DEFAULTS.items():
        assert f"{name}=${{{name}:-{value}}}" in shell
    given = dict(re.findall(r"^([A-Z_]+)=\$\{\1:-(.+?)\}", shell, re.MULTILINE))
    assert given == DEFAULTS | {"MAX_LENGTH": "128", "METHOD": "smp", "NPROC": "1", "DRY_RUN": "0"}
    assert DEFAULTS.keys() <= COMMON.keys()


@pytest.mark.parametrize("words", [["rte_0.10_mag"], ["squad_0.03_kd"]])
def test_smp_prune_is_the_launcher(words):
    launcher = "run_squad.sh" if words[0].startswith("squad") else "run.sh"
    here = {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin"}
    shell = ["bash", launcher, *words, "--dry_run"]
    ours = [sys.executable, "-m", "emmental", "prune", *words, "--dry_run"]
    outputs = [subprocess.run(c, cwd=ROOT, env=here, capture_output=True, text=True).stdout for c in (shell, ours)]
    assert outputs[0].startswith(f"plan of {words[0]}")
    assert outputs[0] == outputs[1]


def test_smp_starts_no_torch_for_a_dry_run():
    code = (
        "import sys; from emmental.__main__ import main; sys.argv = ['smp', 'prune', 'rte_0.10', '--dry_run']; main(); "
        "assert not {'torch', 'transformers', 'numpy'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0
