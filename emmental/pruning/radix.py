"""Selection in all matrices at once by Triton kernels: nothing waits for the host, nothing is copied.

A radix selection. A float32 becomes 32 bits in the order of floats. Eight times its next four bits are counted among
the values that begin as the threshold does, and the counts say how the threshold goes on: each kernel learns that from
the counts of the one before. A pass should cost no more than to read the scores, so it counts without atomics or
compares for each digit: sixteen counters of four bits in two integers per place of a block, which hold for fifteen
blocks. Each kernel runs once over all matrices, by a table of their addresses. Then the masks are written; where more
values equal the threshold than are kept, their numbers before each block say which are the first.

Extra memory, beside a byte per weight for the masks: counts and tables, computed 0.4 MB for BERT-base's 72 matrices and
1.3 MB for BERT-large's 144.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl

from emmental.pruning.stacks import by_shape, upload

COUNTED, COUNT_WARPS = 512, 4  # weights that a program counts at once, fifteen times
BLOCK, WARPS = 4096, 4  # weights per program where masks are written
BITS = tl.constexpr(4)  # of a digit
DIGITS = tl.constexpr(16)
PASSES = 8
REPEATS = tl.constexpr(15)  # as far as four bits count


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
    addresses = [[tensor.data_ptr() for tensor in tensors] for tensors in (scores, masks)]
    matrices = upload([*addresses, sizes], device)
    counts = torch.zeros((PASSES, rankings, DIGITS.value), dtype=torch.int32, device=device)
    states = torch.zeros((PASSES + 1, 3, rankings), dtype=torch.int32, device=device)  # start, room, surplus
    states[0, 1] = kept
    ties = torch.zeros((len(scores), triton.cdiv(max(sizes), BLOCK)), dtype=torch.int32, device=device)
    shared = {"TOGETHER": rankings == 1, "FOURS": not any(number % 4 for number in (*addresses[1], *sizes))}
    shared["FOURS"] &= not any(address % 16 for address in addresses[0])
    count_grid = triton.cdiv(max(sizes), REPEATS.value * COUNTED), len(scores)
    grid, shape = ties.T.shape, {"BLOCK": BLOCK, "num_warps": WARPS}
    with torch.accelerator.device_index(device.index):
        for turn in range(PASSES):
            _count_digits[count_grid](
                matrices, states, counts, rankings, turn, BLOCK=COUNTED, num_warps=COUNT_WARPS, **shared
            )
        _count_ties[grid](matrices, states, counts, rankings, PASSES, ties, **shared, **shape)
        running = ties.view(rankings, -1).cumsum(1, dtype=torch.int32)
        _write_masks[grid](matrices, states[PASSES], rankings, running, **shared, **shape)
    return masks


@triton.jit
def _matrix(matrices, TOGETHER: tl.constexpr, FOURS: tl.constexpr):
    """This program's matrix, its ranking and its size."""
    matrix = tl.program_id(1)
    size = tl.load(matrices + 2 * tl.num_programs(1) + matrix).to(tl.int32)
    return matrix, 0 if TOGETHER else matrix, tl.multiple_of(size, 4) if FOURS else size


@triton.jit
def _places(matrices, matrix, offsets, size, FOURS: tl.constexpr):
    """Scores as uint32 in the order of floats, beyond the last as if lowest; adding zero makes both zeros one."""
    scores = tl.load(matrices + matrix).to(tl.pointer_type(tl.float32))
    if FOURS:
        scores = tl.multiple_of(scores, 16)
    scores = tl.load(scores + offsets, mask=offsets < size, other=float("-inf")) + 0.0
    bits = scores.to(tl.int32, bitcast=True)
    return (bits ^ ((bits >> 31) | -0x80000000)).to(tl.uint32, bitcast=True)


@triton.jit
def _state(states, counts, rankings, ranking, turn):
    """After so many passes: the threshold's first bits, and how many of the scores that begin so are kept, or too many.

    Every program finds it from the state and the counts before; a ranking's first writes it down for the next kernel.
    """
    before = states + tl.maximum(turn - 1, 0) * 3 * rankings + ranking
    start, kept, surplus = tl.load(before), tl.load(before + rankings), 0
    if turn > 0:
        digits = tl.arange(0, DIGITS)
        found = tl.load(counts + ((turn - 1) * rankings + ranking) * DIGITS + digits)
        not_lower = tl.sum(found) - tl.cumsum(found) + found
        chosen = tl.sum((not_lower >= kept).to(tl.int32)) - 1
        start = (start << BITS) | chosen
        kept -= tl.sum(tl.where(digits > chosen, found, 0))
        surplus = tl.sum(tl.where(digits == chosen, found, 0)) - kept
    return start, kept, surplus


@triton.jit
def _write_state(states, rankings, ranking, turn, start, kept, surplus):
    if tl.program_id(0) == 0:
        state = states + turn * 3 * rankings + ranking
        tl.store(state, start)
        tl.store(state + rankings, kept)
        tl.store(state + 2 * rankings, surplus)


@triton.jit(do_not_specialize=["turn"])
def _count_digits(
    matrices, states, counts, rankings, turn, TOGETHER: tl.constexpr, FOURS: tl.constexpr, BLOCK: tl.constexpr
):
    """How often each value of the next bits occurs among the scores that begin as the threshold does."""
    matrix, ranking, size = _matrix(matrices, TOGETHER, FOURS)
    first = tl.program_id(0) * (REPEATS * BLOCK)
    if first < size:
        start, kept, surplus = _state(states, counts, rankings, ranking, turn)
        begin = (start << BITS).to(tl.uint32, bitcast=True)
        low = 32 - BITS - BITS * turn
        lower, both = tl.zeros((BLOCK,), tl.int32), tl.zeros((BLOCK,), tl.int32)
        for repeat in tl.static_range(REPEATS):
            offsets = first + repeat * BLOCK + tl.arange(0, BLOCK)
            digit = (_places(matrices, matrix, offsets, size, FOURS) >> low) - begin
            one = (1 << ((digit << 2) & 28)).to(tl.int32)
            lower += tl.where(digit < 8, one, 0)
            both += tl.where(digit < 16, one, 0)
        found = tl.join(_eight(lower, BLOCK), _eight(both - lower, BLOCK)).trans().reshape(DIGITS)
        tl.atomic_add(counts + (turn * rankings + ranking) * DIGITS + tl.arange(0, DIGITS), found, sem="relaxed")
        _write_state(states, rankings, ranking, turn, start, kept, surplus)


@triton.jit
def _eight(packed, BLOCK: tl.constexpr):
    """Sums of eight counters of four bits each."""
    shifts = tl.arange(0, 8) * 4
    return tl.sum((packed[:, None] >> shifts[None, :]) & 15, 0)


@triton.jit
def _count_ties(
    matrices,
    states,
    counts,
    rankings,
    turn,
    ties,
    TOGETHER: tl.constexpr,
    FOURS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """How many scores of each block equal the threshold, where it matters."""
    matrix, ranking, size = _matrix(matrices, TOGETHER, FOURS)
    if tl.program_id(0) * BLOCK < size:
        start, kept, surplus = _state(states, counts, rankings, ranking, turn)
        _write_state(states, rankings, ranking, turn, start, kept, surplus)
        if surplus > 0:
            offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
            threshold = start.to(tl.uint32, bitcast=True)
            tied = (_places(matrices, matrix, offsets, size, FOURS) == threshold) & (offsets < size)
            tl.store(ties + matrix * tl.num_programs(0) + tl.program_id(0), tl.sum(tied.to(tl.int32)))


@triton.jit
def _write_masks(matrices, state, rankings, running, TOGETHER: tl.constexpr, FOURS: tl.constexpr, BLOCK: tl.constexpr):
    """What is above the threshold, and the first ``room`` of what equals it."""
    matrix, ranking, size = _matrix(matrices, TOGETHER, FOURS)
    if tl.program_id(0) * BLOCK < size:
        offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        places = _places(matrices, matrix, offsets, size, FOURS)
        threshold = tl.load(state + ranking).to(tl.uint32, bitcast=True)
        kept = places >= threshold
        if tl.load(state + 2 * rankings + ranking) > 0:
            tied = ((places == threshold) & (offsets < size)).to(tl.int32)
            before = tl.load(running + matrix * tl.num_programs(0) + tl.program_id(0)) - tl.sum(tied)
            room = tl.load(state + rankings + ranking)
            kept = (places > threshold) | ((tied > 0) & (before + tl.cumsum(tied) <= room))
        masks = tl.load(matrices + tl.num_programs(1) + matrix).to(tl.pointer_type(tl.int8))
        if FOURS:
            masks = tl.multiple_of(masks, 4)
        tl.store(masks + offsets, kept.to(tl.int8), mask=offsets < size)
