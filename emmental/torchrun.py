"""torchrun for one machine, with the script's exit status: what NPROC above 1 in the launchers stands for.

    python -m emmental.torchrun --nproc_per_node 2 masked_run_glue.py --task_name sst2 --output_dir models/sst2

Takes torchrun's own arguments. A process that dies is no end of the run: all start again, from the last checkpoint.
Bad input and a run that stopped on SIGTERM are: torchrun itself would start those again as well, and ends with status 1
whatever happened. Knows nothing of pruning; on several nodes use torchrun.
"""

import contextlib
import os
import sys

import torch
from torch.distributed import run
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from emmental.common.errors import BAD_INPUT, STOPPED, InputError, exit_on_input_error

RESTARTS = 3
SHUTDOWN = 600  # seconds that processes have to end a step and save; the cluster's own patience is mostly shorter
ON_RESTART = ["--overwrite_output_dir", "False"]  # what there is to overwrite by then is the run itself


def launch(arguments: list[str]) -> int:
    """Run torchrun with these arguments to its end. Returns the exit status of the process that failed first, or 0."""
    known = run.get_args_parser().format_help()  # torch 2.11 cannot be told
    patience = ["--shutdown_timeout", str(SHUTDOWN)] if "--shutdown_timeout" in known else []
    options = run.parse_args(["--standalone", *patience, *arguments])
    threads = torch.get_num_threads() // local_processes(options.nproc_per_node)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, threads)))
    restarts = 0
    while True:
        try:
            run.run(options)
            return 0
        except ChildFailedError as failed:
            rank, failure = failed.get_first_failure()
        if failure.exitcode in (BAD_INPUT, STOPPED) or restarts == RESTARTS:
            return failure.exitcode if failure.exitcode > 0 else 128 - failure.exitcode
        restarts += 1
        print(f"process {rank} ended with status {failure.exitcode}: restart {restarts} of {RESTARTS}", file=sys.stderr)
        options.training_script_args += ON_RESTART


def local_processes(wanted: str) -> int:
    """The number of processes; ``gpu`` means one for each GPU. Raises InputError for what is no number above 0."""
    with contextlib.suppress(ValueError):
        if (processes := run.determine_local_world_size(wanted)) > 0:
            return processes
    raise InputError(
        f"{wanted} processes (NPROC, --nproc_per_node): a number above 0 is needed, or gpu for one per GPU"
    )


def main() -> None:
    """End with the script's exit status, 128 + n on signal n."""
    try:
        with exit_on_input_error():
            sys.exit(launch(sys.argv[1:]))
    except SignalException as signal:
        sys.exit(128 + signal.sigval)


if __name__ == "__main__":
    main()
