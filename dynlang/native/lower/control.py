"""Structured control flow, calls and boxes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from math import prod

from dynlang.native.emit import Operand, number, round_to_f32
from dynlang.native.lower.counting import symbol
from dynlang.native.lower.frame import Frame, function_symbol, lowers
from dynlang.native.lower.layout import FLOATS, REGISTER, SLOT_BYTES, register
from dynlang.native.lower.outline import is_long
from dynlang.ops import OPS
from dynlang.runtime import static_block
from dynlang.ssa.build import operations_in
from dynlang.ssa.nodes import Array, Box, List, Operation, Region, Rows, Scalar, String, Value, ValueType


@lowers("constant")
def lower_constant(frame: Frame, operation: Operation) -> None:
    (result,) = operation.results
    frame.define(result, constant(frame, operation.attributes["value"], result))


def constant(frame: Frame, value: object, result: Value) -> str:
    if isinstance(result.type, String):
        data = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
        return static_block(frame.lowering.text, data)
    assert isinstance(result.type, Scalar)
    return scalar_constant(value, result.type.dtype)


def scalar_constant(value: object, dtype: str) -> str:
    """The text of a scalar constant: `scalar_constant(True, "bool")` is `true`; ints wrap into their dtype."""
    assert isinstance(value, (int, float))
    if dtype == "bool":
        return "true" if value else "false"
    if dtype in ("f16", "bf16"):
        return half_constant(float(value), dtype)
    if dtype in FLOATS:
        return number(float(value), REGISTER[dtype])
    return str(int(value))


def half_constant(value: float, dtype: str) -> str:
    """The bits of a half type: `half_constant(1.0, "bf16")` is 16256, which is 0x3F80."""
    if dtype == "f16":
        try:
            return str(struct.unpack("<H", struct.pack("<e", value))[0])
        except OverflowError:
            return str(0x7C00 if value > 0 else 0xFC00)
    (bits,) = struct.unpack("<I", struct.pack("<f", round_to_f32(value)))
    return str(bits >> 16 | 64 if value != value else (bits + 0x7FFF + (bits >> 16 & 1)) >> 16 & 0xFFFF)


@lowers("call")
def lower_call(frame: Frame, operation: Operation) -> None:
    name = str(operation.attributes["function"])
    f = frame.f
    kind = frame.lowering.text.signatures[function_symbol(name)].result
    result = f.call(function_symbol(name), "%context", *(frame[one] for one in operation.operands))
    frame.stop_if(f.icmp("ne", f.value(f"extractvalue {kind} {result}, 0"), 0, "i32"), blame=frame.calls_library(name, operation))
    for place, value in enumerate(operation.results):
        frame.define(value, f.value(f"extractvalue {kind} {result}, {place + 1}"))


@lowers("return")
def lower_return(frame: Frame, operation: Operation) -> None:
    frame.returned([frame[one] for one in operation.operands])


@lowers("retain")
def lower_retain(frame: Frame, operation: Operation) -> None:
    for one in operation.operands:
        frame.retain(frame[one], one.type)


@lowers("release")
def lower_release(frame: Frame, operation: Operation) -> None:
    for one in operation.operands:
        frame.release(frame[one], one.type)


# ---------------------------------------------------------------- boxes


STORES_AT_ONCE = 128
"""LLVM looks at each store beside all others around it; a fence that is no instruction parts them."""


@lowers("construct")
def lower_construct(frame: Frame, operation: Operation) -> None:
    """{tag, fields in slots of 8 bytes}; a constructor without fields is one constant block for the whole program."""
    (result,) = operation.results
    assert isinstance(result.type, Box)
    tag = tag_of(frame, str(operation.attributes.get("sum", result.type.sum)), str(operation.attributes["constructor"]))
    if not operation.operands:
        frame.define(result, static_block(frame.lowering.text, tag.to_bytes(SLOT_BYTES, "little")))
        return
    block = frame.allocate(SLOT_BYTES * (1 + len(operation.operands)))
    frame.f.store("i64", tag, block)
    for place, one in enumerate(operation.operands):
        if place % STORES_AT_ONCE == STORES_AT_ONCE - 1:
            frame.f.emit('call void asm sideeffect "", "~{memory}"()')
        frame.store_slot(frame.f.offset(block, place + 1, "i64"), frame[one], one.type)
    frame.define(result, block)


def tag_of(frame: Frame, sum_name: str, constructor: str) -> int:
    return [one.name for one in frame.lowering.ssa.sums[sum_name].constructors].index(constructor)


@lowers("switch")
def lower_switch(frame: Frame, operation: Operation) -> None:
    """The regions' parameters are the fields, borrowed from the box."""
    f, box = frame.f, frame[operation.operands[0]]
    kind = operation.operands[0].type
    assert isinstance(kind, Box)
    constructors = frame.lowering.ssa.sums[kind.sum].constructors
    shared: dict[object, tuple[str, Region]] = {}
    labels: list[str] = []
    for one, region in zip(constructors, operation.regions, strict=True):
        key = meaning(region)
        if key not in shared:
            shared[key] = f.label(symbol(one.name)), region
        labels.append(shared[key][0])
    if len(shared) == 1:
        f.branch(labels[0])
    else:
        tag = f.load("i64", box)
        f.switch("i64", tag, labels[-1], list(enumerate(labels[:-1])))
    _join(frame, operation, list(shared.values()), lambda region: _bind_fields(frame, region, box), box)


def meaning(region: Region) -> object:
    """What an arm does, equal for arms that do the same with what is around them: most of a sum's alternatives that don't fit
    together are treated alike. An arm that reads its fields is like no other."""
    fields = {id(one) for one in region.parameters}
    places: dict[int, int] = {}
    reads_fields = False

    def value(one: object) -> object:
        nonlocal reads_fields
        if isinstance(one, Value):
            reads_fields |= id(one) in fields
            return ("own", places[id(one)]) if id(one) in places else ("outer", id(one))
        return one

    def kind(one: ValueType) -> object:
        match one:
            case Array(element, shape):
                return kind(element), tuple(map(value, shape))
            case Box(name, sizes):
                return name, tuple(map(value, sizes))
            case List(elements):
                return tuple(map(kind, elements))
            case Rows(dtype, shape):
                return dtype, tuple(map(value, shape))
        return one

    def bind(values: list[Value]) -> object:
        kinds = tuple(kind(one.type) for one in values)
        for one in values:
            places[id(one)] = len(places)
        return kinds

    def operation(one: Operation) -> object:
        operands = tuple(map(value, one.operands))
        inside = tuple((bind(each.parameters), tuple(map(operation, each.operations))) for each in one.regions)
        attributes = tuple(map(repr, sorted(one.attributes.items())))
        return one.name, operands, attributes, tuple(map(value, one.sizes)), inside, bind(one.results), one.span

    found = tuple(map(operation, region.operations))
    return id(region) if reads_fields else found


def _bind_fields(frame: Frame, region: Region, box: str) -> None:
    for place, parameter in enumerate(() if is_long(region) else region.parameters):
        frame.define(parameter, frame.load_slot(frame.f.offset(box, place + 1, "i64"), parameter.type))


@lowers("if")
def lower_if(frame: Frame, operation: Operation) -> None:
    f = frame.f
    labels = [f.label("then"), f.label("otherwise")]
    f.branch_if(frame[operation.operands[0]], *labels)
    _join(frame, operation, list(zip(labels, operation.regions, strict=True)), lambda region: None)


def _join(frame: Frame, operation: Operation, labelled: list[tuple[str, Region]], begin: Callable[[Region], None],
          box: str = "") -> None:
    """Fill the arms and merge what they yield. An arm that fails contributes nothing. `box` holds the arms' parameters."""
    f = frame.f
    join = f.label("join")
    ends: list[tuple[list[str], str]] = []
    for label, region in labelled:
        f.place(label)
        begin(region)
        yielded = frame.operations(region, box)
        if not f.terminated:
            ends.append((yielded, f.block))
            f.branch(join)
    if not ends:
        _never(frame, operation)
        return
    f.place(join)
    for place, result in enumerate(operation.results):
        arms = [(yielded[place], block) for yielded, block in ends]
        frame.define(result, arms[0][0] if len(arms) == 1 else f.phi(register(result.type), arms))


def _never(frame: Frame, operation: Operation) -> None:
    """What follows is never reached; its values are nothing in particular."""
    frame.f.place(frame.f.label("never"))
    for result in operation.results:
        frame.define(result, "poison")


# ---------------------------------------------------------------- loops


TURNS = 4096
"""Turns of a short loop between two looks at whether the program should stop."""
ROW = 64
"""Elements of a row that is read or written in a short turn."""


@lowers("for")
def lower_for(frame: Frame, operation: Operation) -> None:
    """A loop whose turns are short asks now and then only whether to stop, so that LLVM can compute several turns at once."""
    (region,) = operation.regions
    count, *initial = operation.operands
    f, kinds = frame.f, [register(one.type) for one in region.parameters[1:]]
    last = [frame[first] for first in initial]
    if not is_short(frame, region):
        with f.loop(0, frame[count], carried=list(zip(kinds, last, strict=True))) as loop:
            frame.poll()
            loop.next = _turn(frame, region, loop.index, loop.carried)
        last = loop.carried
    else:
        for start, stop, body in _parts(frame, region, frame[count]):
            last = _short_loop(frame, body, start, stop, list(zip(kinds, last, strict=True)))
    for result, operand in zip(operation.results, last, strict=True):
        frame.define(result, operand)


def _short_loop(frame: Frame, region: Region, start: Operand, stop: Operand, carried: list[tuple[str, str]]) -> list[str]:
    """Turns from start to stop, some thousands at a time."""
    f = frame.f
    with f.loop(start, stop, TURNS, carried) as block:
        frame.poll()
        end = f.minimum(f.add(block.index, TURNS), stop)
        inner = [(kind, value) for (kind, _), value in zip(carried, block.carried, strict=True)]
        with f.loop(block.index, end, carried=inner, vectorise=goes_along(region)) as loop:
            loop.next = _turn(frame, region, loop.index, loop.carried)
        block.next = list(loop.carried)
    return list(block.carried)


def _parts(frame: Frame, region: Region, count: str) -> list[tuple[Operand, Operand, Region]]:
    """The turns of a loop: those before the only one in which a condition `i == k` may hold, that one, and those behind it."""
    one = edge(region)
    if one is None or not goes_along(region):
        return [(0, count, region)]
    f = frame.f
    turn = f.minimum(f.maximum(_turn_of(frame, region, one), 0), count)
    behind = f.minimum(f.add(turn, 1), count)
    never = Operation("constant", [], one.results, {"value": False}, [], (), one.span)
    without = Region(region.parameters, [never if each is one else each for each in region.operations])
    return [(0, turn, without), (turn, behind, region), (behind, count, without)]


def edge(body: Region) -> Operation | None:
    """The condition `i == k` of a branch, where i is the loop's index, or moved from it, and k the same in all turns."""
    origins = {value: one for one in body.operations for value in one.results}
    inside = {*body.parameters, *(value for one in operations_in(body) for value in one.results)}

    def moved(value: Value) -> bool:
        """Whether a value is the index plus or minus what is the same in all turns."""
        while value is not body.parameters[0]:
            one = origins.get(value)
            if one is None or one.name not in ("add", "sub") or inside.isdisjoint(one.operands) or inside.issuperset(one.operands):
                return False
            value = next(each for each in one.operands if each in inside)
        return True

    for one in body.operations:
        condition = origins.get(one.operands[0]) if one.name == "if" else None
        if condition is not None and condition.name == "equal":
            x, y = condition.operands
            if (moved(x) and y not in inside) or (moved(y) and x not in inside):
                return condition
    return None


def _turn_of(frame: Frame, body: Region, condition: Operation) -> str:
    """The turn in which `i == k` holds, by undoing what was done to the index; ints wrap, so there is just one."""
    f, origins = frame.f, {value: one for one in body.operations for value in one.results}
    x, y = condition.operands
    value, found = (x, frame[y]) if x in origins or x is body.parameters[0] else (y, frame[x])
    while value is not body.parameters[0]:
        one = origins[value]
        first, second = one.operands
        if first in origins or first is body.parameters[0]:
            value, found = first, f.binary("sub" if one.name == "add" else "add", "i64", found, frame[second])
        else:
            value, found = second, f.binary("sub", "i64", *((found, frame[first]) if one.name == "add" else (frame[first], found)))
    return found


def _turn(frame: Frame, region: Region, index: str, carried: Sequence[str]) -> list[str]:
    for parameter, operand in zip(region.parameters, [index, *carried], strict=True):
        frame.define(parameter, operand)
    return _next_turn(frame, region, len(carried))


def is_short(frame: Frame, body: Region) -> bool:
    """Whether a turn does nothing but arithmetic on numbers and reads and writes of single elements and of short rows."""
    return all(_is_quick(frame, one) for one in operations_in(body))


def _is_quick(frame: Frame, one: Operation) -> bool:
    if one.name in ("constant", "if", "yield", "check_index", "element", "pack", "unpack"):
        return True
    if one.name == "nest":
        return bool(one.operands) and _are_few(frame, one.sizes)
    if one.name in ("update", "accumulate_at"):
        return all(isinstance(value.type, Scalar) for value in one.operands[1:-1]) and _is_small(frame, one.operands[-1])
    row = OPS.get(one.name)
    scalars = all(isinstance(value.type, Scalar) for value in [*one.operands[1:], *one.results])
    return scalars and (one.name == "at" or (row is not None and row.has("elementwise")))


def _is_small(frame: Frame, value: Value) -> bool:
    """Whether a value is a number, or a row of few of them."""
    kind = value.type
    return isinstance(kind, Scalar) or (isinstance(kind, Array) and isinstance(kind.element, Scalar) and _are_few(frame, kind.shape))


def _are_few(frame: Frame, sizes: Sequence[Value | int]) -> bool:
    """Whether sizes are known where the loop begins, and of at most `ROW` elements."""
    known = [str(one) if isinstance(one, int) else frame.operands.get(one, "") for one in sizes]
    return all(one.isdigit() for one in known) and prod(map(int, known)) <= ROW


def goes_along(body: Region) -> bool:
    """Whether a short loop only changes arrays, and reads and writes elements that lie side by side in turns that follow each other.

    No number goes from turn to turn, so several of them can be computed at once: `a[i] = x[i] * y[i - 1]`.
    """
    along = {body.parameters[0]}
    inside = {value for one in operations_in(body) for value in one.results}
    if any(isinstance(value.type, Scalar) for value in body.parameters[1:]):
        return False
    for one in operations_in(body):
        if one.name in ("add", "sub") and (one.operands[0] in along) + (one.operands[1] in along) == 1:
            along.update(one.results)
        elif one.name == "check_index":
            return False
        elif one.name in ("at", "update", "accumulate_at"):
            *leading, last = one.operands[1:] if one.name == "at" else one.operands[1:-1]
            if last not in along or not inside.isdisjoint(leading) or not along.isdisjoint(leading):
                return False
        if one.name not in ("if", "yield") and any(not isinstance(value.type, Scalar) for value in [*one.operands[1:], *one.results[1:]]):
            return False
        if one.name not in ("if", "yield", "update", "accumulate_at") and any(not isinstance(value.type, Scalar) for value in one.results):
            return False
    return True


@lowers("while")
def lower_while(frame: Frame, operation: Operation) -> None:
    condition, body = operation.regions
    f = frame.f
    carried = [(register(one.type), frame[first]) for one, first in zip(body.parameters, operation.operands, strict=True)]
    with f.repeat(carried) as loop:
        for before, inside, operand in zip(condition.parameters, body.parameters, loop.carried, strict=True):
            frame.define(before, operand)
            frame.define(inside, operand)
        frame.poll()
        (goes_on,) = frame.operations(condition)
        loop.break_if(f.binary("xor", "i1", goes_on, "true"))
        loop.next = _next_turn(frame, body, len(carried))
    for result, operand in zip(operation.results, loop.carried, strict=True):
        frame.define(result, operand)


def _next_turn(frame: Frame, body: Region, count: int) -> list[str]:
    """The carried values of the next turn; nothing in particular where the body always fails."""
    yielded = frame.operations(body)
    if frame.f.terminated:
        frame.f.place(frame.f.label("never"))
    return yielded or ["poison"] * count
