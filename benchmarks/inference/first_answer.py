"""Seconds from the start of ``smp predict MASK "a charming film"`` to its answer, and what they go into.

    OMP_NUM_THREADS=2 python -m benchmarks.inference.first_answer MASK            # about 3 minutes
    OMP_NUM_THREADS=2 python -m benchmarks.inference.first_answer                 # a random mask on BERT-base's shape
    python -m benchmarks.inference.first_answer MASK --runtime auto --tree ../older

Every answer is that of a fresh process. It comes twice in each round: with empty caches, where the cache folder holds
the downloads of backbones alone and the mask stands in a new folder, and with those that the first one has filled. The
system's own cache of files is warm in both. Stages are exclusive: what is imported, compiled or calibrated inside
another stage counts there alone. What the process takes to end comes after the answer, which a pipe gets only then.
``--tree`` runs another version of SMP in this Python. MASK is one for single texts.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.inference import stages
from benchmarks.inference.mask_switch import random_mask, save_bert_base_shape
from emmental import masks
from emmental.benchmark.report import machine
from emmental.common.downloads import cache_folder
from emmental.common.text import aligned

TEXT = "a charming film"
RUNTIMES = ("dense", "sparse", "auto")
CACHES = ("empty", "filled")
DENSITY = 0.03  # of the random mask
EXIT = "its end, after that"
TREE = Path(__file__).parents[2]


def main(mask: Path | None, runtimes: list[str], runs: int, tree: Path, as_json: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if mask is None:
            mask = random_mask_file(Path(folder))
        answer_seconds(mask, runtimes[0], Path(folder, "warm-up"), tree)
        found = {(runtime, caches): [] for runtime in runtimes for caches in CACHES}
        for number in range(runs):
            for runtime in runtimes:
                place = Path(folder, f"{runtime} {number}")
                for caches in CACHES:
                    found[runtime, caches].append(answer_seconds(mask, runtime, place, tree))
                shutil.rmtree(place)
    if as_json:
        entries = [{"runtime": runtime, "caches": caches, "runs": own} for (runtime, caches), own in found.items()]
        print(json.dumps({"machine": machine(), "seconds": entries}))
    else:
        print(f"{mask.name}, {runs} processes of each kind: median seconds; {machine()}")
        print(table(found))


def random_mask_file(folder: Path) -> Path:
    """A mask for single texts over random weights of BERT-base's shape."""
    save_bert_base_shape(folder / "bert")
    masks.save(random_mask(str(folder / "bert"), DENSITY), folder / "random.safetensors")
    return folder / "random.safetensors"


def answer_seconds(mask: Path, runtime: str, place: Path, tree: Path) -> dict[str, float]:
    """Seconds of each stage of a process's answer, and of its end, by what earlier ones left in this place, which is
    made where there is none."""
    caches, own = place / "cache", place / mask.name
    if not place.exists():
        caches.mkdir(parents=True)
        shutil.copy(mask, own)
        for wheel in cache_folder().glob("*.whl"):
            (caches / wheel.name).symlink_to(wheel)
    seconds, started = place / "seconds.json", time.time()
    command = [sys.executable, "-P", stages.__file__, str(started), seconds, "predict", own, TEXT]
    ended = subprocess.run(
        [*command, "--runtime", runtime],
        env=os.environ | {"PYTHONPATH": str(tree), "SMP_CACHE": str(caches)},
        cwd=place,
        capture_output=True,
        text=True,
    )
    took = time.time() - started
    if ended.returncode:
        sys.exit(f"smp predict failed:\n{ended.stderr}")
    found = json.loads(seconds.read_text())
    return found | {EXIT: took - sum(found.values())}


def table(found: dict[tuple[str, str], list[dict[str, float]]]) -> str:
    """A column for each runtime and state of the caches: the whole with its quartiles, and the stages."""
    rows = [["", *(f"{runtime}, {caches}" for runtime, caches in found)]]
    answers = [[sum(run.values()) - run[EXIT] for run in runs] for runs in found.values()]
    rows.append(["until the answer", *map(quartiles, answers)])
    for stage in stages.ORDER:
        medians = [statistics.median(run.get(stage, 0.0) for run in runs) for runs in found.values()]
        rows.append([f"  {stage}", *(f"{median:.3f}" for median in medians)])
    rows.append([EXIT, *(quartiles([run[EXIT] for run in runs]) for runs in found.values())])
    return aligned(rows)


def quartiles(seconds: list[float]) -> str:
    """The median and, behind it, the quartiles."""
    low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return f"{median:.2f} ({low:.2f} - {high:.2f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Time the first answer of a fresh process.")
    parser.add_argument("mask", nargs="?", type=Path, help="a mask's file (default: a random one, BERT-base's shape)")
    parser.add_argument("--runtime", nargs="+", choices=RUNTIMES, default=RUNTIMES, help="those to time (default: all)")
    parser.add_argument("--runs", type=int, default=5, help="rounds, 2 or more (default 5)")
    parser.add_argument("--tree", type=Path, default=TREE, help="folder of another version of SMP")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    main(arguments.mask, arguments.runtime, arguments.runs, arguments.tree.resolve(), arguments.json)
