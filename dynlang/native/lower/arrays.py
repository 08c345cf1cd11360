"""Ops on whole arrays: making, shaping, indexing, accumulating."""

from __future__ import annotations

from collections.abc import Sequence

from dynlang.diag import NotBuilt
from dynlang.native.lower.elementwise import apply, dtype_of
from dynlang.native.lower.frame import Frame, lowers
from dynlang.native.lower.layout import LIST_HEADER, counted, memory
from dynlang.native.lower.memory import add_run, address, copy_run, element_of, fill_run, flat_index, nest, shape_of, visit_window
from dynlang.native.lower.rows import add_rows, push_row
from dynlang.runtime import static_block
from dynlang.ssa.nodes import Array, Operation, Rows, Scalar, Value


def begin(frame: Frame, operation: Operation) -> tuple[str, Array]:
    """A new block for the (one) result, which is an array."""
    (result,) = operation.results
    assert isinstance(result.type, Array)
    block = frame.allocate_array(result.type)
    frame.define(result, block)
    return block, result.type


# ---------------------------------------------------------------- making and shaping


@lowers("fill")
def lower_fill(frame: Frame, operation: Operation) -> None:
    block, kind = begin(frame, operation)
    fill_run(frame, block, frame[operation.operands[0]], frame.elements(kind), kind.element)


@lowers("empty")
def lower_empty(frame: Frame, operation: Operation) -> None:
    """References begin as one to a block that lives for ever: what is written over can be released like any other."""
    block, kind = begin(frame, operation)
    if counted(kind.element):
        fill_run(frame, block, static_block(frame.lowering.text, bytes(LIST_HEADER)), frame.elements(kind), kind.element)


@lowers("constant_array")
def lower_constant_array(frame: Frame, operation: Operation) -> None:
    block, kind = begin(frame, operation)
    numbers = operation.attributes["numbers"]
    assert isinstance(numbers, bytes)
    copy_run(frame, block, frame.lowering.text.bytes_constant(numbers, align=8), frame.elements(kind), kind.element)


@lowers("iota")
def lower_iota(frame: Frame, operation: Operation) -> None:
    block, kind = begin(frame, operation)
    with frame.f.loop(0, frame.elements(kind)) as loop:
        frame.f.store("i64", loop.index, frame.f.offset(block, loop.index, "i64"))


@lowers("broadcast")
def lower_broadcast(frame: Frame, operation: Operation) -> None:
    (x,) = operation.operands
    if not isinstance(x.type, Array):
        lower_fill(frame, operation)
        return
    block, kind = begin(frame, operation)
    run = frame.elements(x.type)
    times = frame.product(kind.shape[: len(kind.shape) - len(x.type.shape)])
    with frame.f.loop(0, times) as loop:
        copy_run(frame, address(frame, block, frame.f.mul(loop.index, run), kind.element), frame[x], run, kind.element)


@lowers("reshape", "retype")
def lower_reshape(frame: Frame, operation: Operation) -> None:
    """The same block: sizes are not stored in it."""
    (x,) = operation.operands
    frame.define(operation.results[0], frame.retain(frame[x], x.type))


@lowers("transpose")
def lower_transpose(frame: Frame, operation: Operation) -> None:
    (x,) = operation.operands
    block, kind = begin(frame, operation)
    permutation = [int(axis) for axis in operation.attributes["permutation"]]  # type: ignore[attr-defined]
    shape = shape_of(x.type)
    if permutation == [1, 0] and kind.element in (Scalar("f32"), Scalar("f64")):
        frame.kernel("transpose", dtype_of(x), frame.size(shape[0]), frame.size(shape[1]), frame[x], block)
        return
    f = frame.f
    with nest(frame, [frame.size(one) for one in kind.shape]) as indices:
        sources = [indices[permutation.index(axis)] for axis in range(len(shape))]
        source = address(frame, frame[x], flat_index(frame, sources, shape), kind.element)
        value = f.load(memory(kind.element), source)
        target = address(frame, block, flat_index(frame, indices, kind.shape), kind.element)
        f.store(memory(kind.element), frame.retain(value, kind.element), target)


@lowers("reverse")
def lower_reverse(frame: Frame, operation: Operation) -> None:
    (x,) = operation.operands
    block, kind = begin(frame, operation)
    f, run, count = frame.f, frame.product(kind.shape[1:]), frame.size(kind.shape[0])
    with f.loop(0, count) as loop:
        source = address(frame, frame[x], f.mul(f.sub(f.sub(count, 1), loop.index), run), kind.element)
        copy_run(frame, address(frame, block, f.mul(loop.index, run), kind.element), source, run, kind.element)


@lowers("concat")
def lower_concat(frame: Frame, operation: Operation) -> None:
    block, kind = begin(frame, operation)
    place = "0"
    for one in operation.operands:
        count = frame.elements(one.type)
        copy_run(frame, address(frame, block, place, kind.element), frame[one], count, kind.element)
        place = count if place == "0" else frame.f.add(place, count)


def steps_of(operation: Operation, rank: int) -> Sequence[int]:
    steps = operation.attributes.get("steps")
    return [int(one) for one in steps] if steps else [1] * rank  # type: ignore[attr-defined]


@lowers("slice")
def lower_slice(frame: Frame, operation: Operation) -> None:
    x, *starts = operation.operands
    block, kind = begin(frame, operation)

    def copy(source: str, target: str, run: str) -> None:
        copy_run(frame, address(frame, block, target, kind.element), address(frame, frame[x], source, kind.element), run, kind.element)

    shape = shape_of(x.type)
    visit_window(frame, shape, [frame[one] for one in starts], kind.shape, steps_of(operation, len(shape)), copy)


# ---------------------------------------------------------------- indexing


@lowers("at")
def lower_at(frame: Frame, operation: Operation) -> None:
    x, *indices = operation.operands
    (result,) = operation.results
    element = element_of(x.type)
    place = address(frame, frame[x], flat_index(frame, [frame[one] for one in indices], shape_of(x.type)), element)
    if len(indices) == len(shape_of(x.type)):
        frame.define(result, frame.retain(frame.load_slot(place, element), element))
        return
    block, kind = begin(frame, operation)
    copy_run(frame, block, place, frame.elements(kind), element)


@lowers("gather")
def lower_gather(frame: Frame, operation: Operation) -> None:
    x, indices = operation.operands
    block, kind = begin(frame, operation)
    f, run = frame.f, frame.product(shape_of(x.type)[1:])
    with f.loop(0, frame.elements(indices.type)) as loop:
        row = index_at(frame, indices, loop.index)
        source = address(frame, frame[x], f.mul(row, run), kind.element)
        copy_run(frame, address(frame, block, f.mul(loop.index, run), kind.element), source, run, kind.element)


def index_at(frame: Frame, indices: Value, place: str) -> str:
    """Element `place` of an array of indices, as i64."""
    kind = element_of(indices.type)
    loaded = frame.f.load(memory(kind), frame.f.offset(frame[indices], place, memory(kind)))
    return loaded if kind == Scalar("i64") else frame.f.convert("sext", memory(kind), loaded, "i64")


@lowers("update")
def lower_update(frame: Frame, operation: Operation) -> None:
    x, *indices, v = operation.operands
    block = frame.own(x)
    element = element_of(x.type)
    place = address(frame, block, flat_index(frame, [frame[one] for one in indices], shape_of(x.type)), element)
    if len(indices) == len(shape_of(x.type)):
        if counted(element):
            frame.release(frame.f.load("ptr", place), element)
        frame.store_slot(place, frame[v], element)
    else:
        copy_run(frame, place, frame[v], frame.elements(v.type), element, fresh=False)
    frame.define(operation.results[0], block)


@lowers("take")
def lower_take(frame: Frame, operation: Operation) -> None:
    """The element, a reference, leaves with the array's; in its place stands what can be released like any other."""
    x, *indices = operation.operands
    rest, value = operation.results
    block = frame.own(x)
    place = address(frame, block, flat_index(frame, [frame[one] for one in indices], shape_of(x.type)), element_of(x.type))
    frame.define(value, frame.load_slot(place, value.type))
    frame.f.store("ptr", static_block(frame.lowering.text, bytes(LIST_HEADER)), place)
    frame.define(rest, block)


@lowers("update_slice")
def lower_update_slice(frame: Frame, operation: Operation) -> None:
    x, *starts, v = operation.operands
    block, element = frame.own(x), element_of(x.type)

    def copy(target: str, source: str, run: str) -> None:
        copy_run(frame, address(frame, block, target, element), address(frame, frame[v], source, element), run, element, fresh=False)

    shape = shape_of(x.type)
    visit_window(frame, shape, [frame[one] for one in starts], shape_of(v.type), steps_of(operation, len(shape)), copy)
    frame.define(operation.results[0], block)


# ---------------------------------------------------------------- accumulating


@lowers("accumulate")
def lower_accumulate(frame: Frame, operation: Operation) -> None:
    d, v = operation.operands
    (result,) = operation.results
    if isinstance(d.type, Rows):
        frame.define(result, add_rows(frame, d, v))
    elif isinstance(d.type, Scalar):
        frame.define(result, apply(frame.f, "add", {}, [d.type.dtype] * 2, [frame[d], frame[v]], 1))
    else:
        block = frame.own(d)
        add_run(frame, block, frame[v], frame.elements(d.type), dtype_of(d))
        frame.define(result, block)


@lowers("accumulate_at")
def lower_accumulate_at(frame: Frame, operation: Operation) -> None:
    d, *indices, v = operation.operands
    (result,) = operation.results
    if isinstance(d.type, Rows):
        frame.define(result, push_row(frame, d, frame[indices[0]], v))
        return
    block, element = frame.own(d), element_of(d.type)
    place = address(frame, block, flat_index(frame, [frame[one] for one in indices], shape_of(d.type)), element)
    if len(indices) == len(shape_of(d.type)):
        add_scalar(frame, place, frame[v], dtype_of(d))
    else:
        add_run(frame, place, frame[v], frame.elements(v.type), dtype_of(d))
    frame.define(result, block)


def add_scalar(frame: Frame, place: str, value: str, dtype: str) -> None:
    kind = Scalar(dtype)
    frame.store_slot(place, apply(frame.f, "add", {}, [dtype, dtype], [frame.load_slot(place, kind), value], 1), kind)


@lowers("accumulate_slice")
def lower_accumulate_slice(frame: Frame, operation: Operation) -> None:
    d, *starts, v = operation.operands
    block, element = frame.own(d), element_of(d.type)

    def add(target: str, source: str, run: str) -> None:
        there, here = address(frame, block, target, element), address(frame, frame[v], source, element)
        if run == "1":
            add_scalar(frame, there, frame.load_slot(here, element), dtype_of(d))
        else:
            add_run(frame, there, here, run, dtype_of(d))

    shape = shape_of(d.type)
    visit_window(frame, shape, [frame[one] for one in starts], shape_of(v.type), steps_of(operation, len(shape)), add)
    frame.define(operation.results[0], block)


@lowers("scatter_add")
def lower_scatter_add(frame: Frame, operation: Operation) -> None:
    d, indices, v = operation.operands
    (result,) = operation.results
    f = frame.f
    if isinstance(d.type, Rows):
        if not isinstance(v.type, Array):
            raise NotBuilt("touched rows of scalars", operation.span)
        run = frame.product(shape_of(v.type)[len(shape_of(indices.type)):])
        with f.loop(0, frame.elements(indices.type), carried=[("ptr", frame[d])]) as loop:
            source = address(frame, frame[v], f.mul(loop.index, run), element_of(v.type))
            loop.next = [push_row(frame, d, index_at(frame, indices, loop.index), v, block=loop.carried[0], row=source)]
        frame.define(result, loop.carried[0])
        return
    block, element = frame.own(d), element_of(d.type)
    run = frame.product(shape_of(d.type)[1:])
    with f.loop(0, frame.elements(indices.type)) as loop:
        target = address(frame, block, f.mul(index_at(frame, indices, loop.index), run), element)
        source = address(frame, frame[v], f.mul(loop.index, run), element)
        if run == "1":
            add_scalar(frame, target, frame.load_slot(source, element), dtype_of(d))
        else:
            add_run(frame, target, source, run, dtype_of(d))
    frame.define(result, block)


