"""Inference with a folded model, dense in fp32 and in bf16, in turn."""

import copy
from collections.abc import Iterator

import torch

from benchmarks.gpu.scale import Scale
from benchmarks.gpu.timing import free, over, spread, timed
from benchmarks.training.training_steps import LABEL_WORDS, backbone
from emmental.benchmark.timing import random_texts
from emmental.models.heads import SequenceClassifier
from emmental.pruning.masked_linear import fold_out, swap_in
from emmental.pruning.score_init import init_scores

DENSITY = 0.1


@torch.inference_mode()
def rows(scale: Scale) -> Iterator[dict]:
    """One for each precision and number of texts."""
    fp32 = folded(scale)
    models = {"fp32": fp32, "bf16": copy.deepcopy(fp32).to(torch.bfloat16)}
    for texts, rounds in scale.texts.items():
        inputs = random_texts([scale.length] * texts, scale.base.vocab_size)
        inputs = {name: values.to(scale.device) for name, values in inputs.items()}
        seconds = {name: [] for name in models}
        for number in range(rounds + 1):
            for name in models if number % 2 else reversed(models):  # none is always behind the other
                with timed(seconds[name], scale.device):
                    models[name](**inputs)
        seconds = {name: some[1:] for name, some in seconds.items()}
        logits = {name: model(**inputs)["logits"].float() for name, model in models.items()}
        for name, own in seconds.items():
            setting = {"precision": name, "texts": texts, "tokens": scale.length} | spread("ms", own, 1e3)
            faster = over("times_fp32", seconds["fp32"], own)
            apart = {"logits_apart": (logits[name] - logits["fp32"]).abs().max().item()}
            yield setting | {"texts_per_s": 1e3 * texts / setting["ms"]} | faster | apart
    free(scale.device)


def folded(scale: Scale) -> SequenceClassifier:
    """BERT-base's shape with random weights, the largest of each matrix kept."""
    model = backbone(scale.base, scale.device)
    layers = swap_in(model)
    init_scores(layers, "magnitude", 0.5)
    for layer in layers.values():
        layer.select(DENSITY)
    fold_out(model)
    return SequenceClassifier(model, LABEL_WORDS[SequenceClassifier]).eval()
