"""Which `var`s are computed with: such a variable is an `int`, whatever index it starts as.

    var j = i                 # i: idx<n>
    while j > 0:
        j -= 1                # no idx<n> by proof: so j is an int, and `x[j]` is checked at run time

A variable that is only given other indices (``best = i``, ``state = back[t, state]``) stays an index.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from dynlang.syntax import nodes as ast


def computed_names(statements: Sequence[ast.Statement]) -> frozenset[str]:
    """The names that these statements assign the result of arithmetic to."""
    found: set[str] = set()
    waiting: list[Any] = list(statements)
    while waiting:
        node = waiting.pop()
        match node:
            case ast.Augment(ast.Name(name), operator) if operator != "%":
                found.add(name)
            case ast.Assign(target, value):
                found |= {name for name, one in assigned(target, value) if is_arithmetic(one)}
        waiting += [one for one in children(node) if not isinstance(one, ast.Expr)]
    return frozenset(found)


def children(node: Any) -> Iterator[Any]:
    if isinstance(node, (tuple, list)):
        yield from node
    elif dataclasses.is_dataclass(node):
        for one in dataclasses.fields(node):
            child = getattr(node, one.name)
            if isinstance(child, (tuple, ast.Node)):
                yield child


def assigned(target: ast.Expr, value: ast.Expr) -> Iterator[tuple[str, ast.Expr]]:
    """The names of an assignment, each with its value."""
    if isinstance(target, ast.Name):
        yield target.text, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.items) == len(value.items):
        for one, part in zip(target.items, value.items, strict=True):
            yield from assigned(one, part)


def is_arithmetic(value: ast.Expr) -> bool:
    """Whether a value is arithmetic; what ends in ``% n`` is an index."""
    match value:
        case ast.Binary(_, rest):
            return rest[-1].operator != "%"
        case ast.Negate():
            return True
        case ast.IfExpr(then=then, orelse=otherwise):
            return is_arithmetic(then) or is_arithmetic(otherwise)
    return False
