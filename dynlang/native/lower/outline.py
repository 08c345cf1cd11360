"""Long straight lines in pieces: LLVM schedules a block and gives it registers in time that grows as the square of its length.

A region of very many operations becomes calls of functions `NAME.piece(context, shared)`, one for each stretch of it. What one
stretch computes and a later one reads lies in `shared`, an array on the stack of the function that calls them:

    let a = sin(x) .. two thousand more           shared[0] = x
    let z = a * x                                 f.piece.1(context, shared)     shared[1] = sin(shared[0]) ..
                                                  f.piece.2(context, shared)     shared[2] = shared[1] * shared[0]

The order of the operations, and so every bit of every result, stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from dynlang.native.lower.layout import SLOT_BYTES, element_bytes
from dynlang.ssa.build import operations_in, sizes_of
from dynlang.ssa.nodes import Operation, Region, Value, ValueType

if TYPE_CHECKING:
    from dynlang.native.lower.frame import Frame

LONGEST = 3_000
"""Operations of a region, those inside it included, that stay in one function."""
PIECE = 300
OWN = 64
"""A region with fewer operations of its own isn't cut: branches inside of one another would each be looked through whole."""


def is_long(region: Region) -> bool:
    """Whether a region is to be cut. Whatever has few operations of its own holds the long region inside."""
    return len(region.operations) > OWN and sum(1 for _ in operations_in(region)) > LONGEST


def lower_in_pieces(frame: Frame, region: Region, box: str = "") -> None:
    """Everything of a region but its last operation, whose operands have their values in `frame` afterwards.

    The region's parameters are the fields of `box`, where there is one: they are copied into `shared` as they lie there."""
    *operations, last = region.operations
    fields = region.parameters if box else []
    _Outline(frame, operations, [*mentioned(last), *frame.hidden], fields).lower(box)


def mentioned(operation: Operation) -> Iterator[Value]:
    """The values that an operation and those inside it name, in operands, sizes and types."""
    yield from _own(operation)
    for region in operation.regions:
        yield from _in_types(one.type for one in region.parameters)
        for inner in operations_in(region):
            yield from _own(inner)
            for deeper in inner.regions:
                yield from _in_types(one.type for one in deeper.parameters)


def _own(operation: Operation) -> Iterator[Value]:
    yield from operation.operands
    yield from (one for one in operation.sizes if isinstance(one, Value))
    yield from _in_types(one.type for one in (*operation.operands, *operation.results))


def _in_types(kinds: Iterable[ValueType]) -> Iterator[Value]:
    for kind in kinds:
        yield from sizes_of(kind)


def pieces(operations: list[Operation]) -> Iterator[list[Operation]]:
    """Stretches of about `PIECE` operations, counting those inside others."""
    found: list[Operation] = []
    weight = 0
    for one in operations:
        found.append(one)
        weight += 1 + sum(1 for region in one.regions for _ in operations_in(region))
        if weight >= PIECE:
            yield found
            found, weight = [], 0
    if found:
        yield found


class _Outline:
    def __init__(self, frame: Frame, operations: list[Operation], after: list[Value], fields: list[Value]) -> None:
        self.frame = frame
        self.after = after
        self.pieces = list(pieces(operations))
        self.slots: dict[Value, int] = {value: place for place, value in enumerate(fields)}
        """The place in `shared` of each value that is read in another piece than its own."""
        self.room = len(self.slots)

    def lower(self, box: str) -> None:
        fields = len(self.slots)
        homes = {value: place for place, piece in enumerate(self.pieces) for one in piece for value in one.results}
        outer: dict[Value, None] = {}
        for place, piece in enumerate(self.pieces):
            for value in (value for one in piece for value in mentioned(one)):
                self._meet(value, place, homes, outer)
        for value in self.after:
            self._meet(value, len(self.pieces), homes, outer)
        shared = self.frame.f.slot("i64", count=max(1, self.room))
        if fields:
            self.frame.f.copy_bytes(shared, self.frame.f.offset(box, 1, "i64"), SLOT_BYTES * fields)
        for value in outer:
            self._store(self.frame, shared, value)
        for piece in self.pieces:
            self._piece(piece, shared)
        for value in self.after:
            self._load(self.frame, shared, value)

    def _meet(self, value: Value, place: int, homes: dict[Value, int], outer: dict[Value, None]) -> None:
        """A value that a piece names: its own, that of a piece before, or one from outside the region."""
        if value in homes:
            if homes[value] != place:
                self._reserve(value)
        elif place < len(self.pieces) and self.frame.operands.get(value, "").startswith("%"):
            self._reserve(value)
            outer[value] = None

    def _reserve(self, value: Value) -> None:
        if value not in self.slots:
            self.slots[value] = self.room
            self.room += -(-element_bytes(value.type) // SLOT_BYTES)

    def _piece(self, operations: list[Operation], shared: str) -> None:
        made, f = self.frame.piece(lambda frame, value: self._read(frame, "%shared", value))
        for one in operations:
            for value in mentioned(one) if one.name != "construct" else ():
                self._load(made, "%shared", value)
            made.operation(one)
            for value in one.results:
                if made.operands[value].startswith("%"):
                    self._store(made, "%shared", value)
                else:
                    self.frame.define(value, made.operands[value])
        if not f.terminated:
            f.ret(0)
        made.leave()
        code = self.frame.f.call(f.signature.name, "%context", shared)
        self.frame.stop_if(self.frame.f.icmp("ne", code, 0, "i32"))

    def _store(self, frame: Frame, shared: str, value: Value) -> None:
        if value in self.slots:
            frame.store_slot(frame.f.offset(shared, self.slots[value], "i64"), frame[value], value.type)

    def _load(self, frame: Frame, shared: str, value: Value) -> None:
        """The value's operand in this function, read where it is needed first."""
        if value not in frame.operands and (value in self.slots or value in self.frame.operands):
            frame.define(value, self._read(frame, shared, value))

    def _read(self, frame: Frame, shared: str, value: Value) -> str:
        known = self.frame.operands.get(value, "%")
        if not known.startswith("%"):
            return known
        return frame.load_slot(frame.f.offset(shared, self.slots[value], "i64"), value.type)
