"""What a piece of the typed tree mentions: locals it reads and assigns, sizes and types it names, how it leaves.

Facts are computed once for each node and remembered by the node's identity.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dynlang.check import typed
from dynlang.types import Size, TypeVariable, parts


@dataclass(frozen=True, slots=True)
class Facts:
    """`assigned` and `read` are names of locals in the order of first mention; `bound` those that are bound inside."""

    read: tuple[str, ...]
    assigned: tuple[str, ...]
    bound: frozenset[str]
    sizes: frozenset[str]
    types: frozenset[str]
    returns: bool
    breaks: bool
    continues: bool


_NODES = (typed.Expression, typed.Local, typed.Place, typed.Lend, typed.SliceItem, typed.Binding, typed.Axis,
          typed.LeafFunction, typed.Bind, typed.Assign, typed.If, typed.While, typed.For, typed.Arm, typed.Match,
          typed.Return, typed.Assert, typed.Break, typed.Continue, typed.Evaluate, typed.Missing, typed.SizeEquation)


_LARGE = (typed.If, typed.While, typed.For, typed.Match, typed.Lambda, typed.Comprehension, typed.Conditional, typed.ShortCircuit)


@dataclass(slots=True)
class _Found:
    read: dict[str, None]
    assigned: dict[str, None]
    bound: set[str]
    sizes: set[str]
    types: set[str]
    flow: set[str]


class FactTable:
    """Answers `of(node)` for a node or a tuple of nodes."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, Facts]] = {}
        self._types: dict[int, tuple[Any, frozenset[str], frozenset[str]]] = {}

    def of(self, node: Any) -> Facts:
        known = self._known.get(id(node))
        if known is not None:
            return known[1]
        found = _Found({}, {}, set(), set(), set(), set())
        self._enter(node, found, in_loop=False)
        facts = Facts(tuple(found.read), tuple(found.assigned), frozenset(found.bound), frozenset(found.sizes),
                      frozenset(found.types), "return" in found.flow, "break" in found.flow, "continue" in found.flow)
        self._known[id(node)] = (node, facts)
        return facts

    def _merge(self, facts: Facts, found: _Found, in_loop: bool) -> None:
        found.read.update(dict.fromkeys(facts.read))
        found.assigned.update(dict.fromkeys(facts.assigned))
        found.bound |= facts.bound
        found.sizes |= facts.sizes
        found.types |= facts.types
        found.flow |= {"return"} if facts.returns else set()
        if not in_loop:
            found.flow |= ({"break"} if facts.breaks else set()) | ({"continue"} if facts.continues else set())

    def escapes(self, node: Any) -> bool:
        """Whether control can leave a statement otherwise than at its end."""
        facts = self.of(node)
        return facts.returns or facts.breaks or facts.continues

    def _visit(self, node: Any, found: _Found, in_loop: bool) -> None:
        """What holds many nodes is asked for its own facts, which it will be asked for again."""
        if isinstance(node, _LARGE):
            self._merge(self.of(node), found, in_loop)
        else:
            self._enter(node, found, in_loop)

    def _enter(self, node: Any, found: _Found, in_loop: bool) -> None:
        if isinstance(node, tuple):
            for one in node:
                self._visit(one, found, in_loop)
            return
        if not isinstance(node, _NODES):
            self._leaf(node, found)
            return
        match node:
            case typed.LocalReference(_, _, local):
                found.read.setdefault(local.name)
            case typed.Local(name, _, _):
                found.bound.add(name)
            case typed.Return():
                found.flow.add("return")
            case typed.Break() if not in_loop:
                found.flow.add("break")
            case typed.Continue() if not in_loop:
                found.flow.add("continue")
            case typed.Open(_, _, _, names):
                found.bound.update(names)
            case typed.SizeEquation(name, _, _, _):
                found.bound.add(name)
            case typed.Place(root, _, _, _):
                found.read.setdefault(root.name)
            case typed.Assign(places, _, _):
                found.assigned.update((one.root.name, None) for one in places if one is not None)
            case typed.Lend(place) | typed.Mutate(_, _, _, place, _):
                found.assigned.setdefault(place.root.name)
        for child in _children(node):
            self._visit(child, found, in_loop or isinstance(node, (typed.For, typed.While)))

    def _leaf(self, node: Any, found: _Found) -> None:
        if isinstance(node, Size):
            found.sizes |= node.variables()
        elif dataclasses.is_dataclass(node) and type(node).__module__ == "dynlang.types":
            sizes, types = self._of_type(node)
            found.sizes |= sizes
            found.types |= types

    def _of_type(self, kind: Any) -> tuple[frozenset[str], frozenset[str]]:
        known = self._types.get(id(kind))
        if known is not None:
            return known[1], known[2]
        sizes: frozenset[str] = frozenset()
        types: frozenset[str] = frozenset({kind.name} if isinstance(kind, TypeVariable) else ())
        for part in parts(kind):
            if isinstance(part, Size):
                sizes |= part.variables()
            elif dataclasses.is_dataclass(part) and type(part).__name__ != "Unknown":
                inner = self._of_type(part)
                sizes, types = sizes | inner[0], types | inner[1]
        self._types[id(kind)] = (kind, sizes, types)
        return sizes, types


_FIELDS: dict[type, tuple[str, ...]] = {}


def _children(node: Any) -> Iterator[Any]:
    names = _FIELDS.get(type(node))
    if names is None:
        skipped = {"span"} | ({"local"} if isinstance(node, typed.LocalReference) else set())
        skipped |= {"root"} if isinstance(node, typed.Place) else set()
        names = _FIELDS[type(node)] = tuple(
            one.name for one in dataclasses.fields(node) if one.name not in skipped)
    for name in names:
        child = getattr(node, name)
        if not isinstance(child, (str, int, float, bool, type(None))):
            yield child
