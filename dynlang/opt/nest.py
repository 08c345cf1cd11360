"""Rows that a loop adds up, or that are written into an array, are computed element by element, with the loop inside.

Law: every result has the same bits, and every error is the same. A loop that carries a row, and does nothing to it but what is
done to each element alone, is turned inside out (`nest`): the loop over elements stands outside, in blocks of registers. So are
the elementwise operations that make a row of an array, and what is written into that array is the row itself; if it is made of what
stands there before, that is the region's parameter. An operation
joins the row that it is made for if nothing else uses it and nothing stands in between that could fail, or write what it reads.

Before:

    func @f(%n: i64, %x: f32[%n, %b], %b: i64, %e: i64, %ids: i64[%e], %y: f32[%n, %b], %i: i64, %s: f32) -> (f32[%n, %b])
        with {owned = [5]} {
      %zero: f32 = constant {value = 0.0}
      %first: f32[%b] = fill %zero sizes [%b]
      %sum: f32[%b] = for %e, %first (%k: i64, %total: f32[%b]) {
        %u: i64 = at %ids, %k
        %row: f32[%b] = at %x, %u
        %t: f32[%b] = add %total, %row
        yield %t
      }
      %m: f32[%b] = mul %sum, %s
      %z: f32[%n, %b] = update %y, %i, %m
      return %z
    }

After (and without what is unused then):

    func @f(%n: i64, %x: f32[%n, %b], %b: i64, %e: i64, %ids: i64[%e], %y: f32[%n, %b], %i: i64, %s: f32) -> (f32[%n, %b])
        with {owned = [5]} {
      %zero: f32 = constant {value = 0.0}
      %to: i64 = mul %i, %b
      %z: f32[%n, %b] = nest %y, %to sizes [%b] {into = ["set"]} {
        %sum: f32 = for %e, %zero (%k: i64, %total: f32) {
          %u: i64 = at %ids, %k
          %from: i64 = mul %u, %b
          %row: f32 = element %x, %from
          %t: f32 = add %total, %row
          yield %t
        }
        %m: f32 = mul %sum, %s
        yield %m
      }
      return %z
    }
"""

from __future__ import annotations

from dynlang.opt.depend import Owned, used, written
from dynlang.opt.drop_unused import drop_unused, must_stay
from dynlang.opt.fuse import SCALAR_FORM, is_elementwise
from dynlang.opt.rows import Body, Nest, Reading, is_row
from dynlang.ssa.build import Builder, copy_function, operations_in
from dynlang.ssa.nodes import Array, Function, Module, Operation, Region, Value

WRITES = {"update": "set", "accumulate_at": "add"}
MOST_OPERATIONS = 64
"""Of a nest: its code is written out for several vectors."""


def nest(module: Module) -> Module:
    owned = {name: one.owned for name, one in module.functions.items()}
    functions = dict(module.functions)
    for name, one in module.functions.items():
        if any(carries_row(each) or writes_row(each) for each in operations_in(one.body)):
            made = _Nesting(copy_function(one), owned).run()
            functions[name] = drop_unused(Module({}, {name: made})).functions[name]
    return Module(module.sums, functions, module.roots)


def carries_row(one: Operation) -> bool:
    return one.name == "for" and any(map(is_row, one.results))


def writes_row(one: Operation) -> bool:
    """Whether an operation writes a row of numbers into an array of them."""
    if one.name not in WRITES or not is_row(one.operands[-1]):
        return False
    kind, row = one.operands[0].type, one.operands[-1].type
    return isinstance(kind, Array) and isinstance(row, Array) and kind.element == row.element


class _Nesting:
    """The pass on a function that is its own copy: regions are rewritten in place, outermost first."""

    def __init__(self, function: Function, owned: Owned) -> None:
        self.function = function
        self.owned = owned
        self.reading = Reading(function, owned)

    def run(self) -> Function:
        self.region(self.function.body)
        return self.function

    def region(self, region: Region) -> None:
        if any(carries_row(one) or writes_row(one) for one in region.operations):
            region.operations[:] = _Rows(self, region).rewritten()
        for one in region.operations:
            if one.name != "nest":
                for inner in one.regions:
                    self.region(inner)


class _Rows:
    """What may become a nest in a region: looked for from the end, so that each nest ends as late as it can."""

    def __init__(self, owner: _Nesting, region: Region) -> None:
        self.reading = owner.reading
        self.owned = owner.owned
        self.operations = list(region.operations)
        self.users: dict[Value, set[Operation]] = {}
        self.position: dict[Value, int] = {}
        self.writers: dict[Value, list[int]] = {}
        for place, one in enumerate(self.operations):
            for value in used(one):
                self.users.setdefault(value, set()).add(one)
            for value in written(one, self.owned):
                self.writers.setdefault(value, []).append(place)
            self.position.update((value, place) for value in one.results)
        self.gone: set[Operation] = set()
        self.rests: dict[Value, bool] = {}

    def rewritten(self) -> list[Operation]:
        made: list[list[Operation]] = []
        for position in range(len(self.operations) - 1, -1, -1):
            one = self.operations[position]
            if one not in self.gone:
                made.append(self.nested(position, one) or [one])
        return [one for each in reversed(made) for one in each if one not in self.gone]

    def nested(self, position: int, one: Operation) -> list[Operation] | None:
        """The nest in the place of an operation, if a nest may end with it and something is gained."""
        if writes_row(one):
            return self.write(position, one)
        if carries_row(one):
            return self.new_rows(position, one, [value for value in one.results if value in self.users and is_row(value)])
        if is_joinable(one) and any(map(self.rests_on_loop, one.operands)):
            return self.new_rows(position, one, one.results)
        return None

    def rests_on_loop(self, value: Value) -> bool:
        """Whether a value is made element by element of what a loop gives."""
        if value not in self.rests:
            place = self.position.get(value)
            one = self.operations[place] if place is not None and is_row(value) else None
            self.rests[value] = one is not None and (carries_row(one) or (is_joinable(one) and any(map(self.rests_on_loop, one.operands))))
        return self.rests[value]

    def write(self, position: int, one: Operation) -> list[Operation] | None:
        """A row that is written into an array."""
        array, *indices, row = one.operands
        members = self.members(position, one, [row], array)
        made = Nest(self.reading, members, self.is_near, lambda base, first: base is not array and self.stays(base, first, position),
                    [array, *indices])
        if self.reading.is_short(row) or not (members or made.piece(row)):
            return None
        outer = Builder(Region([]), one.span)
        assert isinstance(array.type, Array)
        steps = tuple((index, array.type.shape[axis + 1:]) for axis, index in enumerate(indices))
        operands = [array, self.reading.offset(outer, steps)]
        return self.finish(made, outer, one, [row], list(one.results), (WRITES[one.name],), operands, members)

    def new_rows(self, position: int, one: Operation, rows: list[Value]) -> list[Operation] | None:
        """Rows that are new arrays, made by an operation and by others that stand before it."""
        if not rows or len({self.reading.shape(value) for value in rows}) != 1 or self.reading.is_short(rows[0]):
            return None
        if one.name == "for" and not Body(self.reading, one, rows).convertible:
            return None
        members = {one} | self.members(position, one, taken_as_rows(one), None, self.reading.shape(rows[0]))
        if not any(each.name == "for" for each in members):
            return None
        made = Nest(self.reading, members, self.is_near, lambda base, first: self.stays(base, first, position))
        results = list(rows)
        found = self.finish(made, Builder(Region([]), one.span), one, rows, results, (None,) * len(rows), [], members)
        if found is not None and any(value in self.users for value in one.results if value not in rows):
            self.gone -= members
            one.results[:] = [Value(value.name, value.type) if value in rows else value for value in one.results]
            return [one, *found]
        return found

    def finish(self, made: Nest, outer: Builder, one: Operation, rows: list[Value], results: list[Value],
               into: tuple[str | None, ...], operands: list[Value], members: set[Operation]) -> list[Operation] | None:
        region = made.yielding(rows)
        if sum(1 for _ in operations_in(region)) > MOST_OPERATIONS:
            return None
        self.gone |= members
        kind = rows[0].type
        assert isinstance(kind, Array)
        outer.emit("nest", operands, results, {"into": into}, [region], kind.shape)
        return outer.region.operations

    # -- which operations are made for a row

    def members(self, end: int, last: Operation, rows: list[Value], target: Value | None, shape: object = None) -> set[Operation]:
        """The operations before a place that nothing uses but `last`, which stands there, and one another.

        `target` is written by `last`, so what reads it stays before."""
        shape = shape or self.reading.shape(rows[0])
        allowed, wanted = {last}, {value for value in rows if value in self.position}
        changed = set() if target is None else {target}
        checked = any(map(must_stay, operations_in(last.regions[0]))) if last.name == "for" else False
        place = end - 1
        while wanted and place >= 0:
            one = self.operations[place]
            place -= 1
            mine = wanted.intersection(one.results)
            wanted -= mine
            uses = set[Operation]().union(*(self.users.get(value, set()) for value in one.results))
            if mine and one not in self.gone and uses <= allowed and self.joins(one, shape, changed, checked):
                allowed.add(one)
                wanted.update(value for value in taken_as_rows(one) if self.position.get(value, end) <= place)
                checked = checked or any(map(must_stay, inside(one)))
            else:
                checked = checked or must_stay(one) or any(map(must_stay, inside(one)))
                changed |= written(one, self.owned)
        return allowed - {last}

    def joins(self, one: Operation, shape: object, changed: set[Value], checked: bool) -> bool:
        """Whether an operation can be done later, in the nest. `changed`, `checked`: what the operations in between write, and whether
        one of them may fail."""
        rows = [value for value in one.results if value in self.users]
        if any(self.reading.shape(value) != shape or not is_row(value) for value in rows):
            return False
        if one.name == "for":
            fails = checked and any(map(must_stay, inside(one)))
            return not fails and changed.isdisjoint(used(one)) and Body(self.reading, one, rows).convertible
        return (is_joinable(one) or one.name == "fill") and changed.isdisjoint(one.operands)

    def is_near(self, one: Operation) -> bool:
        return any(value in self.position for value in one.results)

    def stays(self, base: Value, first: Operation, end: int) -> bool:
        """Whether nothing writes an array between an operation that reads a piece of it and the place of the nest."""
        begin = next((self.position[value] for value in first.results if value in self.position), end)
        return not any(begin < place < end for place in self.writers.get(base, ()))


def is_joinable(one: Operation) -> bool:
    return is_elementwise(one) and one.name not in SCALAR_FORM and any(map(is_row, one.operands))


def taken_as_rows(one: Operation) -> list[Value]:
    """The rows of which an operation uses each element at its own place alone: `%p` isn't one of a loop that holds `at %p, %k`."""
    picked = {value for each in inside(one) if not is_elementwise(each) and each.name not in ("for", "yield") for value in each.operands}
    return [value for value in used(one) if is_row(value) and value not in picked]


def inside(one: Operation) -> list[Operation]:
    return [each for region in one.regions for each in operations_in(region)]
