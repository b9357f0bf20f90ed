"""What a product costs on this machine, of each kind: measured in a second or two, and remembered.

What else the machine does makes a product slower, never faster. So the best counts, and whoever asks for a cost that is
known measures it briefly again: what was measured on a busy machine does not stay.

Costs depend on the shape of the matrix, the number of tokens, the processor and the number of threads. A sparse
product's time goes with the number of weights, so one density, near the one where dense becomes faster, stands for all.
Of the many shapes in a shrunk model those that are nearly alike are measured as one.
"""

import contextlib
import json
import platform
import time
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import nn

from emmental.common.downloads import cache_folder
from emmental.common.files import write_json
from emmental.runtime.multiply import KINDS

TOKENS = (32, 128, 256)
DENSITY = 0.2
SIDE = 128  # longer sides are measured as multiples of it
ROUNDS, AGAIN = 9, 2  # of a product that was never measured, and of one that was

Shape = tuple[int, int]  # out, in


def costs(shapes: Iterable[Shape], kinds: Iterable[str]) -> dict[Shape, dict[str, dict[int, float]]]:
    """Seconds of a product of each shape by its kind (see multiply.KINDS) and the number of tokens, for as many threads
    as torch uses now; of a sparse one at DENSITY."""
    path = cache_folder() / "product_costs.json"
    remembered = _read(path)
    known = remembered.setdefault(machine(), {})
    alike = {shape: tuple(map(_rounded, shape)) for shape in shapes}
    for rows, columns in set(alike.values()):
        _improve(known.setdefault(f"{rows}x{columns}", {}), (rows, columns), kinds)
    with contextlib.suppress(OSError):  # a cache that cannot be written costs another calibration
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, remembered)
    found = {}
    for shape, (rows, columns) in alike.items():
        share = shape[0] * shape[1] / (rows * columns)
        seconds = known[f"{rows}x{columns}"]
        found[shape] = {kind: {tokens: share * seconds[kind][str(tokens)] for tokens in TOKENS} for kind in kinds}
    return found


def machine() -> str:
    """What costs hold for: they are measured anew where any of it changes."""
    processor = f"{platform.node()} {torch.backends.cpu.get_cpu_capability()}"
    return f"{processor}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def _improve(known: dict[str, dict[str, float]], shape: Shape, kinds: Iterable[str]) -> None:
    """Set a shape's seconds by kind and number of tokens to the best of those before and of some more rounds."""
    for kind, by_tokens in measured(shape, kinds, AGAIN if known.keys() >= {*kinds} else ROUNDS).items():
        before = known.setdefault(kind, {})
        for tokens, seconds in by_tokens.items():
            before[str(tokens)] = min(seconds, before.get(str(tokens), seconds))


@torch.inference_mode()
def measured(shape: Shape, kinds: Iterable[str], rounds: int) -> dict[str, dict[int, float]]:
    """The best of some rounds in turn, by kind and number of tokens."""
    rows, columns = shape
    draw = torch.Generator().manual_seed(0)
    weight = torch.randn(shape, generator=draw) * (torch.rand(shape, generator=draw) < DENSITY)
    products = {kind: KINDS[kind](weight, torch.zeros(rows)) for kind in kinds}
    best = {kind: dict.fromkeys(TOKENS, float("inf")) for kind in kinds}
    for tokens in TOKENS:
        x = torch.randn(columns, tokens, generator=draw)
        for _ in range(rounds):
            for kind, product in products.items():
                best[kind][tokens] = min(best[kind][tokens], _seconds(product, x))
    return best


def _rounded(side: int) -> int:
    return side if side < SIDE else SIDE * round(side / SIDE)


def _seconds(product: nn.Module, x: torch.Tensor) -> float:
    started = time.perf_counter()
    product(x)
    return time.perf_counter() - started


def _read(path: Path) -> dict:
    """What an earlier calibration wrote; nothing where that cannot be read."""
    try:
        content = json.loads(path.read_text())
        for shapes in content.values():
            for by_kind in shapes.values():
                for seconds in by_kind.values():
                    sum(float(seconds[str(tokens)]) for tokens in TOKENS)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return content
