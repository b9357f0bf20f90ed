"""SMP: a task is a binary mask over a frozen pretrained encoder.

``emmental.load_pruned`` and ``emmental.MaskedBackbone`` put masks to use; see emmental.inference.
"""

__all__ = ["MaskedBackbone", "load_pruned"]


def __getattr__(name: str):
    # Imported when asked for: the method's own modules do without transformers.
    if name in __all__:
        from emmental.inference import load, switching

        return getattr(load if name == "load_pruned" else switching, name)
    raise AttributeError(f"module 'emmental' has no attribute {name!r}")
