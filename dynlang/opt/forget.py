"""What is written and never read isn't written.

Law: every result is the same. A loop that goes through an array place by place, reads each one, then writes it, for nobody who asks
what the array is in the end, only reads it: so the backward of a comprehension clears what it has used up. And an array that a loop
writes place by place, each of them, without reading it, may hold anything at first. One that is filled with a number, and that a loop
adds to once in each place, is written with the sums: `0 + x`, which isn't x where that is -0.

Before:

    func @f(%n: i64, %x: f32[%n, %b], %b: i64) -> (f32[%n, %b]) with {owned = [1]} {
      %zero: f32 = constant {value = 0.0}
      %y: f32[%n, %b] = fill %zero sizes [%n, %b]
      %none: f32[%b] = fill %zero sizes [%b]
      %old: f32[%n, %b], %new: f32[%n, %b] = for %n, %x, %y (%i: i64, %v: f32[%n, %b], %w: f32[%n, %b]) {
        %row: f32[%b] = at %v, %i
        %u: f32[%n, %b] = update %v, %i, %none
        %e: f32[%b] = exp %row
        %z: f32[%n, %b] = update %w, %i, %e
        yield %u, %z
      }
      return %new
    }

After (and without what is unused then):

    func @f(%n: i64, %x: f32[%n, %b], %b: i64) -> (f32[%n, %b]) with {owned = [1]} {
      %y: f32[%n, %b] = empty sizes [%n, %b]
      %new: f32[%n, %b] = for %n, %y (%i: i64, %w: f32[%n, %b]) {
        %row: f32[%b] = at %x, %i
        %e: f32[%b] = exp %row
        %z: f32[%n, %b] = update %w, %i, %e
        yield %z
      }
      return %new
    }
"""

from __future__ import annotations

from collections import Counter

from dynlang.opt.take import substitute
from dynlang.ssa.build import copy_function, map_functions, operations_in
from dynlang.ssa.nodes import Array, Function, Module, Operation, Region, Scalar, Value
from dynlang.ssa.shapes import Polynomials
from dynlang.types import Size

WRITES = ("update", "accumulate_at")


def forget(module: Module) -> Module:
    return map_functions(module, lambda one: _Forgetting(copy_function(one)).run() if any(map(may_gain, operations_in(one.body))) else one)


def may_gain(one: Operation) -> bool:
    """Whether a loop writes places of an array of numbers."""
    if one.name != "for":
        return False
    return any(is_array(value) and each.name in WRITES and each.operands[0] is value
               for value in one.regions[0].parameters for each in one.regions[0].operations)


def is_array(value: Value) -> bool:
    return isinstance(value.type, Array) and isinstance(value.type.element, Scalar)


class _Forgetting:
    """The pass on a function that is its own copy."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.sizes = Polynomials()
        self.sizes.visit_all(function.body)
        operations = list(operations_in(function.body))
        self.uses = Counter(value for one in operations for value in one.operands)
        self.definitions = {value: one for one in operations for value in one.results}
        self.loops = [one for one in operations if may_gain(one)]

    def run(self) -> Function:
        for loop in self.loops:
            for place in range(len(loop.results) - 1, -1, -1):
                self.carried(loop, place)
        return self.function

    def carried(self, loop: Operation, place: int) -> None:
        """One of the values that a loop carries."""
        (body,) = loop.regions
        array, last = body.parameters[place + 1], body.operations[-1]
        write = self.definitions.get(last.operands[place])
        if write is None or write.name not in WRITES or write.operands[0] is not array or self.uses[write.results[0]] != 1:
            return
        if not is_array(array):
            return
        indices = write.operands[1:-1]
        others = [one for one in body.operations if one is not write and (array in one.operands or any(
            array in each.operands for inner in one.regions for each in operations_in(inner)))]
        if not any(self.goes_through(index, body) for index in indices):
            return
        unread = not self.uses[loop.results[place]] and all(one.name == "at" and one.operands[1:] == indices for one in others)
        if write.name == "update" and unread:
            body.operations.remove(write)
            self.only_read(loop, place)
        elif not others and self.uses[array] == 1 and self.all_places(loop, indices, array):
            self.begin_with_anything(loop.operands[place + 1], write, body)

    def goes_through(self, index: Value, body: Region) -> bool:
        """Whether an index is another one in each turn: the turn's number, counted up or down."""
        turn = self.sizes(body.parameters[0])
        rest = self.sizes(index) - turn, self.sizes(index) + turn
        inside = {name for value, name in self.names_inside(body)}
        return any(inside.isdisjoint(one.variables()) for one in rest)

    def names_inside(self, body: Region) -> list[tuple[Value, str]]:
        """The variables of sizes that a loop's body defines."""
        made = set(body.parameters)
        made.update(value for one in operations_in(body) for value in one.results)
        return [(value, name) for name, value in self.sizes.roots.items() if value in made]

    def all_places(self, loop: Operation, indices: list[Value], array: Value) -> bool:
        """Whether each row of an array has its turn."""
        (body,) = loop.regions
        assert isinstance(array.type, Array)
        count, turn, index = self.sizes(loop.operands[0]), self.sizes(body.parameters[0]), self.sizes(indices[0])
        backwards = count - Size.constant(1) - turn
        return len(indices) == 1 and count == self.sizes(array.type.shape[0]) and index in (turn, backwards)

    def only_read(self, loop: Operation, place: int) -> None:
        (body,) = loop.regions
        parameter = body.parameters.pop(place + 1)
        start = loop.operands.pop(place + 1)
        loop.results.pop(place)
        body.operations[-1].operands.pop(place)
        for one in body.operations:
            substitute(one, {parameter: start})

    def begin_with_anything(self, start: Value, write: Operation, body: Region) -> None:
        made = self.definitions.get(start)
        if made is None or made.name != "fill" or self.uses[start] != 1:
            return
        if write.name == "accumulate_at":
            row = write.operands[-1]
            total = Value(row.name, row.type)
            body.operations.insert(body.operations.index(write), Operation("add", [made.operands[0], row], [total], span=write.span))
            write.name, write.operands[-1] = "update", total
        made.name = "empty"
        made.operands.clear()
