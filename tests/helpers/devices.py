"""The devices that tests run on: the CPU, and each accelerator that is there.

Tests compare bits that a CPU gives, so what they run stays on the CPU on every machine: accelerate's own variable says
so to this process and to those that it starts. A test marked ``device``, or its variant for an accelerator, is without
it: there a run finds its device by itself.
"""

import os

import pytest
import torch

ON_CPU = "ACCELERATE_USE_CPU"
ACCELERATORS = {
    "cuda": torch.cuda.is_available,
    "mps": torch.backends.mps.is_available,
    "xpu": torch.xpu.is_available,
}


def _variant(name: str):
    absent = pytest.mark.skipif(not ACCELERATORS[name](), reason=f"no {name} device here")
    return pytest.param(name, marks=(pytest.mark.device, absent))


DEVICES = ["cpu", *map(_variant, ACCELERATORS)]


def hidden() -> dict[str, str]:
    """What a process on the CPU alone wants in its environment: some launchers overwrite ON_CPU. Empty where a test is
    about the accelerator."""
    return {"CUDA_VISIBLE_DEVICES": ""} if ON_CPU in os.environ else {}
