"""Walking typed trees."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from dynlang.check import typed
from dynlang.source import Span
from dynlang.types import Size, TypeVariable, Unknown, size_variables

Change = Callable[[Any], Any]
LEAVES = (str, int, float, bool, type(None), Span, Size, Unknown)


def nodes(tree: Any) -> Iterator[Any]:
    """Every node and type below a tree, itself first, without recursion."""
    waiting = [tree]
    while waiting:
        current = waiting.pop()
        if isinstance(current, tuple):
            waiting += reversed(current)
            continue
        yield current
        waiting += [getattr(current, name) for name in _parts(type(current))]


@functools.cache
def _parts(kind: type) -> tuple[str, ...]:
    """The fields of a kind of node, last first; what is no node has none."""
    is_node = is_dataclass(kind) and not issubclass(kind, LEAVES) and kind.__module__.endswith("check.typed")
    return tuple(one.name for one in reversed(fields(kind))) if is_node else ()


def references(tree: Any) -> set[typed.Local]:
    """The variables that a tree reads or writes."""
    found: set[typed.Local] = set()
    for node in nodes(tree):
        if isinstance(node, typed.LocalReference):
            found.add(node.local)
        elif isinstance(node, typed.Place):
            found.add(node.root)
    return found


def sizes(tree: Any) -> set[str]:
    """The size variables that a tree mentions, in types too."""
    found: set[str] = set()
    for node in nodes(tree):
        if isinstance(node, Size):
            found |= node.variables()
        elif is_dataclass(node) and type(node).__module__ == "dynlang.types" and not isinstance(node, Unknown):
            found |= size_variables(node)  # type: ignore[arg-type]
    return found


def type_variables(tree: Any) -> set[TypeVariable]:
    """The type parameters that a tree mentions."""
    from dynlang.check.fitting.solve import type_variables as variables_of

    found: set[TypeVariable] = set()
    for node in nodes(tree):
        if is_dataclass(node) and type(node).__module__ == "dynlang.types" and not isinstance(node, (Unknown, Size)):
            found |= variables_of(node)  # type: ignore[arg-type]
    return found


def called(tree: Any) -> set[str]:
    """The declared functions that a tree calls or refers to."""
    return {node.function for node in nodes(tree) if isinstance(node, (typed.Call, typed.FunctionReference))}


def rebuild(tree: Any, change: Change) -> Any:
    """The tree with every node replaced by what `change` makes of it, from the leaves up."""
    if isinstance(tree, tuple):
        return tuple(rebuild(one, change) for one in tree)
    if isinstance(tree, LEAVES) or not is_dataclass(tree) or not type(tree).__module__.endswith("check.typed"):
        return tree
    changed = {}
    for one in fields(tree):
        before = getattr(tree, one.name)
        after = rebuild(before, change)
        if after is not before and after != before:
            changed[one.name] = after
    return change(replace(tree, **changed) if changed else tree)  # type: ignore[type-var]
