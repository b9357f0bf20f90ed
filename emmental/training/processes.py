"""What several processes that train together must agree on: who prepares the output folder, whose examples count.

Each process has the whole model and its part of every batch; DistributedDataParallel averages the gradients of the
scores, so scores and masks are the same everywhere.
"""

import os
from collections.abc import Callable

from accelerate.utils import broadcast_object_list, gather_object
from transformers import TrainerCallback, TrainingArguments, set_seed

from emmental.common.errors import InputError


def on_first(process_index: int, function: Callable):
    """Call ``function`` on the first process only; its result, or the InputError that it raises, on all of them."""
    outcome = [None, None]
    if process_index == 0:
        try:
            outcome[0] = function()
        except InputError as error:
            outcome[1] = str(error)
    broadcast_object_list(outcome)
    if outcome[1]:
        raise InputError(outcome[1])
    return outcome[0]


def all_true(value: bool) -> bool:
    """Whether this is true on all processes."""
    return all(gather_object([value]))


def restarted() -> bool:
    """Whether torchrun has started these processes in the place of others that died."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) > 0


def overwrite(config: TrainingArguments) -> bool:
    """Whether what stands in the output folder is to give way: not to the same run, started again."""
    return config.overwrite_output_dir and not restarted()


def last_batches(examples: int, per_process: int, processes: int, index: int) -> tuple[int, int]:
    """How many examples are new in the last batch of a pass, on the process with this index and on all together.

    accelerate gives every process the same number of full batches: it deals out what remains of the ``examples`` in
    order and fills up with the pass's first ones, which were seen before and must not count.
    """
    remaining = examples % (processes * per_process) or processes * per_process
    return min(max(remaining - index * per_process, 0), per_process), remaining


class OwnRandomness(TrainerCallback):
    """Gives every process but the first its own dropout; a resumed run then reads its state from the checkpoint."""

    def on_train_begin(self, args, state, control, **kwargs):
        if args.process_index:
            set_seed(args.seed + args.process_index)
