"""SMP: a task is a binary mask over a frozen pretrained encoder.

``emmental.prune`` makes a mask for a data set, ``emmental.MaskLearner`` in a training loop of one's own;
``emmental.load_pruned`` and ``emmental.MaskedBackbone`` put masks to use. What is wrong with an input is said by an
``emmental.InputError``.
"""

from importlib import import_module

_HOMES = {
    "InputError": "common.errors",
    "MaskLearner": "training.own_loop",
    "MaskedBackbone": "inference.switching",
    "load_pruned": "inference.load",
    "prune": "api",
}
__all__ = list(_HOMES)


def __dir__() -> list[str]:
    return [*globals(), *__all__]


def __getattr__(name: str):
    # Imported when asked for: the method's own modules do without transformers.
    if name in _HOMES:
        return getattr(import_module(f"emmental.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'emmental' has no attribute {name!r}")
