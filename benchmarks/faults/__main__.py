"""What is tried against runs and files, and what is lost: the table of docs/reliability.md.

python -m benchmarks.faults                     # everything, about 35 minutes on two cores
python -m benchmarks.faults kills disk          # some of it
python -m benchmarks.faults files --files 20000

All runs are tiny and need no network. The part ``disk`` makes small file systems in memory, which takes the rights to
mount; without them it limits the size of files alone. Exits with 1 where anything was lost.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults import fuzz, runs
from emmental.common.text import markdown
from tests.helpers.tiny import command_line

KILLS = {"GLUE": 40, "SQuAD": 20, "with a teacher": 16, "with snapshots": 14, "two processes": 10}
AT_ONCE = 2  # runs of a thread each


@dataclass
class Line:
    """A row of the table: what was tried, how often, and in how many cases something was lost, or not said clearly."""

    what: str
    times: int
    lost: int
    said: str


def kills(folder: Path, arguments) -> Iterable[Line]:
    """SIGKILL to all processes of a run at random moments."""
    for name, run in runs.all_kinds(folder / "models").items():
        wanted, killed, bad, cycles = round(KILLS[name] * arguments.kills / 100), 0, 0, 0
        while killed < wanted:
            cycles += 1
            times, whole = runs.killed_again_and_again(run, folder / f"{name} {cycles}", random.Random(cycles))
            killed, bad = killed + times, bad + (not whole)
        yield Line(f"SIGKILL, {name}", killed, bad, f"in {cycles} runs; every mask equals the undisturbed run's")


def disk(folder: Path, arguments) -> Iterable[Line]:
    """No room at any write: file systems and files of all sizes, from too small for anything to large enough."""
    kinds = runs.all_kinds(folder / "models")
    run = kinds["GLUE"]
    needed = sum(path.stat().st_size for path in (folder / "models" / "GLUE" / "out").rglob("*") if path.is_file())
    largest = needed + 4 * 10**6  # two checkpoints and a third that is being written
    if os.geteuid() == 0 and mounted(folder / "try", 64):
        unmount(folder / "try")
        sizes = [round(4 + (largest / 1000 - 4) * (number / arguments.sizes) ** 2) for number in range(arguments.sizes)]
        found = each(lambda kilobytes: full_file_system(run, folder / f"fs {kilobytes}", kilobytes), sizes)
        yield Line("a file system that is full", len(found), found.count("bad"), told(found))
    limits = [2, 3, 4, 6, 8, 12, 16, 20, 24, 28, 32, 40, 48, 64]
    taught = kinds["with a teacher"]  # whose logits are written, too
    found = each(lambda kilobytes: limited_files(taught, folder / f"limit {kilobytes}", kilobytes), limits)
    yield Line("a limit of files' sizes (ulimit -f)", len(found), found.count("bad"), told(found))


def full_file_system(run: runs.Run, folder: Path, kilobytes: int) -> str:
    """What becomes of a run whose output folder has so much room, and then enough."""
    place = folder / "out"
    assert mounted(place, kilobytes)
    try:
        stopped = run.finish(folder)
        subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
        return judged(run, folder, stopped)
    finally:
        unmount(place)


def mounted(place: Path, kilobytes: int) -> bool:
    """Make a file system in memory; whether that is allowed."""
    place.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", place]
    return subprocess.run(words, capture_output=True).returncode == 0


def unmount(place: Path) -> None:
    """Give the file system back, though a process may just have left it."""
    subprocess.run(["umount", "-l", place], check=True)


def limited_files(run: runs.Run, folder: Path, kilobytes: int) -> str:
    """What becomes of a run that may write no file beyond this size, and then any."""
    limited = ["bash", "-c", f'ulimit -f {kilobytes} && exec "$@"', "bash", *command_line(run.words)]
    cache = str(folder / "cache")
    stopped = runs.Run(limited, run.variables | {"HF_DATASETS_CACHE": cache}).finish(folder)
    return judged(run, folder, stopped)


def judged(run: runs.Run, folder: Path, stopped: tuple[int, str]) -> str:
    """``whole`` where the run had room enough, ``resumed`` where it stopped with one message and status 2 and the same
    command then made the undisturbed mask; else ``bad``."""
    status, printed = stopped
    if status == 0:
        return "whole" if run.is_whole(folder) else "bad"
    clear = status == 2 and printed.count("error: a file cannot be") == 1 and "Traceback" not in printed
    again, later = run.finish(folder)
    good = clear and again == 0 and run.is_whole(folder)
    if not good:
        print(f"--- {folder.name}: status {status}\n{printed[-1500:]}\n--- then {again}\n{later[-1500:]}", flush=True)
    return "resumed" if good else "bad"


def told(found: list[str]) -> str:
    """What became of the runs, for the table."""
    return f"{found.count('resumed')} stopped with one message and went on, {found.count('whole')} had room enough"


def pairs(folder: Path, arguments) -> Iterable[Line]:
    """Two runs at the same time: in one output folder, and with one teacher's logits to store."""
    run = runs.all_kinds(folder / "models")["with a teacher"]
    found = []
    for number in range(5):
        both = folder / f"one folder {number}"
        started = [run.start(both), run.start(both)]
        ended = [process.communicate()[0] + f"status {process.returncode}" for process in started]
        refused = [said for said in ended if "another run is writing" in said or "holds a finished run" in said]
        found.append("good" if len(refused) == 1 and refused[0].endswith("status 2") and run.is_whole(both) else "bad")
    yield Line("two runs in one folder", len(found), found.count("bad"), "one refused with a message, the other whole")
    found = []
    for number in range(5):
        cache, places = str(folder / f"cache {number}"), [folder / f"shared {number} {part}" for part in "ab"]
        for process in [run.start(place, HF_DATASETS_CACHE=cache) for place in places]:
            process.communicate()
        found.append("good" if all(run.is_whole(place) for place in places) else "bad")
    yield Line("two runs store one teacher's logits", len(found), found.count("bad"), "both whole")


def checkpoints(folder: Path, arguments) -> Iterable[Line]:
    """Every file of the newest checkpoint damaged in every way, and then those of all checkpoints."""
    run = runs.all_kinds(folder / "models")["GLUE"]
    killed = folder / "killed"
    runs.checkpoint_of(run, killed, 6)
    names = sorted(path.name for path in (killed / "out" / "checkpoint-6").iterdir() if path.is_file())
    cases = [(name, damage) for name in names for damage in DAMAGES]

    def newest(case: tuple[str, str]) -> str:
        copy = shutil.copytree(killed, folder / " ".join(case))
        DAMAGES[case[1]](copy / "out" / "checkpoint-6" / case[0])
        status, printed = run.finish(copy)
        named = "checkpoint-3" in printed and (case == ("sealed", "missing") or f"{case[0]} is damaged" in printed)
        good = status == 0 and run.is_whole(copy) and named
        if not good:
            print(f"--- {case}: {status}\n{printed[-1500:]}", flush=True)
        return "resumed" if good else "bad"

    def both(damage: str) -> str:
        copy = shutil.copytree(killed, folder / f"both {damage}")
        for step in (3, 6):
            DAMAGES[damage](copy / "out" / f"checkpoint-{step}" / "model.safetensors")
        status, printed = run.finish(copy)
        return "told" if status == 2 and "no checkpoint is whole" in printed else "bad"

    found = each(newest, cases)
    yield Line(
        f"each of {len(names)} files of the newest checkpoint {', '.join(DAMAGES)}", len(found), found.count("bad"),
        "each time named, gone on from the one before, and the same mask",
    )  # fmt: skip
    found = each(both, list(DAMAGES))
    yield Line("all checkpoints damaged", len(found), found.count("bad"), "a message says how to begin anew")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[: -len(path.read_bytes()) // 3]),
    "emptied": lambda path: path.write_bytes(b""),
    "flipped": lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 4]) + path.read_bytes()[1:]),
    "missing": Path.unlink,
}


def files(folder: Path, arguments) -> Iterable[Line]:
    """Mutated mask files, see fuzz.py."""
    broken: list[str] = []
    share = arguments.files // AT_ONCE

    def part(number: int):
        words = "-m", "benchmarks.faults.fuzz", "--files", str(share), "--seed", str(number), "--keep"
        return subprocess.run([sys.executable, *words, folder / str(number)], capture_output=True, text=True).stdout

    for printed in each(part, range(AT_ONCE)):
        broken += [line for line in printed.splitlines() if ": " in line]
        print(printed, flush=True)
    said = "each read rightly, or refused in a sentence"
    formats = ", ".join(fuzz.seeds())
    yield Line(f"mutated files ({formats})", share * AT_ONCE, len(broken), said)


def flags(folder: Path, arguments) -> Iterable[Line]:
    """Every flag of transformers, see tests/training/test_flags.py and those beside it."""
    from emmental.training import refused
    from tests.helpers.flags import FLAGS

    tests = map(str, (runs.ROOT / "tests" / "training").glob("test_flags*.py"))
    done = subprocess.run([*runs.PYTEST, *tests], capture_output=True, text=True)
    print(done.stdout[-800:], flush=True)
    lost = 0 if done.returncode == 0 else max(1, done.stdout.count("FAILED"))
    count, always = len(FLAGS), len(refused.REFUSED)
    yield Line("every flag of transformers", count, lost, f"{always} refused, {count - always} do what they say")


def each(function: Callable, cases) -> list:
    """The function of all cases, some at once."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(function, cases))


PARTS = {"kills": kills, "disk": disk, "pairs": pairs, "checkpoints": checkpoints, "files": files, "flags": flags}


def main() -> None:
    """Try what is asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--sizes", type=int, default=30, help="of file systems that get full")
    parser.add_argument("--files", type=int, default=1_000_000)
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - PARTS.keys():
        parser.error(f"no part {min(unknown)}: there are {', '.join(PARTS)}")
    table = [["tried", "times", "lost", ""]]
    for name in arguments.parts or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            for line in PARTS[name](Path(folder), arguments):
                table.append([line.what, f"{line.times:,}", f"{line.lost:,}", line.said])
                print(markdown([table[0], table[-1]]), flush=True)
    print(markdown(table))
    sys.exit(any(row[2] != "0" for row in table[1:]))


if __name__ == "__main__":
    main()
