"""Products with activations: the compiled kernel against dense products, whatever the shapes, threads and layouts."""

import platform
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from llvmlite import binding

from emmental.runtime import kernel, multiply
from emmental.runtime.kernel import WIDTHS, optimised
from emmental.runtime.multiply import DenseProduct, HalfProduct, SparseProduct


@pytest.fixture(autouse=True)
def threads():
    """Torch's number of threads, as it was."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def random_weight(rows, columns, density, seed):
    draw = torch.Generator().manual_seed(seed)
    kept = torch.rand(rows, columns, generator=draw) < density
    return torch.randn(rows, columns, generator=draw) * kept, torch.randn(rows, generator=draw)


SIDES = st.integers(1, 70)


@settings(max_examples=150, deadline=None)
@given(
    rows=SIDES, columns=SIDES, tokens=st.integers(1, 300), density=st.sampled_from([0.0, 0.03, 0.1, 0.5, 1.0]),
    threads=st.integers(1, 5), with_residual=st.booleans(), turned=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
@example(1, 1, 1, 1.0, 5, True, True, 0)
@example(70, 3, 129, 0.03, 3, True, False, 1)
def test_the_product_is_the_dense_one(rows, columns, tokens, density, threads, with_residual, turned, seed):
    """Also of empty rows and columns, of parts of other tensors, and of activations that lie token by token."""
    torch.set_num_threads(threads)
    weight, bias = random_weight(rows, columns, density, seed)
    draw = torch.Generator().manual_seed(seed)
    if turned:
        x, residual = (torch.randn(tokens, side, generator=draw).t() for side in (columns, rows))
    else:
        x, residual = (torch.randn(side, tokens + 3, generator=draw)[:, 2:-1] for side in (columns, rows))
    if not with_residual:
        residual = None
    before = x.clone()
    expected = DenseProduct(weight, bias)(x, residual)
    torch.testing.assert_close(SparseProduct(weight, bias)(x, residual), expected, atol=2e-5, rtol=1e-5)
    assert torch.equal(x, before)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_do_not_change_a_bit(threads):
    """Every sum is taken in one order, whoever takes it."""
    weight, bias = random_weight(90, 80, 0.2, 0)
    product, x = SparseProduct(weight, bias), torch.randn(80, 100)
    torch.set_num_threads(1)
    alone = product(x)
    torch.set_num_threads(threads)
    assert torch.equal(product(x), alone)


def test_many_may_ask_at_once():
    weight, bias = random_weight(64, 64, 0.3, 0)
    product = SparseProduct(weight, bias)
    inputs = [torch.randn(64, tokens) for tokens in range(1, 200)]
    torch.set_num_threads(2)
    expected = [product(x) for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(product, inputs))
    assert all(map(torch.equal, answers, expected))


def test_without_torchs_threads_one_computes_all(monkeypatch):
    monkeypatch.setattr(multiply, "_parallel", lambda: None)
    torch.set_num_threads(3)
    weight, bias = random_weight(20, 30, 0.3, 0)
    x = torch.randn(30, 200)
    torch.testing.assert_close(SparseProduct(weight, bias)(x), DenseProduct(weight, bias)(x), atol=2e-5, rtol=1e-5)


def test_torchs_own_threads_are_found():
    """Else all would be right, and slow."""
    assert multiply._parallel() is not None


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.sampled_from([0.0, 0.02, 0.3, 1.0]), st.integers(1, 9), st.integers(0, 99))
def test_parts_hold_about_as_many_weights(rows, density, parts, seed):
    """Each at most a row more than its share, all rows in one of them."""
    product = SparseProduct(*random_weight(rows, 40, density, seed))
    bounds = product.parted(parts).tolist()
    assert (bounds[0], bounds[-1], len(bounds)) == (0, rows, parts + 1)
    assert bounds == sorted(bounds)
    weights = product.starts[bounds].diff()
    assert weights.max() <= len(product.weights) / parts + 40


def test_what_is_kept_of_a_weight():
    weight, bias = random_weight(20, 30, 0.2, 0)
    product = SparseProduct(weight, bias)
    kept = int(weight.count_nonzero())
    assert (len(product.starts), len(product.places), len(product.weights)) == (21, kept, kept)
    assert product.starts.dtype == product.places.dtype == torch.int32
    rows = torch.repeat_interleave(torch.arange(20), product.starts.diff())
    assert torch.equal(torch.zeros(20, 30).index_put((rows, product.places.long()), product.weights), weight)


def test_half_rounds_weights_and_activations_and_no_more():
    weight, bias = random_weight(20, 30, 1.0, 0)
    x, residual = torch.randn(30, 50), torch.randn(20, 50)
    rounded = (weight.bfloat16().double() @ x.bfloat16().double()).bfloat16().float()
    answer = HalfProduct(weight, bias)(x, residual)
    assert answer.dtype == torch.float32
    torch.testing.assert_close(
        answer, rounded + bias[:, None] + residual, atol=0.04, rtol=0
    )  # a unit in the last place
    assert not torch.equal(answer, DenseProduct(weight, bias)(x, residual))


@pytest.mark.skipif(platform.machine().lower() not in {"x86_64", "amd64"}, reason="compiles for other x86 processors")
@pytest.mark.parametrize("processor", ["x86-64", "haswell"])
def test_code_for_older_processors_computes_the_same(processor, monkeypatch):
    """With neither AVX-512 nor, in the first, AVX and multiply-add."""
    weight, bias = random_weight(40, 50, 0.2, 0)
    x = torch.randn(50, 130)
    monkeypatch.setattr(binding, "get_host_cpu_name", lambda: processor)
    monkeypatch.setattr(binding, "get_host_cpu_features", binding.FeatureMap)
    engine = kernel._engine.__wrapped__()
    monkeypatch.setattr(multiply, "compiled", lambda width: engine.get_function_address(f"product_{width}"))
    torch.testing.assert_close(SparseProduct(weight, bias)(x), DenseProduct(weight, bias)(x), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("triple", "processor", "instruction"),
    [
        ("aarch64-linux-gnu", "neoverse-n1", "fmla"),
        ("arm64-apple-macosx", "apple-m1", "fmla"),
        ("x86_64-linux-gnu", "haswell", "vfmadd231ps"),
        ("x86_64-linux-gnu", "skylake-avx512", "%zmm"),
    ],
)
def test_other_processors_get_code_of_their_own(triple, processor, instruction):
    """Vectors all of them, with nothing of LLVM's helpers that would have to be linked."""
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    machine = binding.Target.from_triple(triple).create_target_machine(cpu=processor, opt=3)
    assembly = machine.emit_assembly(optimised(machine))
    assert assembly.count(instruction) > 4 * len(WIDTHS)
    assert not [line for line in assembly.splitlines() if line.strip().startswith(("bl\t", "callq\t"))]
