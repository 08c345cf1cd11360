"""Which functions call themselves, and what they hand on when they do.

The components of the call graph are found in one walk and remembered: a function that is being differentiated has its final
body, and so has everything below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dynlang.core.nodes import Block, Call, Case, Function, If, Let, Variable
from dynlang.core.walk import atoms_of, blocks_of, statements_in

Below = Callable[[str], Iterable[str]]


class Recursion:
    """`function` gives a function by name, `calls` the functions that it calls, `below` those and the rule of its derivative."""

    def __init__(self, function: Callable[[str], Function], calls: Below, below: Below) -> None:
        self._function, self._calls, self._below = function, calls, below
        self._handed_on: dict[str, frozenset[int] | None] = {}
        self._read: dict[str, set[int]] = {}

    def is_recursive(self, function: str) -> bool:
        return self._known(function) is not None

    def hands_on(self, function: str, position: int) -> bool:
        """Whether a recursive function hands this parameter on somewhere in the recursion, as it is."""
        known = self._known(function)
        return known is not None and position in known

    def reads(self, function: str, result: int) -> bool:
        """Whether the recursion that a function is in reads this result of it, more than to hand it on as the same result of its own.

        Of ``fn get(m, i): x, same = get(m, i - 1); return 0.5 * x, same`` it reads the first: who has no cotangent for the second
        needs none in the recursion."""
        return self._known(function) is not None and result in self._read[function]

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
            uses = Uses(one)
            for statement in statements_in(one.body):
                if isinstance(statement.right, Call) and statement.right.function in found:
                    called = statement.right.function
                    self._read.setdefault(called, set()).update(
                        k for k, result in enumerate(statement.variables) if uses.reads(result, k if name == called else None))
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


class Uses:
    """Where the variables of a function go."""

    def __init__(self, function: Function) -> None:
        self.read: set[str] = set()
        self.handed: dict[str, list[Variable | int]] = {}
        self.block(function.body, None)

    def block(self, block: Block, owner: Let | None) -> None:
        for statement in block.statements:
            self.read |= {one.name for one in atoms_of(statement.right) if isinstance(one, Variable)}
            for inner in blocks_of(statement.right):
                self.block(inner[1], statement)
        for k, one in enumerate(block.results):
            if not isinstance(one, Variable):
                continue
            if owner is None:
                self.handed.setdefault(one.name, []).append(k)
            elif isinstance(owner.right, (Case, If)):
                self.handed.setdefault(one.name, []).append(owner.variables[k])
            else:
                self.read.add(one.name)

    def reads(self, variable: Variable, position: int | None) -> bool:
        """Whether a variable does more than to become the result at `position`."""
        if variable.name in self.read:
            return True
        return any(
            self.reads(one, position) if isinstance(one, Variable) else one != position for one in self.handed.get(variable.name, ())
        )
