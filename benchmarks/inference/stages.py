"""``smp`` with a clock at its stages, which ``benchmarks.inference.first_answer`` starts in processes of its own.

    python -P benchmarks/inference/stages.py STARTED FILE predict MASK TEXT …

STARTED: when the process was started, seconds of the epoch. FILE: gets the seconds of each stage as JSON, together all
those from STARTED to the command's end. This file imports nothing of SMP, so that it can run any version of it: the one
that is first on PYTHONPATH.
"""

import importlib._bootstrap
import json
import runpy
import sys
import time
from collections import defaultdict

REST = "the rest"
IMPORTS = "imports"
STAGES = {  # functions by the module that they stand in; versions that lack one spend nothing there
    ("emmental.masks.files", "load"): "mask",
    ("emmental.models.backbones", "load_backbone"): "backbone",
    ("emmental.models.backbones", "Backbone.hashes"): "hashes",
    ("emmental.masks.mask", "fold"): "folding",
    ("emmental.runtime.choose", "prepared"): "conversion",
    ("emmental.runtime.kernel", "compiled"): "compilation",
    ("emmental.runtime.calibration", "costs"): "calibration",
    ("emmental.models.heads", "SequenceModel.forward"): "first forward",
}
ORDER = [IMPORTS, *STAGES.values(), REST]


class Clock:
    """Seconds of stages. A stage inside another one counts for itself, and not for the outer one."""

    def __init__(self, started: float):
        self.seconds: dict[str, float] = defaultdict(float)
        self.stages, self.since = [IMPORTS], started  # Python's own start is imports, too

    def turn(self) -> None:
        """What passed since the last turn was of the innermost stage."""
        now = time.time()
        self.seconds[self.stages[-1]] += now - self.since
        self.since = now

    def timed(self, function, stage: str):
        """The function as a stage."""

        def in_stage(*arguments, **named):
            self.turn()
            self.stages.append(stage)
            try:
                return function(*arguments, **named)
            finally:
                self.turn()
                self.stages.pop()

        return in_stage

    def watch(self) -> None:
        """Time imports, wherever they happen, and what STAGES names, from the moment that its module is there."""
        load = self.timed(importlib._bootstrap._find_and_load, IMPORTS)

        def loaded(name, import_):
            module = load(name, import_)
            for (place, function), stage in STAGES.items():
                if place == name:
                    self.replace(module, function.split("."), stage)
            return module

        importlib._bootstrap._find_and_load = loaded  # what every import calls that has something to load

    def replace(self, owner, path: list[str], stage: str) -> None:
        """Time a function of a module or class, if there is one of that name."""
        *outer, name = path
        for part in outer:
            owner = getattr(owner, part)
        if hasattr(owner, name):
            setattr(owner, name, self.timed(getattr(owner, name), stage))


def main(started: str, file: str, *words: str) -> None:
    clock = Clock(float(started))
    clock.watch()
    sys.argv = ["smp", *words]
    clock.timed(runpy.run_module, REST)("emmental", run_name="__main__", alter_sys=True)
    with open(file, "w") as out:
        json.dump(clock.seconds, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
