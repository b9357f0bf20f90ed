"""What training and inference take on a GPU: one JSON file, and its tables.

    bash benchmarks/gpu.sh                                  # everything, a few minutes; no network
    bash benchmarks/gpu.sh --only tests,steps               # some of it
    bash benchmarks/gpu.sh --device cpu --quick             # tiny shapes: only to see that it runs

Files are written anew after every part, so that a part that fails or is broken off takes no other with it. Exits with 1
where a part failed. Ratios are of medians in turn, beside their quartiles (``_low``, ``_high``).
"""

import argparse
import importlib
import json
import sys
import time
from pathlib import Path

import datasets
import torch
import transformers

from benchmarks.gpu import scale, table
from benchmarks.gpu.machine import machine
from benchmarks.gpu.timing import free

PARTS = {
    "tests": "device_tests",
    "steps": "steps",
    "launches": "launches",
    "memory": "memory",
    "inference": "inference",
    "layers": "layers",
    "selection": "selection",
}


def main(arguments: list[str] | None = None) -> int:
    """Runs the parts; returns the exit status."""
    asked = parsed(arguments)
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    figures = {"machine": machine(asked.device), "quick": asked.quick, "parts": {}}
    print(json.dumps(figures["machine"], indent=1), flush=True)
    for name in asked.only:
        figures["parts"][name] = found = measured(name, (scale.quick if asked.quick else scale.full)(asked.device))
        print(table.part(name, found), end="\n\n", flush=True)
        asked.output.write_text(json.dumps(figures, indent=1) + "\n")
        asked.output.with_suffix(".md").write_text(table.tables(figures))
    return int(any("failed" in found for found in figures["parts"].values()))


def measured(name: str, how: scale.Scale) -> dict:
    """A part's rows and seconds, and what it failed with, if so, after the rows that it had by then."""
    found, started = {"seconds": 0.0, "rows": []}, time.perf_counter()
    try:
        for row in importlib.import_module(f"benchmarks.gpu.{PARTS[name]}").rows(how):
            found["rows"].append(row)
            print(f"{name}: {', '.join(f'{key} {table.cell(value)}' for key, value in row.items())}", flush=True)
    except Exception as error:  # a GPU that is lent for minutes must give the other parts all the same
        print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        found["failed"] = f"{type(error).__name__}: {error}"
    found["seconds"] = time.perf_counter() - started
    free(how.device)
    return found


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """What is asked for; exits with 2 where that is not to be had."""
    parser = argparse.ArgumentParser(prog="gpu.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="tiny shapes and few rounds: only to see that it runs")
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts by commas, of {', '.join(PARTS)}")
    parser.add_argument("--output", type=Path, default=Path("gpu.json"), help="the JSON file; tables beside it in .md")
    asked = parser.parse_args(arguments)
    asked.only = asked.only.split(",")
    unknown = [name for name in asked.only if name not in PARTS]
    if unknown:
        parser.error(f"no part {', '.join(unknown)}: there are {', '.join(PARTS)}")
    if asked.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch finds no CUDA device here; --device cpu --quick shows that the programs run")
    return asked


if __name__ == "__main__":
    sys.exit(main())
