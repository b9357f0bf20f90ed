"""The product with a masked weight, and its gradients: of a layer by itself. For those of many see at_once.py."""

import torch
from torch.nn import functional as F

from emmental.pruning import gates


def masked(weight: torch.Tensor, mask: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
    """W * M in ``dtype``, by default the weight's; a mask of its shape: bool, or gates in [0, 1].

    On the CPU a bool mask is read as bytes, which convert faster, and multiplies half precision as integers, whose bits
    it keeps or clears: nothing of full precision is made. Elsewhere one kernel does it all.
    """
    dtype = dtype or weight.dtype
    if weight.device.type != "cpu":
        return _in_one_kernel(weight, mask, dtype)
    if mask.is_floating_point():
        return (mask * weight).to(dtype)
    if dtype.itemsize == 2:
        made = weight.to(dtype)
        made.view(torch.int16).mul_(mask.view(torch.int8))  # a product of bf16 and bool would convert the mask first
        return made
    return mask.view(torch.uint8).to(weight.dtype).mul_(weight).to(dtype)


def _in_one_kernel(weight: torch.Tensor, mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return torch.mul(weight, mask, out=torch.empty_like(weight, dtype=dtype))


class MaskedProduct(torch.autograd.Function):
    """y = x (W * M)^T + b, with dL/dS = dL/d(W * M) * W for kept and removed weights alike (SMP, equations 2 and 3).

    input: [..., in]; scores (or None) and weight: [out, in], floating point; mask: [out, in], bool, or gates, which
    scale dL/dS by their slope; bias: [out] or None. Where weights are trained, only those that count get a gradient:
    dL/dW = dL/d(W * M) * M. W * M is made anew for the backward pass, so that no second copy is kept; under autocast it
    is kept, as autocast keeps its copies of dense weights: computed 170 MB for BERT-base and 604 MB for BERT-large.
    """

    @staticmethod
    def forward(ctx, input, scores, weight, mask, bias):
        made = masked(weight, mask, input.dtype)
        ctx.save_for_backward(input, weight, mask, None if made.dtype == weight.dtype else made)
        return F.linear(input, made, bias)

    @staticmethod
    def backward(ctx, grad_output):
        input, weight, mask, made = ctx.saved_tensors
        of_input, of_scores, of_weight, _, of_bias = ctx.needs_input_grad
        grad_tokens = grad_output.flatten(0, -2)  # a transposed view would be multiplied sentence by sentence
        grad_input = grad_scores = grad_weight = grad_bias = None
        if of_input:
            made = masked(weight, mask) if made is None else made
            grad_input = (grad_tokens @ made).view(input.shape)
        if of_scores or of_weight:
            product = grad_tokens.T @ input.flatten(0, -2)  # dL/d(W * M)
            if weight.device.type == "cpu":
                product = product.to(weight.dtype)  # apart it is faster there; elsewhere it is part of what follows
        if of_weight:
            grad_weight = masked(product, mask, weight.dtype)
        if of_scores:
            grad_scores = product.mul_(weight) if product.dtype == weight.dtype else product * weight
            if mask.is_floating_point():
                grad_scores.mul_(gates.slope(mask))
        if of_bias:
            grad_bias = grad_tokens.sum(0)
        return grad_input, grad_scores, grad_weight, None, grad_bias
