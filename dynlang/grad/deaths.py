"""Where a gradient dies: the ops without a derivative that everything depending on a parameter ends in."""

from __future__ import annotations

from collections.abc import Iterator

from dynlang.core.nodes import Atom, Call, Operation, Variable
from dynlang.core.walk import statements_in
from dynlang.diag import Label
from dynlang.grad.activity import Activity, differentiable_operands
from dynlang.grad.state import State

MOST = 3


def places_where_it_dies(state: State, activity: Activity, function: str, position: int) -> tuple[Label, ...]:
    """At most three places, in the function and what it calls."""
    found: dict[tuple[int, int], Label] = {}
    for label in _deaths(state, activity, function, position, set()):
        found.setdefault((label.span.start, label.span.end), label)
        if len(found) == MOST:
            break
    return tuple(found.values())


def _deaths(state: State, activity: Activity, function: str, position: int, seen: set[tuple[str, int]]) -> Iterator[Label]:
    if (function, position) in seen:
        return
    seen.add((function, position))
    body = state.functions[function].body
    on = activity.variables(function, tuple(k == position for k in range(len(state.functions[function].parameters))))

    def is_on(atom: Atom) -> bool:
        return isinstance(atom, Variable) and atom.name in on

    for statement in statements_in(body):
        match statement.right:
            case Operation(op, arguments):
                passing = differentiable_operands(op, len(arguments))
                if statement.span is not None and any(is_on(one) and not yes for one, yes in zip(arguments, passing, strict=True)):
                    yield Label(statement.span, f"`{op}` has no derivative: it ends here")
            case Call(called, arguments) if state.functions[called].derivative is None:
                for k, one in enumerate(arguments):
                    if is_on(one):
                        yield from _deaths(state, activity, called, k, seen)
