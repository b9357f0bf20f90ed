"""The tests that want a device (``pytest -m device``), in a process of their own: how many passed, which did not."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.gpu.scale import Scale

ROOT = Path(__file__).parents[2]
SECONDS = 300  # after which they are given up
FAILED = {"failure", "error"}


def rows(scale: Scale) -> Iterator[dict]:
    """The counts; what failed is printed as pytest prints it."""
    yield counts(ROOT)


def counts(folder: Path) -> dict:
    """Of a folder's tests."""
    with tempfile.TemporaryDirectory() as temporary:
        report = Path(temporary) / "report.xml"
        started = time.perf_counter()
        pytest = [sys.executable, "-m", "pytest", "-m", "device", "-q", "-p", "no:cacheprovider", "--tb=short"]
        subprocess.run([*pytest, f"--junitxml={report}"], cwd=folder, timeout=SECONDS)
        seconds = time.perf_counter() - started
        suite = ElementTree.parse(report).find("testsuite")
    number = {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
    failed = [f"{case.get('classname')}::{case.get('name')}" for case in suite if {p.tag for p in case} & FAILED]
    passed = number["tests"] - number["failures"] - number["errors"] - number["skipped"]
    bad = number["failures"] + number["errors"]
    return {"passed": passed, "failed": bad, "skipped": number["skipped"], "seconds": seconds, "failed_tests": failed}
