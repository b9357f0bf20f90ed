"""ELECTRA, whole or shrunk: BERT's blocks between embeddings and a head of another width."""

from torch import nn
from transformers import PreTrainedModel

from emmental.runtime.architectures import bert
from emmental.runtime.architectures.parts import EncoderParts


def parts(model: PreTrainedModel) -> EncoderParts:
    """Those of ElectraForMaskedLM."""
    encoder = model.base_model
    head = nn.Sequential(model.generator_predictions, model.generator_lm_head)
    return EncoderParts(Embeddings(encoder), [*map(bert.block, encoder.encoder.layer)], head)


class Embeddings(nn.Module):
    """ELECTRA's embeddings, brought to the width of the blocks where they have another."""

    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.embeddings = encoder.embeddings
        self.project = getattr(encoder, "embeddings_project", nn.Identity())

    def forward(self, input_ids, token_type_ids):
        return self.project(self.embeddings(input_ids, token_type_ids))
