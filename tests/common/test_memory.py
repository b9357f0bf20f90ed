"""What is freed stays with the process: counted in pages that the system must bring anew."""

import platform
import subprocess
import sys

import pytest

from tests.helpers.tiny import ROOT

ROUNDS = """
import resource
import numpy as np
from emmental.common.memory import keep_freed_memory

keep_freed_memory()
for number in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [np.ones(5_000_000, "float32") for _ in range(8)]
    del blocks
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_blocks_of_many_pages_come_back():
    run = subprocess.run([sys.executable, "-c", ROUNDS], cwd=ROOT, check=True, capture_output=True, text=True)
    first, *others = map(int, run.stdout.split())
    assert max(others) < first / 10
