"""What the figures hold for: processor, driver, versions."""

import platform
import subprocess
from importlib.metadata import version

import torch
from transformers.utils import is_flash_attn_2_available

from benchmarks.training import train_step


def machine(device: str) -> dict:
    """By name. fp32_products: torch's word for their precision; with "highest" tf32 is off."""
    return {
        "device": device,
        **(gpu() if device == "cuda" else {}),
        "cpu": train_step.machine(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "transformers", "accelerate", "numpy")},
        "fp32_products": torch.get_float32_matmul_precision(),
        "tf32": torch.get_float32_matmul_precision() != "highest",
        "flash_attention": bool(is_flash_attn_2_available()),
    }


def gpu() -> dict:
    """The first GPU, its driver, and the CUDA that torch was built with."""
    properties = torch.cuda.get_device_properties(0)
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    return {
        "gpu": properties.name,
        "gpu_memory_mb": properties.total_memory / 1e6,
        "driver": subprocess.run(asked, capture_output=True, text=True).stdout.split("\n")[0],
        "cuda": torch.version.cuda,
    }
