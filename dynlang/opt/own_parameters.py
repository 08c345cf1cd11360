"""A function takes over the arguments that it writes.

Law: every result is the same. A parameter that is written in place somewhere (by an operation that consumes it, by a loop that
carries it, in a box that is taken apart for it, or by a call that takes it over) becomes owned, so that a caller who needs
the value no more hands over the only reference and nothing is copied. What is only read stays borrowed and costs no counts.
Exported functions keep their interface.

Before:

    func @set(%x: f32[4], %i: i64, %v: f32) -> (f32[4]) {
      %y: f32[4] = update %x, %i, %v
      return %y
    }

    func @f(%n: i64, %x: f32[4], %z: f32[4]) -> (f32[4], f32) {
      %y: f32[4] = for %n, %x (%i: i64, %c: f32[4]) {
        %s: f32 = reduce_sum %z
        %d: f32[4] = call %c, %i, %s {function = "set"}
        yield %d
      }
      %t: f32 = reduce_sum %z
      return %y, %t
    }

After:

    func @set(%x: f32[4], %i: i64, %v: f32) -> (f32[4]) with {owned = [0]} {
      %y: f32[4] = update %x, %i, %v
      return %y
    }

    func @f(%n: i64, %x: f32[4], %z: f32[4]) -> (f32[4], f32) with {owned = [1]} {
      %y: f32[4] = for %n, %x (%i: i64, %c: f32[4]) {
        %s: f32 = reduce_sum %z
        %d: f32[4] = call %c, %i, %s {function = "set"}
        yield %d
      }
      %t: f32 = reduce_sum %z
      return %y, %t
    }
"""

from __future__ import annotations

from dynlang.ops import OPS
from dynlang.ssa.build import map_functions, operations_in
from dynlang.ssa.lanes import written_into
from dynlang.ssa.nodes import Function, Module, Operation, Value


def own_parameters(module: Module) -> Module:
    flows = {name: _Flow(one) for name, one in module.functions.items()}
    owned = {name: one.owned for name, one in module.functions.items()}
    changed = True
    while changed:
        changed = False
        for name, flow in flows.items():
            found = flow.written_parameters(owned)
            if not flow.function.export and not found <= owned[name]:
                owned[name] |= found
                changed = True
    return map_functions(module, lambda one: with_owned(one, owned[one.name]))


def with_owned(one: Function, owned: frozenset[int]) -> Function:
    return Function(one.name, one.body, one.results, owned, one.recursive, one.sizes, one.inout, one.export, one.parameter_labels,
                    one.result_labels, one.documentation, one.span)


class _Flow:
    """Where the references of one function come from: writing a value writes its sources."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.sources: dict[Value, list[Value]] = {}
        self.roots: list[Value] = []
        self.calls: list[Operation] = []
        for one in operations_in(function.body):
            self.survey(one)

    def survey(self, one: Operation) -> None:
        row = OPS.get(one.name)
        if row is not None and row.has("consumes"):
            self.roots += one.operands[:1]
        elif one.name == "nest":
            self.roots += [one.operands[position] for position in written_into(one)]
        elif one.name == "call":
            self.calls.append(one)
        elif one.name in ("if", "switch"):
            for region in one.regions:
                for result, value in zip(one.results, region.operations[-1].operands, strict=True):
                    self.add(result, value)
                for parameter in region.parameters:
                    self.add(parameter, one.operands[0])
        elif one.name in ("for", "while"):
            shift = 1 if one.name == "for" else 0
            body = one.regions[-1]
            carried = zip(one.results, one.operands[shift:], body.parameters[shift:], body.operations[-1].operands, strict=True)
            for result, first, parameter, following in carried:
                for source in (first, following):
                    self.add(parameter, source)
                    self.add(result, source)

    def add(self, value: Value, source: Value) -> None:
        if value.counted and source.counted:
            self.sources.setdefault(value, []).append(source)

    def written_parameters(self, owned: dict[str, frozenset[int]]) -> frozenset[int]:
        work = list(self.roots)
        for call in self.calls:
            work += [call.operands[i] for i in owned.get(str(call.attributes["function"]), ()) if call.operands[i].counted]
        written: set[Value] = set()
        while work:
            value = work.pop()
            if value not in written:
                written.add(value)
                work += self.sources.get(value, ())
        return frozenset(i for i, one in enumerate(self.function.parameters) if one in written and one.counted)
