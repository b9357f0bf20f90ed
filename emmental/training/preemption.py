"""SIGTERM, as clusters send it before they take a machine away: save where training stands and exit.

Transformers' own --enable_jit_checkpoint does not fit: it waits for three seconds, then saves between forward pass and
optimiser step, on each process at a step of its own, and goes on as if the run were over.
"""

import signal
import sys
import threading

from accelerate import Accelerator
from transformers import TrainerCallback

from emmental.common.errors import STOPPED


class Preemption(TrainerCallback):
    """On SIGTERM to any process: let the step end, save a checkpoint, exit all processes with status 143.

    What the stopped step and its epoch owe, an evaluation, say, is done before the checkpoint, so that the resumed run
    equals an undisturbed one. Add it after the other callbacks: it ends the process where training ends.
    """

    def __init__(self, accelerator: Accelerator):
        self.accelerator = accelerator
        self.signalled = self.stopped = False

    def on_train_begin(self, args, state, control, **kwargs):
        self.listens = threading.current_thread() is threading.main_thread()  # others may not
        if self.listens:
            self.handler = signal.signal(signal.SIGTERM, self.note)

    def note(self, number, frame):
        self.signalled = True

    def on_step_end(self, args, state, control, **kwargs):
        self.stopped = self.signalled
        if self.accelerator.num_processes > 1:  # then the same on all, for which each step waits for the device
            if self.signalled:
                self.accelerator.set_trigger()
            self.stopped = self.accelerator.check_trigger()
        if self.stopped:
            control.should_save = control.should_training_stop = True
            if args.eval_strategy == "epoch" and (state.epoch.is_integer() or state.global_step == state.max_steps):
                control.should_evaluate = True

    def on_epoch_end(self, args, state, control, **kwargs):
        if self.stopped:
            control.should_log = control.should_evaluate = control.should_save = False

    def on_train_end(self, args, state, control, **kwargs):
        if self.listens:
            signal.signal(signal.SIGTERM, self.handler)
        if self.stopped:
            if state.is_world_process_zero:
                where = f"{args.output_dir}/checkpoint-{state.global_step}"
                print(
                    f"SIGTERM: stopped after step {state.global_step} of {state.max_steps} and saved {where}; the same "
                    "command goes on from there",
                    file=sys.stderr,
                )
            sys.exit(STOPPED)
