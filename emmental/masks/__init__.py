"""The product: a mask over a named backbone, its three encodings, what a reader and the Hub see of it.
Must not know how a mask is trained, nor how a model is computed with it.
"""

from emmental.masks.files import check_info, load, read_info, save
from emmental.masks.mask import (
    Mask,
    MaskInfo,
    apply,
    capture,
    check_backbone,
    check_matrices,
    check_vectors,
    entropy_bound,
    fold,
)

__all__ = [
    "Mask",
    "MaskInfo",
    "apply",
    "capture",
    "check_backbone",
    "check_info",
    "check_matrices",
    "check_vectors",
    "entropy_bound",
    "fold",
    "load",
    "read_info",
    "save",
]
