"""Mutated mask files: each is read rightly or refused in a sentence, soon and without much memory.

python -m benchmarks.faults.fuzz --files 10000 --seed 1 --keep /tmp/broken

Mutations know the files: bytes, and of safetensors containers and zip archives also numbers, names, lengths, duplicates
and nesting, with checksums that are right again, as anybody can compute them. Other exceptions than InputError, and
refusals that take longer than SLOW seconds, are what is looked for; such files are kept.
"""

import argparse
import io
import json
import math
import random
import tempfile
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load, save

from emmental import masks
from emmental.common.errors import InputError, printable
from emmental.export import task_file
from emmental.inference.load import load_pruned
from emmental.masks import compact, container, npy, packed, published
from emmental.masks.files import read_info
from emmental.recipes.kinds import Kind
from tests.helpers.tiny import random_mask, save_tiny_bert, tiny_config

SLOW = 5.0  # seconds
SHAPES = {"b.10.x": (3, 5), "b.2.x": (24, 16), "b.2.y": (8, 1)}
VECTORS = {"b.2.norm.weight": torch.ones(16), "b.10.norm.bias": torch.arange(3.0)}
INFO = masks.MaskInfo("bert", "", "a", "b", "sst2", Kind.LABEL, {"0": "no", "1": "yes"}, 0.3, "topK", "soft", 1.0, "c")
NAME = "mnli_0.10_kd_mag"
TASK_EVERY = 50  # files: reading a task checkpoint builds a model

# What stands in files where nobody would write it.
NUMBERS = 0, -1, 1, 2**31, 2**32, 2**53, 2**63, 2**64, 10**18, 10**999, -(10**18), 0.5, 1e308, math.nan, math.inf
TEXTS = (
    "",
    " ",
    "\ud800",
    "\x1b[2J",
    "\0",
    "\n",
    "..",
    "../../x",
    "/etc/passwd",
    "a" * 5000,
    "b.2.x",
    "0",
    "9" * 400,
    "é",
)


def seeds() -> dict[str, bytes]:
    """A good file of each format by its suffix."""
    draw = np.random.default_rng(0)
    bits = {name: torch.from_numpy(draw.random(shape) < 0.3) for name, shape in SHAPES.items()}
    files = {}
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".safetensors", ".smp", ".npy"):
            path = Path(folder, f"seed{suffix}")
            masks.save(masks.Mask(bits, INFO, {} if suffix == ".npy" else VECTORS), path)
            files[suffix] = path.read_bytes()
        return files | {".zip": zipped(files[".npy"]), ".task": packed_task(Path(folder))}


def packed_task(folder: Path) -> bytes:
    """A task checkpoint of a tiny model."""
    mask = random_mask(save_tiny_bert(folder / "bert", tiny_config(max_position_embeddings=16)))
    pruned = load_pruned(mask)
    task_file.pack(pruned.model, pruned.tokenizer, mask, folder / "seed.task")
    return (folder / "seed.task").read_bytes()


def zipped(content: bytes, method: int = zipfile.ZIP_DEFLATED, name: str = f"{NAME}.npy", more: tuple = ()) -> bytes:
    """An archive with this member, and others of these names."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for member in (name, *more):
            archive.writestr(member, content)
    return file.getvalue()


def read(path: Path, suffix: str) -> tuple:
    """What is read of a file: bits, and what it says of itself."""
    if suffix == ".zip":
        return published.unpack(path), None
    if suffix == ".npy":
        return npy.read(path, SHAPES), None
    if suffix == ".task":
        return None, task_file.unpack(path)[2]
    bits, _, content = (packed if suffix == ".safetensors" else compact).read(path)
    return bits, read_info(content, path)


# --- mutations ---


def changed_bytes(content: bytes, draw: random.Random) -> bytes:
    """A few bytes flipped, set, inserted, doubled or cut, mostly near the beginning, where headers are."""
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        place = draw.randrange(max(1, min(len(changed), draw.choice((16, 600, 10**9)))))
        kind = draw.randrange(6)
        if kind == 0 and changed:
            changed[place % len(changed)] ^= 1 << draw.randrange(8)
        elif kind == 1 and changed:
            changed[place % len(changed)] = draw.choice(b'\0\xff09-[]{},":' + bytes([draw.randrange(256)]))
        elif kind == 2:
            changed[place:place] = draw.choice((b"\0" * 8, b"9" * 30, b"[" * 2000, b'"', b"\xff" * 4))
        elif kind == 3:
            changed[place:place] = changed[place : place + draw.randrange(64)]
        elif kind == 4:
            del changed[place : place + draw.randrange(64)]
        else:
            del changed[place:]
    return bytes(changed)


def changed_tree(value, draw: random.Random):
    """JSON with something in it that nobody would write."""
    if isinstance(value, dict) and value and draw.random() < 0.85:
        name = draw.choice(list(value))
        kind = draw.randrange(8)
        rest = {key: inner for key, inner in value.items() if key != name}
        if kind == 0:
            return rest
        if kind == 1:
            return rest | {draw.choice(TEXTS): value[name]}
        if kind == 2:
            return value | {draw.choice(TEXTS): draw.choice(list(value.values()))}
        return value | {name: changed_tree(value[name], draw)}
    if isinstance(value, list) and value and draw.random() < 0.8:
        place = draw.randrange(len(value))
        return [*value[:place], changed_tree(value[place], draw), *value[place + draw.randrange(2) :]]
    depth = draw.choice((1, 50, 400))
    nested = json.loads("[" * depth + "]" * depth)
    return draw.choice((draw.choice(NUMBERS), draw.choice(TEXTS), None, True, nested, {}, value))


def changed_container(content: bytes, draw: random.Random) -> bytes:
    """A safetensors container with another header, description or tensors; checksums are right again, or not."""
    length = int.from_bytes(content[:8], "little")
    header, rest = json.loads(content[8 : 8 + length]), content[8 + length :]
    kind = draw.randrange(4)
    if kind == 0:
        return _with_header(json.dumps(changed_tree(header, draw)), rest)
    description = json.loads(header["__metadata__"][container.KEY])
    tensors = load(content)
    if "about" in tensors and draw.random() < 0.6:
        about = changed_tree(json.loads(zlib.decompress(tensors["about"])), draw)
        tensors["about"] = np.frombuffer(zlib.compress(json.dumps(about).encode()), np.uint8)
    elif kind == 1:
        tensors = _changed_tensors(tensors, draw)
    else:
        description = changed_tree(description, draw)
        for _ in range(draw.randrange(3)):
            description = changed_tree(description, draw)
    text = json.dumps(description)
    if isinstance(description, dict) and isinstance(description.get("info"), dict) and "about" in tensors:
        description["info"]["content_sha256"] = task_file._sha256(tensors)
    if isinstance(description, dict) and draw.random() < 0.8:
        description.pop(container.CHECKSUM, None)
        text = json.dumps(description | {container.CHECKSUM: container.checksum(description)})
    if draw.random() < 0.05:
        text = "[" * draw.choice((10, 10_000)) + text
    return save(tensors, {container.KEY: text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")})


def _with_header(text: str, rest: bytes) -> bytes:
    encoded = text.encode("utf-8", "replace")
    return len(encoded).to_bytes(8, "little") + encoded + rest


def _changed_tensors(tensors: dict[str, np.ndarray], draw: random.Random) -> dict[str, np.ndarray]:
    name = draw.choice(list(tensors))
    values = tensors[name]
    flipped = values.copy()
    flipped.reshape(-1).view(np.uint8)[draw.randrange(flipped.nbytes)] ^= 1 << draw.randrange(8)
    others = (
        flipped,
        values[: draw.randrange(len(values))],
        np.concatenate([values, values]),
        values.astype(draw.choice(("u1", "u4", "i8", "f4"))),
        values[None],
        np.frombuffer(zlib.compress(bytes(draw.choice((10, 10**6)))), np.uint8),
        np.zeros(draw.choice((0, 1, 10**5)), values.dtype),
    )
    changed = tensors | {name: draw.choice(others)}
    if draw.random() < 0.2:
        changed[draw.choice(("levels", "stream", "b.2.x", "z"))] = changed.pop(name)
    return changed


def changed_archive(content: bytes, draw: random.Random) -> bytes:
    """Another way to pack, other members, or fields of the archive's directory that are not true."""
    methods = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA
    names = f"{NAME}.npy", f"folder/{NAME}.npy", "../x.npy", f"/{NAME}.npy", "x.npy", f"{NAME}.npy/"
    archive = zipped(
        draw.choice((content, content[:40], b"", bytes(10**5))),
        draw.choice(methods),
        draw.choice(names),
        draw.choice(((), (), ("x",), ("folder/",))),
    )
    return changed_bytes(archive, draw) if draw.random() < 0.9 else archive


def mutated(suffix: str, good: dict[str, bytes], draw: random.Random) -> bytes:
    """A file of this format that may not be one."""
    if suffix == ".zip" and draw.random() < 0.7:
        return changed_archive(good[".npy"], draw)
    if suffix in (".safetensors", ".smp", ".task") and draw.random() < (0.95 if suffix == ".task" else 0.6):
        return changed_container(good[suffix], draw)
    return changed_bytes(good[suffix], draw)


# --- trying ---


def fuzz(files: int, seed: int, folder: Path, report: Callable[[str, bytes, str], None]) -> Counter:
    """Try so many mutated files, their formats in turn. Counts by format and outcome; report(suffix, content, trouble)
    is called for each that is neither read nor refused, or slowly."""
    draw, good, found = random.Random(seed), seeds(), Counter()
    others = [suffix for suffix in good if suffix != ".task"]
    for number in range(files):
        suffix = others[number % len(others)] if number % TASK_EVERY else ".task"
        content = mutated(suffix, good, draw)
        path = folder / f"{NAME}.npy.zip" if suffix == ".zip" else folder / f"fuzz{suffix}"
        path.write_bytes(content)
        outcome, trouble = attempt(path, suffix)
        found[suffix, outcome] += 1
        if trouble:
            report(suffix, content, trouble)
    return found


def attempt(path: Path, suffix: str) -> tuple[str, str]:
    """What becomes of a file, ``read`` or ``refused``, and what is wrong with that, if anything."""
    started, trouble = time.perf_counter(), ""
    try:
        bits, info = read(path, suffix)
        outcome = "read"
        if isinstance(bits, dict) and not all(matrix.dtype == bool and matrix.ndim == 2 for matrix in bits.values()):
            trouble = "what is read are no bits"
        if info and printable(str(info)) != str(info):
            trouble = "what it says of itself cannot be shown"
    except InputError as error:
        outcome = "refused"
        if len(str(error)) > 2000:
            trouble = "a refusal of many words"
    except Exception as error:
        outcome, trouble = "broken", f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - started
    return outcome, trouble or (f"{seconds:.1f} s" if seconds > SLOW else "")


def main() -> None:
    """Fuzz, print what was found, keep the files that broke something."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("broken"), help="folder for files that broke something")
    arguments = parser.parse_args()
    arguments.keep.mkdir(parents=True, exist_ok=True)

    def report(suffix: str, content: bytes, trouble: str) -> None:
        print(f"{suffix}: {trouble:.200}", flush=True)
        (arguments.keep / f"{zlib.crc32(content):08x}{suffix}").write_bytes(content)

    started = time.perf_counter()
    found = fuzz(arguments.files, arguments.seed, arguments.keep, report)
    for (suffix, outcome), count in sorted(found.items()):
        print(f"{suffix:<13}{outcome:<9}{count:>9,}")
    print(f"{arguments.files:,} files in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
