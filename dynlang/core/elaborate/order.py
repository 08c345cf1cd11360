"""The order in which the parts of a call, tuple or record are evaluated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from dynlang.check import typed
from dynlang.core.elaborate.expressions import expression
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.values import Value

Made = TypeVar("Made")
PLAIN = (typed.Literal, typed.LocalReference, typed.SizeValue)


def expressions(frame: Frame, nodes: Sequence[typed.Expression]) -> list[Value]:
    """The values of several expressions, evaluated in the order of `in_order`."""
    return in_order(frame, nodes, lambda position: expression(frame, nodes[position]))


def in_order(frame: Frame, nodes: Sequence[object], make: Callable[[int], Made]) -> list[Made]:
    """What `make` gives for each place, from left to right; only what mentions a size that a later one opens comes after that.

    In ``apply(total, read())`` the function `total` is one of ``f32[k]`` with the k that the array from ``read()`` turns out to have."""
    facts = frame.elaborator.facts
    waiting = list(range(len(nodes)))
    opening = {place: facts.of(nodes[place]).bound for place in waiting if not isinstance(nodes[place], PLAIN)}
    made: dict[int, Made] = {}
    while waiting:
        place = next((one for one in waiting if not _needs(frame, nodes, one, waiting, opening)), waiting[0])
        waiting.remove(place)
        made[place] = make(place)
    return [made[place] for place in range(len(nodes))]


def _needs(frame: Frame, nodes: Sequence[object], place: int, waiting: Sequence[int], opening: dict[int, frozenset[str]]) -> bool:
    """Whether a part mentions a size that another one, still to be evaluated, opens."""
    others = [opening[one] for one in waiting if one != place and opening.get(one)]
    if not others:
        return False
    sizes = frame.elaborator.facts.of(nodes[place]).sizes - opening.get(place, frozenset())
    return any(not sizes.isdisjoint(one) for one in others)
