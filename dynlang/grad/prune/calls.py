"""Parameters and results of generated functions that nobody reads, through recursion: liveness over the whole module.

A result is live when some caller reads it, a parameter when its body needs it for a live result. What is live is what can be
reached from the functions that stay as they are, so an array that recursion only hands around goes:

    fn f_back(n, x, d):                         fn f_back(n, d):
        a, b = f_back(n - 1, x, d)                  a = f_back(n - 1, d)
        return a, x                                 return a
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from dynlang.core.nodes import Atom, Block, Call, Function, Let, Module
from dynlang.core.walk import with_blocks, with_statements
from dynlang.grad.dead import needed, without_dead_code
from dynlang.grad.prune.liveness import Liveness

MayGo = Callable[[str], bool]
T = TypeVar("T")


def without_dead_values(module: Module, generated: frozenset[str], may_go: MayGo) -> Module:
    live = Liveness(module, generated, may_go)
    live.solve()
    rewriting = _Rewriting(module, live, may_go)
    return Module(module.sums, {name: rewriting.function(one) for name, one in module.functions.items()})


class _Rewriting:
    """Functions without their dead parameters and results, and calls that fit."""

    def __init__(self, module: Module, live: Liveness, may_go: MayGo) -> None:
        self.module, self.may_go = module, may_go
        self.parameters = {name: sorted(live.functions[name].live_parameters) for name in live.generated}
        self.results = {
            name: needed(one.results, {one.results[k].name for k in live.functions[name].live_results})
            for name in live.generated
            for one in [module.functions[name]]
        }

    def function(self, function: Function) -> Function:
        name = function.name
        if name not in self.parameters:
            body = self.block(function.body)
            return function if body is function.body else replace(function, body=body)
        parameters, results = self.parameters[name], self.results[name]
        body = self.block(function.body)
        if len(results) < len(function.results):
            body = Block(body.statements, tuple(body.results[k] for k in results))
        body = without_dead_code(body, self.may_go)
        if body is function.body and len(parameters) == len(function.parameters):
            return function
        return replace(
            function,
            parameters=_pick(function.parameters, parameters),
            results=_pick(function.results, results),
            body=body,
            inout=tuple((parameters.index(p), results.index(r)) for p, r in function.inout if p in parameters and r in results),
            sizes=sum(1 for k in parameters if k < function.sizes),
        )

    def block(self, block: Block) -> Block:
        return with_statements(block, self.statement)

    def statement(self, statement: Let) -> Let:
        right = statement.right
        if not isinstance(right, Call):
            changed = with_blocks(right, self.block)
            return statement if changed is right else Let(statement.variables, changed, statement.span)
        if right.function not in self.parameters:
            return statement
        parameters, results = self.parameters[right.function], self.results[right.function]
        if len(parameters) == len(right.arguments) and len(results) == len(statement.variables):
            return statement
        arguments: tuple[Atom, ...] = _pick(right.arguments, parameters)
        return Let(_pick(statement.variables, results), Call(right.function, arguments), statement.span)


def _pick(values: Sequence[T], keep: Sequence[int]) -> tuple[T, ...]:
    return tuple(values[k] for k in keep)
