"""Where references are taken and dropped.

Law: the program computes the same; on every path each owned reference is consumed exactly once, so a block is freed right
after its last use, and an operation that consumes the only reference writes in place.

Ownership is as `ssa/ownership.py` states it. A reference moves at its last use; a use that consumes while the value lives on
retains it first; a value that dies without being consumed is released behind its last use, or at the start of a branch that
doesn't use it. The text of a constant lives as long as the program and is only lent. Loops own what they carry and borrow
the rest. A `switch` borrows its payloads from the box; where the box is owned and dies there, the payloads that are used are
retained and the box is released first, so that they become unique before anything is written into them. The scheme is that
of Perceus (Reinking et al., 2021) with borrowed parameters as in Lean 4 (Ullrich and de Moura, 2019).

Before:

    func @f(%x: f32[4], %i: i64, %v: f32) -> (f32[4], f32) with {owned = [0]} {
      %y: f32[4] = add %x, %x
      %z: f32[4] = update %x, %i, %v
      %s: f32 = reduce_sum %y
      return %z, %s
    }

After:

    func @f(%x: f32[4], %i: i64, %v: f32) -> (f32[4], f32) with {owned = [0]} {
      %y: f32[4] = add %x, %x
      %z: f32[4] = update %x, %i, %v
      %s: f32 = reduce_sum %y
      release %y
      return %z, %s
    }
"""

from __future__ import annotations

from collections.abc import Iterable

from dynlang.ssa.build import map_functions, sizes_of
from dynlang.ssa.nodes import Function, Module, Operation, Region, Value
from dynlang.ssa.ownership import consumed_operands

Ordered = dict[Value, None]
"""A set of values in the order of the program, so that equal programs give equal text."""


def count_references(module: Module) -> Module:
    return map_functions(module, lambda function: _Counting(module, function).run())


class _Counting:
    """The pass on one function. Values are shared with the old function, operations and regions are new."""

    def __init__(self, module: Module, function: Function) -> None:
        self.module = module
        self.function = function
        self.inside: dict[Operation, Ordered] = {}

    def run(self) -> Function:
        one = self.function
        owned = dict.fromkeys(value for i, value in enumerate(one.parameters) if i in one.owned and value.counted)
        self.find_uses(one.body)
        body = self.region(one.body, owned)
        return Function(one.name, body, one.results, one.owned, one.recursive, one.sizes, one.inout, one.export,
                        one.parameter_labels, one.result_labels, one.documentation, one.span)

    def find_uses(self, region: Region) -> Ordered:
        """The references used in a region; and, for each operation with regions, those used inside it."""
        used: Ordered = {}
        for one in region.operations:
            used.update((value, None) for value in one.operands if value.counted)
            if one.regions:
                self.inside[one] = {value: None for inner in one.regions for value in self.find_uses(inner)}
                used |= self.inside[one]
        return used

    def region(self, region: Region, owned: Ordered, start: Iterable[Operation] = ()) -> Region:
        """The region with counts. `owned` are the references that it has to consume, `start` what it does first.

        A reference is used where the sizes of its type are known: if they are computed behind its definition, behind that."""
        made, waiting = Region(region.parameters), list(start)
        last = self.last_uses(region)
        unknown = {value for one in region.operations for value in one.results}
        self.drop(waiting, [value for value in owned if value not in last], owned)
        flush(made, waiting, unknown)
        for position, one in enumerate(region.operations):
            dying = [value for value in self.uses(one) if value in owned and last[value] == position]
            self.operation(made, one, dying, owned)
            unknown.difference_update(one.results)
            made_here = [value for value in one.results if value.counted and one.name != "constant"]
            owned.update(dict.fromkeys(made_here))
            self.drop(waiting, [value for value in made_here if value not in last], owned)
            flush(made, waiting, unknown)
        return made

    def uses(self, one: Operation) -> dict[Value, None]:
        """The references that an operation uses, in a fixed order."""
        found = dict.fromkeys(value for value in one.operands if value.counted)
        if one.regions:
            found |= self.inside[one]
        return found

    def last_uses(self, region: Region) -> dict[Value, int]:
        return {value: position for position, one in enumerate(region.operations) for value in self.uses(one)}

    def drop(self, made: list[Operation], values: Iterable[Value], owned: Ordered) -> None:
        for value in values:
            made.append(Operation("release", [value], []))
            owned.pop(value, None)

    def operation(self, made: Region, one: Operation, dying: list[Value], owned: Ordered) -> None:
        """Append an operation: retain what it consumes and something else still needs, release what dies there."""
        consumed = consumed_operands(one, self.module.functions)
        inside = self.inside.get(one, {})
        branches = one.name in ("if", "switch")
        borrowed = {value for i, value in enumerate(one.operands) if value.counted and i not in consumed}
        if not branches:
            borrowed |= inside.keys()
        moved: set[Value] = set()
        for position in reversed(consumed):
            value = one.operands[position]
            if value in owned and value in dying and value not in borrowed and value not in moved:
                moved.add(value)
            else:
                made.operations.append(Operation("retain", [value], []))
        for value in moved:
            del owned[value]
        handed = [value for value in dying if value in owned] if branches else []
        for value in handed:
            del owned[value]
        regions = self.regions(one, handed)
        copy = Operation(one.name, one.operands, one.results, one.attributes, regions, one.sizes, one.span)
        made.operations.append(copy)
        self.drop(made.operations, [value for value in dying if value in owned], owned)

    def regions(self, one: Operation, handed: list[Value]) -> list[Region]:
        match one.name:
            case "if":
                return [self.region(region, dict.fromkeys(handed)) for region in one.regions]
            case "switch":
                return [self.arm(region, one.operands[0], handed) for region in one.regions]
            case "for":
                (body,) = one.regions
                return [self.region(body, dict.fromkeys(value for value in body.parameters if value.counted))]
            case "while":
                condition, body = one.regions
                carried = dict.fromkeys(value for value in body.parameters if value.counted)
                return [self.region(condition, {}), self.region(body, carried)]
        return one.regions

    def arm(self, region: Region, box: Value, handed: list[Value]) -> Region:
        """A case. If the box dies in it, its payloads become owned before it is released."""
        if box not in handed:
            return self.region(region, dict.fromkeys(handed))
        used = self.last_uses(region)
        payloads = [value for value in region.parameters if value.counted and value in used]
        start = [Operation("retain", [value], []) for value in payloads]
        return self.region(region, dict.fromkeys([*handed, *payloads]), start)


def flush(made: Region, waiting: list[Operation], unknown: set[Value]) -> None:
    """Append what waits for no size any more; nothing is released before a retain that stands before it."""
    retaining = False
    for one in list(waiting):
        ready = not any(size in unknown for size in sizes_of(one.operands[0].type))
        if ready and (one.name == "retain" or not retaining):
            made.operations.append(one)
            waiting.remove(one)
        retaining |= one.name == "retain" and not ready
