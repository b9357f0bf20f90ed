"""Folded models, switching masks over one backbone, plain checkpoints: all give the same logits."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer, pipeline

from emmental import masks
from emmental.__main__ import main
from emmental.common.errors import InputError
from emmental.inference.load import fold, load_pruned
from emmental.inference.spans import PrunedSpans
from emmental.inference.switching import MaskedBackbone
from emmental.models.backbones import load_backbone
from emmental.models.heads import SequenceClassifier
from emmental.pruning.masked_linear import masked_layers, swap_in
from emmental.pruning.matrices import encoder_linears
from emmental.recipes.kinds import Kind
from emmental.tasks.glue import TASKS
from tests.helpers.tiny import random_mask

TEXTS = ["a good film", "very dull plot , bad music", "the actor was funny"]


@torch.no_grad()
def literal_logits(folder, mask, token_ids):
    """The masked layers themselves, as in training."""
    backbone = load_backbone(str(folder))
    masks.apply(mask.bits, swap_in(backbone.model))
    encoded = backbone.tokenizer(TEXTS, padding=True, return_tensors="pt")
    return SequenceClassifier(backbone.model, token_ids).eval()(**encoded)["logits"].numpy()


def same(device, logits, others):
    """Bit for bit on the CPU; accelerators multiply in another order."""
    return abs(logits - others).max() <= (0 if device.type == "cpu" else 1e-5)


def test_folded_model_equals_masked_layers(device, tiny_bert):
    mask = random_mask(tiny_bert)
    pruned = load_pruned(mask, device=device)
    assert {weight.device.type for weight in pruned.model.parameters()} == {device.type}
    assert same(device, pruned.logits(TEXTS), literal_logits(tiny_bert, mask, [8, 9]))
    assert pruned.labels == ["0", "1"]
    assert pruned.probabilities(TEXTS).sum(1) == pytest.approx([1, 1, 1])


def test_folding_multiplies_the_weights_where_they_are(device, tiny_bert):
    """No second layer, no scores, no copy."""
    backbone, mask = load_backbone(str(tiny_bert)), random_mask(tiny_bert)
    backbone.model.to(device)
    before = {name: (layer.weight, layer.weight.clone()) for name, layer in encoder_linears(backbone.model).items()}
    fold(mask, backbone)
    for name, layer in encoder_linears(backbone.model).items():
        weight, values = before[name]
        assert layer.weight is weight
        assert torch.equal(weight, values * mask.bits[name].to(device))


def test_resident_layers_hold_no_scores(tiny_bert):
    layers = masked_layers(MaskedBackbone(str(tiny_bert)).backbone.model)
    assert layers
    assert all(layer.mask_scores is None for layer in layers.values())


def test_switching_gives_a_fresh_load_s_logits_and_keeps_the_weights(device, tiny_bert):
    one = random_mask(tiny_bert, seed=1)
    two = random_mask(tiny_bert, "mnli", {"entailment": "yes", "neutral": "maybe", "contradiction": "no"}, seed=2)
    shared = MaskedBackbone(str(tiny_bert), device)
    before = {name: weight.clone() for name, weight in shared.backbone.model.bert.named_parameters()}
    shared.add("films", one)
    shared.add("inference", two)
    assert shared.names() == ["films", "inference"]
    for name, mask, pairs in (("films", one, None), ("inference", two, TEXTS[::-1]), ("films", one, None)):
        assert same(device, shared.activate(name).logits(TEXTS, pairs), load_pruned(mask).logits(TEXTS, pairs)), name
    after = dict(shared.backbone.model.bert.named_parameters())
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_another_backbone_is_refused_unless_forced(tiny_bert, tmp_path):
    mask = random_mask(tiny_bert)
    other = AutoModelForMaskedLM.from_pretrained(tiny_bert)
    other.bert.encoder.layer[0].output.dense.weight.data[0, 0] += 1
    other.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"whose encoder weights .* are not this backbone's"):
        load_pruned(mask, str(tmp_path))
    with pytest.raises(InputError, match="whose encoder weights"):
        MaskedBackbone(str(tmp_path)).add("films", mask)
    assert load_pruned(mask, str(tmp_path), force=True).logits(TEXTS).shape == (3, 2)


def test_fold_writes_a_plain_checkpoint(tiny_bert, tmp_path, monkeypatch, capsys):
    mask = random_mask(tiny_bert)
    masks.save(mask, tmp_path / "mask.smp")
    monkeypatch.setattr("sys.argv", ["emmental", "fold", str(tmp_path / "mask.smp"), str(tmp_path / "folded")])
    main()
    assert "a plain BertForMaskedLM" in capsys.readouterr().out
    plain, loading = AutoModelForMaskedLM.from_pretrained(tmp_path / "folded", output_loading_info=True)
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    encoded = AutoTokenizer.from_pretrained(tmp_path / "folded")(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = plain.eval()(**encoded).logits[:, 0, [8, 9]]
    torch.testing.assert_close(logits, torch.from_numpy(literal_logits(tiny_bert, mask, [8, 9])))
    kept = plain.get_submodule("bert.encoder.layer.1.output.dense").weight != 0
    assert torch.equal(kept, mask.bits["bert.encoder.layer.1.output.dense"])
    answers = pipeline("fill-mask", model=str(tmp_path / "folded"))("a [MASK] film")
    assert len(answers) == 5


def test_regression_gives_values(tiny_bert):
    mask = random_mask(tiny_bert, "stsb", {"score": "yes"})
    pruned = load_pruned(mask)
    assert (pruned.probabilities(TEXTS, TEXTS) == pruned.logits(TEXTS, TEXTS)).all()


def test_the_kind_decides_and_not_the_names_or_the_number_of_labels(tiny_bert):
    """A task of one's own, with labels that are called as those of questions, or one alone."""
    mask = random_mask(tiny_bert)
    info = dataclasses.replace(mask.info, task="squad of words", label_words={"start": "yes", "end": "no"})
    pruned = load_pruned(dataclasses.replace(mask, info=info))
    assert pruned.probabilities(TEXTS).sum(1) == pytest.approx([1, 1, 1])
    info = dataclasses.replace(info, label_words={"good": "yes"})
    assert (load_pruned(dataclasses.replace(mask, info=info)).probabilities(TEXTS) == 1).all()
    info = dataclasses.replace(info, kind=Kind.SPAN, label_words={"from": "yes", "to": "no"})
    assert isinstance(load_pruned(dataclasses.replace(mask, info=info)), PrunedSpans)


def test_runtimes_for_zeros_compute_on_the_cpu_alone(tiny_bert):
    mask = random_mask(tiny_bert)
    for runtime in ("sparse", "auto"):
        with pytest.raises(InputError, match=f"the runtime {runtime} computes on the CPU, not on meta"):
            load_pruned(mask, runtime=runtime, device="meta")


def test_resident_masks_are_packed(tiny_bert):
    shared = MaskedBackbone(str(tiny_bert))
    shared.add("films", random_mask(tiny_bert))
    packed = shared._tasks["films"].mask.packed
    assert sum(bits.nbytes for bits in packed.values()) == 4096 // 8


def test_a_mask_of_other_matrices_is_refused(tiny_bert):
    mask = random_mask(tiny_bert)
    fewer = dataclasses.replace(mask, bits=dict(list(mask.bits.items())[1:]))
    with pytest.raises(InputError, match=r"layer\.0\.attention\.self\.query is only in one of them"):
        load_pruned(fewer)


def three_tasks(folder, device=None):
    """A shared backbone with tasks of each kind, and what each answers by itself."""
    shared = MaskedBackbone(str(folder), device)
    words = {"films": ("sst2", None), "value": ("stsb", {"score": "yes"}), "nli": ("mnli", TASKS["mnli"].words)}
    alone = {}
    for seed, (name, (task, label_words)) in enumerate(words.items()):
        mask = random_mask(folder, task, label_words, seed=seed)
        shared.add(name, mask)
        alone[name] = load_pruned(mask, device=device).logits(*asked(name))
    return shared, alone


def asked(name):
    """Texts for a task of ``three_tasks``, or pairs of texts."""
    return [TEXTS] if name == "films" else [TEXTS, TEXTS[::-1]]


def test_a_handle_stays_right_when_another_task_is_activated(device, tiny_bert):
    shared, alone = three_tasks(tiny_bert, device)
    handles = {name: shared.activate(name) for name in shared.names()}
    for name in (*handles, *reversed(handles)):
        assert same(device, handles[name].logits(*asked(name)), alone[name]), name
    shared.add("again", random_mask(tiny_bert, seed=9))
    assert same(device, handles["value"].logits(*asked("value")), alone["value"])


def test_threads_get_the_answers_of_the_tasks_that_they_asked(tiny_bert):
    shared, alone = three_tasks(tiny_bert)

    def ask(number):
        name = shared.names()[number % 3]
        return (shared.activate(name).logits(*asked(name)) == alone[name]).all()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(1000)))


def test_what_cannot_be_activated_leaves_the_others(tiny_bert):
    shared, alone = three_tasks(tiny_bert)
    films = shared.activate("films")
    with pytest.raises(InputError, match="no task 'sst2' was added: there are films, value, nli"):
        shared.activate("sst2")
    with pytest.raises(InputError, match="must be a single token"):
        shared.add("bad", random_mask(tiny_bert, words={"0": "unbelievable", "1": "great"}))
    assert "bad" not in shared.names()
    assert (films.logits(TEXTS) == alone["films"]).all()


def test_texts_of_any_lengths_are_answered_in_their_order(tiny_bert):
    """More than a batch, so that they are sorted by length among batches."""
    pruned = load_pruned(random_mask(tiny_bert))
    texts = [" ".join(["good", "film"] * (1 + 7 * number % 13)) for number in range(150)]
    together = pruned.logits(texts)
    for number in (0, 1, 63, 64, 149):
        assert abs(together[number] - pruned.logits([texts[number]])[0]).max() < 1e-5
