"""Pruning methods compared on one task: which runs that takes, and running those that are not finished.

    python -m emmental.launch.compare sst2 "0.5 0.1" smp-s movement

compare.sh calls this and explains the variables. The table and the picture are made in compare_report.py.
"""

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from emmental.common.errors import InputError
from emmental.launch import seeds
from emmental.launch.contestants import Contestant, parse_contestant
from emmental.launch.flags import read_flags
from emmental.launch.jobs import Job, named, number, pruning_job, run_to_end, with_flags, with_seed, with_variables
from emmental.recipes import tags
from emmental.recipes.methods import LINES
from emmental.recipes.table import CUSTOM

SHARED = ("MODEL", "DATA_DIR", "EPOCHS", "BATCH_SIZE", "MAX_LENGTH", "DOC_STRIDE", "NPROC", "REPORT_TO")
DEFAULT = [name for name, (_, line) in LINES.items() if line.allocation != "global"]
GRAMMAR = 'compare.sh <task> "<densities>" [methods …] [flags], e.g. compare.sh sst2 "0.5 0.1" smp-s movement'
ALLOCATIONS = {"local": ("", {}), "soft": ("_mag", {}), "global": ("", {"--global_topk": ""})}  # tag and flags of each


def jobs(
    task: str, densities: list[str], contestants: list[Contestant], rest: list[str], environment: Mapping[str, str]
) -> dict[Path, Job]:
    """The runs by their output folder: ``<method>_<density>/seed_<seed>``; for methods whose density is lambda's doing
    ``<method>_lambda_<lambda>``, for the dense model ``finetune``."""
    label = read_flags(rest, spans=False).data.task_label if task == CUSTOM else task
    output = Path(environment.get("OUTPUT_DIR") or f"comparisons/{label}")
    chosen = [number("SEEDS", seed, int) for seed in (environment.get("SEEDS") or "42").split()]
    found = {}
    for contestant in contestants:
        for name, job in _points(task, densities, contestant, rest, environment).items():
            for seed in chosen:
                seeded = with_seed(with_flags(job, {"--output_dir": str(output / name)}), seed)
                found[Path(seeded.flags["--output_dir"])] = seeded
    return found


def _points(task, densities, contestant, rest, environment) -> dict[str, Job]:
    """The points of one line: folder name and job."""
    method = contestant.method
    if not method.prunes:
        return {method.name: _job(task, "1", contestant, {}, rest, environment)}
    if method.lambda_decides:
        name = f"{method.name.upper()}_LAMBDAS"
        lambdas = environment.get(name, "").split() or [method.flags["--final_lambda"]]
        for weight in lambdas:
            number(name, weight, float)
        return {
            f"{contestant}_lambda_{weight}": _job(task, "1", contestant, {"--final_lambda": weight}, rest, environment)
            for weight in lambdas
        }
    return {f"{contestant}_{density}": _job(task, density, contestant, {}, rest, environment) for density in densities}


def _job(task, density, contestant, flags, rest, environment) -> Job:
    method = contestant.method
    tagged, own = ALLOCATIONS[contestant.line.allocation]
    tag = tags.parse_tag(f"{task}_{density}{'_kd' * contestant.kd}{'_lkd' * contestant.lkd}{tagged}")
    job = named(with_flags(pruning_job(tag, method), own | flags), rest)
    names = (*SHARED, "TEACHER") if contestant.taught else SHARED
    job = with_variables(job, {name: environment.get(name, "") for name in names})
    particular = shlex.split(environment.get(f"{method.name.upper()}_FLAGS", ""))
    if contestant.magnitude_init:  # last, because the method's flags are for the published init
        particular += [word for pair in method.magnitude_init.items() for word in pair]
    return replace(job, rest=(*rest, *particular))


def compare(words: list[str], environment: Mapping[str, str]) -> None:
    """Read the command line, run what is not finished, write the report."""
    switches = {"--dry_run", "--log_axis"}
    plain = [word for word in words if word not in switches]
    first_flag = next((number for number, word in enumerate(plain) if word.startswith("--")), len(plain))
    if first_flag < 2:
        raise InputError(f"a task and densities are needed: {GRAMMAR}")
    (task, listed, *names), rest = plain[:first_flag], plain[first_flag:]
    contestants = [parse_contestant(name) for name in names or DEFAULT]
    found = jobs(task, listed.split(), contestants, rest, environment)
    commands = {folder: job.command() for folder, job in found.items()}
    if "--dry_run" in words:
        print(*map(shlex.join, commands.values()), sep="\n")
        return
    for folder, job in found.items():
        seeds.check_command(folder, job.words())
    seeds.finish(commands)

    from emmental.launch import compare_report  # it loads matplotlib and pandas, which a dry run does without

    output = next(iter(commands)).parents[1]
    command = shlex.join(["bash", "compare.sh", *words])
    print(compare_report.write(output, task, command, "--log_axis" in words))


def main(words: list[str]) -> None:
    """Compare, and end with the exit status of what happened. words: those after compare.sh."""
    run_to_end(compare, words, os.environ)


if __name__ == "__main__":
    main(sys.argv[1:])
