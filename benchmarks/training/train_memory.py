"""Peak memory of training: our steps against dense fine-tuning, each in a process of its own.

    python -m benchmarks.training.train_memory          # both, compared
    python -m benchmarks.training.train_memory ours     # peak resident memory of this process after a few steps, in MB

BERT-base's shape, batches of 8 x 128 tokens, fp32. Scores are one more copy of the 72 matrices that dense fine-tuning
does not have; the comparison names it apart.
"""

import subprocess
import sys
import tempfile

from benchmarks.training.training_steps import WHOLE, DenseStep, OurRun, backbone, batches
from emmental.benchmark.memory import resident
from emmental.pruning.matrices import encoder_linears

STEPS = 2  # from the second on the optimiser's states are there


def ours() -> None:
    with tempfile.TemporaryDirectory() as folder:
        OurRun(WHOLE, batches(WHOLE, 1) * STEPS, folder).train()


def dense() -> None:
    step = DenseStep(WHOLE)
    for batch in batches(WHOLE, 1) * STEPS:
        step(batch)


def peaks() -> dict[str, int]:
    """Peak megabytes of both, and those of one fp32 copy of the matrices."""
    copy = sum(linear.weight.numel() for linear in encoder_linears(backbone()).values()) * 4 // 10**6
    return {name: _peak(name) for name in ("ours", "dense")} | {"copy": copy}


def peak() -> int:
    """Peak resident megabytes of this process, as Linux counts them from its start: getrusage hands on its parent's."""
    return resident("VmHWM") // 10**6


def _peak(name: str) -> int:
    command = [sys.executable, "-m", "benchmarks.training.train_memory", name]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1])


def main(name: str | None = None) -> None:
    if name:
        {"ours": ours, "dense": dense}[name]()
        print(peak())
    else:
        megabytes = peaks()
        beyond = (megabytes["ours"] - megabytes["copy"]) / megabytes["dense"] - 1
        print("ours {ours:,} MB, dense {dense:,} MB, a copy of the 72 matrices {copy} MB".format(**megabytes))
        print(f"beyond that copy ours takes {100 * beyond:+.1f} % of the dense peak; the goal is at most +12 %")


if __name__ == "__main__":
    main(*sys.argv[1:])
