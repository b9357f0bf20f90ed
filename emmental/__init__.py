"""SMP: a task is a binary mask over a frozen pretrained encoder.

``emmental.load_pruned`` and ``emmental.MaskedBackbone`` put masks to use; see inference.py.
"""

__all__ = ["MaskedBackbone", "load_pruned"]


def __getattr__(name: str):
    # Imported when asked for: the method's own modules do without transformers.
    if name in __all__:
        from emmental.inference import load

        return getattr(load, name)
    raise AttributeError(f"module 'emmental' has no attribute {name!r}")
