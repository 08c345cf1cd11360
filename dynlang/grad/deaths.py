"""Gradients that are zero whatever the values are (rule 33), and where they die: the ops without a derivative that everything
depending on a parameter ends in.

    fn f(x: f32) -> f32:
        return f32(int(x))        `int(x)`: the cast to a whole number has no derivative, it ends here
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from dynlang.core.nodes import CAPTURED, Atom, Call, Let, Module, Operation, Variable, Vjp
from dynlang.core.walk import statements_in
from dynlang.diag import Diagnostic, Label
from dynlang.grad.activity import Activity, differentiable_operands
from dynlang.grad.errors import ZeroGradient, ZeroLeaf
from dynlang.grad.state import State
from dynlang.grad.tangents import Tangents
from dynlang.ops import OPS

MOST = 3
LAMBDA = re.compile(r"_lambda\d*$")


def zero_gradients(state: State, activity: Activity, statement: Let, request: Vjp, shown: Mapping[str, str]) -> list[Diagnostic]:
    """An error for each argument that has no gradient at all, a warning for a leaf of one that has. What a function captured is its
    own matter: all kinds of functions are given to the same code, and each captures something else."""
    function = state.functions[request.function]
    asked = tuple(k in request.wrt for k in range(len(function.parameters)))
    reached = activity.reached(request.function, asked, [one is not None for one in request.cotangents])
    carrying = [k for k in request.wrt if activity.tangents.carries(function.parameters[k].type)]
    labels = function.parameter_labels or tuple(one.name for one in function.parameters)
    dead = [k for k in carrying if not reached[k] and CAPTURED not in labels[k]]
    owners = [re.split(rf"[.{CAPTURED}]", label)[0] for label in labels] if function.parameter_labels else [""] * len(labels)
    whole = [k for k in dead if all(other in dead for other in carrying if owners[other] == owners[k])]
    name = shown.get(function.name, function.name)
    name = "a lambda" if LAMBDA.search(name) else f"`{name}`"
    found: list[Diagnostic] = []
    leaves = [k for k in dead if k not in whole and activity.tangents.holds_float(function.parameters[k].type)]
    for kind, parameters in ((ZeroGradient, whole), (ZeroLeaf, leaves)):
        if parameters:
            places = places_where_they_die(state, activity, function.name, parameters)
            title = f"the gradient of {name} with respect to {', '.join(f'`{labels[k]}`' for k in parameters)} is always zero"
            found.append(kind(title, statement.span, secondary=places, notes=() if places else ("no result depends on it",)))
    return found


class Judged:
    """A program before the alternatives that nothing makes were cut: what depends on an argument there alone isn't the user's mistake."""

    def __init__(self, module: Module) -> None:
        self.state = State(module)
        self.activity = Activity(self.state, Tangents(self.state), unanswered=True)

    def zero_gradients(self, statement: Let, request: Vjp, shown: Mapping[str, str]) -> list[Diagnostic]:
        name = shown.get(request.function, request.function)
        known = self.state.functions.get(name)
        if known is None or known.derivative is not None:
            return []
        return zero_gradients(self.state, self.activity, statement, replace(request, function=name), shown)


def places_where_they_die(state: State, activity: Activity, function: str, positions: Sequence[int]) -> tuple[Label, ...]:
    """At most three places, in the function and what it calls."""
    found: dict[tuple[int, int], Label] = {}
    for position in positions:
        for label in _deaths(state, activity, function, position, set()):
            found.setdefault((label.span.start, label.span.end), label)
            if len(found) == MOST:
                return tuple(found.values())
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
            case Operation() as operation:
                if statement.span is not None and _ends(activity, statement, operation, [is_on(one) for one in operation.arguments]):
                    yield Label(statement.span, f"{ending(operation)}: it ends here")
            case Call(called, arguments) if state.functions[called].derivative is None:
                for k, one in enumerate(arguments):
                    if is_on(one):
                        yield from _deaths(state, activity, called, k, seen)


def _ends(activity: Activity, statement: Let, operation: Operation, on: Sequence[bool]) -> bool:
    """Whether an operand that depends on the parameter has no derivative here, as the row says or as the results carry none."""
    if not any(on):
        return False
    passing = differentiable_operands(operation.op, len(on))
    dies = any(depends and not yes for depends, yes in zip(on, passing, strict=True))
    return dies or not any(activity.tangents.carries(one.type) for one in statement.variables)


def ending(operation: Operation) -> str:
    """What an op without a derivative is to whoever wrote it.

    >>> ending(Operation("greater", ()))
    'a comparison has no derivative'
    """
    if OPS[operation.op].has("comparison"):
        return "a comparison has no derivative"
    match operation.op:
        case "convert":
            return "a cast to whole numbers or bools has no derivative"
        case "stop_gradient":
            return "`stop_gradient` makes it a constant"
        case "list_length":
            return "a length has no derivative"
    return f"`{OPS[operation.op].surface or operation.op}` has no derivative"
