"""Selection in all matrices at once by Triton kernels: nothing waits for the host, nothing is copied.

A radix selection. A float32 becomes 32 bits in the order of floats. Three times its next bits are counted among the
values that begin as the threshold does, and the counts say how the threshold goes on. Eleven bits at once: most scores
have few exponents, and what is counted in few places waits in line. Each of these kernels runs once over all matrices,
by a table of their addresses. Then the masks are written; where more values equal the threshold than are kept, their
numbers before each block say which are the first.

Extra memory, beside a byte per weight for the masks: counts and tables, computed 1.9 MB for BERT-base's 72 matrices and
4.1 MB for BERT-large's 144.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl

from emmental.pruning.stacks import by_shape, upload

BLOCK = 8192  # weights per program
WARPS = 8
DIGITS = ((21, 11), (10, 11), (0, 10))  # the lowest bit of each and its number of bits
BINS = tl.constexpr(2048)


def select(scores: Sequence[torch.Tensor], kept: torch.Tensor) -> list[torch.Tensor]:
    """Masks of the highest scores; among equal ones the first matrix, then the lowest flat index wins.

    scores: any shapes, float32 without NaN, on one device. kept: int64; [matrices], how many of each, or
    [1], how many of all together. Returns bool tensors of the scores' shapes, those of one shape in one stack.
    """
    device, rankings = kept.device, kept.numel()
    scores = [matrix.contiguous() for matrix in scores]
    masks: list = [None] * len(scores)
    for numbers in by_shape(scores):
        stack = torch.empty((len(numbers), *scores[numbers[0]].shape), dtype=torch.bool, device=device)
        for number, mask in zip(numbers, stack.unbind(), strict=True):
            masks[number] = mask
    sizes = [matrix.numel() for matrix in scores]
    addresses = ([tensor.data_ptr() for tensor in tensors] for tensors in (scores, masks))
    matrices = upload([*addresses, sizes], device)
    counts = torch.zeros((len(DIGITS), rankings, BINS.value), dtype=torch.int32, device=device)
    room = kept.to(torch.int32, copy=True)  # of the values that may still be the threshold, so many are kept
    start, surplus = torch.zeros((2, rankings), dtype=torch.int32, device=device)  # first bits of the threshold
    ties = torch.zeros((len(scores), triton.cdiv(max(sizes), BLOCK)), dtype=torch.int32, device=device)
    grid, shared = ties.T.shape, {"TOGETHER": rankings == 1, "BLOCK": BLOCK, "num_warps": WARPS}
    with torch.accelerator.device_index(device.index):
        for found, (low, bits) in zip(counts, DIGITS, strict=True):
            _count_digits[grid](matrices, start, found, low, bits, **shared)
            _choose_digit[rankings,](found, start, room, surplus, bits)
        _count_ties[grid](matrices, start, surplus, ties, **shared)
        running = ties.view(rankings, -1).cumsum(1, dtype=torch.int32)
        _write_masks[grid](matrices, start, room, surplus, running, **shared)
    return masks


@triton.jit
def _block(matrices, TOGETHER: tl.constexpr, BLOCK: tl.constexpr):
    """This program's matrix, its ranking, the offsets of its weights and which of them there are."""
    matrix = tl.program_id(1)
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    size = tl.load(matrices + 2 * tl.num_programs(1) + matrix)
    ranking = 0 if TOGETHER else matrix
    return matrix, ranking, offsets, offsets < size


@triton.jit
def _places(matrices, matrix, offsets, within):
    """Scores as uint32 in the order of floats; both zeros are one."""
    scores = tl.load(matrices + matrix).to(tl.pointer_type(tl.float32))
    bits = tl.load(scores + offsets, mask=within, other=0.0).to(tl.uint32, bitcast=True)
    bits = tl.where(bits == 0x80000000, 0, bits).to(tl.uint32)
    return tl.where(bits >= 0x80000000, bits ^ 0xFFFFFFFF, bits ^ 0x80000000).to(tl.uint32)


@triton.jit
def _count_digits(
    matrices, start, counts, LOW: tl.constexpr, BITS: tl.constexpr, TOGETHER: tl.constexpr, BLOCK: tl.constexpr
):
    """How often each value of the bits from LOW on occurs among the scores that begin with ``start``."""
    matrix, ranking, offsets, within = _block(matrices, TOGETHER, BLOCK)
    if tl.program_id(0) * BLOCK < tl.load(matrices + 2 * tl.num_programs(1) + matrix):
        places = _places(matrices, matrix, offsets, within)
        if LOW + BITS < 32:
            within &= (places >> (LOW + BITS)) == tl.load(start + ranking).to(tl.uint32, bitcast=True)
        found = tl.histogram(((places >> LOW) & ((1 << BITS) - 1)).to(tl.int32), BINS, mask=within)
        tl.atomic_add(counts + ranking * BINS + tl.arange(0, BINS), found, mask=found > 0, sem="relaxed")


@triton.jit
def _choose_digit(counts, start, room, surplus, BITS: tl.constexpr):
    """How a ranking's threshold goes on, and how many of the scores that begin so are kept, or too many."""
    ranking, digits = tl.program_id(0), tl.arange(0, BINS)
    found = tl.load(counts + ranking * BINS + digits)
    kept = tl.load(room + ranking)
    not_lower = tl.sum(found) - tl.cumsum(found) + found
    chosen = tl.sum((not_lower >= kept).to(tl.int32)) - 1
    kept -= tl.sum(tl.where(digits > chosen, found, 0))
    tl.store(start + ranking, (tl.load(start + ranking) << BITS) | chosen)
    tl.store(room + ranking, kept)
    tl.store(surplus + ranking, tl.sum(tl.where(digits == chosen, found, 0)) - kept)


@triton.jit
def _count_ties(matrices, threshold, surplus, ties, TOGETHER: tl.constexpr, BLOCK: tl.constexpr):
    """How many scores of each block equal the threshold, where it matters."""
    matrix, ranking, offsets, within = _block(matrices, TOGETHER, BLOCK)
    if tl.load(surplus + ranking) > 0:
        places = _places(matrices, matrix, offsets, within)
        tied = within & (places == tl.load(threshold + ranking).to(tl.uint32, bitcast=True))
        tl.store(ties + matrix * tl.num_programs(0) + tl.program_id(0), tl.sum(tied.to(tl.int32)))


@triton.jit
def _write_masks(matrices, threshold, room, surplus, running, TOGETHER: tl.constexpr, BLOCK: tl.constexpr):
    """What is above the threshold, and the first ``room`` of what equals it."""
    matrix, ranking, offsets, within = _block(matrices, TOGETHER, BLOCK)
    places = _places(matrices, matrix, offsets, within)
    bound = tl.load(threshold + ranking).to(tl.uint32, bitcast=True)
    kept = places >= bound
    if tl.load(surplus + ranking) > 0:
        tied = (within & (places == bound)).to(tl.int32)
        before = tl.load(running + matrix * tl.num_programs(0) + tl.program_id(0)) - tl.sum(tied)
        kept = (places > bound) | ((tied > 0) & (before + tl.cumsum(tied) <= tl.load(room + ranking)))
    masks = tl.load(matrices + tl.num_programs(1) + matrix).to(tl.pointer_type(tl.int8))
    tl.store(masks + offsets, kept.to(tl.int8), mask=within)
