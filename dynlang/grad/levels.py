"""Functions that ask for derivatives of themselves, as ``D(f) = .. D(f) ..``: each further order is a function of its own.

    fn f(x: f64, n: int) -> f64:            f    asks for the derivative of f_1
        if n == 0:                          f_1  asks for that of f_2
            return x ** 5.0                 ..
        return grad(f)(x, n - 1)            f_4  stops with an error when it is asked

How deep they nest isn't known before the program runs, and derivatives are made before: so there are `ORDERS` of them. Calls stay on
their level.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from dynlang.core.nodes import Block, Call, Function, Jvp, Let, Module, Vjp
from dynlang.core.walk import Names, functions_called, map_blocks, statements_in
from dynlang.diag import CompileError
from dynlang.grad.errors import NotDifferentiable
from dynlang.grad.recursion import components

ORDERS = 4
"""How many derivatives of itself can be inside a function; the code of each is a few times that of the one before."""


def levelled(module: Module) -> tuple[Module, frozenset[str]]:
    """The module whose functions ask for derivatives of other functions alone, and those whose own requests are one too many."""
    groups = [group for group in _groups(module) if _asks_itself(module, group)]
    if not groups:
        return module, frozenset()
    functions = dict(module.functions)
    names = Names(functions)
    deepest: set[str] = set()
    for group in groups:
        _refuse_rules(module, group)
        levels = [{one: one if level == 0 else names.fresh(f"{one}_{level}") for one in group} for level in range(ORDERS + 1)]
        for level, mine in enumerate(levels):
            above = levels[min(level + 1, ORDERS)]
            for one in group:
                functions[mine[one]] = _on_level(module.functions[one], mine, above)
        deepest |= set(levels[-1].values())
    return replace(module, functions=functions), frozenset(deepest)


def _edges(function: Function) -> Iterable[str]:
    return (*functions_called(function.body), *((function.derivative.rule,) if function.derivative is not None else ()))


def _groups(module: Module) -> list[set[str]]:
    """The sets of functions that reach one another, by calls, requests and rules."""
    asking = [name for name, one in module.functions.items() if any(isinstance(s.right, (Vjp, Jvp)) for s in statements_in(one.body))]
    edges = {name: tuple(dict.fromkeys(_edges(one))) for name, one in module.functions.items()} if asking else {}
    found: list[set[str]] = []
    done: set[str] = set()
    for name in asking:
        if name in done:
            continue
        for group in components(name, edges.__getitem__, done):
            found.append(set(group))
            done |= set(group)
    return found


def _asks_itself(module: Module, group: set[str]) -> bool:
    statements = (one for name in group for one in statements_in(module.functions[name].body))
    return any(isinstance(one.right, (Vjp, Jvp)) and one.right.function in group for one in statements)


def _refuse_rules(module: Module, group: set[str]) -> None:
    """The derivative of a function by its rule can't be made of that derivative."""
    for name in sorted(group):
        rule = module.functions[name].derivative
        if rule is not None and rule.rule in group:
            span = module.functions[rule.rule].span
            shown = span.text if span is not None else rule.rule
            raise CompileError(NotDifferentiable(
                f"the rule `{shown}` asks for the derivative of `{name}`, and that is the rule itself", span,
                hint="let both call a function without a rule, and ask for its derivative"))


def _on_level(function: Function, mine: Mapping[str, str], above: Mapping[str, str]) -> Function:
    def changed(one: Let) -> Let:
        match one.right:
            case Call(name) if name in mine:
                return replace(one, right=replace(one.right, function=mine[name]))
            case Vjp(name) | Jvp(name) if name in above:
                return replace(one, right=replace(one.right, function=above[name]))
        return one

    name = mine[function.name]
    if name != function.name:
        function = replace(function, name=name, export=None)
    return replace(function, body=map_blocks(function.body, lambda block: Block(tuple(map(changed, block.statements)), block.results)))
