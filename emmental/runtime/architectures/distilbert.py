"""DistilBERT, which has no token types."""

from torch import nn
from transformers import PreTrainedModel

from emmental.runtime.architectures.parts import BlockParts, EncoderParts


def parts(model: PreTrainedModel) -> EncoderParts:
    """Those of DistilBertForMaskedLM."""
    head = nn.Sequential(model.vocab_transform, model.activation, model.vocab_layer_norm, model.vocab_projector)
    encoder = model.base_model
    return EncoderParts(Embeddings(encoder.embeddings), [*map(block, encoder.transformer.layer)], head)


def block(layer: nn.Module) -> BlockParts:
    """The parts of a TransformerBlock."""
    attention = layer.attention
    return BlockParts(
        query=attention.q_lin,
        key=attention.k_lin,
        value=attention.v_lin,
        attention_output=attention.out_lin,
        attention_norm=layer.sa_layer_norm,
        intermediate=layer.ffn.lin1,
        activation=layer.ffn.activation,
        output=layer.ffn.lin2,
        output_norm=layer.output_layer_norm,
        heads=attention.n_heads,
        scaling=attention.scaling,
    )


class Embeddings(nn.Module):
    """DistilBERT's embeddings of words and positions alone."""

    def __init__(self, embeddings: nn.Module):
        super().__init__()
        self.embeddings = embeddings

    def forward(self, input_ids, token_type_ids):
        return self.embeddings(input_ids)
