"""Lists: {length, capacity, slots}. An element is one or several slots of 8 bytes, side by side."""

from __future__ import annotations

from dynlang import runtime
from dynlang.native.emit import ModuleText
from dynlang.native.lower.frame import Frame, lowers
from dynlang.native.lower.layout import LIST_HEADER, SLOT_BYTES, counted
from dynlang.runtime import static_block
from dynlang.ssa.nodes import List, Operation, Value, ValueType

FIRST_CAPACITY = 4


def elements_of(value: Value) -> tuple[ValueType, ...]:
    assert isinstance(value.type, List)
    return value.type.elements


@lowers("list_empty")
def lower_list_empty(frame: Frame, operation: Operation) -> None:
    block = frame.allocate(LIST_HEADER)
    frame.f.fill_bytes(block, 0, LIST_HEADER)
    frame.define(operation.results[0], block)


@lowers("list_length")
def lower_list_length(frame: Frame, operation: Operation) -> None:
    frame.define(operation.results[0], frame.f.load("i64", frame[operation.operands[0]]))


def slot(frame: Frame, block: str, index: str, width: int, place: int) -> str:
    """The address of value `place` of element `index`."""
    f = frame.f
    first = f.offset(block, LIST_HEADER, "i8")
    at = index if width == 1 else f.mul(index, width)
    return f.offset(first, at if place == 0 else f.add(at, place), "i64")


@lowers("list_push")
def lower_list_push(frame: Frame, operation: Operation) -> None:
    elements, *values = operation.operands
    f, width = frame.f, len(values)
    owned = frame.own(elements)
    made = frame.lowering.text.require("list.reserve", _define_reserve)
    block = f.call(made.name, "%context", owned, SLOT_BYTES * width)
    frame.stop_if(f.icmp("eq", block, "null", "ptr"), at_line=True)
    length = f.load("i64", block)
    for place, value in enumerate(values):
        frame.store_slot(slot(frame, block, length, width, place), frame[value], value.type)
    f.store("i64", f.add(length, 1), block)
    frame.define(operation.results[0], block)


def _define_reserve(module: ModuleText) -> None:
    """`list.reserve(context, block, bytes of an element)`: a block of one owner with room for one more element, or null."""
    runtime.declare(module, "dyn.allocate")
    runtime.declare(module, "dyn.free")
    f = module.function("list.reserve", "ptr", "ptr context", "ptr block", "i64 element_bytes")
    length = f.load("i64", "%block")
    with f.when(f.icmp("slt", length, f.load("i64", f.offset("%block", 8, "i8")))):
        f.ret("%block")
    capacity = f.maximum(f.mul(length, 2), FIRST_CAPACITY)
    larger = f.call("dyn.allocate", "%context", f.add(f.mul(capacity, "%element_bytes"), LIST_HEADER))
    with f.when(f.icmp("eq", larger, "null", "ptr")):
        f.ret("null")
    f.copy_bytes(larger, "%block", f.add(f.mul(length, "%element_bytes"), LIST_HEADER))
    f.store("i64", capacity, f.offset(larger, 8, "i8"))
    f.call("dyn.free", "%context", "%block")
    f.ret(larger)


@lowers("list_pop")
def lower_list_pop(frame: Frame, operation: Operation) -> None:
    """The element leaves with the list's reference to it."""
    (elements,) = operation.operands
    rest, *values = operation.results
    f = frame.f
    block = frame.own(elements)
    last = f.sub(f.load("i64", block), 1)
    for place, value in enumerate(values):
        frame.define(value, frame.load_slot(slot(frame, block, last, len(values), place), value.type))
    f.store("i64", last, block)
    frame.define(rest, block)


@lowers("list_get")
def lower_list_get(frame: Frame, operation: Operation) -> None:
    elements, index = operation.operands
    values = operation.results
    for place, value in enumerate(values):
        loaded = frame.load_slot(slot(frame, frame[elements], frame[index], len(values), place), value.type)
        frame.define(value, frame.retain(loaded, value.type))


@lowers("list_take")
def lower_list_take(frame: Frame, operation: Operation) -> None:
    """The element leaves with the list's reference to it; in its place stands what can be released like any other."""
    elements, index = operation.operands
    rest, *values = operation.results
    block = frame.own(elements)
    for place, value in enumerate(values):
        at = slot(frame, block, frame[index], len(values), place)
        frame.define(value, frame.load_slot(at, value.type))
        if counted(value.type):
            frame.f.store("ptr", static_block(frame.lowering.text, bytes(LIST_HEADER)), at)
    frame.define(rest, block)


@lowers("list_set")
def lower_list_set(frame: Frame, operation: Operation) -> None:
    elements, index, *values = operation.operands
    f = frame.f
    block = frame.own(elements)
    for place, value in enumerate(values):
        at = slot(frame, block, frame[index], len(values), place)
        if counted(value.type):
            frame.release(f.load("ptr", at), value.type)
        frame.store_slot(at, frame[value], value.type)
    frame.define(operation.results[0], block)
