"""masked_run_glue.py that also writes down each process's masks at every step.

    accelerate launch --num_processes 2 tests/helpers/trace_masks.py --task_name sst2 --output_dir models/sst2

Leaves masks-<rank>.txt in the folder that it is started in: a line of step and hash per selection. With "at_once" as
the first argument masked weights are made together, as on an accelerator.
"""

import hashlib
import os
import sys
from pathlib import Path

import torch

from emmental.pruning import at_once
from emmental.scripts import glue as masked_run_glue
from emmental.training import prune
from emmental.training.trainer import SMPTrainer


class TracedTrainer(SMPTrainer):
    """Writes a line after every selection."""

    def select_masks(self, density=None):
        super().select_masks(density)
        digest = hashlib.sha256()
        for layer in self.masked_layers.values():
            digest.update(layer.mask.cpu().numpy())
        with Path(f"masks-{os.environ.get('RANK', 0)}.txt").open("a") as file:
            print(self.state.global_step, digest.hexdigest(), file=file)


if __name__ == "__main__":
    prune.SMPTrainer = TracedTrainer
    if sys.argv[1] == "at_once":
        del sys.argv[1]
        at_once.pays = lambda input: torch.is_grad_enabled()
    masked_run_glue.main()
