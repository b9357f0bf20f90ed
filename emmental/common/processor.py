"""What the processor can do."""

import torch


def multiplies_in_bf16() -> bool:
    """Whether it has instructions for products in bf16. Without them torch computes such products in other ways, which
    take longer than fp32 (docs/LOG.md)."""
    has = torch.cpu.get_capabilities()
    return any(has.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))  # the last one is Arm's
