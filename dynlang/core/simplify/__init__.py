"""Core made smaller without a change of meaning: no error is removed, moved or invented (rule 17).

    fold.py     one walk downwards: constants, copies, common subexpressions, known branches, small calls expanded
    dead.py     one walk upwards: what nothing reads
    constants.py   parameters that are one literal in all calls
    parameters.py  parameters that no one reads
    results.py     results of functions that no call reads
    handed_back.py  results of calls that are their arguments
    order.py    updates sink below the last reads of the array that they change, so that they can be done in place
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from dynlang.core.nodes import Block, Function, Module
from dynlang.core.simplify.constants import spread_constants
from dynlang.core.simplify.dead import remove_dead, vanishing_functions
from dynlang.core.simplify.fold import Folder, expandable_functions
from dynlang.core.simplify.handed_back import use_arguments
from dynlang.core.simplify.order import sink_updates
from dynlang.core.simplify.parameters import drop_unread_parameters
from dynlang.core.simplify.results import drop_unread_results
from dynlang.core.walk import functions_called


def simplify(module: Module, roots: Collection[str] = (), expand_calls: bool = True, rounds: int = 2) -> Module:
    """The module in its simplest form. What `roots` (else the module's own) don't reach goes; without roots all stays."""
    keep = tuple(roots) or module.roots
    functions = dict(module.functions)
    settled = False
    for _ in range(rounds):
        before = functions
        small = expandable_functions(functions) if expand_calls else {}
        functions = {name: Folder(function, small).run() for name, function in functions.items()}
        functions = without_dead_code(functions)
        if settled and _same(functions, before):
            break
        inside = functions
        if keep:
            functions = use_arguments(functions, keep)
            functions = spread_constants(reachable(functions, keep), keep)
            fewer = drop_unread_parameters(functions, keep)
            functions = without_dead_code(fewer) if fewer is not functions else functions
        settled = _same(functions, inside)
        if _same(functions, before):
            break
    functions = {name: _with_body(one, sink_updates(one.body)) for name, one in functions.items()}
    return Module(module.sums, functions, keep)


def without_unread(module: Module) -> Module:
    """The module without results of functions that no call reads, as often as that leaves others unread."""
    functions = dict(module.functions)
    while (fewer := drop_unread_results(functions, module.roots)) is not functions:
        functions = reachable(without_dead_code(fewer), module.roots)
    return module if len(functions) == len(module.functions) and _same(functions, dict(module.functions)) else Module(
        module.sums, functions, module.roots)


def _same(functions: dict[str, Function], before: dict[str, Function]) -> bool:
    """Whether passes left everything as it was: another time they would, too."""
    return len(functions) == len(before) and all(one is before.get(name) for name, one in functions.items())


def without_dead_code(functions: dict[str, Function]) -> dict[str, Function]:
    vanishing = vanishing_functions(functions)
    return {name: _with_body(one, remove_dead(one, vanishing)) for name, one in functions.items()}


def _with_body(function: Function, body: Block) -> Function:
    return function if body is function.body else replace(function, body=body)


def reachable(functions: dict[str, Function], keep: Collection[str]) -> dict[str, Function]:
    """The functions that can be called from those kept, in their old order."""
    found: set[str] = set()
    waiting = [name for name in keep if name in functions]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        function = functions[name]
        waiting += [one for one in functions_called(function.body) if one in functions]
        if function.derivative is not None:
            waiting.append(function.derivative.rule)
    return {name: one for name, one in functions.items() if name in found}


__all__ = ["Block", "reachable", "simplify"]
