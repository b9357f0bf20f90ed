"""The ways to compute a mask's model on this machine, which benchmark.py times, and the files that some come from."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from emmental import masks
from emmental.common.errors import InputError
from emmental.export import shrunk, shrunk_folder, task_file
from emmental.inference.sentences import Pruned
from emmental.inference.spans import PrunedSpans
from emmental.models.heads import LabelWordModel
from emmental.runtime import choose

BASELINE = "dense fp32"
SHRUNK, TASK, ONNX = "shrunk model", "task checkpoint fp32", "ONNX"  # the files that ``written`` writes


@dataclass(frozen=True)
class Contender:
    """A way to compute a pruned model. logits: [texts, …] of the model's inputs by name; memory: bytes of weights."""

    name: str
    logits: Callable[..., torch.Tensor]
    memory: int


def written(pruned: Pruned | PrunedSpans, mask: masks.Mask, folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Write a mask's model to the folder in every form that has a file of its own: their paths, and a line for each
    form that is not to be had, with the reason."""
    files, missing = {TASK: folder / "model.task"}, []
    task_file.pack(pruned.model, pruned.tokenizer, mask, files[TASK])
    small = copy.deepcopy(pruned.model)
    try:
        shrunk.shrink(small.backbone)
        shrunk_folder.save(small, pruned.tokenizer, pruned.info, folder / "shrunk")
        files[SHRUNK] = folder / "shrunk" / shrunk_folder.WEIGHTS
    except InputError as error:
        missing.append(f"{SHRUNK}: {error}")
    try:
        from emmental.export import onnx_file  # slow to import, and not needed by all the other ways

        onnx_file.export(pruned.model, pruned.tokenizer, list(pruned.info.label_words), folder / "model.onnx")
        files[ONNX] = folder / "model.onnx"
    except ModuleNotFoundError as error:
        missing.append(f"{ONNX} Runtime: {error.name} is not installed")
    except InputError as error:
        missing.append(f"{ONNX} Runtime: {error}")
    return files, missing


def contenders(dense: LabelWordModel, files: dict[str, Path] | None = None) -> list[Contender]:
    """The ways to compute a folded model: sparse ones where its architecture has them, and those of the files that
    ``written`` gave."""
    files = files or {}
    ways = [contender(BASELINE, dense), contender("dense bf16", with_runtime(dense, "dense", "bf16"))]
    ways += [*_sparse("sparse", dense), contender("auto", with_runtime(dense, "auto"))]
    ways.append(contender("auto bf16", with_runtime(dense, "auto", "bf16")))
    if SHRUNK in files:
        small = shrunk_folder.load(files[SHRUNK].parent)[0]
        ways += [contender("shrunk", small), *_sparse("shrunk + sparse", small)]
    if ONNX in files:
        ways.append(onnx_contender(files[ONNX]))
    return ways


def _sparse(name: str, dense: LabelWordModel) -> list[Contender]:
    """The contender, if there is a sparse runtime for this model."""
    try:
        return [contender(name, with_runtime(dense, "sparse"))]
    except InputError:
        return []


def contender(name: str, model: LabelWordModel) -> Contender:
    """A classifier or a question answerer as a contender."""
    return Contender(name, lambda **inputs: torch.cat(list(model(**inputs).values()), 1), weights_in_memory(model))


def onnx_contender(path: Path) -> Contender:
    """A file of onnx_file.py in ONNX Runtime, on as many threads as torch uses, which do not go on spinning when it
    is another contender's turn. Its weights are the file's, give or take how ONNX Runtime arranges them. It has no
    arena that would keep memory, as torch has none."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]

    def logits(**inputs: torch.Tensor) -> torch.Tensor:
        known = {"token_type_ids": torch.zeros_like(inputs["input_ids"])} | inputs
        return torch.from_numpy(np.concatenate(session.run(None, {name: known[name].numpy() for name in names}), 1))

    return Contender("ONNX Runtime", logits, path.stat().st_size)


def with_runtime(dense: LabelWordModel, runtime: str, dtype: str = "fp32") -> LabelWordModel:
    """The model by another runtime, sharing the weights that both need."""
    model = copy.copy(dense)
    model._modules = dict(dense._modules)
    model.form = choose.prepared(dense.form, runtime, dtype)
    return model


def weights_in_memory(model: nn.Module) -> int:
    """Bytes of all weights that a model holds, those that it shares with others included, each counted once."""
    storages = [tensor.untyped_storage() for tensor in (*model.parameters(), *model.buffers())]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())
