"""How attention is computed in a training pass in bf16 on a CPU: short texts by plain products.

torch's fused attention has no dropout on a CPU, and what takes its place computes in fp32. Without dropout it is
slower, too, as long as texts are short. Plain products, with a softmax in fp32 between them, are what autocast makes of
transformers' eager attention.
"""

import contextlib
from collections.abc import Iterator

from transformers import PreTrainedModel

LONGEST = 192  # tokens of a padded text; beyond it products are not always faster, and take more memory (docs/LOG.md)


@contextlib.contextmanager
def by_products(encoder: PreTrainedModel, tokens: int, bf16: bool) -> Iterator[None]:
    """Within it the encoder computes attention by plain products where that is faster: in bf16 on a CPU, for texts of
    so many tokens if they are short, and if it would use torch's attention."""
    usual = encoder.config._attn_implementation
    if not bf16 or encoder.device.type != "cpu" or usual != "sdpa" or tokens > LONGEST:
        yield
        return
    encoder.set_attn_implementation("eager")
    try:
        yield
    finally:
        encoder.set_attn_implementation(usual)
