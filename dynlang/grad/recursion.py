"""Which functions call themselves, and what they hand on when they do.

The components of the call graph are found in one walk and remembered: a function that is being differentiated has its final
body, and so has everything below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dynlang.core.nodes import Call, Function
from dynlang.core.walk import statements_in

Below = Callable[[str], Iterable[str]]


class Recursion:
    """`function` gives a function by name, `calls` the functions that it calls, `below` those and the rule of its derivative."""

    def __init__(self, function: Callable[[str], Function], calls: Below, below: Below) -> None:
        self._function, self._calls, self._below = function, calls, below
        self._handed_on: dict[str, frozenset[int] | None] = {}

    def is_recursive(self, function: str) -> bool:
        return self._known(function) is not None

    def hands_on(self, function: str, position: int) -> bool:
        """Whether a recursive function hands this parameter on somewhere in the recursion, as it is."""
        known = self._known(function)
        return known is not None and position in known

    def _known(self, function: str) -> frozenset[int] | None:
        """The parameters that a recursive function is called with again; None if it isn't recursive."""
        if function not in self._handed_on:
            for component in components(function, self._below, self._handed_on):
                self._handed_on.update(self._in_component(component))
        return self._handed_on[function]

    def _in_component(self, component: list[str]) -> dict[str, frozenset[int] | None]:
        inside = set(component)
        found: dict[str, set[int]] = {}
        for name in component:
            for called in inside.intersection(self._calls(name)):
                found.setdefault(called, set())
        for name in component if found else ():
            one = self._function(name)
            parameters = set(one.parameters)
            for statement in statements_in(one.body):
                if isinstance(statement.right, Call) and statement.right.function in found:
                    found[statement.right.function].update(
                        k for k, argument in enumerate(statement.right.arguments) if argument in parameters)
        return {name: frozenset(found[name]) if name in found else None for name in component}


def components(start: str, below: Below, done: Iterable[str] = ()) -> list[list[str]]:
    """The strongly connected components that can be reached and aren't done, callees first.

    >>> components("a", {"a": "b", "b": "cb", "c": "b", "d": "a"}.__getitem__)
    [['b', 'c'], ['a']]
    """
    done = done if isinstance(done, (set, dict)) else set(done)
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    place: dict[str, int] = {}
    open_: list[str] = []
    is_open: set[str] = set()
    found: list[list[str]] = []
    path: list[tuple[str, Iterable[str]]] = []

    def enter(name: str) -> None:
        order[name] = lowest[name] = len(order)
        place[name] = len(open_)
        open_.append(name)
        is_open.add(name)
        path.append((name, iter(below(name))))

    enter(start)
    while path:
        name, waiting = path[-1]
        for other in waiting:
            if other in is_open:
                lowest[name] = min(lowest[name], order[other])
            elif other not in order and other not in done:
                enter(other)
                break
        else:
            path.pop()
            if path:
                lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[name])
            if lowest[name] == order[name]:
                at = place[name]
                found.append(open_[at:])
                is_open.difference_update(open_[at:])
                del open_[at:]
    return found
