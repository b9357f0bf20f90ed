"""Tiny configs of every architecture that is tested."""

from transformers import (
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    RobertaConfig,
)

SIZES = {"vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
DISTIL = {"vocab_size": 60, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}
CONFIGS = {  # and the matrices of one layer
    "bert": (BertConfig(**SIZES), 6),
    "roberta": (RobertaConfig(**SIZES), 6),
    "distilbert": (DistilBertConfig(**DISTIL), 6),
    "electra": (ElectraConfig(**SIZES, embedding_size=8), 6),
    "deberta-v2": (
        DebertaV2Config(**SIZES, relative_attention=True, pos_att_type=["p2c", "c2p"], share_att_key=True),
        6,
    ),
    "modernbert": (ModernBertConfig(**SIZES, pad_token_id=0, cls_token_id=1, sep_token_id=2), 4),
}
