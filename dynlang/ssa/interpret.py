"""The meaning of SSA, with NumPy: the oracle that native code is compared with.

Values are those of `core/evaluate.py`: NumPy scalars and arrays, `SumValue` for a box, a list of tuples for a list, `bytes`
for a string, a list of (index, row) for rows.

    interpret(module, "f", [np.float32(1.0)]) -> [results]

With `count=True` every reference lives in a block that knows its count. Retaining, releasing and consuming are then done
as native code does them, writing in place where the count is one, and a block that is used after its end, freed twice or
left alive raises `CountError`: so the reference counting is proved on the program at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dynlang.core.deep import on_deep_stack
from dynlang.core.evaluate import SumValue, object_array
from dynlang.diag import InternalError
from dynlang.ops import OPS
from dynlang.ops.dtypes import NUMPY, round_to_bf16
from dynlang.ops.memory import Failure
from dynlang.source import Span, in_library
from dynlang.ssa.build import columns_of, folds_of, fused_offsets, side_by_side
from dynlang.ssa.errors import RunTimeError
from dynlang.ssa.lanes import rows_before, rows_written
from dynlang.ssa.nodes import Array, Box, Function, List, Module, Operation, Region, Scalar, String, Value, ValueType
from dynlang.ssa.ownership import consumed_operands, is_element, reused

DEPTH_LIMIT = 20_000
"""Nested calls of recursive functions, after which a program is told that it recurses too deeply."""


class CountError(Exception):
    """Reference counts went wrong: a bug of the compiler."""


def interpret(module: Module, function: str, arguments: Sequence[Any], *, count: bool = False, depth: int = DEPTH_LIMIT,
              copied: list[Operation] | None = None, elements: list[int] | None = None, peak: list[int] | None = None) -> list[Any]:
    """The results of a function; `RunTimeError` where the program fails. Runs on a thread of its own, with room for deep recursion.

    With `count`, `copied` takes up each operation that copied a block to write it, as often as it did, and `elements` how many
    elements, rows or fields the block had; `peak` is given the largest number of blocks that were alive at once."""

    def run() -> list[Any]:
        with np.errstate(all="ignore"):
            heap = CountedHeap(copied, elements) if count else Heap()
            results = list(_Machine(module, heap, depth).enter(function, arguments))
            if peak is not None and isinstance(heap, CountedHeap):
                peak.append(heap.peak)
            return results

    return on_deep_stack(run, 20 * depth + 10_000)


# ---------------------------------------------------------------- heaps


class Heap:
    """Values as they are: nothing is counted, a write copies."""

    def take_in(self, value: Any, kind: ValueType) -> Any:
        """A host's value in this heap's form."""
        return stored(value, kind)

    def give_out(self, value: Any) -> Any:
        return value

    def new(self, value: Any, kind: ValueType) -> Any:
        return value

    def constant(self, value: Any, kind: ValueType) -> Any:
        return value

    def read(self, value: Any) -> Any:
        return value

    def retain(self, value: Any) -> None:
        pass

    def release(self, value: Any) -> None:
        pass

    def finish(self) -> None:
        pass

    def copies(self, one: Operation, block: Block) -> None:
        """An update copies a block that others hold, too."""


class Block:
    """A counted block; `payload` is what `Heap` would hold, with references inside as blocks. None once it is freed."""

    __slots__ = ("count", "kind", "payload")

    def __init__(self, payload: Any, kind: ValueType) -> None:
        self.payload = payload
        self.kind = kind
        self.count = 1

    def copy(self) -> Block:
        """Itself: the reference is what an array of references holds."""
        return self


FOR_EVER = 1 << 60
"""The count of a block that is part of the program."""


class CountedHeap(Heap):
    """Every reference is a `Block`. A freed block releases what it holds."""

    def __init__(self, copied: list[Operation] | None = None, elements: list[int] | None = None) -> None:
        self.live = 0
        self.peak = 0
        self.made = 0
        self.copied = [] if copied is None else copied
        self.elements = [] if elements is None else elements

    def copies(self, one: Operation, block: Block) -> None:
        self.copied.append(one)
        self.elements.append(elements_of(block.payload))

    def take_in(self, value: Any, kind: ValueType) -> Any:
        if isinstance(kind, Scalar):
            return stored(value, kind)
        if isinstance(value, SumValue):
            fields = tuple(self.take_in(one, _kind_of(one)) for one in value.fields)
            return self.new(SumValue(value.constructor, fields), kind)
        if isinstance(kind, List):
            return self.new([tuple(self.take_in(one, each) for one, each in zip(item, kind.elements, strict=True)) for item in value], kind)
        if isinstance(kind, Array) and not isinstance(kind.element, Scalar):
            flat = [self.take_in(one, kind.element) for one in np.ravel(value)]
            return self.new(object_array(flat).reshape(np.shape(value)), kind)
        return self.new(stored(value, kind), kind)

    def give_out(self, value: Any) -> Any:
        if not isinstance(value, Block):
            return value
        payload = self.read(value)
        if isinstance(payload, SumValue):
            return SumValue(payload.constructor, tuple(map(self.give_out, payload.fields)))
        if isinstance(payload, list):
            return [tuple(map(self.give_out, item)) for item in payload]
        if isinstance(payload, np.ndarray) and payload.dtype == object:
            return object_array([self.give_out(one) for one in payload.ravel()]).reshape(payload.shape)
        return payload.copy() if isinstance(payload, np.ndarray) else payload

    def new(self, value: Any, kind: ValueType) -> Any:
        self.live += 1
        self.peak = max(self.peak, self.live)
        self.made += 1
        return Block(value, kind)

    def constant(self, value: Any, kind: ValueType) -> Any:
        """A block that lives for ever: nobody's release frees it."""
        block = Block(value, kind)
        block.count = FOR_EVER
        return block

    def read(self, value: Any) -> Any:
        if isinstance(value, Block):
            if value.count <= 0:
                raise CountError("a block is used after it was freed")
            return value.payload
        return value

    def retain(self, value: Any) -> None:
        self.read(value)
        value.count += 1

    def release(self, value: Any) -> None:
        work = [value]
        while work:
            block = work.pop()
            if block.count <= 0:
                raise CountError("a block is freed twice")
            block.count -= 1
            if block.count == 0:
                work += references(block.payload)
                self.live -= 1
                block.payload = None

    def finish(self) -> None:
        if self.live:
            raise CountError(f"{self.live} blocks are alive at the end")


def elements_of(payload: Any) -> int:
    """How many elements a block has: of an array, items of a list, fields of a constructor."""
    if isinstance(payload, np.ndarray):
        return payload.size
    return len(payload.fields) if isinstance(payload, SumValue) else len(payload)


def references(payload: Any) -> list[Block]:
    """The blocks that a block holds."""
    if isinstance(payload, SumValue):
        return [one for one in payload.fields if isinstance(one, Block)]
    if isinstance(payload, list):
        return [one for item in payload for one in item if isinstance(one, Block)]
    if isinstance(payload, np.ndarray) and payload.dtype == object:
        return [one for one in payload.ravel() if isinstance(one, Block)]
    return []


def attributes_of(one: Operation) -> Mapping[str, object]:
    """An operation's attributes as its meaning wants them: `empty` has its element type in its result."""
    kind = one.results[0].type if one.name == "empty" else None
    return {"element": kind.element} if isinstance(kind, Array) else one.attributes


def place_of(span: Span | None) -> tuple[int, str]:
    """The line and the file; 0 and nothing where they are unknown."""
    return (span.line, span.source.name) if span is not None else (0, "")


def first_dtype(one: Operation) -> str | None:
    """The dtype of the numbers in the first operand, if there are any."""
    kind = one.operands[0].type if one.operands else None
    kind = kind.element if isinstance(kind, Array) else kind
    return kind.dtype if isinstance(kind, Scalar) else None


def _kind_of(value: Any) -> ValueType:
    """The kind of a host's value inside a box, sizes left open."""
    if isinstance(value, SumValue):
        return Box("")
    if isinstance(value, (bytes, str)):
        return String()
    if isinstance(value, list):
        return List(tuple(_kind_of(one) for one in value[0]) if value else ())
    if isinstance(value, np.ndarray) and value.ndim:
        element = Box("") if value.dtype == object else Scalar(_DTYPE_NAMES[value.dtype.name])
        return Array(element, (0,) * value.ndim)
    return Scalar(_DTYPE_NAMES[np.asarray(value).dtype.name])


_DTYPE_NAMES = {NUMPY[dtype]: dtype for dtype in ("f64", "f32", "f16", "i64", "i32", "i16", "i8", "u8", "bool")}
_SCALARS = {dtype: np.dtype(name).type for dtype, name in NUMPY.items()}


def stored(value: Any, kind: ValueType) -> Any:
    """A value in the representation of its type: no 0-d arrays, the type's dtype, bf16 rounded."""
    if isinstance(kind, Scalar) and kind.lanes > 1:
        return np.asarray(value, NUMPY[kind.dtype])
    if isinstance(kind, Scalar):
        made = _SCALARS[kind.dtype](value)
        return round_to_bf16(made)[()] if kind.dtype == "bf16" else made
    if isinstance(kind, Array) and isinstance(kind.element, Scalar):
        made = np.asarray(value, NUMPY[kind.element.dtype])
        return round_to_bf16(made) if kind.element.dtype == "bf16" else made
    return value.encode("utf-8", "surrogateescape") if isinstance(kind, String) and isinstance(value, str) else value


# ---------------------------------------------------------------- the machine


class _Machine:
    def __init__(self, module: Module, heap: Heap, depth: int) -> None:
        self.module = module
        self.heap = heap
        self.counted = isinstance(heap, CountedHeap)
        self.limit = depth
        self.depth = 0

    def enter(self, name: str, arguments: Sequence[Any]) -> list[Any]:
        function = self.find(name)
        if len(arguments) != len(function.parameters):
            raise InternalError(f"@{name} takes {len(function.parameters)} arguments, not {len(arguments)}")
        inside = [self.heap.take_in(value, place.type) for value, place in zip(arguments, function.parameters, strict=True)]
        results = self.call(function, inside)
        answer = [self.heap.give_out(one) for one in results]
        if self.counted:
            borrowed = [one for i, one in enumerate(inside) if function.parameters[i].counted and i not in function.owned]
            owned = [one for one, place in zip(results, function.results, strict=True) if place.counted]
            for one in owned + borrowed:
                self.heap.release(one)
            self.heap.finish()
        return answer

    def find(self, name: str) -> Function:
        function = self.module.functions.get(name)
        if function is None:
            raise InternalError(f"the interpreter finds no function @{name}")
        return function

    def call(self, function: Function, arguments: Sequence[Any], place: tuple[int, str] = (0, "")) -> list[Any]:
        self.depth += function.recursive
        if self.depth > self.limit:
            place = place_of(function.span) if function.span else place
            raise RunTimeError("TOO_DEEP", f"{function.name} calls itself too deeply", *place)
        values: dict[Any, Any] = dict(zip(function.parameters, arguments, strict=True))
        results = self.region(function.body, values)
        self.depth -= function.recursive
        return results

    def region(self, region: Region, values: dict[Any, Any]) -> list[Any]:
        for one in region.operations:
            structural = _STRUCTURAL.get(one.name)
            if structural is None:
                found = self.row(one, values)
            elif one.name in ("yield", "return"):
                return [values[each] for each in one.operands]
            else:
                found = structural(self, one, values)
            for value, result in zip(one.results, found, strict=True):
                values[value] = result
        raise InternalError("a region of SSA has no end")

    # -- rows of the op table

    def row(self, one: Operation, values: Mapping[Any, Any]) -> Sequence[Any]:
        heap = self.heap
        given = [values[each] for each in one.operands]
        operands = given
        if self.counted:
            operands = [value if isinstance(value, Block) and is_element(one, i) else heap.read(value) for i, value in enumerate(given)]
        sizes = tuple(each if isinstance(each, int) else int(values[each]) for each in one.sizes)
        for size in sizes:
            if size < 0 and one.name != "slice":
                raise RunTimeError("SIZE", f"a size is {size}", *place_of(one.span))
        row = OPS[one.name]
        if one.results and (several := side_by_side(one.results[0].type)) > 1:
            if one.name == "fill":
                return [self.counted_result(np.broadcast_to(values[one.operands[0]], (*sizes, several)).copy(), one.results[0])]
            sizes = (*sizes, several) if one.sizes else sizes
        try:
            found = row.mean(np, operands, attributes_of(one), sizes, first_dtype(one))
        except Failure as error:
            raise RunTimeError(str(one.attributes.get("code", "FAILED")), str(error), *place_of(one.span)) from None
        results = found if isinstance(found, tuple) else (found,)
        if not self.counted:
            return [stored(result, value.type) for result, value in zip(results, one.results, strict=True)]
        return self.counted_results(one, given, operands, results)

    def counted_results(self, one: Operation, given: Sequence[Any], operands: Sequence[Any], results: Sequence[Any]) -> list[Any]:
        """Blocks for the results. What the result holds of blocks that the operands hold is retained, or moved if consumed."""
        heap = self.heap
        if "reuse" in one.attributes:
            return self.in_place(one, given, results)
        consumed = consumed_operands(one)
        if not consumed:
            made = []
            for result, value in zip(results, one.results, strict=True):
                if isinstance(result, Block):
                    heap.retain(result)
                    made.append(result)
                else:
                    made.append(self.counted_result(stored(result, value.type), value))
            return made
        target = given[0]
        others = [given[i] for i in consumed if i != 0]
        payload = stored(results[0], one.results[0].type)
        rest = list(results[1:])
        for each in [*references(payload), *(each for each in rest if isinstance(each, Block))]:
            heap.retain(each)
        if isinstance(target, Block) and target.count == 1:
            before = references(target.payload)
            target.payload = payload
            first: Any = target
        elif isinstance(target, Block):
            before = []
            heap.copies(one, target)
            heap.release(target)
            first = heap.new(payload, one.results[0].type)
        else:
            before, first = [], payload
        for each in [*before, *others]:
            heap.release(each)
        return [first, *(each if isinstance(each, Block) else self.counted_result(stored(each, value.type), value)
                         for each, value in zip(rest, one.results[1:], strict=True))]

    def in_place(self, one: Operation, given: Sequence[Any], results: Sequence[Any]) -> list[Any]:
        """Arrays in the blocks of the operands that `reuse` names, where nobody else has them."""
        made: list[Any] = [None] * len(results)
        for position, operand in reused(one):
            block = given[operand]
            if block.count == 1:
                block.payload = stored(results[position], one.results[position].type)
                made[position] = block
            else:
                self.heap.release(block)
        return [self.counted_result(stored(result, value.type), value) if block is None else block
                for block, result, value in zip(made, results, one.results, strict=True)]

    def counted_result(self, payload: Any, value: Value) -> Any:
        if not value.counted:
            return payload
        if isinstance(payload, np.ndarray) and payload.dtype == object:
            payload = payload.copy()
        for each in references(payload):
            self.heap.retain(each)
        return self.heap.new(payload, value.type)

    # -- structure

    def constant(self, one: Operation, values: dict[Any, Any]) -> list[Any]:
        kind = one.results[0].type
        value = one.attributes["value"]
        if isinstance(kind, Scalar) and kind.dtype != "bool" and kind.dtype[0] in "iu":
            value = np.asarray(value, dtype=np.int64).astype(NUMPY[kind.dtype])
        made = stored(value, kind)
        return [made if isinstance(kind, Scalar) else self.heap.constant(made, kind)]

    def call_operation(self, one: Operation, values: dict[Any, Any]) -> list[Any]:
        function = self.find(str(one.attributes["function"]))
        place = place_of(one.span)
        try:
            return self.call(function, [values[each] for each in one.operands], place)
        except RunTimeError as error:
            if one.span is None or in_library(place[1]) or not in_library(error.file):
                raise
            raise RunTimeError(error.code, error.message, *place) from None

    def construct(self, one: Operation, values: dict[Any, Any]) -> list[Any]:
        made = SumValue(str(one.attributes["constructor"]), tuple(values[each] for each in one.operands))
        return [self.heap.new(made, one.results[0].type)]

    def switch(self, one: Operation, values: dict[Any, Any]) -> list[Any]:
        box = self.heap.read(values[one.operands[0]])
        kind = one.operands[0].type
        assert isinstance(kind, Box)
        constructors = [each.name for each in self.module.sums[kind.sum].constructors]
        region = one.regions[constructors.index(box.constructor)]
        values.update(zip(region.parameters, box.fields, strict=True))
        return self.region(region, values)

    def conditional(self, one: Operation, values: dict[Any, Any]) -> list[Any]:
        return self.region(one.regions[0 if values[one.operands[0]] else 1], values)

    def counted_loop(self, one: Operation, values: dict[Any, Any]) -> list[Any]:
        region = one.regions[0]
        index, carried = region.parameters[0], region.parameters[1:]
        current = [values[each] for each in one.operands[1:]]
        for trip in range(int(values[one.operands[0]])):
            values[index] = np.int64(trip)
            values.update(zip(carried, current, strict=True))
            current = self.region(region, values)
        return current

    def open_loop(self, one: Operation, values: dict[Any, Any]) -> list[Any]:
        condition, body = one.regions
        current = [values[each] for each in one.operands]
        while True:
            values.update(zip(condition.parameters, current, strict=True))
            if not self.region(condition, values)[0]:
                return current
            values.update(zip(body.parameters, current, strict=True))
            current = self.region(body, values)

    def pack(self, one: Operation, values: dict[Any, Any]) -> list[Any]:
        return [np.array([values[each] for each in one.operands])]

    def unpack(self, one: Operation, values: dict[Any, Any]) -> list[Any]:
        return [values[one.operands[0]][one.attributes["place"]]]

    def regroup(self, one: Operation, values: dict[Any, Any]) -> list[Any]:
        (result,), several = one.results, side_by_side(one.results[0].type)
        assert isinstance(result.type, Array)
        shape = tuple(each if isinstance(each, int) else int(values[each]) for each in result.type.shape)
        whole = self.heap.read(values[one.operands[0]]).reshape((*shape, several) if several > 1 else shape)
        return [self.counted_result(whole.copy(), result)]

    def retain(self, one: Operation, values: dict[Any, Any]) -> list[Any]:
        self.heap.retain(values[one.operands[0]])
        return []

    def release(self, one: Operation, values: dict[Any, Any]) -> list[Any]:
        self.heap.release(values[one.operands[0]])
        return []

    def fused(self, one: Operation, values: dict[Any, Any]) -> list[Any]:
        """All elements at once: the scalar operations of the region mean the same on whole arrays."""
        region = one.regions[0]
        sizes = tuple(each if isinstance(each, int) else int(values[each]) for each in one.sizes)
        inside: dict[Any, Any] = {}
        columns = columns_of(one)
        for position, (parameter, each, place) in enumerate(zip(region.parameters, one.operands, fused_offsets(one), strict=False)):
            value = self.heap.read(values[each])
            if position in columns:
                value = value[:, None]
            elif place is not None:
                start = int(values[one.operands[place]])
                value = value.ravel()[start:start + int(np.prod(sizes, dtype=np.int64))].reshape(sizes)
            inside[parameter] = value
        for inner in region.operations[:-1]:
            inside[inner.results[0]] = self.constant(inner, inside)[0] if inner.name == "constant" else on_elements(inner, inside)
        whole = [np.broadcast_to(inside[each], sizes).copy() for each in region.operations[-1].operands]
        for place, fold in enumerate(folds_of(one)):
            if fold is not None:
                whole[place] = OPS[f"reduce_{fold}"].meaning(np, [whole[place]], {}, ())
        if self.counted and "reuse" in one.attributes:
            return self.in_place(one, [values[each] for each in one.operands], whole)
        return [self.counted_result(stored(each, value.type), value) for each, value in zip(whole, one.results, strict=True)]

    def nest(self, one: Operation, values: dict[Any, Any]) -> list[Any]:
        """All elements go through the region together."""
        sizes = tuple(each if isinstance(each, int) else int(values[each]) for each in one.sizes)
        count, places = int(np.prod(sizes, dtype=np.int64)), {place: operand for place, _, operand in rows_written(one)}
        for value, place in rows_before(one):
            array, start = (values[one.operands[places[place] + k]] for k in range(2))
            values[value] = self.heap.read(array).ravel()[int(start):int(start) + count].reshape(sizes)
        yielded = [np.broadcast_to(each, sizes) for each in self.lanes(one.regions[0], values, sizes)]
        results = []
        for (place, word, operand), value in zip(rows_written(one), one.results, strict=True):
            if word is None:
                results.append(self.counted_result(stored(yielded[place].copy(), value.type), value))
                continue
            target = values[one.operands[operand]]
            whole = np.array(self.heap.read(target))
            start = int(values[one.operands[operand + 1]])
            row = whole.reshape(-1)[start:start + yielded[place].size]
            row[:] = yielded[place].ravel() if word == "set" else row + yielded[place].ravel()
            results.append(self.written(one, target, whole, value))
        return results

    def written(self, one: Operation, target: Any, payload: Any, value: Value) -> Any:
        """The block of `target`, which is taken over, with other elements; a copy where it has other owners."""
        if isinstance(target, Block) and target.count == 1:
            target.payload = payload
            return target
        if isinstance(target, Block):
            self.heap.copies(one, target)
            self.heap.release(target)
        return self.counted_result(payload, value)

    def lanes(self, region: Region, values: dict[Any, Any], sizes: tuple[int, ...]) -> list[Any]:
        """What a region of a nest yields: numbers that are the same for all elements, or arrays of one for each."""
        for one in region.operations[:-1]:
            if one.name == "element":
                start = int(values[one.operands[1]])
                count = int(np.prod(sizes, dtype=np.int64))
                found = [self.heap.read(values[one.operands[0]]).ravel()[start:start + count].reshape(sizes)]
            elif one.name == "for":
                (body,) = one.regions
                found = [values[each] for each in one.operands[1:]]
                for trip in range(int(values[one.operands[0]])):
                    values.update(zip(body.parameters, [np.int64(trip), *found], strict=True))
                    found = self.lanes(body, values, sizes)
            elif one.name == "if":
                found = self.lanes(one.regions[0 if values[one.operands[0]] else 1], values, sizes)
            elif OPS.get(one.name) and OPS[one.name].has("elementwise"):
                found = [on_elements(one, values)]
            else:
                found = self.constant(one, values) if one.name == "constant" else self.row(one, values)
            values.update(zip(one.results, found, strict=True))
        return [values[each] for each in region.operations[-1].operands]


def on_elements(one: Operation, values: Mapping[Any, Any]) -> Any:
    """A scalar operation on numbers, or on whole arrays of them."""
    found = OPS[one.name].meaning(np, [values[each] for each in one.operands], one.attributes, ())
    kind = one.results[0].type
    return stored(found, Array(kind, ()) if isinstance(found, np.ndarray) and found.ndim else kind)


_STRUCTURAL: dict[str, Callable[[_Machine, Operation, dict[Any, Any]], list[Any]]] = {
    "constant": _Machine.constant, "call": _Machine.call_operation, "construct": _Machine.construct, "switch": _Machine.switch,
    "if": _Machine.conditional, "for": _Machine.counted_loop, "while": _Machine.open_loop, "retain": _Machine.retain,
    "release": _Machine.release, "fused": _Machine.fused, "nest": _Machine.nest, "pack": _Machine.pack, "unpack": _Machine.unpack,
    "regroup": _Machine.regroup,
    "yield": lambda machine, one, values: [],
    "return": lambda machine, one, values: [],
}
