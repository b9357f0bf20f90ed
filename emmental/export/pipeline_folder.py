"""A pruned model as one of transformers' own classifiers, with the same logits: ``pipeline`` and the Auto classes load
it without this package, and without code from the folder.

ModernBERT's classifiers have the head that its masked LM has. Other encoders get the head as one more layer, see
head_layer.py, and what their classifiers have between that and the output layer is made to change nothing.
"""

import copy
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.initialization import no_init_weights

from emmental import masks
from emmental.common.errors import InputError
from emmental.common.files import new_folder
from emmental.export import head_layer, probes
from emmental.models.backbones import DENSE_MODELS, load_model
from emmental.models.heads import LabelWordModel
from emmental.pruning.matrices import encoder_linears
from emmental.recipes.kinds import Kind

TOLERANCE = 1e-4

PROBLEMS = {  # what transformers does with the logits of a sequence classifier: softmax, nothing, sigmoid
    Kind.LABEL: "single_label_classification",
    Kind.VALUE: "regression",
    Kind.SEVERAL: "multi_label_classification",
}
PLAIN = {"classifier_pooling": "cls", "pooler_hidden_act": "linear"}  # where a config has it: ModernBERT, DeBERTa
RECTIFIED = "distilbert", "electra"  # between a sequence classifier's two layers; others have tanh
NEARLY_LINEAR = 2.0**-14  # times a vector's numbers: tanh is the identity up to a millionth for those below 28


def save(
    classifier: LabelWordModel, tokenizer: PreTrainedTokenizerBase, info: masks.MaskInfo, folder: Path
) -> tuple[PreTrainedModel, float]:
    """Write a folded classifier to a new folder; returns the model that transformers loads from it, and the largest
    difference of its logits from the classifier's.

    Raises InputError, and writes nothing, for architectures that cannot hold the function, and where logits differ by
    more than 1e-4.
    """
    plain = as_plain(classifier, tokenizer, info)
    with new_folder(folder) as whole:
        plain.save_pretrained(whole)
        tokenizer.save_pretrained(whole)
        loaded, _ = load_model(DENSE_MODELS[info.kind], str(whole))
        difference = _compare(classifier, loaded, tokenizer)
        if not difference <= TOLERANCE:
            raise InputError(f"{folder} is not written: a {type(plain).__name__}'s logits differ by {difference:.1e}")
    return loaded, difference


def answers(info: masks.MaskInfo) -> dict:
    """What a config says of a task's answers: the labels' names, and what is done with the logits."""
    names = dict(enumerate(info.label_words))
    problem = {"problem_type": PROBLEMS[info.kind]} if info.kind in PROBLEMS else {}
    return {"id2label": names, "label2id": {label: number for number, label in names.items()}} | problem


@torch.no_grad()
def as_plain(classifier: LabelWordModel, tokenizer: PreTrainedTokenizerBase, info: masks.MaskInfo) -> PreTrainedModel:
    """transformers' class for the kind of task, with this classifier's function. Raises InputError where it cannot."""
    source = classifier.backbone
    decoder = source.get_output_embeddings()
    config = copy.deepcopy(source.config)
    config.update(answers(info) | {name: value for name, value in PLAIN.items() if hasattr(config, name)})
    target = _zeros(config, info.kind)
    if head_layer.is_in(source, target):
        _copy(source.base_model, target.base_model)
        head_layer.copy(source, target)
        _put(decoder, _linears(target)[-1])
        return target
    config.num_hidden_layers += 1
    size = "hidden_dim" if hasattr(config, "hidden_dim") else "intermediate_size"  # DistilBERT's, others'
    setattr(config, size, max(head_layer.units(source), getattr(config, size)))
    target = _zeros(config, info.kind)
    _copy(source.base_model, target.base_model)
    with head_layer.measured_variance(source) as variances:
        classifier(**probes.batches(tokenizer)[-1])
    head_layer.put_last(source, target, variances[0])
    _put_classifier(decoder, target, info.kind)
    return target


def _zeros(config: PreTrainedConfig, kind: Kind) -> PreTrainedModel:
    """A model of this config in fp32 whose parameters are all zero."""
    with no_init_weights():
        model = DENSE_MODELS[kind].from_config(config, dtype=torch.float32).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.zero_()
    return model


def _copy(source: nn.Module, target: nn.Module) -> None:
    """Parameters by name. Those of the target may be larger, and keep their zeros there."""
    own = dict(target.named_parameters())
    for name, parameter in source.named_parameters():
        own[name][tuple(map(slice, parameter.shape))] = parameter


def _put_classifier(decoder: nn.Linear, target: PreTrainedModel, kind: Kind) -> None:
    """The output layer as the classifier of a target whose encoder ends with the head."""
    *between, out = _linears(target)
    if kind not in PROBLEMS:  # one linear layer
        _put(decoder, out)
    elif target.config.model_type in RECTIFIED:
        _put_rectified(decoder, between[-1], out)
    else:
        between[-1].weight.copy_(NEARLY_LINEAR * torch.eye(len(between[-1].weight)))
        _put(decoder, out, 1 / NEARLY_LINEAR)


def _put(decoder: nn.Linear, out: nn.Linear, scale: float = 1.0) -> None:
    out.weight[:, : decoder.in_features] = scale * decoder.weight
    _put_bias(decoder, out)


def _put_rectified(decoder: nn.Linear, dense: nn.Linear, out: nn.Linear) -> None:
    """The output layer through two units of a rectifier for each label: f(u) - f(-u) = u."""
    labels = decoder.out_features
    if 2 * labels > dense.out_features:
        raise InputError(
            f"{labels} labels are too many: each takes two units of this architecture's classifier, which has "
            f"{dense.out_features}"
        )
    dense.weight[: 2 * labels, : decoder.in_features] = torch.cat([decoder.weight, -decoder.weight])
    out.weight[:, : 2 * labels] = torch.cat([torch.eye(labels), -torch.eye(labels)], 1)
    _put_bias(decoder, out)


def _put_bias(decoder: nn.Linear, out: nn.Linear) -> None:
    if decoder.bias is not None:
        out.bias.copy_(decoder.bias)


def _linears(model: nn.Module) -> list[nn.Linear]:
    """The linear layers that are in no repeated block, the classifier's last."""
    inside = encoder_linears(model)
    return [module for name, module in model.named_modules() if isinstance(module, nn.Linear) and name not in inside]


@torch.inference_mode()
def _compare(classifier: LabelWordModel, plain: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> float:
    """The largest difference of logits."""
    differences = []
    for batch in probes.batches(tokenizer):
        found = plain(**batch)
        differences += [(found[name] - logits).abs().max() for name, logits in classifier(**batch).items()]
    return float(torch.stack(differences).max())  # NaN where any is
