"""What no backward reads is neither saved nor passed; what is left is laid out flat.

Repeated until nothing changes:
    fields.py   fields of residuals that nobody reads; residuals with one field or none
    calls.py    parameters and results of generated functions that nobody reads, through recursion
    loops.py    carried values that stay as they are; tapes of residuals laid side by side
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynlang.core.nodes import Case, Construct, Module
from dynlang.core.walk import bound_in, functions_called, statements_in
from dynlang.grad.prune.calls import without_dead_values
from dynlang.grad.prune.fields import without_dead_fields, without_dead_sizes, without_wrappers
from dynlang.grad.prune.loops import with_flat_tapes, without_constant_values
from dynlang.grad.tangents import tangent_sum_name
from dynlang.types import ArrayType, ListType, SumType, Type

if TYPE_CHECKING:
    from dynlang.grad.engine import Engine

ROUNDS = 40


def pruned(engine: Engine, keep: frozenset[str]) -> Module:
    """The module of what is reachable from `keep`. Residuals whose tangent is in use keep their fields, but not their boxes on tapes."""
    state = engine.state
    whole = reachable(state.module(), keep)
    residuals = frozenset(name for name in state.residuals if tangent_sum_name(name) not in state.sums)
    generated = frozenset(name for name in state.generated if name not in keep)
    module = Module(
        whole.sums,
        {
            name: one
            for name, one in whole.functions.items()
            if name in state.generated or not generated.isdisjoint(functions_called(one.body))
        },
    )
    for _ in range(ROUNDS):
        before = module
        module = without_dead_values(module, generated, engine.may_go)
        module = without_dead_fields(module, residuals)
        module = without_wrappers(module, residuals)
        module = without_dead_sizes(module, residuals)
        module = without_constant_values(module, generated)
        if module == before:
            break
    flat = with_flat_tapes(module, frozenset(state.residuals))
    return reachable(Module(flat.sums, {name: flat.functions.get(name, one) for name, one in whole.functions.items()}), keep)


def reachable(module: Module, keep: frozenset[str]) -> Module:
    """Functions called from `keep`, and the sums that they mention."""
    found: dict[str, None] = {}
    todo = [name for name in module.functions if name in keep]
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = None
            todo += list(functions_called(module.functions[name].body))
            rule = module.functions[name].derivative
            if rule is not None:
                todo.append(rule.rule)
    functions = {name: one for name, one in module.functions.items() if name in found}
    sums: set[str] = set()

    def mention(kind: Type) -> None:
        match kind:
            case SumType(name, _):
                if name not in sums and name in module.sums:
                    sums.add(name)
                    for constructor in module.sums[name].constructors:
                        for field in constructor.fields:
                            mention(field.type)
            case ArrayType(element, _):
                mention(element)
            case ListType(elements):
                for element in elements:
                    mention(element)

    for function in functions.values():
        for one in (*function.parameters, *function.results, *bound_in(function.body)):
            mention(one.type)
        for statement in statements_in(function.body):
            if isinstance(statement.right, Construct):
                mention(statement.right.type)
            elif isinstance(statement.right, Case):
                mention(statement.right.scrutinee.type)
    return Module({name: one for name, one in module.sums.items() if name in sums}, functions)
