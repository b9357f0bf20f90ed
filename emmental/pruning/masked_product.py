"""The product with a masked weight, and its gradients."""

import torch
from torch.nn import functional as F

from emmental.pruning import gates


def masked(weight: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """W * M, of a weight and a mask of its shape: bool, or gates in [0, 1]. A bool mask is read as bytes, which convert
    faster."""
    if mask.is_floating_point():
        return mask * weight
    return mask.view(torch.uint8).to(weight.dtype).mul_(weight)


class MaskedProduct(torch.autograd.Function):
    """y = x (W * M)^T + b, with dL/dS = dL/d(W * M) * W for kept and removed weights alike (SMP, equations 2 and 3).

    input: [..., in]; scores (or None) and weight: [out, in], floating point; mask: [out, in], bool, or gates, which
    scale dL/dS by their slope; bias: [out] or None. Where weights are trained, only those that count get a gradient:
    dL/dW = dL/d(W * M) * M. W * M is not stored for the backward pass but made anew: no second copy is kept.
    """

    @staticmethod
    def forward(ctx, input, scores, weight, mask, bias):
        ctx.save_for_backward(input, weight, mask)
        return F.linear(input, masked(weight, mask).to(input.dtype), bias)

    @staticmethod
    def backward(ctx, grad_output):
        input, weight, mask = ctx.saved_tensors
        of_input, of_scores, of_weight, _, of_bias = ctx.needs_input_grad
        grad_tokens = grad_output.flatten(0, -2)  # a transposed view would be multiplied sentence by sentence
        grad_input = grad_scores = grad_weight = grad_bias = None
        if of_input:
            grad_input = (grad_tokens @ masked(weight, mask).to(grad_tokens.dtype)).view(input.shape)
        if of_scores or of_weight:
            product = (grad_tokens.T @ input.flatten(0, -2)).to(weight.dtype)  # dL/d(W * M)
        if of_weight:
            grad_weight = masked(product, mask)
        if of_scores:
            grad_scores = product.mul_(weight)
            if mask.is_floating_point():
                grad_scores.mul_(gates.slope(mask))
        if of_bias:
            grad_bias = grad_tokens.sum(0)
        return grad_input, grad_scores, grad_weight, None, grad_bias
