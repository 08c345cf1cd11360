"""Rows as nests see them: what of a loop can be done for each element alone, where a piece of an array begins, and the region of a nest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from math import prod

from dynlang.ops import OPS
from dynlang.opt.depend import Owned, changed, used
from dynlang.opt.drop_unused import must_stay
from dynlang.opt.fuse import DTYPES, SCALAR_FORM, dtype_of, is_elementwise
from dynlang.opt.pieces import Steps, begins
from dynlang.ssa.build import I64, Builder, operations_in
from dynlang.ssa.lanes import UNIFORM
from dynlang.ssa.nodes import Array, Function, Operation, Region, Scalar, Value
from dynlang.ssa.shapes import Polynomials
from dynlang.types import Size

FEWEST = 5
"""Elements of a row: shorter ones become numbers (`take_apart`)."""
Shape = tuple[Size, ...]


def is_row(value: Value) -> bool:
    """An array of numbers."""
    return isinstance(value.type, Array) and dtype_of(value) in DTYPES


class Reading:
    """Sizes, definitions and uses of a function."""

    def __init__(self, function: Function, owned: Owned) -> None:
        self.sizes = Polynomials()
        self.sizes.visit_all(function.body)
        operations = list(operations_in(function.body))
        self.definitions = {value: one for one in operations for value in one.results}
        self.used = Counter(value for one in operations for value in one.operands)
        self.changed = changed(function, owned)

    def shape(self, value: Value) -> Shape | None:
        return self.sizes.many(value.type.shape) if isinstance(value.type, Array) else None

    def is_short(self, row: Value) -> bool:
        count = prod(self.shape(row) or (), start=Size.constant(1)).value
        return count is not None and 0 < count < FEWEST

    # -- pieces of arrays

    def step(self, one: Operation) -> Steps | None:
        return begins(one, self.sizes)

    def offset(self, b: Builder, steps: Steps) -> Value:
        """The sum of index times stride."""
        total: Value | None = None
        for index, sizes in steps:
            if self.sizes(index).value != 0:
                term = index
                for size in sizes:
                    factor = b.constant(size, "i64") if isinstance(size, int) else size
                    term = b.value("mul", [term, factor], I64, hint="offset") if size != 1 else term
                total = term if total is None else b.value("add", [total, term], I64, hint="offset")
        return total or b.constant(0, "i64")


class Body:
    """A loop, as far as some of its results need it."""

    def __init__(self, reading: Reading, loop: Operation, rows: list[Value]) -> None:
        self.reading = reading
        self.loop = loop
        (self.region,) = loop.regions
        self.shape = reading.shape(rows[0])
        self.origin = {value: one for one in self.region.operations for value in one.results}
        self.kept = {place for place, value in enumerate(loop.results) if value in rows}
        """Which of the carried values are needed, and which operations."""
        self.needed: set[Operation] = set()
        self.follow()
        self.convertible = self.can_be()

    def follow(self) -> None:
        parameters = {value: place for place, value in enumerate(self.region.parameters[1:])}
        ends = self.region.operations[-1].operands
        work = [ends[place] for place in self.kept]
        for one in self.region.operations:
            if must_stay(one) or any(must_stay(each) for region in one.regions for each in operations_in(region)):
                self.needed.add(one)
                work += used(one)
        seen: set[Value] = set()
        while work:
            value = work.pop()
            if value in seen:
                continue
            seen.add(value)
            if value in parameters and parameters[value] not in self.kept:
                self.kept.add(parameters[value])
                work.append(ends[parameters[value]])
            one = self.origin.get(value)
            if one is not None:
                self.needed.add(one)
                work += used(one)

    def operations(self) -> list[Operation]:
        return [one for one in self.region.operations if one in self.needed]

    def can_be(self) -> bool:
        carried = [self.region.parameters[place + 1] for place in self.kept]
        rows = {value for value in carried if isinstance(value.type, Array)}
        if not all(isinstance(value.type, Scalar) or self.is_row(value) for value in carried):
            return False
        return all(self.fits(one, rows) for one in self.operations())

    def is_row(self, value: Value) -> bool:
        return is_row(value) and self.reading.shape(value) == self.shape

    def fits(self, one: Operation, rows: set[Value]) -> bool:
        """Whether an operation can stand in a nest. `rows`: the arrays that are made in the loop, which have elements only there."""
        if one.regions:
            return one.name == "if" and self.branch(one, rows)
        if all(isinstance(value.type, Scalar) for value in one.results):
            row = OPS.get(one.name)
            return one.name == "constant" or (rows.isdisjoint(one.operands) and row is not None
                                              and (one.name in UNIFORM or row.has("elementwise")))
        if len(one.results) != 1 or not self.is_row(one.results[0]):
            return False
        rows.add(one.results[0])
        if self.reading.step(one) is not None:
            return one.operands[0] not in rows
        if is_elementwise(one):
            return all(isinstance(value.type, Scalar) or self.is_row(value) for value in one.operands)
        return one.name == "fill"

    def branch(self, one: Operation, rows: set[Value]) -> bool:
        if not all(isinstance(value.type, Scalar) or self.is_row(value) for value in one.results):
            return False
        rows.update(value for value in one.results if isinstance(value.type, Array))
        return all(self.fits(each, rows) for region in one.regions for each in region.operations[:-1])


class Nest:
    """The region of a nest: `members` are the operations that are done in it. `is_near(first)` says whether an operation stands in the
    region of the nest, and `may_read(array, first)` whether a piece of an array that such a one takes can be read from the array itself."""

    def __init__(self, reading: Reading, members: set[Operation], is_near: Callable[[Operation], bool],
                 may_read: Callable[[Value, Operation], bool], own: Sequence[Value] = ()) -> None:
        self.reading = reading
        self.members = members
        self.is_near = is_near
        self.may_read = may_read
        self.own = list(own)
        """The array that the nest writes a row of, and the indices of that row."""
        self.bodies: set[Operation] = set()
        """What the loops hold that are turned inside out."""
        self.top = Builder(Region([]))
        self.inside: dict[Value, Value] = {}
        """The number that stands in the region for a value outside."""

    def yielding(self, rows: list[Value]) -> Region:
        yielded = [self.number(row) for row in rows]
        self.top.emit("yield", yielded)
        return self.top.region

    def number(self, value: Value) -> Value:
        """What stands for a value in the region; for what isn't there yet, it is made at its top."""
        if value in self.inside:
            return self.inside[value]
        if isinstance(value.type, Scalar):
            return value
        one = self.reading.definitions.get(value)
        if one is not None and one.name == "at" and one.operands == self.own:
            if not self.top.region.parameters:
                self.top.region.parameters.append(Value(value.name, Scalar(dtype_of(value))))
            self.inside[value] = self.top.region.parameters[0]
        elif one is None or not (one in self.members or self.is_made_for_this(value, one)):
            self.inside[value] = self.element(self.top, value, self.piece(value))
        elif one.name == "for":
            self.loop(self.top, one)
        else:
            self.top.span = one.span
            self.computed(self.top, one)
        return self.inside[value]

    def is_made_for_this(self, value: Value, one: Operation) -> bool:
        """Whether a row from outside of the loops around the nest is made for it alone, in single steps of arithmetic on what can be read
        here, too: it is computed here, each time."""
        if self.is_near(one) or self.reading.used[value] != 1 or not is_elementwise(one) or one.name in SCALAR_FORM:
            return False
        return OPS[one.name].cost <= 1 and all(self.is_at_hand(each) for each in one.operands if is_row(each))

    def is_at_hand(self, value: Value) -> bool:
        one = self.reading.definitions.get(value)
        if one is not None and self.reading.step(one) is not None and one.name != "reshape":
            return self.piece(value) is not None
        return one is not None and self.is_made_for_this(value, one)

    def piece(self, value: Value) -> tuple[Value, Steps] | None:
        """Where a piece of an array lies in it, if it can be read there."""
        steps: Steps = ()
        first, far = None, False
        while (one := self.reading.definitions.get(value)) is not None and (found := self.reading.step(one)) is not None:
            steps, value, first, far = steps + found, one.operands[0], one, far or (one not in self.bodies and not self.is_near(one))
        if first is None or (value in self.reading.changed and (far or not (first in self.bodies or self.may_read(value, first)))):
            return None
        return value, steps

    def element(self, b: Builder, value: Value, piece: tuple[Value, Steps] | None) -> Value:
        base, steps = piece or (value, ())
        steps = tuple((self.inside.get(index, index), sizes) for index, sizes in steps)
        return b.value("element", [base, self.reading.offset(b, steps)], Scalar(dtype_of(value)), hint=value.name)

    def computed(self, b: Builder, one: Operation) -> None:
        """An operation on rows, or on numbers, as one on numbers."""
        (result,) = one.results
        if one.name == "fill":
            self.inside[result] = self.number(one.operands[0])
            return
        name = SCALAR_FORM.get(one.name, one.name)
        given = [self.number(value) for value in one.operands]
        self.inside[result] = b.value(name, given, Scalar(dtype_of(result)), one.attributes, hint=result.name)

    def loop(self, b: Builder, one: Operation) -> None:
        body = Body(self.reading, one, [value for value in one.results if is_row(value) and value in self.reading.used])
        places = sorted(body.kept)
        firsts = [self.number(one.operands[place + 1]) for place in places]
        parameters = [body.region.parameters[0], *(body.region.parameters[place + 1] for place in places)]
        inner = Builder(Region([self.define(value) for value in parameters]))
        self.bodies.update(each for each in operations_in(body.region))
        for each in body.operations():
            self.inner(inner, each)
        ends = body.region.operations[-1].operands
        inner.emit("yield", [self.number(ends[place]) for place in places])
        b.span = one.span
        b.emit("for", [one.operands[0], *firsts], [self.define(one.results[place]) for place in places], {}, [inner.region])

    def inner(self, b: Builder, one: Operation) -> None:
        """An operation of a loop's body."""
        b.span = one.span
        if one.name == "if":
            self.branch(b, one)
        elif all(isinstance(value.type, Scalar) for value in one.results):
            operands = [self.number(value) if isinstance(value.type, Scalar) else value for value in one.operands]
            b.emit(one.name, operands, [self.define(value) for value in one.results], one.attributes)
        elif self.reading.step(one) is not None:
            (result,) = one.results
            self.inside[result] = self.element(b, result, self.piece(result))
        else:
            self.computed(b, one)

    def branch(self, b: Builder, one: Operation) -> None:
        arms = []
        for region in one.regions:
            arm = Builder(Region([]))
            for each in region.operations[:-1]:
                self.inner(arm, each)
            arm.emit("yield", [self.number(value) for value in region.operations[-1].operands])
            arms.append(arm.region)
        b.span = one.span
        b.emit("if", [self.number(one.operands[0])], [self.define(value) for value in one.results], {}, arms)

    def define(self, value: Value) -> Value:
        self.inside[value] = Value(value.name, Scalar(dtype_of(value)))
        return self.inside[value]
