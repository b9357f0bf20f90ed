"""What the plan before a run says."""

import re
from pathlib import Path

import pytest

CPUINFO = Path("/proc/cpuinfo")


@pytest.mark.skipif(not CPUINFO.exists(), reason="the kernel's own list of the processor's features is Linux's")
def test_the_plan_says_where_bf16_is_slower(run, capsys):
    run("--bf16", "--use_cpu", "True", "--max_steps", "3")
    (said,) = re.findall(r"device +cpu, (.+), 1 process", capsys.readouterr().out)
    fast = re.search(r"\b(avx512_bf16|amx_bf16|bf16)\b", CPUINFO.read_text())
    assert said == ("bf16" if fast else "bf16 (this processor is faster in fp32)")
