"""Results that no call reads go, and what was computed for them alone is dead and must be removed next.

    value, energy, residual = call minimize(..)    ..value..       is      value = call minimize(..)    ..value..

Functions that are called from outside, differentiated, or named by a rule keep their signatures, and what is lent is always handed back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from dynlang.core.nodes import Block, Call, Function, Let, Variable
from dynlang.core.simplify.handed_back import without
from dynlang.core.simplify.parameters import fixed_signatures
from dynlang.core.walk import atoms_of, blocks_of, map_blocks, sizes_in, statements_in, with_statements
from dynlang.types import size_variables


def drop_unread_results(functions: dict[str, Function], roots: Collection[str]) -> dict[str, Function]:
    """The functions without results that nobody reads (the same object if all are read). With no roots, all stay."""
    dropped = unread_results(functions, fixed_signatures(functions) | set(roots)) if roots else {}
    return {name: _without(one, dropped) for name, one in functions.items()} if dropped else functions


def unread_results(functions: Mapping[str, Function], fixed: Collection[str]) -> dict[str, dict[int, int]]:
    """The places of the results that go, as keys, for each function that has any."""
    read = {name: {result for _, result in one.inout} for name, one in functions.items()}
    for function in functions.values():
        names = names_read(function.body)
        for statement in statements_in(function.body):
            if isinstance(statement.right, Call):
                read[statement.right.function].update(k for k, one in enumerate(statement.variables) if one.name in names)
    found: dict[str, dict[int, int]] = {}
    for name, function in functions.items():
        if name not in fixed:
            kept = _closed(function, read[name])
            if len(kept) < len(function.results):
                found[name] = {k: k for k in range(len(function.results)) if k not in kept}
    return found


def _closed(function: Function, kept: set[int]) -> set[int]:
    """With what is read goes what its type mentions."""
    mentioned: set[str] = set()
    for place, one in reversed(list(enumerate(function.results))):
        if place in kept or one.name in mentioned:
            kept.add(place)
            mentioned |= size_variables(one.type)
    return kept


def names_read(body: Block) -> set[str]:
    """Every variable that stands anywhere but where it is bound, in types as well."""
    found: set[str] = set()
    waiting = [body]
    while waiting:
        block = waiting.pop()
        found.update(one.name for one in block.results if isinstance(one, Variable))
        for statement in block.statements:
            right = statement.right
            found.update(one.name for one in atoms_of(right) if isinstance(one, Variable))
            found.update(sizes_in(right))
            for binders, inner in (*blocks_of(right), (statement.variables, None)):
                for one in binders:
                    found |= size_variables(one.type)
                waiting += [inner] if inner is not None else []
    return found


def _without(function: Function, dropped: Mapping[str, Mapping[int, int]]) -> Function:
    """The function without its dropped results, and those of the calls in it."""

    def let(one: Let) -> Let:
        gone = dropped.get(one.right.function) if isinstance(one.right, Call) else None
        return replace(one, variables=without(one.variables, gone)) if gone else one

    body = map_blocks(function.body, lambda block: with_statements(block, let))
    gone = dropped.get(function.name, {})
    if not gone:
        return function if body is function.body else replace(function, body=body)
    place = [sum(k not in gone for k in range(end)) for end in range(len(function.results))]
    return replace(
        function, body=Block(body.statements, without(body.results, gone)), results=without(function.results, gone),
        inout=tuple((parameter, place[result]) for parameter, result in function.inout),
        result_labels=without(function.result_labels, gone))
