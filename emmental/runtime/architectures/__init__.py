"""The encoders that the sparse runtime computes, one file each: where a model has its blocks, embeddings and head."""

from transformers import PreTrainedConfig, PreTrainedModel

from emmental.runtime.architectures import bert, distilbert, electra
from emmental.runtime.architectures.parts import EncoderParts

FILES = {  # by config.model_type
    "bert": bert,
    "roberta": bert,
    "xlm-roberta": bert,
    "electra": electra,
    "distilbert": distilbert,
}


def is_known(config: PreTrainedConfig) -> bool:
    """Whether models of this config are computed: not those that read from left to right (is_decoder)."""
    return config.model_type in FILES and not getattr(config, "is_decoder", False)


def parts_of(model: PreTrainedModel) -> EncoderParts:
    """The parts of a masked LM of one of these architectures."""
    return FILES[model.config.model_type].parts(model)
