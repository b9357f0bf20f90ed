"""python -m benchmarks.training.selection --device cuda --output selection.json

Ways to select in all of an encoder's matrices at once, on one device: milliseconds, operators that are dispatched and,
on CUDA, kernels that run (Triton's are no operators) and the most memory taken for a moment. BERT-base's and
BERT-large's matrices, normal scores; every mask is compared with that of the CPU. --compile adds torch.compile, which
takes its time to begin; --small takes a hundredth of the weights, to try the program itself. --only, --models and
--densities leave out the rest; --counted measures radix with other blocks and warps in its counting, beside each other:

    python -m benchmarks.training.selection --only radix "all ranked together" --models base --densities 0.1 \
        --counted 1024x4 1024x8 128x1

per matrix: one top-k after the other, as it was; stacked top-k: one for each shape, where all keep as many; bisection:
plain torch, as it is and compiled; radix: Triton's kernels. Beside them what else a step does once for all matrices.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

import torch

from emmental.pruning import allocation, bisection, device_selection
from emmental.pruning.matrices import matrix_type
from emmental.pruning.regulariser import add_regulariser
from emmental.pruning.selection import kept_weights, select
from emmental.pruning.stacks import in_stacks, upload
from tests.helpers.operators import operators

MODELS = {"base": (12, 768), "large": (24, 1024)}
DENSITIES = (0.5, 0.1, 0.03)
Masks = list[torch.Tensor]


def matrices(blocks: int, width: int, device: torch.device) -> dict[str, torch.Tensor]:
    """Scores of the encoder's matrices by name; always the same."""
    draw = torch.Generator().manual_seed(0)
    shapes = dict.fromkeys(("query", "key", "value", "output"), (width, width))
    shapes |= {"up": (4 * width, width), "down": (width, 4 * width)}
    return {
        f"layer.{block}.{kind}": torch.randn(shape, generator=draw).to(device)
        for block in range(blocks)
        for kind, shape in shapes.items()
    }


def per_matrix(scores: Sequence[torch.Tensor], kept: Sequence[int]) -> Masks:
    """One top-k after the other."""
    return [_highest(matrix.view(1, -1), count).view_as(matrix) for matrix, count in zip(scores, kept, strict=True)]


def stacked_top_k(scores: Sequence[torch.Tensor], kept: Sequence[int]) -> Masks:
    """One top-k for each shape; all matrices of a shape keep as many."""
    counts = {matrix.shape: count for matrix, count in zip(scores, kept, strict=True)}
    return in_stacks(lambda stack: _highest(stack.flatten(1), counts[stack.shape[1:]]).view_as(stack), scores)


def _highest(rows: torch.Tensor, kept: int) -> torch.Tensor:
    removed = rows.shape[1] - kept
    if kept <= removed:
        threshold = rows.topk(kept, sorted=False).values.amin(1, keepdim=True)
    else:
        threshold = rows.topk(removed + 1, largest=False, sorted=False).values.amax(1, keepdim=True)
    above, tied = rows > threshold, rows == threshold
    return above | (tied & (tied.cumsum(1) <= kept - above.sum(1, keepdim=True)))


def on_device(module) -> Callable[[Sequence[torch.Tensor], Sequence[int]], Masks]:
    """The module's selection, with what it takes to say how many are kept."""
    return torch.no_grad()(lambda scores, kept: module.select(scores, upload(kept, scores[0].device)))


class Compiled:
    """Bisection with the search in torch.compile's hands."""

    def __init__(self):
        self.kth_highest = torch.compile(bisection.kth_highest)

    @torch.no_grad()
    def select(self, scores: Sequence[torch.Tensor], kept: torch.Tensor) -> Masks:
        original, bisection.kth_highest = bisection.kth_highest, self.kth_highest
        try:
            return bisection.select(scores, kept)
        finally:
            bisection.kth_highest = original


def shaped(module, select: Callable, block: int, warps: int) -> Callable:
    """Selection with this block and so many warps where the radix module counts."""

    def with_shape(*arguments) -> Masks:
        original, (module.COUNTED, module.COUNT_WARPS) = (module.COUNTED, module.COUNT_WARPS), (block, warps)
        try:
            return select(*arguments)
        finally:
            module.COUNTED, module.COUNT_WARPS = original

    return with_shape


def ways(device: torch.device, compiled: bool, shapes: Sequence[tuple[int, int]]) -> dict[str, Callable]:
    """All that this device can do, where each matrix is ranked."""
    found = {"per matrix": per_matrix, "stacked top-k": stacked_top_k, "bisection": on_device(bisection)}
    if compiled:
        found["bisection, compiled"] = on_device(Compiled())
    if device.type == "cuda":
        from emmental.pruning import radix

        found["radix"] = on_device(radix)
        found |= {f"radix, {block} x {warps}": shaped(radix, on_device(radix), block, warps) for block, warps in shapes}
    return found


def ways_together(device: torch.device, shapes: Sequence[tuple[int, int]]) -> dict[str, Callable]:
    """The same where all are ranked together."""
    found = {"all ranked together": device_selection.select}
    if device.type == "cuda":
        from emmental.pruning import radix

        for block, warps in shapes:
            found[f"all ranked together, {block} x {warps}"] = shaped(radix, device_selection.select, block, warps)
    return found


class Meter:
    """Measures a call: after three for warming up, the median of a number of rounds."""

    def __init__(self, device: torch.device, rounds: int):
        self.device, self.rounds = device, rounds

    def __call__(self, function: Callable, *arguments) -> dict:
        for _ in range(3):
            function(*arguments)
        self.wait()
        whole, host = zip(*(self._turn(function, *arguments) for _ in range(self.rounds)), strict=True)
        figures = {"ms": statistics.median(whole), "least_ms": min(whole), "host_ms": statistics.median(host)}
        figures["operators"] = operators(function, *arguments).total()
        if self.device.type == "cuda":
            figures["kernels"] = self._kernels(function, *arguments)
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            function(*arguments)
            figures["extra_MB"] = (torch.cuda.max_memory_allocated() - before) / 1e6
        return figures

    def _turn(self, function: Callable, *arguments) -> tuple[float, float]:
        """Milliseconds until all is done, and until the host may go on."""
        self.wait()
        started = time.perf_counter()
        result = function(*arguments)
        host = time.perf_counter() - started
        self.wait()
        del result
        return 1e3 * (time.perf_counter() - started), 1e3 * host

    def _kernels(self, function: Callable, *arguments) -> int:
        activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
        with torch.profiler.profile(activities=activities) as profile:
            function(*arguments)
            self.wait()
        return sum(event.device_type == torch.autograd.DeviceType.CUDA for event in profile.events())

    def wait(self) -> None:
        """Until the device is idle."""
        if self.device.type != "cpu":
            torch.accelerator.synchronize()


def measure(model: str, device: torch.device, meter: Meter, options: argparse.Namespace) -> Iterator[dict]:
    """Rows of the table."""
    blocks, width = MODELS[model]
    named = matrices(blocks, width // 10 if options.small else width, device)
    scores, row = [*named.values()], {"model": f"BERT-{model}", "density": None}
    on_host = [matrix.cpu() for matrix in scores]

    def wanted(name: str) -> bool:
        return not options.only or name.startswith(tuple(options.only))

    for density in options.densities:
        row["density"] = density
        kept = [kept_weights(density, matrix.numel()) for matrix in scores]
        expected = [select(matrix, count) for matrix, count in zip(on_host, kept, strict=True)]
        for name, way in ways(device, options.compile, options.counted).items():
            if wanted(name):
                masks = way(scores, kept)
                same = all(torch.equal(mask.cpu(), right) for mask, right in zip(masks, expected, strict=True))
                del masks
                yield row | {"what": name, "exact": same} | meter(way, scores, kept)
        together = upload([kept_weights(density, sum(matrix.numel() for matrix in scores))], device)
        for name, way in ways_together(device, options.counted).items():
            if wanted(name):
                yield row | {"what": name} | meter(way, scores, together)
        if wanted("soft allocation"):
            call = allocation.soft_kept, named, density, 1.0, matrix_type
            yield row | {"what": "soft allocation"} | meter(*call)
    if wanted("regulariser"):
        for matrix in scores:
            matrix.grad = torch.zeros_like(matrix)
        yield row | {"density": None, "what": "regulariser"} | meter(add_regulariser, scores, 1.0)


def show(row: dict) -> str:
    """A line of the table."""
    exact = {True: "exact", False: "WRONG", None: ""}[row.get("exact")]
    figures = f"{row['ms']:9.3f} {row['host_ms']:9.3f} {row['operators']:9} {row.get('kernels', '-'):>8}"
    return (
        f"{row['model']:10} {row['density'] or '':>7} {row['what']:31} {figures} {row.get('extra_MB', 0):9.1f}  {exact}"
    )


def shape(text: str) -> tuple[int, int]:
    """A block and a number of warps: 512x4."""
    block, warps = text.split("x")
    return int(block), int(warps)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--small", action="store_true", help="matrices of a hundredth of the size")
    parser.add_argument("--compile", action="store_true", help="torch.compile, too")
    parser.add_argument("--only", nargs="+", metavar="WAY", help="beginnings of the names of what is measured")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=[*MODELS])
    parser.add_argument("--densities", nargs="+", type=float, default=DENSITIES)
    parser.add_argument("--counted", nargs="+", type=shape, default=(), metavar="BLOCKxWARPS", help="in radix")
    parser.add_argument("--output", help="JSON file")
    options = parser.parse_args()
    device = torch.device(options.device)
    meter = Meter(device, options.rounds)
    processor = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    )
    print(f"{processor}, torch {torch.__version__}")
    print(f"{'model':10} {'density':>7} {'':31} {'ms':>9} {'host ms':>9} operators  kernels  extra MB")
    rows = []
    for model in options.models:
        for row in measure(model, device, meter, options):
            rows.append(row)
            print(show(row), flush=True)
    if options.output:
        with open(options.output, "w") as file:
            json.dump({"processor": processor, "torch": torch.__version__, "rows": rows}, file, indent=2)


if __name__ == "__main__":
    main()
