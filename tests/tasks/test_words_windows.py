"""Every word is answered exactly once, at its first token, whatever the tokenizer and however long the text."""

import random
from collections import Counter

import numpy as np
import pytest
from datasets import Dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from emmental.models.losses import IGNORED
from emmental.tasks import words
from emmental.tasks.sentence_task import SentenceTask
from emmental.tasks.words_windows import NO_WORD, cut, in_texts, windows
from tests.helpers.tagged import tagged

UNREAD = "\u200b"  # BERT's tokenizer drops it
VOCABULARY = "the a film unbelievable believable, plot's bad-good 映画 12,5 x . Ünbelievable un".split()
BLANKS = "▁Ġ"  # as tokens of their own they belong to no word
SPECIAL = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]


def trained(pre_tokenizer, post_processor=None) -> PreTrainedTokenizerFast:
    """A small BPE tokenizer of pieces that are shorter than words."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer, backend.decoder = pre_tokenizer, decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet() if isinstance(pre_tokenizer, pre_tokenizers.ByteLevel) else []
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=SPECIAL, initial_alphabet=alphabet)
    backend.train_from_iterator([" ".join(VOCABULARY)] * 2, trainer)
    template = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    backend.post_processor = processors.Sequence([*([post_processor] if post_processor else []), template])
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]")


@pytest.fixture(scope="module", params=["wordpiece", "byte-level", "byte-level, blanks in offsets", "sentencepiece"])
def tokenizer(request, tiny_bert):
    if request.param == "wordpiece":
        return AutoTokenizer.from_pretrained(tiny_bert)
    if request.param == "sentencepiece":
        return trained(pre_tokenizers.Metaspace())
    trims = processors.ByteLevel(trim_offsets="," not in request.param)  # as RoBERTa's does, and not ModernBERT's
    return trained(pre_tokenizers.ByteLevel(add_prefix_space=False), trims)


def texts(count=40, longest=50, seed=0):
    draw = random.Random(seed)
    return [draw.choices(VOCABULARY, k=draw.randint(1, longest)) for _ in range(count)]


@pytest.mark.parametrize("max_length", [3, 4, 5, 7, 8, 20, 33, 500])
def test_every_word_is_answered_once_at_its_first_token(tokenizer, max_length):
    given = texts()
    found = cut(given, tokenizer, max_length)
    assert max(map(len, found["input_ids"])) <= max_length
    answered = Counter()
    for number, (text, own) in enumerate(zip(found["text"], found["words"], strict=True)):
        for place, word in enumerate(own):
            if word != NO_WORD:
                answered[text, int(word)] += 1
                before = tokenizer(" ".join(given[text][:word]), add_special_tokens=False)["input_ids"]
                through = tokenizer(" ".join(given[text][: word + 1]), add_special_tokens=False)["input_ids"]
                pieces = tokenizer.convert_ids_to_tokens(through[len(before) :])
                first = next(piece for piece in pieces if piece not in BLANKS)
                assert tokenizer.convert_ids_to_tokens(found["input_ids"][number][place]) == first
    assert set(answered.values()) == {1}
    assert len(answered) == sum(map(len, given))


def test_words_beside_a_cut_have_context(tokenizer):
    max_length = 34  # 32 tokens of text, 8 of them shared
    found = cut(texts(longest=200), tokenizer, max_length)
    for number, own in enumerate(found["words"]):
        places = np.nonzero(own != NO_WORD)[0]
        if number and found["text"][number - 1] == found["text"][number]:
            assert places[0] >= 1 + 4
        if found["text"][number + 1 : number + 2] == [found["text"][number]]:
            assert places[-1] < max_length - 1 - 4


def test_labels_stand_where_words_are_answered(tokenizer):
    given = [(own, [number % 3 for number in range(len(own))]) for own in texts()]
    columns = dict(zip(("words", "tags"), map(list, zip(*given, strict=True)), strict=True))
    found = windows(Dataset.from_dict(columns), tokenizer, 20)
    for text, own, labels in zip(found["text"], found["words"], found["labels"], strict=True):
        assert labels == [IGNORED if word == NO_WORD else given[text][1][word] for word in own]


def test_what_windows_answer_comes_together(tokenizer):
    given = texts()
    found = cut(given, tokenizer, 11)
    answers = [np.pad(100 * text + own, (0, 3)) for text, own in zip(found["text"], found["words"], strict=True)]
    together = [np.zeros(len(own), int) for own in given]
    in_texts(found, answers, together)
    assert [own.tolist() for own in together] == [[100 * t + w for w in range(len(own))] for t, own in enumerate(given)]


def test_words_that_the_tokenizer_does_not_read_are_in_no_window(tiny_bert):
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    found = cut([[UNREAD, "film", UNREAD], [UNREAD], []], tokenizer, 10)
    assert (found["text"], [own.tolist() for own in found["words"]]) == ([0], [[NO_WORD, 1, NO_WORD]])


@pytest.mark.parametrize(("tags", "given"), [(["B-ART", "O"], 1), (["NN", "VB"], 0)])
def test_unread_words_count_as_in_no_entity(tiny_bert, tags, given):
    examples = Dataset.from_dict({"words": [[UNREAD, "film"], [UNREAD]], "tags": [[1, 0], [1]]})
    task = SentenceTask("names", ("words",), dict.fromkeys(tags, ""), ("accuracy",))
    asked = words.Texts(task, examples, AutoTokenizer.from_pretrained(tiny_bert), 10)
    assert len(asked.windows) == 1
    assert [found.tolist() for found in asked.tags([np.array([9, 0, 9])])] == [[given, 0], [given]]


def test_the_baseline_is_the_commonest_tag_s(tiny_bert):
    columns = {"words": [own for own, _ in tagged(9)], "tags": [[int(t != "O") for t in tags] for _, tags in tagged(9)]}
    task = SentenceTask("nouns", ("words",), {"other": "no", "noun": "yes"}, ("accuracy",))
    asked = words.Texts(task, Dataset.from_dict(columns), AutoTokenizer.from_pretrained(tiny_bert), 64)
    flat = [tag for tags in columns["tags"] for tag in tags]
    assert asked.baseline() == pytest.approx(flat.count(0) / len(flat))
