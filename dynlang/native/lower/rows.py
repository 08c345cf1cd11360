"""Touched rows of a table: {count, capacity, indices, rows}, in the order of the additions.

The functions here are made once for a dtype; a row's length in elements is an argument, so a table's width is not compiled in.
"""

from __future__ import annotations

from dynlang import runtime
from dynlang.native.emit import Function, ModuleText
from dynlang.native.lower.frame import Frame, lowers
from dynlang.native.lower.layout import ROWS_HEADER, memory
from dynlang.native.lower.memory import add_run
from dynlang.ops.dtypes import BYTES
from dynlang.ssa.nodes import Array, Operation, Rows, Scalar, Value

FIRST_CAPACITY = 8


def row_elements(frame: Frame, rows: Value) -> str:
    """Elements of one row."""
    assert isinstance(rows.type, Rows)
    return frame.product(rows.type.shape[1:])


def dtype_of_rows(rows: Value) -> str:
    assert isinstance(rows.type, Rows)
    return rows.type.dtype


@lowers("rows_empty")
def lower_rows_empty(frame: Frame, operation: Operation) -> None:
    block = frame.allocate(ROWS_HEADER)
    frame.f.fill_bytes(block, 0, ROWS_HEADER)
    frame.define(operation.results[0], block)


@lowers("rows_add")
def lower_rows_add(frame: Frame, operation: Operation) -> None:
    x, y = operation.operands
    frame.define(operation.results[0], add_rows(frame, x, y))


def add_rows(frame: Frame, x: Value, y: Value) -> str:
    """All contributions of x, then those of y; x is consumed."""
    f, width = frame.f, row_elements(frame, x)
    with f.loop(0, f.load("i64", frame[y]), carried=[("ptr", frame[x])]) as loop:
        index = f.load("i64", index_place(f, frame[y], loop.index))
        row = row_place(f, frame[y], loop.index, frame.times(width, BYTES[dtype_of_rows(y)]))
        loop.next = [_push(frame, dtype_of_rows(x), loop.carried[0], index, row, width)]
    return loop.carried[0]


def push_row(frame: Frame, rows: Value, index: str, value: Value, block: str = "", row: str = "") -> str:
    """One contribution more; the rows are consumed. A scalar row (of a vector's gradient) is stored from the stack."""
    if not row:
        if isinstance(value.type, Array):
            row = frame[value]
        else:
            row = frame.f.slot(memory(value.type))
            frame.store_slot(row, frame[value], value.type)
    return _push(frame, dtype_of_rows(rows), block or frame[rows], index, row, row_elements(frame, rows))


def _push(frame: Frame, dtype: str, block: str, index: str, row: str, width: str) -> str:
    size = BYTES[dtype]
    made = frame.lowering.text.require(f"rows.push.{size}", lambda module: _define_push(frame, module, size))
    pushed = frame.f.call(made.name, "%context", block, index, row, frame.times(width, size))
    frame.stop_if(frame.f.icmp("eq", pushed, "null", "ptr"), at_line=True)
    return pushed


def index_place(f: Function, block: str, place: str) -> str:
    return f.offset(f.offset(block, ROWS_HEADER, "i8"), place, "i64")


def row_place(f: Function, block: str, place: str, row_bytes: str) -> str:
    """Rows begin behind the indices, of which there are `capacity`."""
    capacity = f.load("i64", f.offset(block, 8, "i8"))
    start = f.offset(f.offset(block, ROWS_HEADER, "i8"), capacity, "i64")
    return f.offset(start, f.mul(place, row_bytes), "i8")


def _define_push(frame: Frame, module: ModuleText, size: int) -> None:
    """`rows.push(context, block, index, row, row bytes)`: the block with one more row, or null where memory is out."""
    runtime.declare(module, "dyn.allocate")
    runtime.declare(module, "dyn.release")
    f = module.function(f"rows.push.{size}", "ptr", "ptr context", "ptr block", "i64 index", "ptr row", "i64 row_bytes")
    count = f.load("i64", "%block")
    capacity = f.load("i64", f.offset("%block", 8, "i8"))
    alone = f.icmp("eq", f.load("i64", f.offset("%block", -16, "i8")), 1)
    fits = f.binary("and", "i1", alone, f.icmp("slt", count, capacity))
    choice = f.choose(fits)
    with choice.yes():
        pass
    with choice.no():
        room = f.maximum(f.mul(count, 2), FIRST_CAPACITY)
        wide = f.add(f.mul(room, f.add("%row_bytes", 8)), ROWS_HEADER)
        larger = f.call("dyn.allocate", "%context", wide)
        with f.when(f.icmp("eq", larger, "null", "ptr")):
            f.ret("null")
        f.store("i64", room, f.offset(larger, 8, "i8"))
        f.copy_bytes(index_place(f, larger, "0"), index_place(f, "%block", "0"), f.mul(count, 8))
        f.copy_bytes(row_place(f, larger, "0", "%row_bytes"), row_place(f, "%block", "0", "%row_bytes"), f.mul(count, "%row_bytes"))
        f.call("dyn.release", "%context", "%block")
    block = choice.merge("ptr", "%block", larger)
    f.store("i64", f.add(count, 1), block)
    f.store("i64", "%index", index_place(f, block, count))
    f.copy_bytes(row_place(f, block, count, "%row_bytes"), "%row", "%row_bytes")
    f.ret(block)


@lowers("rows_count")
def lower_rows_count(frame: Frame, operation: Operation) -> None:
    frame.define(operation.results[0], frame.f.load("i64", frame[operation.operands[0]]))


@lowers("rows_index")
def lower_rows_index(frame: Frame, operation: Operation) -> None:
    x, k = operation.operands
    frame.define(operation.results[0], frame.f.load("i64", index_place(frame.f, frame[x], frame[k])))


@lowers("rows_row")
def lower_rows_row(frame: Frame, operation: Operation) -> None:
    x, k = operation.operands
    (result,) = operation.results
    row_bytes = frame.times(row_elements(frame, x), BYTES[dtype_of_rows(x)])
    place = row_place(frame.f, frame[x], frame[k], row_bytes)
    if isinstance(result.type, Array) and result.type.shape:
        block = frame.allocate_array(result.type)
        frame.f.copy_bytes(block, place, row_bytes)
        frame.define(result, block)
    else:
        frame.define(result, frame.load_slot(place, Scalar(dtype_of_rows(x))))


@lowers("rows_dense")
def lower_rows_dense(frame: Frame, operation: Operation) -> None:
    (x,) = operation.operands
    (result,) = operation.results
    f, dtype, width = frame.f, dtype_of_rows(x), row_elements(frame, x)
    block = frame.allocate_array(result.type)
    f.fill_bytes(block, 0, frame.times(frame.elements(result.type), BYTES[dtype]))
    row_bytes = frame.times(width, BYTES[dtype])
    with f.loop(0, f.load("i64", frame[x])) as loop:
        index = f.load("i64", index_place(f, frame[x], loop.index))
        add_run(frame, f.offset(block, f.mul(index, row_bytes), "i8"), row_place(f, frame[x], loop.index, row_bytes), width, dtype)
    frame.define(result, block)


@lowers("rows_merge")
def lower_rows_merge(frame: Frame, operation: Operation) -> None:
    """A table of places by index, with open addressing, finds the row that an index has already.

    The rows move towards the front of the block, which is changed in place."""
    (x,) = operation.operands
    f, dtype, width = frame.f, dtype_of_rows(x), row_elements(frame, x)
    block = frame.own(x)
    row_bytes = frame.times(width, BYTES[dtype])
    count = f.load("i64", block)
    bits = f.sub(64, f.value(f"call i64 @llvm.ctlz.i64(i64 {f.binary('or', 'i64', count, '1')}, i1 false)"))
    frame.lowering.text.declare("llvm.ctlz.i64", "i64", "i64", "i1 immarg", attributes="")
    size = f.value(f"shl i64 2, {bits}")
    table = frame.allocate(f.mul(size, 8))
    f.fill_bytes(table, 255, f.mul(size, 8))
    with f.loop(0, count, carried=[("i64", "0")]) as loop:
        kept = loop.carried[0]
        index = f.load("i64", index_place(f, block, loop.index))
        row = row_place(f, block, loop.index, row_bytes)
        spot, place = _find(f, block, table, index, f.sub(size, 1))
        choice = f.choose(f.icmp("slt", place, 0))
        with choice.yes():
            f.store("i64", kept, spot)
            f.store("i64", index, index_place(f, block, kept))
            with f.when(f.icmp("ne", kept, loop.index)):
                f.copy_bytes(row_place(f, block, kept, row_bytes), row, row_bytes)
            more = f.add(kept, 1)
        with choice.no():
            add_run(frame, row_place(f, block, place, row_bytes), row, width, dtype)
        loop.next = [choice.merge("i64", more, kept)]
    f.store("i64", loop.carried[0], block)
    frame.lowering.declare_runtime("dyn.release")
    f.call("dyn.release", "%context", table)
    frame.define(operation.results[0], block)


def _find(f: Function, block: str, table: str, index: str, mask: str) -> tuple[str, str]:
    """The spot of an index in the table, and the place that stands there (-1: none yet)."""
    start = f.bit_and(f.value(f"lshr i64 {f.mul(index, -7046029254386353131)}, 32"), mask)
    with f.repeat([("i64", start)]) as probe:
        spot = f.offset(table, probe.carried[0], "i64")
        place = f.load("i64", spot)
        probe.break_if(f.icmp("slt", place, 0))
        probe.break_if(f.icmp("eq", f.load("i64", index_place(f, block, place)), index))
        probe.next = [f.bit_and(f.add(probe.carried[0], 1), mask)]
    return spot, place
