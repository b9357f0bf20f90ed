"""Answers as a program asks for them: predict, mixed tasks in one batch, threads; and what a model in memory can do."""

import dataclasses
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from emmental import MaskedBackbone, load_pruned, masks
from emmental.common.errors import InputError
from emmental.export import task_file
from emmental.inference.texts import READING
from emmental.recipes.kinds import Kind
from emmental.tasks.glue import TASKS
from tests.helpers.tiny import WORDS, random_mask, with_random_vectors

NLI = TASKS["mnli"].words
TAGS = {"funny": "great", "sad": "story", "long": "slow"}


def some_texts(count, seed=0):
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS[5:], k=draw.randint(1, 40))) for _ in range(count)]


@pytest.fixture(scope="module")
def tasks(tiny_bert):
    """A mask for each kind of answer; films and others disagree on many texts."""
    return {
        "films": random_mask(tiny_bert, seed=0),
        "others": random_mask(tiny_bert, seed=11),
        "norms": with_random_vectors(random_mask(tiny_bert, seed=2), tiny_bert),
        "value": random_mask(tiny_bert, "stsb", {"score": "yes"}, seed=3),
        "nli": random_mask(tiny_bert, "mnli", NLI, seed=7),
        "tags": of_kind(Kind.SEVERAL, random_mask(tiny_bert, words=TAGS, seed=19)),
        "names": of_kind(Kind.TOKENS, random_mask(tiny_bert, words={"O": "terrible", "B-ART": "great"}, seed=11)),
        "questions": random_mask(tiny_bert, "squad", {"start": "yes", "end": "no"}, seed=5),
    }


def of_kind(kind, mask):
    return dataclasses.replace(mask, info=dataclasses.replace(mask.info, task="mine", kind=kind))


def backbone_with(tasks, folder, device=None, *names):
    shared = MaskedBackbone(str(folder), device)
    for name in names or tasks:
        shared.add(name, tasks[name])
    return shared


def test_predict_gives_what_the_task_asks_for(tasks):
    texts = some_texts(20)
    for name in ("films", "nli"):
        pruned, pairs = load_pruned(tasks[name]), texts[::-1] if name == "nli" else None
        answers = pruned.predict(texts, pairs)
        assert answers == [pruned.labels[best] for best in pruned.logits(texts, pairs).argmax(1)]
        assert len(set(answers)) > 1
    values = load_pruned(tasks["value"]).predict(texts, texts[::-1])
    assert [type(value) for value in values] == [float] * 20
    assert values == load_pruned(tasks["value"]).logits(texts, texts[::-1])[:, 0].tolist()
    tags, logits = load_pruned(tasks["tags"]).predict(texts), load_pruned(tasks["tags"]).logits(texts)
    assert tags == [[tag for tag, logit in zip(TAGS, row, strict=True) if logit > 0] for row in logits]
    assert len(set(map(tuple, tags))) > 2
    (found,) = load_pruned(tasks["names"]).predict([["the", "unbelievable", "film"]])
    assert len(found) == 3
    assert load_pruned(tasks["films"]).predict([]) == []


def test_questions_are_answered_together_as_alone(tasks):
    spans, contexts = load_pruned(tasks["questions"]), some_texts(6)
    questions = ["good or bad"] * 6
    assert spans.predict(questions, contexts) == [
        spans.answers(question, context)[0]["text"] for question, context in zip(questions, contexts, strict=True)
    ]
    assert spans.predict([], []) == []
    with pytest.raises(InputError, match="2 questions and 1 contexts: each needs its own"):
        spans.predict(["who", "what"], ["a film"])


def mixed_requests(count):
    """Requests of every task, in random order."""
    draw = random.Random(0)
    requests = []
    for first, second in zip(some_texts(count, 1), some_texts(count, 2), strict=True):
        name = draw.choice(("films", "others", "norms", "value", "nli", "tags", "names", "questions"))
        requests.append((name, first, second) if name in ("value", "nli", "questions") else (name, first))
    return requests


def test_mixed_tasks_in_one_batch_are_answered_as_alone(device, tasks, tiny_bert):
    shared = backbone_with(tasks, tiny_bert, device)
    alone = {name: load_pruned(mask, device=device) for name, mask in tasks.items()}
    requests = mixed_requests(100)
    assert {name for name, *_ in requests} == set(tasks)
    answers = shared.predict(requests)
    assert len(answers) == 100
    for (name, *texts), answer in zip(requests, answers, strict=True):
        (own,) = alone[name].predict(*([text] for text in texts))
        assert answer == (pytest.approx(own, abs=1e-4) if name == "value" else own), name
    assert shared.predict([]) == []


def test_what_cannot_be_answered_is_one_message(tasks, tiny_bert):
    shared = backbone_with(tasks, tiny_bert)
    with pytest.raises(InputError, match="no task 'books', 'music' was added: there are films, others, norms"):
        shared.predict([("films", "a"), ("books", "b"), ("music", "c"), ("books", "d")])
    with pytest.raises(InputError, match="nli: all its requests have one text, or all have two"):
        shared.predict([("nli", "a", "b"), ("nli", "c")])
    with pytest.raises(InputError, match="mnli is about pairs of texts"):
        shared.predict([("nli", "a")])
    for request in ("films", ("films",), ("films", "a", "b", "c"), 7):
        with pytest.raises(InputError, match=r"request 2: \(task, text\) or \(task, text, second text\), not"):
            shared.predict([("films", "a"), request])


def test_a_task_is_added_while_no_other_thread_reads(tasks, tiny_bert, monkeypatch):
    """Else the tokenizer, which the label words ask to cut nothing, would not cut the other thread's text either."""
    shared = backbone_with(tasks, tiny_bert, None, "films")
    tokenize, alone = shared.backbone.tokenizer.tokenize, []

    def watched(text):
        alone.append(READING.locked())
        return tokenize(text)

    monkeypatch.setattr(shared.backbone.tokenizer, "tokenize", watched)
    shared.add("others", tasks["others"])
    assert len(alone) >= 2
    assert all(alone)


def test_eight_threads_two_tasks_a_thousand_requests(tasks, tiny_bert):
    """By handles and in mixed batches, cut to different lengths, while tasks are added; each answer is its task's."""
    shared = backbone_with(tasks, tiny_bert, None, "films", "others")
    texts, lengths = some_texts(40), (4, 16, 128)
    alone = {name: load_pruned(tasks[name]) for name in ("films", "others")}
    known = {(name, length): alone[name].logits(texts, max_length=length) for name in alone for length in lengths}
    labels = {name: alone[name].predict(texts) for name in alone}
    differing = [row for row in range(40) if labels["films"][row] != labels["others"][row]]
    assert len(differing) >= 5
    assert all((known[name, 4] != known[name, 128]).any() for name in alone)

    def ask(number):
        name, row = ("films", "others")[number % 2], number % 40
        if number % 97 == 0:
            shared.add(f"new {number}", tasks["films"])
        if number % 3 == 0:
            mixed = shared.predict([(name, texts[row]) for name in alone])
            return mixed == [labels[name][row] for name in alone]
        length = lengths[number % len(lengths)]
        found = shared.activate(name).logits([texts[row]] * 4, max_length=length)
        return abs(found - known[name, length][row]).max() < 1e-4

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(1000))) == 1000


def test_threads_share_one_folded_model(tasks):
    """Each is cut to its own length, though the tokenizer has one for all."""
    pruned, texts = load_pruned(tasks["films"]), some_texts(16)
    known = {length: pruned.logits(texts, max_length=length) for length in (4, 8, 16, 64)}

    def ask(number):
        length = list(known)[number % 4]
        return (pruned.logits(texts, max_length=length) == known[length]).all()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(200)))


@pytest.mark.parametrize("suffix", [".smp", ".safetensors"])
def test_the_mask_of_a_model_in_memory_is_saved_whole(suffix, tasks, tiny_bert, tmp_path):
    shared = backbone_with(tasks, tiny_bert)
    for name, mask in tasks.items():
        for pruned in (load_pruned(mask), shared.activate(name)):
            pruned.save(tmp_path / f"again{suffix}")
            again = masks.load(tmp_path / f"again{suffix}")
            assert again.info == mask.info
            assert again.bits.keys() == mask.bits.keys()
            assert all(torch.equal(again.bits[matrix], mask.bits[matrix]) for matrix in mask.bits)
            assert again.vectors.keys() == mask.vectors.keys()
            assert all(torch.equal(again.vectors[vector], mask.vectors[vector]) for vector in mask.vectors)


def test_what_stands_alone_has_no_mask_to_save(tasks, tmp_path):
    pruned = load_pruned(tasks["films"])
    task_file.pack(pruned.model, pruned.tokenizer, tasks["films"], tmp_path / "films.task")
    whole = load_pruned(tmp_path / "films.task")
    for give_away in (lambda: whole.save(tmp_path / "mask.smp"), lambda: whole.push_to_hub("someone/films")):
        with pytest.raises(InputError, match="this model for sst2 has no mask"):
            give_away()
    assert not (tmp_path / "mask.smp").exists()


def test_a_model_moves_to_a_device_and_back(device, tasks, tiny_bert):
    texts = some_texts(5)
    pruned = load_pruned(tasks["films"])
    expected = pruned.logits(texts)
    moved = pruned.to(device)
    assert moved is pruned
    assert next(moved.model.parameters()).device.type == device.type
    assert abs(moved.logits(texts) - expected).max() < 1e-4
    assert (moved.to("cpu").logits(texts) == expected).all()

    shared = backbone_with(tasks, tiny_bert)
    handles = {name: shared.activate(name) for name in ("films", "norms")}
    expected = {name: handle.logits(texts) for name, handle in handles.items()}
    for place in (device, "cpu"):
        handles["norms"].to(place)
        for name, handle in handles.items():
            assert {weight.device.type for weight in handle.model.parameters()} == {torch.device(place).type}
            assert abs(handle.logits(texts) - expected[name]).max() < 1e-4


def test_a_runtime_for_zeros_does_not_leave_the_cpu(tasks):
    pruned = load_pruned(tasks["films"], runtime="sparse")
    with pytest.raises(InputError, match="its runtime computes on the CPU, not on meta"):
        pruned.to("meta")
    assert len(pruned.to("cpu").predict(["a film"])) == 1


def test_the_words_of_a_scored_mask_are_those_that_were_asked_for(tasks, tmp_path):
    """What is saved is the mask as it was loaded, with other label words where those were given."""
    mask = tasks["films"]
    other = dataclasses.replace(mask, info=dataclasses.replace(mask.info, label_words={"0": "bad", "1": "good"}))
    load_pruned(other).save(tmp_path / "other.smp")
    assert masks.load(tmp_path / "other.smp").info.label_words == {"0": "bad", "1": "good"}
