"""Equal operations are done once, where the first one stands in front of the others.

Law: every result is the same; an error that is raised twice in a row is raised once. What is made to be written (a filled
array, an empty list) is not shared: its second owner would have to copy it. What consumes its operand is: the second time
that operand would have to be copied anyway. A call is shared where the function reaches nothing outside and takes over no
operand: a descent that asks for a value and then for the gradient at the same place calls what both need once.

Before:

    func @f(%n: i64, %x: f32[%m]) -> (f32[%m]) {
      %m: i64 = mul %n, %n
      %y: f32[%m] = exp %x
      %k: i64 = mul %n, %n
      %z: f32[%k] = exp %x
      %w: f32[%m] = add %y, %z
      return %w
    }

After:

    func @f(%n: i64, %x: f32[%m]) -> (f32[%m]) {
      %m: i64 = mul %n, %n
      %y: f32[%m] = exp %x
      %w: f32[%m] = add %y, %y
      return %w
    }
"""

from __future__ import annotations

from dynlang.ops import OPS
from dynlang.ssa.build import Copier, map_functions, operations_in, with_body
from dynlang.ssa.nodes import Function, Module, Operation, Region, Value

FRESH = frozenset({"fill", "empty", "list_empty", "rows_empty", "broadcast", "iota"})
Key = tuple[object, ...]


def share(module: Module, repeatable: frozenset[str] | None = None) -> Module:
    """The pass. `repeatable`: the functions whose calls may be shared, where they aren't all in the module."""
    known = repeatable_functions(module) if repeatable is None else repeatable
    return map_functions(module, lambda function: _Sharing(known).function(function))


def repeatable_functions(module: Module) -> frozenset[str]:
    """Functions that give the same for the same, take over nothing and reach nothing outside: all but those that call another kind."""
    calls: dict[str, set[str]] = {}
    waiting: list[str] = []
    for name, function in module.functions.items():
        if function.owned or any(has_effect(one) for one in operations_in(function.body)):
            waiting.append(name)
        for one in operations_in(function.body):
            if one.name == "call":
                calls.setdefault(str(one.attributes["function"]), set()).add(name)
    others: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in others:
            others.add(name)
            waiting += calls.get(name, ())
    return frozenset(module.functions.keys() - others)


def has_effect(one: Operation) -> bool:
    row = OPS.get(one.name)
    return row is not None and row.has("effect")


def sharable(one: Operation, repeatable: frozenset[str]) -> bool:
    if one.name == "call":
        return one.attributes["function"] in repeatable
    if one.regions or one.name in FRESH:
        return False
    row = OPS.get(one.name)
    return one.name == "constant" or (row is not None and not row.has("effect"))


class _Sharing:
    def __init__(self, repeatable: frozenset[str]) -> None:
        self.repeatable = repeatable
        self.copier = Copier()
        self.known: list[dict[Key, list[Value]]] = []

    def function(self, one: Function) -> Function:
        return with_body(one, self.region(one.body), self.copier)

    def region(self, old: Region) -> Region:
        made = Region([self.copier.define(one) for one in old.parameters])
        self.known.append({})
        for one in old.operations:
            key = self.key(one) if sharable(one, self.repeatable) else None
            found = None if key is None else next((known[key] for known in self.known if key in known), None)
            if found is not None:
                self.copier.replacements.update(zip(one.results, found, strict=True))
                continue
            copy = self.copier.operation(one, self.region)
            made.operations.append(copy)
            if key is not None:
                self.known[-1][key] = copy.results
        self.known.pop()
        return made

    def key(self, one: Operation) -> Key:
        """What makes two operations equal. Results' types follow from the rest, but for `constant`."""
        operands = self.copier.many(one.operands)
        row = OPS.get(one.name)
        if row is not None and row.has("commutative"):
            operands = sorted(operands, key=id)
        attributes = tuple((name, repr(value)) for name, value in sorted(one.attributes.items()))
        kind = one.results[0].type if one.name == "constant" else None
        return (one.name, *map(id, operands), attributes, *self.copier.sizes(one.sizes), kind)
