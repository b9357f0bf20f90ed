"""One suite for every architecture that the README names: swap in, train, save, load, the same logits."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM

from emmental import masks
from emmental.inference.load import load_pruned
from emmental.models.backbones import load_backbone
from emmental.models.heads import SequenceClassifier, label_word_ids
from emmental.pruning.masked_linear import swap_in
from emmental.pruning.schedule import Schedule
from emmental.pruning.score_init import init_scores
from emmental.scripts.glue import as_problem
from emmental.tasks import glue
from emmental.tasks.source import Source
from emmental.training.config import SMPConfig
from emmental.training.trainer import SMPTrainer
from tests.helpers.architectures import CONFIGS
from tests.helpers.encoders import save_tokenizer
from tests.helpers.tiny import info_over

TEXTS = ["good film", "dull plot bad music very slow", "actor"]


@pytest.mark.parametrize("architecture", CONFIGS)
def test_train_save_and_load(architecture, reviews, tmp_path):
    torch.manual_seed(0)
    folder = tmp_path / architecture
    AutoModelForMaskedLM.from_config(CONFIGS[architecture][0]).save_pretrained(folder)
    save_tokenizer(folder, token_types=architecture in ("bert", "electra", "deberta-v2"))
    backbone = load_backbone(str(folder))
    info = info_over(backbone, "sst2", glue.TASKS["sst2"].words)
    before = {name: weight.clone() for name, weight in backbone.model.state_dict().items()}

    source = Source(None, str(reviews["train"]), str(reviews["validation"]))
    task = glue.TASKS["sst2"]
    examples, validation = glue.load_train(task, source), glue.load_validation(task, source)
    problem = as_problem(task, examples, validation, backbone.tokenizer, 32)
    init_scores(swap_in(backbone.model), "magnitude", 0.5)
    config = SMPConfig(
        str(tmp_path / "out"), max_steps=2, per_device_train_batch_size=8, mask_scores_learning_rate=0.05,
        save_strategy="no", eval_strategy="no", disable_tqdm=True, magnitude_topk_threshold=True,
    )  # fmt: skip
    model = SequenceClassifier(backbone.model, label_word_ids(backbone.tokenizer, list(task.words.values())))
    schedule = Schedule(2, 1, 0.3, 10.0)
    trainer = SMPTrainer(model, config, schedule, **problem.for_trainer(backbone.tokenizer))
    trainer.train()

    after = backbone.model.state_dict()
    changed = {name for name, weight in before.items() if not torch.equal(after[name], weight)}
    assert all(len(after[name]) == len(task.words) for name in changed)  # the vocabulary, narrowed to the words
    masks.save(masks.Mask(masks.capture(trainer.masked_layers), info), tmp_path / "mask.smp")
    pruned = load_pruned(tmp_path / "mask.smp")
    inputs = backbone.tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        expected = model.eval()(**inputs)["logits"].numpy()
    np.testing.assert_allclose(pruned.logits(TEXTS), expected, atol=1e-5)
