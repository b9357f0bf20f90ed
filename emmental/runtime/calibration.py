"""What a product costs on this machine, dense and sparse: measured in a second or two, and remembered.

What else the machine does makes a product slower, never faster. So the best counts, and whoever asks for a cost that is
known measures it briefly again: what was measured on a busy machine does not stay.

Costs depend on the shape of the matrix, the number of tokens, the processor and the number of threads. A CSR product's
time goes with the number of weights, so one density, near the one where dense becomes faster, stands for all. Of the
many shapes in a shrunk model those that are nearly alike are measured as one.
"""

import contextlib
import json
import platform
import time
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

import torch

from emmental.common.downloads import cache_folder
from emmental.common.files import write_json
from emmental.runtime.sparse import Product, csr

TOKENS = (32, 128, 256)
DENSITY = 0.2
SIDE = 128  # longer sides are measured as multiples of it
ROUNDS, AGAIN = 9, 2  # of a product that was never measured, and of one that was

Shape = tuple[int, int]  # out, in


@dataclass(frozen=True)
class Cost:
    """Seconds of one product: dense, and sparse at DENSITY."""

    dense: float
    at_density: float

    def sparse(self, density: float) -> float:
        """Seconds at another density."""
        return self.at_density * density / DENSITY


def costs(shapes: Iterable[Shape]) -> dict[Shape, dict[int, Cost]]:
    """The cost of a product of each shape by the number of tokens, for as many threads as torch uses now."""
    path = cache_folder() / "product_costs.json"
    remembered = _read(path)
    known = remembered.setdefault(machine(), {})
    alike = {shape: tuple(map(_rounded, shape)) for shape in shapes}
    for rows, columns in set(alike.values()):
        known[f"{rows}x{columns}"] = _improved(known.get(f"{rows}x{columns}"), (rows, columns))
    with contextlib.suppress(OSError):  # a cache that cannot be written costs another calibration
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, remembered)
    found = {}
    for shape, (rows, columns) in alike.items():
        share = shape[0] * shape[1] / (rows * columns)
        seconds = known[f"{rows}x{columns}"]
        found[shape] = {tokens: Cost(*(share * own for own in seconds[str(tokens)])) for tokens in TOKENS}
    return found


def machine() -> str:
    """What costs hold for: they are measured anew where any of it changes."""
    processor = f"{platform.node()} {torch.backends.cpu.get_cpu_capability()}"
    return f"{processor}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def _improved(before: dict | None, shape: Shape) -> dict[str, tuple[float, float]]:
    """Seconds dense and sparse by the number of tokens: the best of those before and of some more rounds."""
    now = {str(tokens): astuple(measured(shape, tokens, AGAIN if before else ROUNDS)) for tokens in TOKENS}
    if not before:
        return now
    return {tokens: tuple(map(min, seconds, before[tokens])) for tokens, seconds in now.items()}


@torch.inference_mode()
def measured(shape: Shape, tokens: int, rounds: int) -> Cost:
    """The best of some rounds in turn."""
    rows, columns = shape
    draw = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(rows, columns, generator=draw), torch.zeros(rows)
    dense = Product(weight, bias)
    sparse = Product(csr(weight * (torch.rand(rows, columns, generator=draw) < DENSITY)), bias)
    x = torch.randn(columns, tokens, generator=draw)
    taken = [(_seconds(dense, x), _seconds(sparse, x)) for _ in range(rounds)]
    return Cost(*map(min, zip(*taken, strict=True)))


def _rounded(side: int) -> int:
    return side if side < SIDE else SIDE * round(side / SIDE)


def _seconds(product: Product, x: torch.Tensor) -> float:
    started = time.perf_counter()
    product(x)
    return time.perf_counter() - started


def _read(path: Path) -> dict:
    """What an earlier calibration wrote; nothing where that cannot be read."""
    try:
        content = json.loads(path.read_text())
        for shapes in content.values():
            for by_tokens in shapes.values():
                for tokens in TOKENS:
                    Cost(*map(float, by_tokens[str(tokens)]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return content
