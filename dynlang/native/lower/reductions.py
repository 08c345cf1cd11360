"""Reductions and contractions: the kernels of `native/kernels.py` for f32 and f64, plain loops for every other dtype.

Half types are added up in f32 and rounded once; integers wrap.
"""

from __future__ import annotations

from collections.abc import Callable

from dynlang.native.emit import mangle, splat_constant, vector
from dynlang.native.kernels.reductions import combine, identity
from dynlang.native.lower.arrays import begin
from dynlang.native.lower.control import scalar_constant
from dynlang.native.lower.conversions import convert
from dynlang.native.lower.elementwise import apply, dtype_of, load_lanes
from dynlang.native.lower.frame import Frame, lowers
from dynlang.native.lower.layout import element_bytes, family, memory, register
from dynlang.native.lower.memory import address, nest, shape_of
from dynlang.ops.halves import neighbours
from dynlang.ssa.nodes import Array, Operation, Scalar, Value

KERNEL_DTYPES = ("f32", "f64")
NEUTRAL: dict[str, object] = {"sum": 0, "prod": 1, "max": float("-inf"), "min": float("inf"), "all": True, "any": False}
STEP = {"sum": "add", "prod": "mul", "max": "maximum", "min": "minimum", "all": "logical_and", "any": "logical_or"}
LEAST = {"i64": -(1 << 63), "i32": -(1 << 31), "i16": -(1 << 15), "i8": -128, "u8": 0}
GREATEST = {"i64": (1 << 63) - 1, "i32": (1 << 31) - 1, "i16": (1 << 15) - 1, "i8": 127, "u8": 255}


def axes_of(operation: Operation, rank: int) -> list[int]:
    axes = operation.attributes.get("axes")
    return list(range(rank)) if axes is None else sorted(int(axis) % rank for axis in axes)  # type: ignore[attr-defined]


@lowers("reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_all", "reduce_any")
def lower_reduction(frame: Frame, operation: Operation) -> None:
    """Runs of neighbouring axes are reduced at once, the last run first."""
    (x,) = operation.operands
    (result,) = operation.results
    word, dtype = operation.name.removeprefix("reduce_"), dtype_of(x)
    shape = list(shape_of(x.type))
    runs = neighbours(axes_of(operation, len(shape)))
    if len(runs) == 1 and len(shape) == runs[0][1] - runs[0][0] and dtype not in ("f16", "bf16"):
        count = frame.product(shape)
        frame.define(result, _whole(frame, word, dtype, frame[x], count))
        return
    block, source = frame[x], dtype
    made: list[str] = []
    for first, last in reversed(runs):
        outer, count, inner = (frame.product(one) for one in (shape[:first], shape[first:last], shape[last:]))
        del shape[first:last]
        goal = dtype if (first, last) == runs[0] else accumulator(dtype)
        target = frame.allocate_array(Array(Scalar(goal), tuple(shape)))
        made.append(target)
        if dtype in KERNEL_DTYPES:
            frame.kernel(f"reduce_{word}", dtype, outer, count, inner, block, target)
        else:
            _reduce(frame, word, (source, goal), (outer, count, inner), block, target)
        block, source = target, goal
    if not runs:
        block = frame.retain(block, x.type)
    for one in made[:-1]:
        frame.release(one, Array(Scalar(accumulator(dtype)), ()))
    if isinstance(result.type, Scalar):
        frame.define(result, frame.load_slot(block, result.type))
        frame.release(block, Array(result.type, ()))
    else:
        frame.define(result, block)


SHORT = 8
"""Elements at most that are reduced in place: less than two blocks of the kernel's lanes, so one by one there as well."""


def _whole(frame: Frame, word: str, dtype: str, source: str, count: str) -> str:
    """All elements from an address on."""
    if dtype not in KERNEL_DTYPES:
        return _reduce_run(frame, word, dtype, source, count)
    if not count.isdigit() or int(count) > SHORT:
        return frame.kernel(word, dtype, count, source)
    kind = Scalar(dtype)
    found = identity(word, dtype)
    for index in range(int(count)):
        element = frame.load_slot(address(frame, source, str(index), kind), kind)
        found = combine(frame.f, word, dtype, 1, found, element)
    return found


def neutral(word: str, dtype: str) -> str:
    """What a reduction starts from."""
    if word in ("max", "min") and dtype in LEAST:
        return str((LEAST if word == "max" else GREATEST)[dtype])
    return scalar_constant(NEUTRAL[word], dtype)


def _reduce(frame: Frame, word: str, dtypes: tuple[str, str], counts: tuple[str, str, str], source: str, target: str) -> None:
    """`dtypes`: of the source and of the target, which differ where a sum of halves is handed on in f32."""
    dtype, goal = dtypes
    f, kind = frame.f, Scalar(dtype)
    wide = accumulator(dtype)
    outer, count, inner = counts
    if inner == "1" and family(dtype) != "float":
        with f.loop(0, outer) as rows:
            reduced = _reduce_run(frame, word, dtype, address(frame, source, f.mul(rows.index, count), kind), count)
            frame.store_slot(address(frame, target, rows.index, kind), reduced, kind)
        return
    with nest(frame, [outer, inner]) as (i, j):
        with f.loop(0, count, carried=[(register(Scalar(wide)), neutral(word, wide))]) as loop:
            place = f.add(f.mul(f.add(f.mul(i, count), loop.index), inner), j)
            value = convert(f, dtype, wide, frame.load_slot(address(frame, source, place, kind), kind), 1)
            loop.next = [apply(f, STEP[word], {}, [wide, wide], [loop.carried[0], value], 1)]
        reduced = convert(f, wide, goal, loop.carried[0], 1)
        frame.store_slot(address(frame, target, f.add(f.mul(i, inner), j), Scalar(goal)), reduced, Scalar(goal))


def _reduce_run(frame: Frame, word: str, dtype: str, source: str, count: str) -> str:
    """Integers and bools side by side: whole vectors first, since their order changes nothing, then the rest."""
    f, kind = frame.f, Scalar(dtype)
    width = f.target.vector_bytes // element_bytes(kind)
    lanes = vector(register(kind), width)
    with f.loop(0, f.bit_and(count, -width), width, carried=[(lanes, splat_constant(lanes, neutral(word, dtype)))]) as vectors:
        here = load_lanes(f, dtype, source, vectors.index, width, None)
        vectors.next = [apply(f, STEP[word], {}, [dtype, dtype], [vectors.carried[0], here], width)]
    name = f"llvm.vector.reduce.{_ACROSS[word].replace('s', 'u') if dtype == 'u8' else _ACROSS[word]}.{mangle(lanes)}"
    f.module.declare(name, register(kind), lanes, attributes="")
    first = f.call(name, vectors.carried[0])
    with f.loop(f.bit_and(count, -width), count, carried=[(register(kind), first)]) as rest:
        value = frame.load_slot(address(frame, source, rest.index, kind), kind)
        rest.next = [apply(f, STEP[word], {}, [dtype, dtype], [rest.carried[0], value], 1)]
    return rest.carried[0]


_ACROSS = {"sum": "add", "prod": "mul", "max": "smax", "min": "smin", "all": "and", "any": "or"}


def accumulator(dtype: str) -> str:
    return "f32" if dtype in ("f16", "bf16") else dtype


@lowers("argmax", "argmin")
def lower_index_of_extreme(frame: Frame, operation: Operation) -> None:
    """The first place of the extreme; a NaN is more extreme than any number."""
    (x,) = operation.operands
    (result,) = operation.results
    shape = list(shape_of(x.type))
    axes = axes_of(operation, len(shape))
    first, last = axes[0], axes[-1] + 1
    counts = (frame.product(shape[:first]), frame.product(shape[first:last]), frame.product(shape[last:]))
    if isinstance(result.type, Scalar):
        if dtype_of(x) in KERNEL_DTYPES:
            frame.define(result, frame.kernel(operation.name, dtype_of(x), counts[1], frame[x]))
        else:
            frame.define(result, _place_of_extreme(frame, operation.name, dtype_of(x), counts, frame[x], "0", "0"))
        return
    block, kind = begin(frame, operation)
    f = frame.f
    with nest(frame, [counts[0], counts[2]]) as (i, j):
        found = _place_of_extreme(frame, operation.name, dtype_of(x), counts, frame[x], i, j)
        f.store("i64", found, address(frame, block, f.add(f.mul(i, counts[2]), j), kind.element))


def _place_of_extreme(frame: Frame, name: str, dtype: str, counts: tuple[str, str, str], source: str, i: str, j: str) -> str:
    f, kind = frame.f, Scalar(dtype)
    word = "greater" if name == "argmax" else "less"
    start = f.add(f.mul(f.mul(i, counts[1]), counts[2]), j)
    first = frame.load_slot(address(frame, source, start, kind), kind)
    with f.loop(1, counts[1], carried=[(register(kind), first), ("i64", "0")]) as loop:
        value = frame.load_slot(address(frame, source, f.add(start, f.mul(loop.index, counts[2])), kind), kind)
        best, place = loop.carried
        better = apply(f, word, {}, [dtype, dtype], [value, best], 1)
        if family(dtype) == "float":
            is_nan, was_number = apply(f, "not_equal", {}, [dtype] * 2, [value] * 2, 1), apply(f, "equal", {}, [dtype] * 2, [best] * 2, 1)
            becomes_nan = f.binary("and", "i1", is_nan, was_number)
            better = f.binary("or", "i1", better, becomes_nan)
        loop.next = [f.select(better, register(kind), value, best), f.select(better, "i64", loop.index, place)]
    return loop.carried[1]


# ---------------------------------------------------------------- contractions


@lowers("dot", "matvec", "vecmat", "matmul")
def lower_contraction(frame: Frame, operation: Operation) -> None:
    """The last axis of the left operand with the first of the right one; further axes are rows of the left, columns of the right."""
    left, right = operation.operands
    (result,) = operation.results
    dtype = dtype_of(left)
    rows, depth = shape_of(left.type)[:-1], frame.size(shape_of(left.type)[-1])
    m, n = frame.product(rows), frame.product(shape_of(right.type)[1:])
    if isinstance(result.type, Scalar):
        if dtype in KERNEL_DTYPES:
            frame.define(result, frame.kernel("dot", dtype, depth, frame[left], frame[right]))
        else:
            frame.define(result, _inner_product(frame, dtype, depth, lambda k: (k, k), frame[left], frame[right]))
        return
    block, _ = begin(frame, operation)
    if dtype not in KERNEL_DTYPES:
        _multiply(frame, dtype, (m, depth, n), ((depth, "1"), (n, "1")), (frame[left], frame[right]), block)
    elif len(shape_of(right.type)) == 1:
        frame.kernel("matvec", dtype, m, depth, frame[left], frame[right], block)
    elif not rows:
        frame.kernel("vecmat", dtype, depth, n, frame[left], frame[right], block)
    else:
        frame.kernel("matmul", dtype, m, depth, n, frame[left], frame[right], block)


@lowers("matvecs")
def lower_matvecs(frame: Frame, operation: Operation) -> None:
    matrix, vectors = operation.operands
    dtype, (m, n) = dtype_of(matrix), map(frame.size, shape_of(matrix.type))
    count = frame.size(shape_of(vectors.type)[0])
    block, _ = begin(frame, operation)
    if dtype in KERNEL_DTYPES:
        frame.kernel("matvecs", dtype, count, m, n, frame[matrix], frame[vectors], block)
    else:
        _multiply(frame, dtype, (count, n, m), ((n, "1"), ("1", n)), (frame[vectors], frame[matrix]), block)


Places = Callable[[str], tuple[str, str]]


def _inner_product(frame: Frame, dtype: str, count: str, places: Places, left: str, right: str, start: str = "") -> str:
    """The chain of products and additions, from `start` (0 unless told) of the dtype in which such sums are kept."""
    f, kind, wide = frame.f, Scalar(dtype), accumulator(dtype)
    with f.loop(0, count, carried=[(register(Scalar(wide)), start or neutral("sum", wide))]) as loop:
        pair = [convert(f, dtype, wide, f.load(memory(kind), address(frame, base, place, kind)), 1)
                for base, place in zip((left, right), places(loop.index), strict=True)]
        loop.next = [apply(f, "add", {}, [wide, wide], [loop.carried[0], apply(f, "mul", {}, [wide, wide], pair, 1)], 1)]
    return convert(f, wide, dtype, loop.carried[0], 1)


Strides = tuple[tuple[str, str], tuple[str, str]]
"""How far the left operand's rows and terms lie apart, then the right operand's terms and columns."""


def _multiply(frame: Frame, dtype: str, counts: tuple[str, str, str], strides: Strides, operands: tuple[str, str], target: str,
              adds: bool = False) -> None:
    """target[i, j] = sum over k of left[i, k] * right[k, j]; with `adds` on top of what stands there."""
    f, kind, wide = frame.f, Scalar(dtype), accumulator(dtype)
    m, depth, n = counts
    (row, left_term), (right_term, column) = strides
    with nest(frame, [m, n]) as (i, j):
        def places(k: str) -> tuple[str, str]:
            return f.add(f.mul(i, row), f.mul(k, left_term)), f.add(f.mul(k, right_term), f.mul(j, column))

        place = address(frame, target, f.add(f.mul(i, n), j), kind)
        start = convert(f, dtype, wide, frame.load_slot(place, kind), 1) if adds else ""
        frame.store_slot(place, _inner_product(frame, dtype, depth, places, *operands, start), kind)


@lowers("accumulate_outer", "accumulate_matmul_nt", "accumulate_matmul_tn")
def lower_accumulated_product(frame: Frame, operation: Operation) -> None:
    d, a, b = operation.operands
    (result,) = operation.results
    block = frame.own(d)
    _accumulated_product(frame, operation.name, dtype_of(d), block, a, b)
    frame.define(result, block)


def _accumulated_product(frame: Frame, name: str, dtype: str, block: str, a: Value, b: Value) -> None:
    left, right = shape_of(a.type), shape_of(b.type)
    operands = frame[a], frame[b]
    match name:
        case "accumulate_outer":
            m, k, n = frame.product(left), "1", frame.product(right)
            kernel, sizes, strides = "outer_accumulate", (m, n), (("1", "1"), ("1", "1"))
        case "accumulate_matmul_nt":
            m, k, n = frame.product(left[:-1]), frame.size(left[-1]), frame.product(right[:-1])
            kernel, sizes, strides = "matmul_nt_accumulate", (m, k, n), ((k, "1"), ("1", k))
        case _:
            m, k, n = frame.product(left[1:]), frame.size(left[0]), frame.product(right[1:])
            kernel, sizes, strides = "matmul_tn_accumulate", (m, k, n), (("1", m), (n, "1"))
    if dtype not in KERNEL_DTYPES:
        _multiply(frame, dtype, (m, k, n), strides, operands, block, adds=True)
    elif name == "accumulate_outer":
        frame.kernel(kernel, dtype, *sizes, block, *operands)
    else:
        frame.kernel(kernel, dtype, *sizes, *operands, block)
