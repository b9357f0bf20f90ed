"""Masks described for a reader: densities, empty rows and columns, sizes, overlap of two masks. Loads no backbone."""

from collections import defaultdict
from pathlib import Path

import torch

from emmental import masks
from emmental.common.errors import InputError
from emmental.common.text import aligned, file_size, listing, some
from emmental.pruning.matrices import layer_number, matrix_type, short_type


def describe(mask: masks.Mask, path: Path) -> str:
    """What the file says of the mask, the density of every matrix, what is empty, and its size."""
    info = mask.info
    about = {
        "task": info.task,
        "label words": some(f"{label}={word}" for label, word in info.label_words.items()),
        "backbone": f"{info.base_model} {info.base_revision}".strip(),
        "weights": f"sha256 {info.weights_sha256[:16]}…, head {info.head_sha256[:16]}…, "
        + (f"all else {info.backbone_sha256[:16]}…" if info.backbone_sha256 else "all else of it unknown"),
        "allocation": f"{info.allocation}, p = {info.p:g}, {info.method}",
        "density": f"{mask.density():.4f} (asked for {info.density:g})",
        **({"norms, biases": vectors(mask)} if mask.vectors else {}),
        "on disk": sizes(mask, path),
    }
    return f"{listing(str(path), about)}\n\n{densities(mask.bits)}"


def vectors(mask: masks.Mask) -> str:
    """What was trained beside the mask."""
    count = sum(vector.numel() for vector in mask.vectors.values())
    return f"{count:,} numbers in {len(mask.vectors)} vectors, trained beside the mask; {4 * count / 1e6:.2f} MB"


def sizes(mask: masks.Mask, path: Path) -> str:
    """The file's size against the least that independent bits need."""
    return f"{file_size(path)}; entropy of its densities {masks.entropy_bound(mask.bits) / 1e6:.2f} MB"


def densities(bits: dict[str, torch.Tensor]) -> str:
    """Remaining weights in percent, layers by matrix types; below, each type's density and empty rows and columns."""
    by_type = defaultdict(dict)
    for name, matrix in bits.items():
        by_type[matrix_type(name)][layer_number(name)] = matrix
    layers = sorted({layer for matrices in by_type.values() for layer in matrices})
    rows = [["layer", *(short_type(kind) for kind in by_type)]]
    for layer in layers:
        rows.append([str(layer), *(_percent(_kept([matrices[layer]])) for matrices in by_type.values())])
    rows.append(["all", *(_percent(_kept(matrices.values())) for matrices in by_type.values())])
    rows.append(["empty rows", *(_count(matrices.values(), axis=1) for matrices in by_type.values())])
    rows.append(["empty columns", *(_count(matrices.values(), axis=0) for matrices in by_type.values())])
    return aligned(rows)


def overlap(a: masks.Mask, b: masks.Mask) -> str:
    """Two masks over the same matrices: by type, the densities, what is in both, and intersection over union."""
    shapes = [{name: matrix.shape for name, matrix in mask.bits.items()} for mask in (a, b)]
    if shapes[0] != shapes[1]:
        raise InputError("the masks are not over the same matrices: they belong to different backbones")
    names = defaultdict(list)
    for name in a.bits:
        names[short_type(matrix_type(name))].append(name)
    names["all"] = list(a.bits)
    rows = [["matrices", "A", "B", "both", "both if independent", "intersection/union"]]
    for kind, members in names.items():
        in_a, in_b = ([mask.bits[name] for name in members] for mask in (a, b))
        both = [left & right for left, right in zip(in_a, in_b, strict=True)]
        either = [left | right for left, right in zip(in_a, in_b, strict=True)]
        of_a, of_b, of_both, of_either = map(_kept, (in_a, in_b, both, either))
        ratio = of_both / of_either if of_either else 1.0
        rows.append([kind, *map(_percent, (of_a, of_b, of_both, of_a * of_b)), f"{ratio:.4f}"])
    if not (a.vectors or b.vectors):
        return aligned(rows)
    trained = [f"{side}: {vectors(m) if m.vectors else 'none'}" for side, m in zip("AB", (a, b), strict=True)]
    return "\n".join([aligned(rows), "", "norms and biases", *trained])


def _kept(matrices) -> float:
    matrices = list(matrices)
    return sum(int(matrix.sum()) for matrix in matrices) / sum(matrix.numel() for matrix in matrices)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _count(matrices, axis: int) -> str:
    empty, all_of_them = 0, 0
    for matrix in matrices:
        filled = matrix.any(axis)
        empty, all_of_them = empty + int((~filled).sum()), all_of_them + filled.numel()
    return f"{empty}/{all_of_them}"
