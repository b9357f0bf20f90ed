"""A plain PyTorch loop with MaskLearner: the masks of SMPTrainer, weights that stay, files that are of use."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    get_linear_schedule_with_warmup,
)

from emmental import MaskLearner, load_pruned, masks
from emmental.common.errors import InputError
from emmental.pruning.masked_linear import masked_layers
from emmental.pruning.vectors import encoder_vectors
from emmental.recipes.kinds import Kind
from tests.helpers.small_run import STEPS, build, examples, scores_of

TEXTS = ["a good film", "very dull plot , bad music"]
WORDS = {"0": "terrible", "1": "great"}


@pytest.mark.parametrize("allocation", ["local", "soft", "global"])
@pytest.mark.parametrize("final_lambda", [0.0, 20.0])
def test_the_loop_and_the_trainer_agree_bit_for_bit(allocation, final_lambda, tiny_bert, tmp_path):
    flags = {"magnitude_topk_threshold": allocation == "soft", "global_topk": allocation == "global"}
    trainer = build(tiny_bert, tmp_path, dropout=0.0, final_lambda=final_lambda, **flags)
    batches, collate = [], trainer.data_collator

    def noted(rows):
        batches.append(collate(rows))
        return batches[-1]

    trainer.data_collator = noted
    trainer.train()

    model = AutoModelForMaskedLM.from_pretrained(tiny_bert)
    settings = {"allocation": allocation, "pruning_steps": 4, "final_lambda": final_lambda}
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    learner = MaskLearner(model, density=0.2, steps=STEPS, tokenizer=tokenizer, label_words=WORDS, **settings)
    for module in learner.model.train().modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    optimizer = torch.optim.AdamW(learner.scores(), lr=0.05, weight_decay=0.0, fused=True)
    rate = get_linear_schedule_with_warmup(optimizer, 0, STEPS)
    for number, batch in enumerate(batches[:STEPS], 1):  # the loader looks one batch ahead
        optimizer.param_groups[0]["eps"] = 1e-8 / (1 - 0.999**number) ** 0.5  # as the trainer's
        optimizer.zero_grad()
        learner.model(**batch)["loss"].backward()
        if final_lambda:
            learner.regularise()
        torch.nn.utils.clip_grad_norm_(learner.scores(), 1.0)
        optimizer.step()
        rate.step()
        learner.step()

    expected = scores_of(trainer)
    assert list(learner.layers) == list(trainer.masked_layers)
    for name, layer in learner.layers.items():
        assert torch.equal(layer.mask_scores, expected[name]), name
        assert torch.equal(layer.mask, trainer.masked_layers[name].mask), name
    assert 0.19 < learner.density() <= 0.2


def learn(learner, tokenizer, others=(), device="cpu"):
    """A loop as a user writes it."""
    collate = DataCollatorWithPadding(tokenizer)
    learner.model.train()
    optimizer = torch.optim.AdamW([{"params": learner.scores(), "lr": 0.05}, {"params": others}], weight_decay=0.0)
    for _ in range(STEPS):
        loss = learner.model(**collate(list(examples(8))).to(device))["loss"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        learner.step()


def test_a_mask_in_label_words_is_all_that_is_needed(device, tiny_bert, tmp_path):
    """The file is loaded by name and answers as the model in the loop did; no weight was touched."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    model = AutoModelForMaskedLM.from_pretrained(tiny_bert).to(device)
    before = {name: weight.clone() for name, weight in model.bert.named_parameters()}
    learner = MaskLearner(model, 0.25, STEPS, tokenizer=tokenizer, label_words=WORDS, task="films")
    learn(learner, tokenizer, device=device)
    learner.save(tmp_path / "films.smp")

    after = {name: weight for name, weight in model.bert.named_parameters() if not name.endswith("mask_scores")}
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    with torch.no_grad():
        logits = learner.model.eval()(**tokenizer(TEXTS, padding=True, return_tensors="pt").to(device))["logits"].cpu()
    pruned = load_pruned(tmp_path / "films.smp")
    torch.testing.assert_close(torch.from_numpy(pruned.logits(TEXTS)), logits, rtol=1e-5, atol=1e-5)
    assert (pruned.info.task, pruned.labels) == ("films", ["0", "1"])
    assert pruned.info.backbone_sha256
    assert masks.load(tmp_path / "films.smp").density() == pytest.approx(0.25, abs=0.01)


def test_a_classifier_of_one_s_own_keeps_its_head_beside_the_mask(tiny_bert, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(tiny_bert)
    encoder = {name: weight.clone() for name, weight in model.bert.encoder.named_parameters()}
    head = model.classifier.weight.clone()
    learner = MaskLearner(model, density=0.25, steps=STEPS, task="films")
    assert not model.classifier.weight.requires_grad
    model.classifier.requires_grad_(True)
    learn(learner, tokenizer, model.classifier.parameters())
    learner.save(tmp_path / "films.safetensors")
    save_file(model.classifier.state_dict(), tmp_path / "head.safetensors")
    assert not torch.equal(model.classifier.weight, head)
    for name, weight in model.bert.encoder.named_parameters():
        assert name.endswith("mask_scores") or torch.equal(weight, encoder[name]), name

    inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = model.eval()(**inputs).logits
    learner.fold()
    assert not masked_layers(model)
    model.save_pretrained(tmp_path / "plain")
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "plain").eval()
    torch.manual_seed(0)
    again = AutoModelForSequenceClassification.from_pretrained(tiny_bert).eval()  # the same pooler, drawn at random
    again.classifier.load_state_dict(load_file(tmp_path / "head.safetensors"))
    masks.fold(masks.load(tmp_path / "films.safetensors"), again)
    with torch.no_grad():
        assert torch.equal(plain(**inputs).logits, expected)
        assert torch.equal(again(**inputs).logits, expected)
    with pytest.raises(InputError, match="with a head that was trained beside it, which is not in its file"):
        load_pruned(tmp_path / "films.safetensors")


def test_norms_that_were_trained_beside_are_in_the_file(tiny_bert, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    model = AutoModelForMaskedLM.from_pretrained(tiny_bert)
    learner = MaskLearner(model, density=0.25, steps=STEPS, tokenizer=tokenizer, label_words=WORDS)
    vectors = list(encoder_vectors(model).values())
    for vector in vectors:
        vector.requires_grad_(True)
    learn(learner, tokenizer, vectors)
    learner.save(tmp_path / "films.smp")
    with torch.no_grad():
        logits = learner.model.eval()(**tokenizer(TEXTS, padding=True, return_tensors="pt"))["logits"]
    assert len(masks.load(tmp_path / "films.smp").vectors) == len(vectors)
    torch.testing.assert_close(torch.from_numpy(load_pruned(tmp_path / "films.smp").logits(TEXTS)), logits)


def test_a_loop_goes_on_from_its_model_s_state(tiny_bert):
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    model = AutoModelForMaskedLM.from_pretrained(tiny_bert)
    learner = MaskLearner(model, density=0.25, steps=2 * STEPS, tokenizer=tokenizer, label_words=WORDS)
    learn(learner, tokenizer)
    again = AutoModelForMaskedLM.from_pretrained(tiny_bert)
    resumed = MaskLearner(again, density=0.25, steps=2 * STEPS)
    again.bert.load_state_dict(model.bert.state_dict())
    resumed.go_to(learner.done)
    assert resumed.density() == learner.density() > 0.25
    for name, layer in resumed.layers.items():
        assert torch.equal(layer.mask, learner.layers[name].mask)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"density": 0}, "density 0: it lies above 0"),
        ({"allocation": "sfot"}, "allocation 'sfot': there are local, soft, global"),
        ({"mask_init": "wanda"}, "mask_init 'wanda': there are constant"),
        ({"steps": 1}, "1 training steps leave no room for pruning"),
        ({"kind": "tags"}, "'tags' is not a valid Kind"),
        ({"label_words": {"0": "unbelievable", "1": "great"}}, "must be a single token"),
        ({"label_words": {"0": "great"}, "kind": "label"}, "the mask's label_words cannot be {'0': 'great'}"),
        ({"label_words": WORDS, "tokenizer": None}, "the backbone's tokenizer is needed"),
    ],
)
def test_what_no_run_can_have_is_refused(settings, words, tiny_bert):
    model, tokenizer = (kind.from_pretrained(tiny_bert) for kind in (AutoModelForMaskedLM, AutoTokenizer))
    with pytest.raises(InputError, match=words):
        MaskLearner(model, **{"density": 0.1, "steps": STEPS, "tokenizer": tokenizer} | settings)
    assert not masked_layers(model)


def test_a_model_in_half_precision_or_without_blocks_is_refused(tiny_bert):
    half = AutoModelForMaskedLM.from_pretrained(tiny_bert, dtype=torch.bfloat16)
    with pytest.raises(InputError, match=r"the model is in torch\.bfloat16"):
        MaskLearner(half, density=0.1, steps=STEPS)
    bare = AutoModelForMaskedLM.from_pretrained(tiny_bert, num_hidden_layers=0)
    with pytest.raises(InputError, match="no linear layers in numbered blocks"):
        MaskLearner(bare, density=0.1, steps=STEPS)


def test_what_the_file_says_can_be_read_again(tiny_bert, tmp_path):
    model, tokenizer = (kind.from_pretrained(tiny_bert) for kind in (AutoModelForMaskedLM, AutoTokenizer))
    words = {"score": "yes"}
    learner = MaskLearner(
        model, 0.25, STEPS, tokenizer=tokenizer, label_words=words, task="grades", allocation="global"
    )
    learner.save(tmp_path / "m.safetensors")
    info = masks.load(tmp_path / "m.safetensors").info
    assert info == learner.mask().info
    assert (info.task, info.kind, info.label_words) == ("grades", Kind.VALUE, words)
    assert (info.density, info.allocation, info.method) == (0.25, "global", "topK")


@pytest.mark.parametrize(
    ("kind", "labels", "answers"),
    [
        ("several", [[1.0, 0.0], [1.0, 1.0]], lambda found: {label for row in found for label in row} <= {"0", "1"}),
        ("tokens", [[-100, 0, 1, 0, -100], [-100, 1, 1, -100, -100]], lambda found: list(map(len, found)) == [3, 2]),
    ],
)
def test_other_kinds_of_answers_have_their_loss(kind, labels, answers, tiny_bert, tmp_path):
    model, tokenizer = (one.from_pretrained(tiny_bert) for one in (AutoModelForMaskedLM, AutoTokenizer))
    learner = MaskLearner(model, 0.5, STEPS, tokenizer=tokenizer, label_words=WORDS, kind=kind)
    texts = ["a good film", "very dull"]
    inputs = tokenizer(texts, padding=True, return_tensors="pt") | {"labels": torch.tensor(labels)}
    learner.model(**inputs)["loss"].backward()
    assert all(matrix.grad.any() for matrix in learner.scores())
    learner.save(tmp_path / "mine.smp")
    assert answers(load_pruned(tmp_path / "mine.smp").predict(texts))


def test_a_masked_lm_is_itself_again_after_the_end(tiny_bert, tmp_path):
    model, tokenizer = (kind.from_pretrained(tiny_bert) for kind in (AutoModelForMaskedLM, AutoTokenizer))
    learner = MaskLearner(model, density=0.25, steps=STEPS, tokenizer=tokenizer, label_words=WORDS)
    learn(learner, tokenizer)
    learner.save(tmp_path / "films.smp")
    learner.fold()
    model.save_pretrained(tmp_path / "plain")
    plain = AutoModelForMaskedLM.from_pretrained(tmp_path / "plain")
    with torch.no_grad():
        logits = plain(**tokenizer(TEXTS, padding=True, return_tensors="pt")).logits[:, 0, [8, 9]]
    torch.testing.assert_close(torch.from_numpy(load_pruned(tmp_path / "films.smp").logits(TEXTS)), logits)
