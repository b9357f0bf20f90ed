"""A mask's file: which encoding its suffix names, and what it says of the mask."""

from dataclasses import asdict
from pathlib import Path

import torch

from emmental.common.errors import InputError, reason
from emmental.masks import compact, npy, packed
from emmental.masks.mask import Mask, MaskInfo
from emmental.recipes.kinds import Kind
from emmental.recipes.table import kind_of

# Of anything that a file says of its mask; a text in characters.
LONGEST_TEXT = 1000
LARGEST_NUMBER = 1e30


def save(mask: Mask, path: Path) -> None:
    """Write a mask as its path's suffix says.

    ``.safetensors``: one bit per weight. ``.smp``: entropy coded, smaller, slower. ``.npy``: the file of the paper's
    own code, without the info. Raises InputError for another suffix, for info that ``load`` would refuse, and for
    trained norms and biases in a ``.npy``.

    >>> from emmental import masks
    >>> masks.save(masks.load("sst2.smp"), "sst2.safetensors")
    """
    path = Path(path)
    bits, vectors = ({name: one.numpy() for name, one in part.items()} for part in (mask.bits, mask.vectors))
    check_info(mask.info, path)  # what is written can be read
    if path.suffix == ".safetensors":
        packed.write(path, bits, asdict(mask.info), vectors)
    elif path.suffix == ".smp":
        compact.write(path, bits, asdict(mask.info), vectors)
    elif path.suffix == ".npy":
        if vectors:
            raise InputError(f"{path}: a .npy has no room for trained norms and biases: write .safetensors or .smp")
        npy.write(path, bits)
    else:
        raise _unknown(path)


def load(path: Path, shapes: dict[str, tuple[int, int]] | None = None, info: MaskInfo | None = None) -> Mask:
    """Read and check a mask file, its encoding told by the suffix.

    shapes (the backbone's matrices, (out, in) by name) and info are what a ``.npy`` does not hold: needed for it,
    ignored for the others. Raises InputError where the file is missing, damaged or of another kind.

    >>> from emmental import masks
    >>> mask = masks.load("sst2.smp")
    >>> mask.info.task, mask.info.label_words
    ('sst2', {'0': 'terrible', '1': 'great'})
    >>> 0 < mask.density() < 1
    True
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        bits, vectors, content = packed.read(path)
    elif path.suffix == ".smp":
        bits, vectors, content = compact.read(path)
    elif path.suffix != ".npy":
        raise _unknown(path)
    elif shapes is None or info is None:
        raise InputError(f"{path}: a .npy mask does not name its matrices: it can only be read along with a backbone")
    else:
        bits, vectors, content = npy.read(path, shapes), {}, asdict(info)
    bits, vectors = ({name: torch.from_numpy(one) for name, one in part.items()} for part in (bits, vectors))
    return Mask(bits, read_info(content, path), vectors)


def read_info(content, path: Path) -> MaskInfo:
    """What a file says of a mask. Raises InputError where that is not what ``save`` writes."""
    try:
        info = MaskInfo(**content | {"kind": read_kind(content, path)})
    except TypeError as error:
        raise InputError(f"{path}: what it says of the mask cannot be read: {reason(error)}") from None
    check_info(info, path)
    return info


def check_info(info: MaskInfo, path: Path) -> None:
    """Raise InputError for what no file says of a mask. path: where it stands, or is to stand."""
    for field, value in asdict(info).items():
        if field == "label_words":
            right = isinstance(value, dict) and all(map(_is_word, [*value, *value.values()])) and _fits(info)
        elif field in ("density", "p"):
            right = type(value) in (int, float) and 0 <= value <= LARGEST_NUMBER
        else:
            right = _is_text(value)
        if not right:
            raise InputError(f"{path}: the mask's {field} cannot be {value!a:.100}")


def _is_text(value) -> bool:
    """Whether it can be shown as it is: nothing in it moves a terminal's cursor or is no character at all."""
    return isinstance(value, str) and value.isprintable() and len(value) <= LONGEST_TEXT


def _is_word(value) -> bool:
    return _is_text(value) and value.strip() != ""


def _fits(info: MaskInfo) -> bool:
    """Whether the label words are as many as the kind of the task needs."""
    if info.kind is Kind.SPAN:
        return set(info.label_words) == {"start", "end"}
    return len(info.label_words) == 1 if info.kind is Kind.VALUE else len(info.label_words) > 1


def read_kind(content, path: Path) -> Kind:
    """The kind of task that a file speaks of. One that was written before files said it names its task, whose recipe
    knows the kind. Raises InputError where neither says it."""
    try:
        return Kind(content["kind"]) if "kind" in content else kind_of(content["task"])
    except (KeyError, ValueError, TypeError):
        raise InputError(f"{path}: the kind of its task cannot be read, and no recipe says it") from None


def _unknown(path: Path) -> InputError:
    return InputError(f"{path}: a mask file ends in .safetensors, .smp (compact) or .npy (of the paper's own code)")
