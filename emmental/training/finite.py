"""Losses that are not finite stop training, and no step waits for its loss."""

from collections import deque

import torch

from emmental.common.errors import InputError


class FiniteLosses:
    """Looks at each loss of training when it has arrived on the host: at once on the CPU, else a little later. What
    writes or measures a state asks for ``settle`` before, so that no state after such a loss is kept."""

    def __init__(self, output_dir: str):
        self.output_dir = output_dir
        self.under_way: deque = deque()

    def watch(self, loss: torch.Tensor, step: int) -> None:
        """Take the loss of a step (from 1), and raise InputError for what has arrived and is not finite."""
        arrived = torch.get_device_module(loss.device).Event()
        value = loss.detach().to("cpu", non_blocking=True)
        arrived.record()
        self.under_way.append((step, value, arrived))
        while self.under_way and self.under_way[0][2].query():
            self._check()

    def settle(self) -> None:
        """Wait for all losses; InputError where one is not finite."""
        while self.under_way:
            self.under_way[0][2].synchronize()
            self._check()

    def _check(self) -> None:
        step, value, _ = self.under_way.popleft()
        if not torch.isfinite(value):
            raise InputError(
                f"the loss is {value.item()} at step {step}: training stops here. The last checkpoint in "
                f"{self.output_dir} is kept; try a lower --mask_scores_learning_rate"
            )
