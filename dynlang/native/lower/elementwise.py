"""Elementwise rows of the op table: on scalars, and on whole arrays by vectors.

`apply` emits one row at any width; the rows' own LLVM text, or `vectormath` where a row says "math", decide what it means.
A loop over arrays computes `width` elements a turn; the last, partial vector goes through the same code with masked loads and
stores (or, on targets without them, element by element through the same operations at width 1), so an element's bits don't
depend on its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dynlang.diag import NotBuilt
from dynlang.native import vectormath
from dynlang.native.emit import Function, mangle, splat_constant, vector
from dynlang.native.lower.control import scalar_constant
from dynlang.native.lower.conversions import convert
from dynlang.native.lower.frame import HANDLERS, Frame, lowers
from dynlang.native.lower.layout import REGISTER, family
from dynlang.ops import OPS
from dynlang.ops.dtypes import BYTES
from dynlang.ssa.build import columns_of, folds_of, fused_offsets, repeated_ranks
from dynlang.ssa.nodes import Array, Operation, Region, Scalar, Value
from dynlang.ssa.ownership import reused

KIND = re.compile(r"<\d+ x \w+>|\w+")
"""The type at the beginning of an argument; behind it stands a name, a number or `splat (...)`, which has no comma inside."""
CALL = re.compile(r"call (?P<kind>.+?) @(?P<name>[\w.]+)\((?P<arguments>.*)\)$")


def dtype_of(value: Value) -> str:
    """The dtype of a scalar or of an array's elements."""
    kind = value.type.element if isinstance(value.type, Array) else value.type
    assert isinstance(kind, Scalar), f"%{value.name} is no number"
    return kind.dtype


def apply(f: Function, name: str, attributes: Mapping[str, object], dtypes: Sequence[str], operands: Sequence[str], width: int) -> str:
    """One elementwise row at `width` lanes. `dtypes` are those of the operands.

    `apply(f, "less", {}, ["f32", "f32"], ["%x", "%y"], 8)` emits `fcmp olt <8 x float> %x, %y`.
    """
    if name == "convert":
        return convert(f, dtypes[0], str(attributes["dtype"]), operands[0], width)
    dtype = dtypes[-1]
    text = OPS[name].lower.get(family(dtype))
    if text is None:
        raise NotBuilt(f"native code for '{name}' of {dtype}")
    if dtype in ("f16", "bf16") and not text.startswith(("copy", "select")):
        return _in_single(f, name, attributes, dtypes, operands, width)
    if dtype == "u8" and name in _UNSIGNED:
        text = _UNSIGNED[name]
    if text == "copy":
        return operands[0]
    if text == "math":
        return _math(f, name, dtype, operands, width)
    kind = vector(REGISTER[dtype], width)
    words = {"t": kind, "m": mangle(kind), "c": vector("i1", width), "true": "true" if width == 1 else "splat (i1 true)"}
    return instruction(f, text.format(*operands, **words))


_UNSIGNED = {"less": "icmp ult {t} {0}, {1}", "less_equal": "icmp ule {t} {0}, {1}", "greater": "icmp ugt {t} {0}, {1}",
             "greater_equal": "icmp uge {t} {0}, {1}", "maximum": "call {t} @llvm.umax.{m}({t} {0}, {t} {1})",
             "minimum": "call {t} @llvm.umin.{m}({t} {0}, {t} {1})", "abs": "copy"}


def instruction(f: Function, text: str) -> str:
    """One instruction written out; the intrinsic that it calls is declared."""
    called = CALL.match(text)
    if called is not None and called["name"] not in f.module.signatures:
        kinds = [found[0] for found in map(KIND.match, called["arguments"].split(", ")) if found is not None]
        f.module.declare(called["name"], called["kind"], *kinds, attributes="")
    return f.value(text)


def _math(f: Function, name: str, dtype: str, operands: Sequence[str], width: int) -> str:
    if name == "multiply_add":
        return f.fma(vector(REGISTER[dtype], width), *operands)
    if dtype in ("f32", "f64"):
        if width == 1 and name in vectormath.LONG:
            return vectormath.call_scalar(f, name, dtype, *operands)
        if len(operands) == 1:
            return vectormath.emit_unary(f, name, dtype, width, operands[0])
        return vectormath.emit_binary(f, name, dtype, width, *operands)
    kind = vector(REGISTER[dtype], width)
    if name == "sign" and dtype == "u8":
        return f.intrinsic("llvm.umin", kind, operands[0], splat_constant(kind, 1))
    if name == "sign":
        raised = f.intrinsic("llvm.smax", kind, operands[0], splat_constant(kind, -1))
        return f.intrinsic("llvm.smin", kind, raised, splat_constant(kind, 1))
    if name in ("shift_left", "shift_right"):
        x, y = operands
        bits = splat_constant(kind, 8 * BYTES[dtype])
        moved = f.binary("shl" if name == "shift_left" else "lshr", kind, x, y)
        return f.select(f.icmp("ult", y, bits, kind), kind, moved, splat_constant(kind, 0))
    if name in ("floor_division", "floor_modulo"):
        # The divisor is checked before; but lanes outside an array, and code moved ahead of the check, must not trap.
        x, y = operands
        operands = [x, f.select(f.icmp("eq", y, splat_constant(kind, 0), kind), kind, splat_constant(kind, 1), y)]
        if dtype == "u8":
            return f.binary("udiv" if name == "floor_division" else "urem", kind, *operands)
    return vectormath.emit_binary(f, name, dtype, width, *operands)


def _in_single(f: Function, name: str, attributes: Mapping[str, object], dtypes: Sequence[str], operands: Sequence[str], width: int) -> str:
    """Half types compute in f32 and round once."""
    half = dtypes[-1]
    wide = [convert(f, one, "f32", operand, width) if one == half else operand for one, operand in zip(dtypes, operands, strict=True)]
    result = apply(f, name, attributes, ["f32" if one == half else one for one in dtypes], wide, width)
    return result if OPS[name].has("comparison") else convert(f, "f32", half, result, width)


# ---------------------------------------------------------------- loops over arrays


@dataclass(frozen=True, slots=True)
class Input:
    """An operand of a loop: a scalar, the same for all elements, or an array, read from element `offset` on."""

    operand: str
    dtype: str
    is_array: bool
    offset: str = "0"


def body_of(region: Region) -> list[Operation]:
    return [one for one in region.operations if one.name != "yield"]


MOST_IN_PIECES = 12
"""Operations at most that are written out for each piece of a rest."""


class ElementLoop:
    """Results (one or several arrays of `count` elements) of a region of scalar operations over inputs."""

    def __init__(self, frame: Frame, region: Region, inputs: Sequence[Input], outputs: Sequence[tuple[str, str]], count: str) -> None:
        self.frame = frame
        self.f = frame.f
        self.region = region
        self.inputs = inputs
        self.outputs = outputs
        """Where each result goes: (pointer, dtype); no pointer where it isn't stored."""
        self.count = count
        self.width = width_for(frame, region, inputs)

    def emit(self) -> None:
        """The loop over whole vectors, then the rest."""
        f, width = self.f, self.width
        known = int(self.count) if self.count.isdigit() else None
        if known == 0:
            return
        starts = self.starts()
        whole = str(known // width * width) if known is not None else f.bit_and(self.count, -width)
        splats = self.splats(width)
        if known is None or known >= width:
            with f.loop(0, whole, width) as loop:
                self.turn(starts, loop.index, splats, width, None)
        if width == 1 or (known is not None and known % width == 0):
            return
        if self.f.target.vector_bytes < 32:
            scalars = self.splats(1)
            with f.loop(whole, self.count) as loop:
                self.turn(starts, loop.index, scalars, 1, None)
            return
        if known is not None:
            self._rest(starts, int(whole), known, splats)
            return
        with f.when(f.icmp("slt", whole, self.count)):
            self.turn(starts, whole, splats, width, f.first_lanes(f.sub(self.count, whole), width))

    def starts(self) -> list[str]:
        """Where each array is read from."""
        return [one.operand if one.offset == "0" else self.f.offset(one.operand, one.offset, _memory(one.dtype)) for one in self.inputs]

    def _rest(self, starts: Sequence[str], first: int, count: int, splats: Mapping[int, str]) -> None:
        """The last `count - first` elements. Few operations go in vectors of 4, 2, 1: what a mask has stored can't be forwarded to the
        load behind it, which small arrays wait for. Many operations go once, under a mask."""
        left, width = count - first, self.width
        if left.bit_count() > 1 and self.is_long():
            self.turn(starts, str(first), splats, width, constant_mask(left, width))
            return
        while width > 1:
            width //= 2
            if left & width:
                self.turn(starts, str(first), self.splats(width), width, None)
                first += width

    def is_long(self) -> bool:
        """Whether the code of one turn is large: a function that is written out in place."""
        names = [one.name for one in body_of(self.region)]
        return len(names) > MOST_IN_PIECES or not vectormath.LONG.isdisjoint(names)

    def splats(self, width: int) -> dict[int, str]:
        """The scalar operands at every lane, made once before the loop."""
        return {place: self.f.splat(vector(REGISTER[one.dtype], width), one.operand)
                for place, one in enumerate(self.inputs) if not one.is_array}

    def turn(self, starts: Sequence[str], index: str, splats: Mapping[int, str], width: int, mask: str | None) -> list[str]:
        """Computes `width` elements from `index` on; gives what is yielded, and stores what belongs to an array."""
        values: dict[Value, str] = {}
        for place, (parameter, one) in enumerate(zip(self.region.parameters, self.inputs, strict=True)):
            values[parameter] = splats[place] if place in splats else load_lanes(self.f, one.dtype, starts[place], index, width, mask)
        for operation in body_of(self.region):
            self._operation(operation, values, width)
        yielded = [values.get(one) or self._outer(one, width) for one in self.region.operations[-1].operands]
        for (pointer, dtype), result in zip(self.outputs, yielded, strict=True):
            if pointer:
                store_lanes(self.f, dtype, result, pointer, index, width, mask)
        return yielded

    def _operation(self, operation: Operation, values: dict[Value, str], width: int) -> None:
        (result,) = operation.results
        if operation.name == "constant":
            kind = vector(REGISTER[dtype_of(result)], width)
            values[result] = splat_constant(kind, scalar_constant(operation.attributes["value"], dtype_of(result)))
            return
        operands = [values.get(one) or self._outer(one, width) for one in operation.operands]
        values[result] = apply(self.f, operation.name, operation.attributes, [dtype_of(one) for one in operation.operands], operands, width)

    def _outer(self, value: Value, width: int) -> str:
        """A scalar from outside the region."""
        return self.f.splat(vector(REGISTER[dtype_of(value)], width), self.frame[value])


def width_for(frame: Frame, region: Region, inputs: Sequence[Input]) -> int:
    """Lanes of a loop: a register full of the narrowest type that takes part, at least 4 bytes wide; bools alone go by bytes."""
    dtypes = {one.dtype for one in inputs if one.is_array} | {dtype_of(one) for operation in region.operations for one in operation.results}
    widths = [BYTES[one] for one in dtypes]
    wide = [one for one in widths if one >= 4]
    narrowest = min(wide) if wide else max(widths, default=4)
    return max(1, frame.f.target.vector_bytes // narrowest)


def _memory(dtype: str) -> str:
    return "i8" if dtype == "bool" else REGISTER[dtype]


def load_lanes(f: Function, dtype: str, pointer: str, index: str, width: int, mask: str | None) -> str:
    """`width` elements from `index` on; under a mask the lanes outside are 0 and their memory is not touched."""
    kind = vector(_memory(dtype), width)
    place = f.offset(pointer, index, _memory(dtype))
    loaded = f.load(kind, place) if mask is None else f.load_masked(kind, place, mask)
    return f.convert("trunc", kind, loaded, vector("i1", width)) if dtype == "bool" else loaded


def store_lanes(f: Function, dtype: str, value: str, pointer: str, index: str, width: int, mask: str | None) -> None:
    kind = vector(_memory(dtype), width)
    if dtype == "bool":
        value = f.convert("zext", vector("i1", width), value, kind)
    place = f.offset(pointer, index, _memory(dtype))
    if mask is None:
        f.store(kind, value, place)
    else:
        f.store_masked(kind, value, place, mask)


def constant_mask(left: int, width: int) -> str:
    return "<" + ", ".join(f"i1 {'true' if lane < left else 'false'}" for lane in range(width)) + ">"


# ---------------------------------------------------------------- handlers


def lower_elementwise(frame: Frame, operation: Operation) -> None:
    """A row outside a fused op: on scalars directly, on arrays as a loop of one operation."""
    (result,) = operation.results
    if isinstance(result.type, Scalar):
        frame.define(result, apply(frame.f, operation.name, operation.attributes, [dtype_of(one) for one in operation.operands],
                                   [frame[one] for one in operation.operands], result.type.lanes))
        return
    parameters = [Value(one.name, Scalar(dtype_of(one))) for one in operation.operands]
    inner = Value(result.name, Scalar(dtype_of(result)))
    body = [Operation(operation.name, list(parameters), [inner], operation.attributes), Operation("yield", [inner], [])]
    region = Region(parameters, body)
    _loop(frame, operation, region, (None,) * len(parameters))


for _name, _row in OPS.items():
    if _row.has("elementwise"):
        HANDLERS[_name] = lower_elementwise


@lowers("fused")
def lower_fused(frame: Frame, operation: Operation) -> None:
    _loop(frame, operation, operation.regions[0], fused_offsets(operation))


def _loop(frame: Frame, operation: Operation, region: Region, offsets: Sequence[int | None]) -> None:
    """`offsets`: for each input the operand that says from which element on it is read, if not from the first."""
    inputs = []
    for one, offset in zip(operation.operands, offsets, strict=False):
        start = "0" if offset is None else frame[operation.operands[offset]]
        inputs.append(Input(frame[one], dtype_of(one), isinstance(one.type, Array), start))
    outputs = []
    taken = dict(reused(operation))
    folds = folds_of(operation)
    for place, result in enumerate(operation.results):
        if folds[place] is None:
            frame.define(result, frame.room(operation.operands[taken[place]]) if place in taken else frame.allocate_array(result.type))
        outputs.append(("" if folds[place] else frame[result], dtype_of(result)))
    columns = columns_of(operation)
    ranks = repeated_ranks(operation) if operation.name == "fused" else ()
    if any(folds):
        from dynlang.native.lower.folds import FoldingLoop

        totals = FoldingLoop(frame, region, inputs, outputs, frame.product(operation.sizes), folds).emit_folds()
        for place, total in totals.items():
            frame.define(operation.results[place], total)
        return
    if not any(ranks) and not columns:
        ElementLoop(frame, region, inputs, outputs, frame.elements(operation.results[0].type)).emit()
        return
    rank = max(ranks) or 1
    sizes = frame.product(operation.sizes[:-rank]), frame.product(operation.sizes[-rank:])
    _rows(frame, region, inputs, outputs, (ranks, columns), sizes)


def _rows(frame: Frame, region: Region, inputs: Sequence[Input], outputs: Sequence[tuple[str, str]],
          kinds: tuple[Sequence[int], Sequence[int]], sizes: tuple[str, str]) -> None:
    """A loop for each row. `kinds`: the ranks of the inputs that begin anew in each row, 0 for the others; which inputs have one number
    for each row. `sizes`: how many rows, and their elements."""
    f, (count, elements), (repeated, columns) = frame.f, sizes, kinds
    with f.loop(0, count) as row:
        start = f.mul(row.index, elements)

        def in_row(place: int, one: Input) -> Input:
            if place in columns:
                return Input(load_lanes(f, one.dtype, one.operand, row.index, 1, None), one.dtype, False)
            if repeated[place] or not one.is_array:
                return one
            return replace(one, offset=start if one.offset == "0" else f.add(one.offset, start))

        here = [in_row(place, one) for place, one in enumerate(inputs)]
        there = [(f.offset(pointer, start, _memory(dtype)), dtype) for pointer, dtype in outputs]
        ElementLoop(frame, region, here, there, elements).emit()
