"""Shrinking changes no output: whole models with much that is empty, and each rule against a literal computation."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from emmental.export import empty_rows, shrunk
from emmental.pruning.matrices import encoder_linears
from tests.helpers.encoders import CONFIGS, folded

HEADS, SIZE, HIDDEN = 3, 4, 10


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(CONFIGS)), st.integers(0, 10**6), st.sampled_from([0.05, 0.5, 1.0]))
def test_no_logit_changes(architecture, seed, density):
    model = folded(architecture, seed, density)
    small = copy.deepcopy(model)
    shrunk.shrink(small)
    ids = torch.randint(5, 60, (3, 9), generator=torch.Generator().manual_seed(seed))
    padded = torch.ones_like(ids)
    padded[1, 4:] = 0
    before, after = (m(ids, attention_mask=padded).logits[padded.bool()] for m in (model, small))
    assert (before - after).abs().max() < 1e-4
    sizes = [sum(linear.weight.numel() for linear in encoder_linears(m).values()) for m in (model, small)]
    assert sizes[1] <= sizes[0]


@pytest.fixture
def layers():
    torch.manual_seed(0)
    query, key, value = (nn.Linear(HIDDEN, HEADS * SIZE) for _ in range(3))
    return [*(layer.requires_grad_(False) for layer in (query, key, value, nn.Linear(HEADS * SIZE, HIDDEN)))]


def attend(query, key, value, output):
    """Attention head by head, in float64, on random vectors of which the last may not be attended to."""
    x = torch.randn(7, HIDDEN, generator=torch.Generator().manual_seed(1)).double()
    result = output.bias.double()
    for head in range(HEADS):
        own = slice(head * SIZE, (head + 1) * SIZE)
        q, k, v = (x @ layer.weight[own].double().T + layer.bias[own].double() for layer in (query, key, value))
        result = result + _head(q, k, v) @ output.weight[:, own].double().T
    return result


def attend_shrunk(heads, bias):
    x = torch.randn(7, HIDDEN, generator=torch.Generator().manual_seed(1)).double()
    result = bias.double()
    for head in heads:
        q, k, v = (x @ layer.weight.double().T + layer.bias.double() for layer in head[:3])
        result = result + _head(q, k, v) @ head.output.double().T
    return result


def _head(q, k, v):
    scores = q @ k.T / SIZE**0.5
    scores[:, -1] = -torch.inf
    return scores.softmax(-1) @ v


def clear(layer, rows, bias=None):
    layer.weight[rows] = 0
    if bias is not None:
        layer.bias[rows] = bias


def nothing(query, key, value, output):
    pass


def keys_are_constant(query, key, value, output):
    clear(key, [0, 1, 5])


def one_query_is_constant(query, key, value, output):
    clear(query, [2])


def queries_are_constant(query, key, value, output):
    clear(query, [0, 2, 3])


def queries_are_zero(query, key, value, output):
    clear(query, [0, 2], bias=0)


def query_and_key_are_constant(query, key, value, output):
    clear(query, [1])
    clear(key, [1])


def constant_queries_cancel_out(query, key, value, output):
    clear(query, [0, 1], bias=1)
    key.weight[1] = -key.weight[0]


def all_queries_are_constant(query, key, value, output):
    clear(query, slice(0, 4))


def all_keys_are_constant(query, key, value, output):
    clear(key, slice(4, 8))


def values_are_constant(query, key, value, output):
    clear(value, [4, 6])


def values_are_not_read(query, key, value, output):
    output.weight[:, [4, 7]] = 0


def a_head_has_constant_or_unread_values(query, key, value, output):
    clear(value, [0, 1])
    output.weight[:, [2, 3]] = 0


def nothing_is_read(query, key, value, output):
    output.weight.zero_()


def all_values_are_constant(query, key, value, output):
    clear(value, slice(None))


CASES = {  # dimensions of query and key, and of value, of each head that is left
    nothing: ([4, 4, 4], [4, 4, 4]),
    keys_are_constant: ([2, 3, 4], [4, 4, 4]),
    one_query_is_constant: ([4, 4, 4], [4, 4, 4]),
    queries_are_constant: ([2, 4, 4], [4, 4, 4]),
    queries_are_zero: ([2, 4, 4], [4, 4, 4]),
    query_and_key_are_constant: ([3, 4, 4], [4, 4, 4]),
    constant_queries_cancel_out: ([2, 4, 4], [4, 4, 4]),
    all_queries_are_constant: ([1, 4, 4], [4, 4, 4]),
    all_keys_are_constant: ([4, 1, 4], [4, 4, 4]),
    values_are_constant: ([4, 4, 4], [4, 2, 4]),
    values_are_not_read: ([4, 4, 4], [4, 2, 4]),
    a_head_has_constant_or_unread_values: ([4, 4], [4, 4]),
    nothing_is_read: ([4], [1]),
    all_values_are_constant: ([4], [1]),
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_what_attention_loses(layers, case):
    case(*layers)
    heads, bias = empty_rows.attention(*layers, HEADS)
    query_key, value = CASES[case]
    assert [len(head.query.bias) for head in heads] == [len(head.key.bias) for head in heads] == query_key
    assert [len(head.value.bias) for head in heads] == [head.output.shape[1] for head in heads] == value
    torch.testing.assert_close(attend_shrunk(heads, bias), attend(*layers), rtol=1e-5, atol=1e-5)


def test_what_the_feed_forward_loses():
    torch.manual_seed(0)
    up, down = nn.Linear(6, 9).requires_grad_(False), nn.Linear(9, 6).requires_grad_(False)
    clear(up, [0, 3])
    down.weight[:, [3, 7]] = 0
    x = torch.randn(5, 6)
    expected = down(F.gelu(up(x)))
    small_up, small_down = empty_rows.feed_forward(up, down, F.gelu)
    assert small_up.weight.shape == (6, 6)
    torch.testing.assert_close(F.linear(F.gelu(F.linear(x, *small_up)), *small_down), expected)

    clear(up, slice(None))
    expected = down(F.gelu(up(x)))
    small_up, small_down = empty_rows.feed_forward(up, down, F.gelu)
    assert small_up.weight.shape == (1, 6)
    torch.testing.assert_close(F.linear(F.gelu(F.linear(x, *small_up)), *small_down), expected)


def test_drop_rows():
    weight = torch.tensor([[1.0, 0, 2], [0, 3, 0], [0, 0, 0], [4, 5, 6]])
    empty_rows.drop_rows(weight, 2)
    assert weight.tolist() == [[1, 0, 2], [0, 0, 0], [0, 0, 0], [4, 5, 6]]
