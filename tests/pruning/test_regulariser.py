"""The regulariser's gradient as it is written down, against autograd's."""

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from emmental.pruning.regulariser import add_regulariser, regularised_backward


@pytest.mark.parametrize("scale", [1.0, 1024.0])
def test_regulariser_adds_autograds_gradient(device, scale):
    torch.manual_seed(0)
    scores = [torch.randn(shape, device=device, requires_grad=True) for shape in ((3, 4), (5, 2), (3, 4))]
    task = [torch.randn_like(matrix) for matrix in scores]
    expected = torch.stack([torch.sigmoid(matrix).mean() for matrix in scores]).mean()
    gradients = torch.autograd.grad(scale * 40 * expected, scores)
    for matrix, gradient in zip(scores, task, strict=True):
        matrix.grad = gradient.clone()
    torch.testing.assert_close(add_regulariser(scores, 40, scale), expected.detach())
    for matrix, before, gradient in zip(scores, task, gradients, strict=True):
        torch.testing.assert_close(matrix.grad, before + gradient)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_in_the_backward_pass_the_same_bits_as_after_it(shift):
    torch.manual_seed(0)
    scores = [torch.randn(shape, requires_grad=True) for shape in ((30, 40), (50, 20))]
    task = [torch.randn_like(matrix) for matrix in scores]

    def micro_batch():
        sum((matrix * factor).sum() for matrix, factor in zip(scores, task, strict=True)).backward()

    micro_batch()
    with regularised_backward(scores, 40, 8.0, shift) as value:
        micro_batch()
    within = [matrix.grad.clone() for matrix in scores]
    for matrix in scores:
        matrix.grad = None
    micro_batch()
    micro_batch()
    assert torch.equal(value(), add_regulariser(scores, 40, 8.0, shift))
    assert all(torch.equal(matrix.grad, gradient) for matrix, gradient in zip(scores, within, strict=True))


def test_a_matrix_whose_gradient_comes_in_parts_is_regularised_once():
    """Reentrant checkpoints: one backward pass, a gradient from each checkpoint."""
    torch.manual_seed(0)
    scores = torch.randn(5, 5, requires_grad=True)
    inputs = torch.randn(2, 5, requires_grad=True)

    def loss():
        once = checkpoint(lambda some: some @ scores, inputs, use_reentrant=True)
        return checkpoint(lambda some: some @ scores, once, use_reentrant=True).square().sum()

    with regularised_backward([scores], 40) as value:
        loss().backward()
    within, scores.grad = scores.grad, None
    loss().backward()
    assert torch.equal(value(), add_regulariser([scores], 40))
    torch.testing.assert_close(within, scores.grad)


def test_nothing_stays_behind_a_backward_pass_that_fails():
    scores = torch.randn(3, 3, requires_grad=True)
    with pytest.raises(KeyboardInterrupt), regularised_backward([scores], 40):
        raise KeyboardInterrupt
    scores.sum().backward()
    assert torch.equal(scores.grad, torch.ones(3, 3))
