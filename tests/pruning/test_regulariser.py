"""The regulariser's gradient as it is written down, against autograd's."""

import pytest
import torch

from emmental.pruning.regulariser import add_regulariser


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
