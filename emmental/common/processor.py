"""What computes: its name, and what it can do."""

import platform
import re
from pathlib import Path

import torch


def name_of(device: torch.device) -> str:
    """The name of what computes on this device, as far as the system tells it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpus = Path("/proc/cpuinfo")  # Linux; elsewhere there is a name for the kind alone
    found = re.search(r"^model name\s*:\s*(.+)$", cpus.read_text() if cpus.exists() else "", re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def multiplies_in_bf16() -> bool:
    """Whether the CPU has instructions for products in bf16. Without them torch computes such products in other ways,
    which take longer than fp32 (docs/LOG.md)."""
    has = torch.cpu.get_capabilities()
    return any(has.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))  # the last one is Arm's
