"""Small functions, and those called once, stand in the place of their calls.

Law: every result is the same, every error keeps its line; one of the library's code has that of the call (`source.blamed`).
Functions that may call themselves stay, since their depth is checked on entry; so do all functions as such, since a host may call them.

Before:

    func @twice(%n: i64, %x: f32[%n]) -> (f32[%n]) {
      %y: f32[%n] = add %x, %x
      return %y
    }

    func @f(%k: i64, %x: f32[%m]) -> (f32[%m]) {
      %two: i64 = constant {value = 2}
      %m: i64 = mul %k, %two
      %y: f32[%m] = call %m, %x {function = "twice"}
      %z: f32[%m] = call %m, %y {function = "twice"}
      return %z
    }

After:

    func @twice(%n: i64, %x: f32[%n]) -> (f32[%n]) {
      %y: f32[%n] = add %x, %x
      return %y
    }

    func @f(%k: i64, %x: f32[%m]) -> (f32[%m]) {
      %two: i64 = constant {value = 2}
      %m: i64 = mul %k, %two
      %y: f32[%m] = add %x, %x
      %z: f32[%m] = add %y, %y
      return %z
    }
"""

from __future__ import annotations

from collections import Counter

from dynlang.ssa.build import Copier, operations_in, with_body
from dynlang.ssa.lower import components
from dynlang.ssa.nodes import Function, Module, Operation, Region, Value

SMALL = 40
"""Operations of a function that is copied to every call."""
ONCE = 400
"""Operations of a function that is moved to its only call."""
LARGEST = 3000
"""Operations of a function that nothing more is copied into: long code costs LLVM more than it saves."""


def inline(module: Module) -> Module:
    functions = module.functions
    called = {name: [str(each.attributes["function"]) for each in operations_in(one.body) if each.name == "call"]
              for name, one in functions.items()}
    uses = Counter(name for names in called.values() for name in names)
    made: dict[str, Function] = {}
    sizes: dict[str, int] = {}
    for group in components({name: list(dict.fromkeys(names)) for name, names in called.items()}):
        for name in group:
            fit = {callee for callee in called[name] if callee in made and callee not in group and not made[callee].recursive
                   and sizes[callee] <= (ONCE if uses[callee] == 1 else SMALL)}
            made[name] = _Inlining(made, sizes, fit).function(functions[name]) if fit else functions[name]
            sizes[name] = sum(1 for _ in operations_in(made[name].body))
    return Module(module.sums, {name: made[name] for name in functions}, module.roots)


class _Inlining:
    def __init__(self, functions: dict[str, Function], sizes: dict[str, int], fit: set[str]) -> None:
        self.functions = functions
        self.sizes = sizes
        self.fit = fit
        self.copier = Copier()
        self.count = 0

    def function(self, one: Function) -> Function:
        return with_body(one, self.region(one.body), self.copier)

    def region(self, old: Region) -> Region:
        made = Region([self.copier.define(one) for one in old.parameters])
        for one in old.operations:
            callee = str(one.attributes.get("function"))
            if one.name == "call" and callee in self.fit and self.count + self.sizes[callee] <= LARGEST:
                self.count += self.sizes[callee]
                self.expand(made, one, self.functions[callee])
            else:
                made.operations.append(self.copier.operation(one, self.region))
                self.count += 1
        return made

    def expand(self, made: Region, one: Operation, callee: Function) -> None:
        """The callee's operations, parameters being the arguments and the call's results what it returns."""
        inner = Copier(dict(zip(callee.parameters, self.copier.many(one.operands), strict=True)), one.span)
        for each in callee.body.operations[:-1]:
            made.operations.append(inner.operation(each))
        inner.finish()
        returned = inner.many(callee.body.operations[-1].operands)
        self.copier.replacements.update(zip(one.results, returned, strict=True))
        self.rename(one.results, returned)

    def rename(self, results: list[Value], returned: list[Value]) -> None:
        """The caller's names say more than the callee's."""
        for result, value in zip(results, returned, strict=True):
            if value.name in ("r", "t", "result"):
                value.name = result.name
