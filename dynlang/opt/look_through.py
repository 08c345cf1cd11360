"""What is read from a slice, or from a row, is read from the array that it was taken from.

Law: every result has the same bits. A number, or a row, of a slice stands in the array, too, start and step further; a slice or a row
that nothing else asks for is never made. That holds for arrays that the function only reads: of one that it writes, the old elements would
have to be kept.

Before:

    func @f(%n: i64, %x: f64[%n], %from: i64, %count: i64) -> (f64) {
      %s: f64[%count] = slice %x, %from sizes [%count]
      %zero: f64 = constant {value = 0.0}
      %y: f64 = for %count, %zero (%i: i64, %total: f64) {
        %a: f64 = at %s, %i
        %t: f64 = add %total, %a
        yield %t
      }
      return %y
    }

After (and without what is unused then):

    func @f(%n: i64, %x: f64[%n], %from: i64, %count: i64) -> (f64) {
      %zero: f64 = constant {value = 0.0}
      %y: f64 = for %count, %zero (%i: i64, %total: f64) {
        %j: i64 = add %from, %i
        %a: f64 = at %x, %j
        %t: f64 = add %total, %a
        yield %t
      }
      return %y
    }
"""

from __future__ import annotations

from dynlang.opt.depend import Owned, changed
from dynlang.opt.pieces import of_numbers, strides, takes_whole_rows
from dynlang.ssa.build import I64, Builder, copy_function, operations_in
from dynlang.ssa.nodes import Function, Module, Operation, Region, Value
from dynlang.ssa.shapes import Polynomials


def look_through(module: Module) -> Module:
    owned = {name: one.owned for name, one in module.functions.items()}
    return Module(module.sums, {name: looked_through(one, owned) for name, one in module.functions.items()}, module.roots)


def looked_through(function: Function, owned: Owned) -> Function:
    taken = {one.results[0] for one in operations_in(function.body) if one.name in ("slice", "at")}
    if not any(one.name == "at" and one.operands[0] in taken for one in operations_in(function.body)):
        return function
    copy = copy_function(function)
    _Looking(copy, owned).region(copy.body)
    return copy


class _Looking:
    """The pass on a function that is its own copy: regions are rewritten in place."""

    def __init__(self, function: Function, owned: Owned) -> None:
        self.sizes = Polynomials()
        self.sizes.visit_all(function.body)
        self.windows = {one.results[0]: one for one in operations_in(function.body) if one.name == "slice" and of_numbers(one)}
        self.rows = {one.results[0]: one for one in operations_in(function.body) if one.name == "at" and of_numbers(one)}
        self.changed = changed(function, owned)

    def region(self, region: Region) -> None:
        made = Builder(Region([]))
        for one in region.operations:
            for inner in one.regions:
                self.region(inner)
            while (seen := self.seen(made, one)) is not None:
                one = seen
            made.append(one)
        region.operations[:] = made.region.operations

    def seen(self, b: Builder, one: Operation) -> Operation | None:
        """The same reading, of the array that a slice or a row was taken from."""
        if one.name != "at":
            return None
        b.span = one.span
        row, window = self.rows.get(one.operands[0]), self.windows.get(one.operands[0])
        if row is not None and row.operands[0] not in self.changed:
            return Operation("at", [*row.operands, *one.operands[1:]], one.results, one.attributes, [], (), one.span)
        if window is not None and self.shows(window, one):
            return Operation("at", [window.operands[0], *self.places(b, window, one)], one.results, one.attributes, [], (), one.span)
        return None

    def shows(self, window: Operation, one: Operation) -> bool:
        """Whether the array has all that is read from its slice, side by side."""
        taken = len(one.operands) - 1
        return (window.operands[0] not in self.changed and all(step == 1 for step in strides(window)[taken:])
                and takes_whole_rows(window, taken, self.sizes))

    def places(self, b: Builder, window: Operation, one: Operation) -> list[Value]:
        found = []
        for index, start, step in zip(one.operands[1:], window.operands[1:], strides(window), strict=False):
            moved = index if step == 1 else b.value("mul", [index, b.constant(step, "i64")], I64, hint="offset")
            found.append(moved if self.sizes(start).value == 0 else b.value("add", [start, moved], I64, hint="place"))
        return found
