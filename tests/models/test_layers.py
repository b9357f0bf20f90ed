"""The blocks of every architecture, what they put out, and how far a student's are from a teacher's."""

import pytest
import torch
from transformers import AutoModel, AutoModelForMaskedLM

from emmental.models.layers import blocks, recorded
from emmental.models.losses import layer_loss
from tests.helpers.architectures import CONFIGS


@pytest.mark.parametrize("architecture", CONFIGS)
def test_recorded_layers_are_transformers_hidden_states(architecture):
    torch.manual_seed(0)
    model = AutoModel.from_config(CONFIGS[architecture][0]).eval()
    ids = torch.randint(5, 60, (3, 7))
    with torch.no_grad(), recorded(blocks(model)) as layers:
        hidden = model(input_ids=ids, output_hidden_states=True).hidden_states[1:]
    assert len(layers) == len(hidden) == 2
    assert torch.equal(layers[0], hidden[0])  # the last one may be normalised once more
    with torch.no_grad():
        model(input_ids=ids)
    assert len(layers) == 2  # nothing is kept once it is closed


@pytest.mark.parametrize("architecture", CONFIGS)
def test_a_masked_lm_has_the_same_blocks(architecture):
    model = AutoModelForMaskedLM.from_config(CONFIGS[architecture][0])
    assert blocks(model) == blocks(model.base_model)


def test_the_distance_of_layers_by_hand():
    """Of texts of 5 and 3 tokens: padding, whatever stands there, does not count."""
    torch.manual_seed(1)
    own, other = ([torch.randn(2, 5, 4) for _ in range(3)] for _ in range(2))
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    expected = 0.0
    for mine, theirs in zip(own, other, strict=True):
        tokens = [(text, token) for text, length in ((0, 5), (1, 3)) for token in range(length)]
        difference = sum(((mine[at] - theirs[at]) ** 2).sum() for at in tokens)
        expected += difference / sum((theirs[at] ** 2).sum() for at in tokens) / 3
    torch.testing.assert_close(layer_loss(own, other, mask), expected)
    own[1][1, 3:] = 1e4
    torch.testing.assert_close(layer_loss(own, other, mask), expected)
    assert layer_loss(other, other, mask) == 0
    torch.testing.assert_close(layer_loss([torch.zeros(2, 5, 4)], other[:1], None), torch.tensor(1.0))
