"""A trainer over a tiny backbone and a few examples, for tests of training itself."""

import torch
from datasets import Dataset
from transformers import DataCollatorWithPadding

from emmental.models.backbones import load_backbone
from emmental.models.heads import SequenceClassifier
from emmental.pruning.masked_linear import swap_in
from emmental.pruning.schedule import Schedule
from emmental.pruning.score_init import init_scores
from emmental.training.config import SMPConfig
from emmental.training.trainer import SMPTrainer

STEPS = 6


def examples(count=32):
    draw = torch.Generator().manual_seed(3)
    texts = [[2, *torch.randint(9, 32, (length % 5 + 2,), generator=draw).tolist(), 3] for length in range(count)]
    return Dataset.from_dict(
        {"input_ids": texts, "attention_mask": [[1] * len(t) for t in texts], "labels": [n % 2 for n in range(count)]}
    )


def build(tiny_bert, output_dir, dropout=0.1, final_lambda=20.0, **settings):
    torch.manual_seed(0)
    backbone = load_backbone(str(tiny_bert))
    for module in backbone.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
    init_scores(swap_in(backbone.model), "magnitude", 0.5)
    chosen = {
        "max_steps": STEPS,
        "logging_steps": 1,
        "disable_tqdm": True,
        "mask_scores_learning_rate": 0.05,
        "per_device_train_batch_size": 8,
        "save_strategy": "no",
        "eval_strategy": "no",
    }
    config = SMPConfig(output_dir=str(output_dir), **chosen | settings)
    return SMPTrainer(
        SequenceClassifier(backbone.model, [8, 9]),
        config,
        Schedule(STEPS, 4, 0.2, final_lambda),
        train_dataset=examples(),
        eval_dataset=examples(8),
        processing_class=backbone.tokenizer,
        data_collator=DataCollatorWithPadding(backbone.tokenizer),
        uniform=SequenceClassifier.uniform,
    )


def scores_of(trainer):
    return {name: layer.mask_scores.detach().clone() for name, layer in trainer.masked_layers.items()}
