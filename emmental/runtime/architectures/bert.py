"""BERT, RoBERTa and XLM-RoBERTa, whole or shrunk."""

from torch import nn
from transformers import PreTrainedModel

from emmental.export.shrunk import ShrunkAttention
from emmental.runtime.architectures.parts import BlockParts, EncoderParts


def parts(model: PreTrainedModel) -> EncoderParts:
    """Those of BertForMaskedLM and its kind."""
    (head,) = (part for name, part in model.named_children() if name != model.base_model_prefix)
    return EncoderParts(model.base_model.embeddings, [*map(block, model.base_model.encoder.layer)], head)


def block(layer: nn.Module) -> BlockParts:
    """The parts of a BertLayer, or of one whose modules have the same names."""
    attention = layer.attention.self
    shape = attention.shape if isinstance(attention, ShrunkAttention) else None
    return BlockParts(
        query=attention.query,
        key=attention.key,
        value=attention.value,
        attention_output=layer.attention.output.dense,
        attention_norm=layer.attention.output.LayerNorm,
        intermediate=layer.intermediate.dense,
        activation=layer.intermediate.intermediate_act_fn,
        output=layer.output.dense,
        output_norm=layer.output.LayerNorm,
        heads=len(shape.value) if shape else attention.num_attention_heads,
        scaling=attention.scaling,
        shape=shape,
    )
