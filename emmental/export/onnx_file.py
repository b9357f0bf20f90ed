"""Classifiers as ONNX files, which are only kept where onnxruntime gives the same logits as PyTorch."""

import contextlib
import io
import json
import logging
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from transformers import PreTrainedTokenizerBase

from emmental.common.errors import InputError
from emmental.common.files import replacing
from emmental.export import probes
from emmental.models.heads import LabelWordModel

OPSET = 18
TOLERANCE = 1e-4


def export(
    classifier: LabelWordModel, tokenizer: PreTrainedTokenizerBase, labels: list[str], path: Path
) -> tuple[float, list[str], list[str]]:
    """Write a model with inputs int64 [batch, length] and float32 outputs: ``logits`` [batch, labels], or for questions
    start_logits and end_logits [batch, length].

    Batch and length are free. The labels stand in the file's metadata as JSON. Returns the largest difference between
    PyTorch's and onnxruntime's logits, the names of inputs and of outputs; raises InputError, and writes nothing, where
    it exceeds 1e-4, and for another suffix than .onnx.
    """
    if path.suffix != ".onnx":
        raise InputError(f"{path}: the name of an ONNX file ends in .onnx")
    batches = probes.batches(tokenizer)  # the first is traced, all are compared
    outputs = list(classifier(**batches[0]))
    with replacing(path) as temporary:
        with _quiet():
            program = torch.onnx.export(
                classifier,
                kwargs=batches[0],
                input_names=list(batches[0]),
                output_names=outputs,
                dynamic_shapes={name: {0: "batch", 1: "length"} for name in batches[0]},
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
        program.model.metadata_props["labels"] = json.dumps(labels)
        program.save(temporary, external_data=False)
        difference = _compare(classifier, temporary, batches)
        if not difference <= TOLERANCE:
            raise InputError(f"{path} is not written: onnxruntime's logits differ by {difference:.1e}")
    return difference, list(batches[0]), outputs


@torch.inference_mode()
def _compare(classifier: LabelWordModel, path: Path, batches: list[dict[str, torch.Tensor]]) -> float:
    """The largest difference of logits between PyTorch and onnxruntime."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    differences = []
    for batch in batches:
        logits = session.run(None, {name: tensor.numpy() for name, tensor in batch.items()})
        expected = classifier(**batch).values()
        differences += [np.abs(own - other.numpy()).max() for own, other in zip(logits, expected, strict=True)]
    return float(np.max(differences))  # NaN where any is


@contextlib.contextmanager
def _quiet():
    """No word of what the exporter leaves out because torchvision is not there, nor of torch's own deprecated calls,
    nor what onnxscript 0.6 prints of its rules."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
