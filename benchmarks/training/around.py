"""Contexts around the steps of a training run: what is measured of a step, or set up for it."""

from collections.abc import Iterable
from contextlib import AbstractContextManager

from transformers import TrainerCallback


class Around(TrainerCallback):
    """Opens one context around each step, from its forward pass to the selection of its masks."""

    def __init__(self, contexts: Iterable[AbstractContextManager]):
        self.contexts = iter(contexts)

    def on_step_begin(self, args, state, control, **kwargs):
        self.open = next(self.contexts)
        self.open.__enter__()

    def on_step_end(self, args, state, control, **kwargs):
        self.open.__exit__(None, None, None)
