"""The product of a sparse matrix and a dense one in LLVM's code, which it makes AVX-512, AVX2 or NEON of.

A tile of tokens is copied so that what belongs to one feature lies together, and stays in the second cache. A row's
sums over the tile stay in registers while its weights go by: each is spread over a vector and multiplied with its
feature of 16 tokens at a time. Tiles of 64 tokens were the fastest. Threads take pieces of a job, each a tile by a part
of the rows, until none is left: how many threads come is theirs to say.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from llvmlite import binding, ir

LANES = 16  # tokens in a vector
WIDTHS = range(1, 5)  # vectors in a tile
CHAINS = 4  # sums that grow beside each other: a chain of additions to one of them waits for each
INT, WORD, FLOAT = ir.IntType(64), ir.IntType(32), ir.FloatType()
VECTOR = ir.VectorType(FLOAT, LANES)
JOB = {  # what a thread finds in the 64 bits of each field
    "taken": INT,  # pieces that threads have taken
    "workers": INT,  # threads that have come
    "pieces": INT,
    "parts": INT,  # of the rows
    "tokens": INT,
    "columns": INT,
    "bounds": INT.as_pointer(),  # the row that each part begins with, and the number of rows
    "starts": WORD.as_pointer(),  # the matrix as CSR: where each row's weights start, their columns, the weights
    "places": WORD.as_pointer(),
    "weights": FLOAT.as_pointer(),
    "bias": FLOAT.as_pointer(),
    "x": FLOAT.as_pointer(),  # [columns, tokens], and how far rows are apart
    "x_stride": INT,
    "residual": FLOAT.as_pointer(),  # [rows, tokens], or null
    "residual_stride": INT,
    "y": FLOAT.as_pointer(),  # [rows, tokens]
    "space": FLOAT.as_pointer(),  # a tile's [columns, width * LANES] for every thread
}


@functools.cache
def compiled(width: int) -> int:
    """The address of the function that does a job by tiles of so many vectors, on this processor."""
    return _engine().get_function_address(f"product_{width}")


@functools.cache
def _engine() -> binding.ExecutionEngine:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    features = binding.get_host_cpu_features().flatten()
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=features, opt=3
    )
    engine = binding.create_mcjit_compiler(optimised(machine), machine)
    engine.finalize_object()
    return engine


def optimised(machine: binding.TargetMachine) -> binding.ModuleRef:
    """The functions of all widths for a processor."""
    source = ir.Module()
    source.triple = machine.triple
    multiply_add = ir.Function(source, ir.FunctionType(VECTOR, [VECTOR] * 3), f"llvm.fmuladd.v{LANES}f32")
    for width in WIDTHS:
        _write(source, width, multiply_add)
    module = binding.parse_assembly(str(source))
    module.verify()
    builder = binding.create_pass_builder(machine, binding.create_pipeline_tuning_options(speed_level=3))
    builder.getModulePassManager().run(module, builder)
    return module


def _write(source: ir.Module, width: int, multiply_add: ir.Function) -> None:
    """Write the function for tiles of this width."""
    function = ir.Function(source, ir.FunctionType(ir.VoidType(), [INT.as_pointer()]), f"product_{width}")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    pointers = {name: builder.gep(function.args[0], [INT(place)]) for place, name in enumerate(JOB)}
    worker = builder.atomic_rmw("add", pointers["workers"], INT(1), "monotonic")
    job = {name: _field(builder, pointer, JOB[name]) for name, pointer in pointers.items()}
    size = builder.mul(job["columns"], INT(width * LANES))
    tile = builder.gep(job["space"], [builder.mul(worker, size)])
    copied = _variable(builder, INT(-1))
    piece = _variable(builder, INT(0))
    take, work, done = (function.append_basic_block(name) for name in ("take", "work", "done"))
    builder.branch(take)
    builder.position_at_end(take)
    builder.store(builder.atomic_rmw("add", pointers["taken"], INT(1), "monotonic"), piece)
    builder.cbranch(builder.icmp_signed("<", builder.load(piece), job["pieces"]), work, done)
    builder.position_at_end(work)
    number = builder.sdiv(builder.load(piece), job["parts"])
    tokens = _tokens(builder, number, job["tokens"], width)
    with builder.if_then(builder.icmp_signed("!=", number, builder.load(copied))):
        _copy(builder, job, tokens, tile)
        builder.store(number, copied)
    part = builder.gep(job["bounds"], [builder.srem(builder.load(piece), job["parts"])])
    with _loop(builder, builder.load(part), builder.load(builder.gep(part, [INT(1)]))) as row:
        _row(builder, job, tokens, tile, row, multiply_add)
    builder.branch(take)
    builder.position_at_end(done)
    builder.ret_void()


def _tokens(builder: ir.IRBuilder, tile: ir.Value, tokens: ir.Value, width: int) -> list[ir.Value]:
    """The first token of each vector of a tile. The last vectors overlap so that none goes beyond the tokens: what
    two of them compute is the same."""
    last = builder.sub(tokens, INT(LANES))
    firsts = []
    for place in range(width):
        first = builder.mul(builder.add(builder.mul(tile, INT(width)), INT(place)), INT(LANES))
        firsts.append(builder.select(builder.icmp_signed("<", first, last), first, last))
    return firsts


def _copy(builder: ir.IRBuilder, job: dict[str, ir.Value], tokens: list[ir.Value], tile: ir.Value) -> None:
    """Copy a tile's features from x."""
    with _loop(builder, INT(0), job["columns"]) as column:
        row = builder.gep(job["x"], [builder.mul(column, job["x_stride"])])
        for place, vector in enumerate(_place(builder, tile, column, len(tokens))):
            _store(builder, _load(builder, builder.gep(row, [tokens[place]])), vector)


def _row(builder, job, tokens: list[ir.Value], tile: ir.Value, row: ir.Value, multiply_add: ir.Function) -> None:
    """Compute a row of y for a tile."""
    width, chains = len(tokens), CHAINS // len(tokens)
    sums = [_variable(builder, _spread(builder, builder.load(builder.gep(job["bias"], [row])))) for _ in tokens]
    others = [_variable(builder, ir.Constant(VECTOR, None)) for _ in range((chains - 1) * width)]
    has_residual = builder.icmp_unsigned("!=", builder.ptrtoint(job["residual"], INT), INT(0))
    with builder.if_then(has_residual):
        residual = builder.gep(job["residual"], [builder.mul(row, job["residual_stride"])])
        for total, first in zip(sums, tokens, strict=True):
            added = _load(builder, builder.gep(residual, [first]))
            builder.store(builder.fadd(builder.load(total), added), total)
    start = builder.gep(job["starts"], [row])
    begin, end = (builder.sext(builder.load(at), INT) for at in (start, builder.gep(start, [INT(1)])))
    whole = builder.sub(end, builder.srem(builder.sub(end, begin), INT(chains)))
    with _loop(builder, begin, whole, chains) as number:
        for chain in range(chains):
            into = [*sums, *others][chain * width : (chain + 1) * width]
            _weight(builder, job, tile, builder.add(number, INT(chain)), into, multiply_add)
    if chains > 1:
        with _loop(builder, whole, end) as number:
            _weight(builder, job, tile, number, sums, multiply_add)
        for place, other in enumerate(others):
            total = sums[place % width]
            builder.store(builder.fadd(builder.load(total), builder.load(other)), total)
    y = builder.gep(job["y"], [builder.mul(row, job["tokens"])])
    for total, first in zip(sums, tokens, strict=True):
        _store(builder, builder.load(total), builder.gep(y, [first]))


def _weight(builder, job, tile: ir.Value, number: ir.Value, sums: list[ir.Value], multiply_add: ir.Function) -> None:
    """Add a weight's products with a tile to these sums."""
    weight = _spread(builder, builder.load(builder.gep(job["weights"], [number])))
    column = builder.sext(builder.load(builder.gep(job["places"], [number])), INT)
    for total, vector in zip(sums, _place(builder, tile, column, len(sums)), strict=True):
        builder.store(builder.call(multiply_add, [weight, _load(builder, vector), builder.load(total)]), total)


def _place(builder: ir.IRBuilder, tile: ir.Value, column: ir.Value, width: int) -> list[ir.Value]:
    """Where a tile has a feature's vectors."""
    feature = builder.gep(tile, [builder.mul(column, INT(width * LANES))])
    return [builder.gep(feature, [INT(place * LANES)]) for place in range(width)]


def _field(builder: ir.IRBuilder, pointer: ir.Value, kind: ir.Type) -> ir.Value:
    value = builder.load(pointer)
    return value if kind == INT else builder.inttoptr(value, kind)


def _variable(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """A variable that has this value now. LLVM keeps it in a register."""
    with builder.goto_entry_block():
        slot = builder.alloca(value.type)
    builder.store(value, slot)
    return slot


@contextmanager
def _loop(builder: ir.IRBuilder, begin: ir.Value, end: ir.Value, step: int = 1) -> Iterator[ir.Value]:
    """Write what is done for each number from begin to before end, or for every so manieth."""
    counter = _variable(builder, begin)
    head, body, after = (builder.append_basic_block(name) for name in ("head", "body", "after"))
    builder.branch(head)
    builder.position_at_end(head)
    number = builder.load(counter)
    builder.cbranch(builder.icmp_signed("<", number, end), body, after)
    builder.position_at_end(body)
    yield number
    builder.store(builder.add(number, INT(step)), counter)
    builder.branch(head)
    builder.position_at_end(after)


def _spread(builder: ir.IRBuilder, number: ir.Value) -> ir.Value:
    """A vector of one number."""
    nothing = ir.Constant(VECTOR, ir.Undefined)
    first = builder.insert_element(nothing, number, WORD(0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(WORD, LANES), [0] * LANES))


def _load(builder: ir.IRBuilder, at: ir.Value) -> ir.Value:
    """A vector from anywhere: llvmlite expects whole vectors' alignment."""
    return builder.load(builder.bitcast(at, VECTOR.as_pointer()), align=4)


def _store(builder: ir.IRBuilder, vector: ir.Value, at: ir.Value) -> None:
    builder.store(vector, builder.bitcast(at, VECTOR.as_pointer()), align=4)
