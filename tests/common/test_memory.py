"""What is freed stays with the process: counted in pages that the system must bring anew. What is free, by groups."""

import platform
import subprocess
import sys

import pytest

from emmental.common.memory import available
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


def system(root, limits):
    """Files as Linux shows them: 8 GB free, and a process in the group job/step, of which these groups are limited."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text("MemTotal:  16000000 kB\nMemFree:  1000000 kB\nMemAvailable:    8000000 kB\n")
    (root / "proc/self/cgroup").write_text("4:memory:/old\n0::/job/step\n")
    for name, limit in limits.items():
        group = root / "sys/fs/cgroup" / name
        group.mkdir(parents=True, exist_ok=True)
        (group / "memory.max").write_text(f"{limit}\n")
        (group / "memory.current").write_text("3000000000\n")
        (group / "memory.stat").write_text("anon 2000000000\ninactive_anon 7\ninactive_file 500000000\n")
    return root


@pytest.mark.parametrize(
    ("limits", "free"),
    [
        ({}, 8_192_000_000),
        ({"job/step": "max", "job": "max"}, 8_192_000_000),
        ({"job/step": "max", "job": "5000000000"}, 2_500_000_000),  # of the group around its own
        ({"job/step": "4000000000", "job": "5000000000"}, 1_500_000_000),
        ({"job/other": "4000000000"}, 8_192_000_000),
    ],
)
def test_what_is_free_is_what_all_groups_leave(tmp_path, limits, free):
    assert available(system(tmp_path, limits)) == free


def test_nothing_is_known_to_be_free_where_the_system_does_not_tell(tmp_path):
    assert available(tmp_path) == 0
