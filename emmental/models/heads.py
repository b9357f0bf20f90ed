"""Label words: a frozen masked-LM head answers a task by the logits of a few words. No new parameters, no template."""

import torch
from torch import nn
from transformers import PreTrainedModel

from emmental.common.errors import InputError
from emmental.models.forms import DenseForm
from emmental.models.losses import (
    distillation,
    label_loss,
    several_distillation,
    several_loss,
    span_loss,
    token_distillation,
    token_loss,
    token_uniform_loss,
    uniform_loss,
    value_loss,
    without_padding,
)
from emmental.recipes.kinds import Kind


def label_word_ids(tokenizer, words: list[str]) -> list[int]:
    """Token id of each label word. Raises InputError for a word that is not one known token, naming its pieces, and
    where two are the same token."""
    ids = [_single_token(tokenizer, word) for word in words]
    for number, word in enumerate(words):
        if ids[number] in ids[:number]:
            other = words[ids.index(ids[number])]
            raise InputError(f"label words {other!r} and {word!r} are one token: each label needs a word of its own")
    return ids


def _single_token(tokenizer, word: str) -> int:
    pieces = tokenizer.tokenize(" " + word)  # byte-level vocabularies hold words with their leading space
    ids = tokenizer.convert_tokens_to_ids(pieces)
    if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
        raise InputError(
            f"label word {word!r} is {len(pieces)} tokens ({' '.join(pieces)}): a label word must be a single token "
            f"of the backbone's vocabulary, choose another with --label_map"
        )
    return ids[0]


class LabelWordModel(nn.Module):
    """A masked LM that answers in label words. Base of the heads; subclasses choose the tokens that are read. Raises
    InputError for an architecture whose output layer cannot be narrowed.

    The vocabulary's output layer is narrowed to the words' rows, so that 2 instead of 30,522 logits are computed;
    the rest of the masked LM runs as it is. ``form`` computes it, at first as transformers does. The state dict holds
    what is trained and nothing else: the frozen backbone can be had again by its name.
    """

    def __init__(self, backbone: PreTrainedModel, word_ids: list[int]):
        super().__init__()
        backbone.set_output_embeddings(_narrow(backbone.get_output_embeddings(), word_ids))
        _check_narrow(backbone, len(word_ids))
        self.form: nn.Module = DenseForm(backbone)
        self.register_state_dict_post_hook(_drop_frozen)
        self.register_load_state_dict_post_hook(_ignore_frozen)

    @property
    def backbone(self) -> PreTrainedModel:
        """The masked LM, while its form is the dense one."""
        return self.form.model

    def train(self, mode: bool = True) -> "LabelWordModel":
        """nn.Module's, which walks through all modules; not where the outer ones are in this mode already, because
        Trainer asks for it in every step."""
        outer = self, self.form, *self.form.children()
        return self if all(module.training == mode for module in outer) else super().train(mode)

    def activation_checkpointing_enable(self, **settings) -> None:
        """From now on training keeps no layer's inner values, but computes them anew in the backward pass. The name is
        that of transformers' own models, which Trainer calls."""
        self.backbone.activation_checkpointing_enable(**settings)

    def gradient_checkpointing_enable(self, **settings) -> None:
        """The same; its name in transformers before 5.23."""
        self.backbone.gradient_checkpointing_enable(**settings)


class SequenceModel(LabelWordModel):
    """One answer per text or pair of texts, read at its first token ([CLS]). Subclasses have the ``loss``."""

    def forward(self, input_ids, attention_mask=None, token_type_ids=None, labels=None):
        """input_ids, attention_mask, token_type_ids: int64 [batch, length]; labels: [batch], as the loss takes them.
        Returns a dict with ``logits`` [batch, words] and, where labels are given, the scalar ``loss``."""
        outputs = {"logits": self.form(input_ids, attention_mask, token_type_ids, first_only=True)[:, 0]}
        if labels is not None:
            outputs = {"loss": self.loss(outputs["logits"], labels)} | outputs
        return outputs


class SequenceClassifier(SequenceModel):
    """A word for each label."""

    loss = staticmethod(label_loss)

    @staticmethod
    def distillation(outputs: dict, teacher: dict, inputs: dict, temperature: float) -> torch.Tensor:
        """The distillation loss of this model's outputs for these inputs, towards a teacher's ``logits``."""
        return distillation(outputs["logits"], teacher["logits"], temperature)

    @staticmethod
    def uniform(outputs: dict, inputs: dict) -> torch.Tensor:
        """The loss of this model's outputs for these inputs, towards all labels alike."""
        return uniform_loss(outputs["logits"])


class SequenceRegressor(SequenceModel):
    """One word, whose logit is the value."""

    loss = staticmethod(value_loss)
    uniform = None  # there is no distribution over values

    @staticmethod
    def distillation(outputs: dict, teacher: dict, inputs: dict, temperature: float) -> torch.Tensor:
        """The squared error towards a teacher's values: a softmax over one logit would be constant."""
        return value_loss(outputs["logits"], teacher["logits"].squeeze(-1))


class SeveralClassifier(SequenceModel):
    """A word for each label, whose logit says yes or no to it, whatever the others say."""

    loss = staticmethod(several_loss)

    @staticmethod
    def distillation(outputs: dict, teacher: dict, inputs: dict, temperature: float) -> torch.Tensor:
        """Towards the sigmoids of a teacher's ``logits``."""
        return several_distillation(outputs["logits"], teacher["logits"], temperature)

    @staticmethod
    def uniform(outputs: dict, inputs: dict) -> torch.Tensor:
        """The loss of this model's outputs for these inputs, towards yes and no alike."""
        return several_loss(outputs["logits"], torch.full_like(outputs["logits"], 0.5))


class SpanClassifier(LabelWordModel):
    """Where an answer starts and ends: every token's logits of two words (start=yes, end=no)."""

    def forward(self, input_ids, attention_mask=None, token_type_ids=None, start_positions=None, end_positions=None):
        """input_ids, attention_mask, token_type_ids: int64 [batch, length]; positions: int64 [batch]. Returns a dict
        with start_logits and end_logits [batch, length] and, where positions are given, the scalar ``loss``, to which
        padding does not count."""
        logits = self.form(input_ids, attention_mask, token_type_ids)
        outputs = {"start_logits": logits[..., 0], "end_logits": logits[..., 1]}
        if start_positions is not None:
            start, end = (without_padding(side, attention_mask) for side in outputs.values())
            outputs = {"loss": span_loss(start, end, (start_positions, end_positions))} | outputs
        return outputs

    @staticmethod
    def distillation(outputs: dict, teacher: dict, inputs: dict, temperature: float) -> torch.Tensor:
        """The mean of the distillation losses of start and end logits; padding, here or there, does not count."""
        return (
            sum(
                distillation(without_padding(outputs[side], inputs.get("attention_mask")), teacher[side], temperature)
                for side in ("start_logits", "end_logits")
            )
            / 2
        )

    @staticmethod
    def uniform(outputs: dict, inputs: dict) -> torch.Tensor:
        """The mean of start's and end's losses towards all tokens of a window alike; padding does not count."""
        real = inputs.get("attention_mask")
        start, end = (uniform_loss(without_padding(outputs[f"{side}_logits"], real), real) for side in ("start", "end"))
        return (start + end) / 2


class TokenClassifier(LabelWordModel):
    """A label for each token: the logits of all label words at every token."""

    def forward(self, input_ids, attention_mask=None, token_type_ids=None, labels=None):
        """input_ids, attention_mask, token_type_ids: int64 [batch, length]; labels: int64 [batch, length], IGNORED
        where a token does not count. Returns a dict with ``logits`` [batch, length, words] and, where labels are given,
        the scalar ``loss``."""
        outputs = {"logits": self.form(input_ids, attention_mask, token_type_ids)}
        if labels is not None:
            outputs = {"loss": token_loss(outputs["logits"], labels)} | outputs
        return outputs

    @staticmethod
    def distillation(outputs: dict, teacher: dict, inputs: dict, temperature: float) -> torch.Tensor:
        """The distillation loss of the tokens that count, towards a teacher's ``logits``."""
        return token_distillation(outputs["logits"], teacher["logits"], inputs["labels"], temperature)

    @staticmethod
    def uniform(outputs: dict, inputs: dict) -> torch.Tensor:
        """The loss of the tokens that count, towards all labels alike."""
        return token_uniform_loss(outputs["logits"], inputs["labels"])


HEADS = {
    Kind.LABEL: SequenceClassifier,
    Kind.VALUE: SequenceRegressor,
    Kind.SEVERAL: SeveralClassifier,
    Kind.SPAN: SpanClassifier,
    Kind.TOKENS: TokenClassifier,
}


def _narrow(decoder: nn.Linear, word_ids: list[int]) -> nn.Linear:
    rows = torch.tensor(word_ids, device=decoder.weight.device)
    narrow = nn.Linear(decoder.in_features, len(word_ids), decoder.bias is not None, device="meta")
    narrow.weight = nn.Parameter(decoder.weight.detach()[rows].clone(), requires_grad=False)
    if decoder.bias is not None:
        narrow.bias = nn.Parameter(decoder.bias.detach()[rows].clone(), requires_grad=False)
    return narrow


@torch.no_grad()
def _check_narrow(backbone: PreTrainedModel, words: int) -> None:
    """Raise InputError where an architecture does more with its output layer than to end with it (MobileBERT, ESM)."""
    training = backbone.training
    ids = torch.zeros(1, 3, dtype=torch.long, device=backbone.device)
    try:
        logits = backbone.eval()(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    except RuntimeError:
        logits = ids
    backbone.train(training)
    if logits.shape != (1, 3, words):
        raise InputError(
            f"{type(backbone).__name__} cannot answer in label words: its masked-LM head does not end with the "
            f"vocabulary's output layer"
        )


def _drop_frozen(model, state_dict, prefix, local_metadata):
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    for name in [name for name in state_dict if name.removeprefix(prefix) not in trained]:
        del state_dict[name]


def _ignore_frozen(model, incompatible_keys):
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    incompatible_keys.missing_keys[:] = [name for name in incompatible_keys.missing_keys if name in trained]
