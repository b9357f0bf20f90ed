"""Windows over long contexts with the right labels, of two kinds of tokenizers; decoding gives the answers back."""

import string
from types import SimpleNamespace

import datasets
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertTokenizerFast, PreTrainedTokenizerFast

from emmental.common.errors import InputError
from emmental.tasks import squad_examples
from emmental.tasks.squad_answers import decode_answers
from emmental.tasks.squad_windows import evaluation_features, training_features
from tests.helpers.questions import CONTEXT, EXAMPLES, QUESTIONS, official


def word_pieces():
    """BERT's kind of tokenizer over single letters and digits: most words become many tokens; has token types."""
    characters = string.ascii_lowercase + string.digits
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "##ing", *string.punctuation, "“", "”", "日", "本"]
    tokens += [*characters, *("##" + character for character in characters)]
    return BertTokenizerFast(vocab={token: number for number, token in enumerate(tokens)})


def single_bytes():
    """RoBERTa's kind of tokenizer, without merges: a token per byte, several for one letter; no token types."""
    tokens = ["<s>", "</s>", "<pad>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    backend = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0), trim_offsets=True)
    names = {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>"}
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=["input_ids", "attention_mask"], **names)


TOKENIZERS = {"word_pieces": word_pieces(), "single_bytes": single_bytes()}
each_tokenizer = pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS)


@each_tokenizer
def test_windows_cover_the_context_and_overlap_by_the_stride(tokenizer):
    examples = datasets.Dataset.from_list(EXAMPLES)
    features = evaluation_features(examples, tokenizer, max_length=32, stride=9)
    assert ("token_type_ids" in features.column_names) == ("token_type_ids" in tokenizer.model_input_names)
    for row, example in enumerate(EXAMPLES):
        windows = [window for window in features if window["example"] == row]
        contexts = [
            [token for token, place in zip(window["input_ids"], window["char_starts"], strict=True) if place >= 0]
            for window in windows
        ]
        whole = tokenizer(CONTEXT, add_special_tokens=False)["input_ids"]
        assert len(windows) > 1
        assert contexts[0] + [token for later in contexts[1:] for token in later[9:]] == whole
        question = tokenizer(example["question"].strip(), add_special_tokens=False)["input_ids"]
        for window in windows:
            assert len(window["input_ids"]) == len(window["char_ends"]) <= 32
            assert window["input_ids"][0] == tokenizer.cls_token_id
            assert tokenizer.pad_token_id not in window["input_ids"]
            assert window["input_ids"][1 : 1 + len(question)] == question


def test_features_are_cached(tmp_path):
    (tmp_path / "data.json").write_text(official(*QUESTIONS))
    first, again, other = (
        training_features(squad_examples.read_examples(tmp_path / "data.json"), word_pieces(), 32, stride).cache_files
        for stride in (8, 8, 9)
    )
    assert first == again != []
    assert first != other


def one_example(context, *answers):
    """A question with these texts as answers, in this order, wherever they stand in the context."""
    answers = {"text": list(answers), "answer_start": [context.index(text) for text in answers]}
    return datasets.Dataset.from_list([EXAMPLES[0] | {"context": context, "answers": answers}])


def test_features_take_the_first_answer_that_lies_in_the_window():
    features = training_features(one_example(CONTEXT, "of Babbage", "Ada", "notes"), word_pieces(), 40, 4)
    tokens = [word_pieces().convert_ids_to_tokens(ids) for ids in features["input_ids"]]
    spans = zip(tokens, features["start_positions"], features["end_positions"], strict=True)
    answered = ["".join(window[first : last + 1]).replace("##", "") for window, first, last in spans]
    assert (answered[0], answered[-1]) == ("ada", "ofbabbage")


@each_tokenizer
def test_an_answer_may_begin_and_end_with_what_the_tokenizer_drops(tokenizer):
    context = "\u200b one two \u200b"
    assert training_features(one_example(context, context), tokenizer, 64, 8)["start_positions"][0] > 0


@pytest.mark.parametrize("context", ["one \u200b two", "\u200b"])
def test_an_answer_that_the_tokenizer_drops_has_no_span(context):
    features = training_features(one_example(context, "\u200b"), word_pieces(), 64, 8)
    assert (features["start_positions"][:], features["end_positions"][:]) == ([0], [0])


@each_tokenizer
def test_a_window_must_have_room_for_more_than_the_stride(tokenizer):
    examples = datasets.Dataset.from_list(EXAMPLES[:1])
    taken = len(tokenizer.tokenize(EXAMPLES[0]["question"])) + tokenizer.num_special_tokens_to_add(pair=True) + 8
    assert len(training_features(examples, tokenizer, taken + 1, 8)) > 30
    with pytest.raises(InputError, match="leave room"):
        training_features(examples, tokenizer, taken, 8)


@pytest.mark.parametrize(
    ("max_length", "stride", "message"),
    [
        (32, 32, "stride 32: must be at least 0 and below the max length of 32 tokens"),
        (32, -1, "stride -1: must be"),
        (32, 24, r"question 'q1' has \d+ tokens: with max length 32 and stride 24 at most \d leave room"),
        (4, 0, r"question 'q1' has \d+ tokens"),
    ],
)
def test_lengths_without_room(max_length, stride, message):
    with pytest.raises(InputError, match=message):
        training_features(datasets.Dataset.from_list(EXAMPLES), word_pieces(), max_length, stride)


def test_a_tokenizer_without_offsets():
    slow = SimpleNamespace(is_fast=False, name_or_path="some-model")
    with pytest.raises(InputError, match="some-model: SQuAD needs a fast tokenizer"):
        evaluation_features(datasets.Dataset.from_list(EXAMPLES), slow, 32, 8)


words = st.sampled_from("the going x 1843 naïve cafe\u0301 日本 日 😀 ½ “so” İz don't".split())
gaps = st.sampled_from([" ", "  ", "\n", " \t", ", ", "-"])
edges = st.sampled_from(["", " ", " \n"])


@st.composite
def questions(draw):
    """An example whose answer is some words of its context, now and then with blanks around them."""
    count = draw(st.integers(1, 25))
    pieces = [draw(edges), *(draw(gaps if place % 2 else words) for place in range(2 * count - 1)), draw(edges)]
    first = draw(st.integers(0, count - 1))
    last = draw(st.integers(first, min(first + 4, count - 1)))
    context = "".join(pieces)
    begin, end = len("".join(pieces[: 2 * first + 1])), len("".join(pieces[: 2 * last + 2]))
    if draw(st.booleans()):
        begin, end = len(context[:begin].rstrip()), len(context) - len(context[end:].lstrip())
    answers = {"text": [context[begin:end]], "answer_start": [begin]}
    return {"question": draw(words), "context": context, "answers": answers}


@each_tokenizer
@settings(max_examples=60, deadline=None)
@given(rows=st.lists(questions(), min_size=1, max_size=6), max_length=st.integers(24, 48), stride=st.integers(0, 10))
def test_decoding_the_gold_positions_returns_the_gold_text(tokenizer, rows, max_length, stride):
    rows = [row | {"id": str(number)} for number, row in enumerate(rows)]
    examples = datasets.Dataset.from_list(rows, features=squad_examples.EXAMPLE)
    training = training_features(examples, tokenizer, max_length, stride)
    windows = evaluation_features(examples, tokenizer, max_length, stride)
    assert training["input_ids"][:] == windows["input_ids"][:]
    owners = windows["example"][:]
    for number, (label, window) in enumerate(zip(training, windows, strict=True)):
        row = rows[window["example"]]
        gold = row["answers"]["text"][0].strip()
        begin = row["context"].index(gold, row["answers"]["answer_start"][0])
        is_last = window["example"] not in owners[number + 1 :]
        window_begin = min((place for place in window["char_starts"] if place >= 0), default=0)
        window_end = len(row["context"]) if is_last else max(window["char_ends"])
        if window_begin <= begin and begin + len(gold) <= window_end:
            start, end = (np.eye(max_length)[[label[name]]] for name in ("start_positions", "end_positions"))
            answers, _ = decode_answers(examples, windows.select([number]), start, end, max_answer_tokens=max_length)
            assert answers[row["id"]] == gold
        else:
            assert (label["start_positions"], label["end_positions"]) == (0, 0)
