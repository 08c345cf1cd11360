"""What nothing uses is not computed: operations, results of branches, values carried by loops.

Law: every result is the same. What may fail, has an effect or may not end is kept: checks, calls, `while`.

Before:

    func @f(%n: i64, %x: f32) -> (f32) {
      %y: f32 = mul %x, %x
      %a: f32, %b: f32 = for %n, %x, %x (%i: i64, %p: f32, %q: f32) {
        %p2: f32 = add %p, %x
        %q2: f32 = mul %q, %p
        yield %p2, %q2
      }
      return %a
    }

After:

    func @f(%n: i64, %x: f32) -> (f32) {
      %a: f32 = for %n, %x (%i: i64, %p: f32) {
        %p2: f32 = add %p, %x
        yield %p2
      }
      return %a
    }
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dynlang.ops import OPS
from dynlang.ssa.build import Copier, map_functions, operations_in, sizes_of, with_body
from dynlang.ssa.nodes import Function, Module, Operation, Region, Value

WHOLE = frozenset({"fused", "nest"})
"""What is kept with all that stands in it, or not at all."""
KEPT = frozenset({"call", "while", "retain", "release", "return"})


def drop_unused(module: Module) -> Module:
    return map_functions(module, lambda function: _Dropping(function).run())


def must_stay(one: Operation) -> bool:
    """Whether an operation is kept whatever becomes of its results."""
    row = OPS.get(one.name)
    return one.name in KEPT or (row is not None and (row.has("check") or row.has("effect")))


class _Dropping:
    """Marks what is needed, from what must stay backwards, then copies only that."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.needed: set[Value] = set()
        self.live: set[Operation] = set()
        self.origin: dict[Value, tuple[Operation, int]] = {}
        self.carried: dict[Value, tuple[Operation, int]] = {}
        self.around: dict[Operation, Operation] = {}
        self.work: list[Value] = []

    def run(self) -> Function:
        stay = self.survey(self.function.body, None)
        for one in stay:
            self.keep(one)
        self.need(size for value in [*self.function.parameters, *self.function.results] for size in sizes_of(value.type))
        while self.work:
            self.follow(self.work.pop())
        if self.everything_is_needed(self.function.body):
            return self.function
        copier = Copier()
        return with_body(self.function, self.copy(self.function.body, copier, range(len(self.function.results)), True), copier)

    def everything_is_needed(self, region: Region) -> bool:
        """Whether nothing would be left out: each operation runs, each result of a branch or loop is used."""
        for one in region.operations[:-1]:
            if one not in self.live or (one.name in ("if", "switch", "for", "while") and not self.needed.issuperset(one.results)):
                return False
            if one.name not in WHOLE and not all(map(self.everything_is_needed, one.regions)):
                return False
        return True

    def survey(self, region: Region, owner: Operation | None) -> list[Operation]:
        """Where every value comes from; returns the operations that must stay."""
        stay = []
        for one in region.operations:
            if owner is not None:
                self.around[one] = owner
            self.origin.update((value, (one, i)) for i, value in enumerate(one.results))
            if must_stay(one):
                stay.append(one)
            for inner in one.regions:
                self.carried.update((value, (one, i)) for i, value in enumerate(inner.parameters))
                stay += self.survey(inner, one)
        return stay

    def need(self, values: Iterable[Value]) -> None:
        for value in values:
            if value not in self.needed:
                self.needed.add(value)
                self.work.append(value)

    def keep(self, one: Operation) -> None:
        """An operation runs, so those around it do; what decides how often, or what goes in whole, is needed."""
        while one not in self.live:
            self.live.add(one)
            self.need(size for size in one.sizes if isinstance(size, Value))
            if one.name in ("if", "switch", "for"):
                self.need(one.operands[:1])
            elif one.name == "while":
                self.need(one.regions[0].operations[-1].operands)
            elif one.name != "yield":
                self.need(one.operands)
                if one.name == "nest":
                    self.need(value for each in operations_in(one.regions[0]) for value in each.operands)
            if one.name not in ("if", "switch", "for", "while"):
                self.need(size for value in one.results for size in sizes_of(value.type))
            if one.name == "switch":
                self.need(size for region in one.regions for value in region.parameters for size in sizes_of(value.type))
            if one not in self.around:
                return
            one = self.around[one]

    def follow(self, value: Value) -> None:
        """A needed value needs what it is made of."""
        self.need(sizes_of(value.type))
        if value in self.origin:
            one, position = self.origin[value]
            self.keep(one)
            if one.name in ("if", "switch"):
                self.need(region.operations[-1].operands[position] for region in one.regions)
            elif one.name in ("for", "while"):
                self.need_carried(one, position)
        elif value in self.carried:
            one, position = self.carried[value]
            self.keep(one)
            shift = 1 if one.name == "for" else 0
            if one.name in ("for", "while") and position >= shift:
                self.need_carried(one, position - shift)

    def need_carried(self, one: Operation, position: int) -> None:
        """One carried value of a loop: its first value, its parameters, its next value, its result."""
        shift = 1 if one.name == "for" else 0
        body = one.regions[-1]
        self.need([one.operands[position + shift], body.operations[-1].operands[position], one.results[position]])
        self.need(region.parameters[position + shift] for region in one.regions)

    # -- copying

    def copy(self, old: Region, copier: Copier, kept: Sequence[int], whole: bool = False) -> Region:
        """The live operations; the last one keeps the operands at `kept`."""
        made = Region([copier.define(one) for one in old.parameters])
        for one in old.operations[:-1]:
            if one in self.live:
                made.operations.append(self.operation(one, copier))
        last = old.operations[-1]
        operands = copier.many(last.operands[i] for i in kept)
        made.operations.append(Operation(last.name, operands, [], last.attributes, [], last.sizes, last.span))
        return made

    def operation(self, one: Operation, copier: Copier) -> Operation:
        if not one.regions or one.name in WHOLE:
            return copier.operation(one)
        kept = [i for i, value in enumerate(one.results) if value in self.needed]
        shift = 1 if one.name == "for" else 0
        loop = one.name in ("for", "while")
        operands = [*one.operands[:shift], *(one.operands[i + shift] for i in kept)] if loop else one.operands
        operands = copier.many(operands)
        results = [copier.define(one.results[i]) for i in kept]
        regions = []
        for position, region in enumerate(one.regions):
            if loop:
                parameters = [*region.parameters[:shift], *(region.parameters[i + shift] for i in kept)]
                region = Region(parameters, region.operations)
            condition = one.name == "while" and position == 0
            regions.append(self.copy(region, copier, [0] if condition else kept))
        return Operation(one.name, operands, results, one.attributes, regions, copier.sizes(one.sizes), one.span)
