"""Which argument of a call doesn't fit, and whether it fits somewhere else: two arguments in the wrong order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from dynlang.check import typed
from dynlang.check.calls.functions import Use
from dynlang.check.context import Context
from dynlang.check.declarations.typenames import put
from dynlang.check.declarations.world import show
from dynlang.check.fitting.fit import fitting, mismatch, size_labels, sizes_in
from dynlang.check.messages import shapes
from dynlang.diag import Diagnostic, Edit, Label, Repair
from dynlang.syntax import nodes as ast
from dynlang.types import Size, Type, TypeVariable


class Slot(Protocol):
    """A parameter and the argument that is bound to it."""

    name: str
    type: Type
    argument: ast.Argument | None
    passed: typed.Passed | None


def swapped(context: Context, use: Use, slots: Sequence[Slot], wrong: Slot) -> shapes.Advice | None:
    """The advice to swap the argument that doesn't fit with another one, if then all fit."""
    for other in slots:
        first, second = wrong.passed, other.passed
        if other is wrong or not isinstance(first, typed.Expression) or not isinstance(second, typed.Expression):
            continue
        if first.type != second.type and all_fit(context, use, slots, {wrong.name: second, other.name: first}):
            before, after = sorted((first, second), key=lambda one: one.span.start)
            edits = (Edit(before.span, after.span.text), Edit(after.span, before.span.text))
            names = f"`{wrong.name}` and `{other.name}`"
            return shapes.Advice(f"the arguments {names} are swapped", (Repair("swap the arguments", edits),))
    return None


def with_swap(context: Context, use: Use, slots: Sequence[Slot], wrong: Slot, found: Diagnostic) -> Diagnostic:
    """The message about an argument that doesn't fit; if it is in another's place, that is the news."""
    advice = swapped(context, use, slots, wrong)
    return found if advice is None else replace(found, hint=advice.hint, repairs=advice.repairs)


def misfit(context: Context, use: Use, slots: Sequence[Slot], what: str) -> Diagnostic | None:
    """Where parameters stay open because an argument is built wrongly, that argument is the news."""
    for slot in slots:
        if not isinstance(slot.passed, typed.Expression):
            continue
        pattern = use.solver.resolve(use.rename(slot.type))
        probe = use.solver.copy()
        if not probe.match(pattern, slot.passed.type) and fitting(context, slot.passed, pattern) is None:
            shown = {name: key for key, name in use.names.items()}
            sizes = {name: Size.variable(key) for name, key in shown.items()}
            named = put(pattern, sizes, {name: TypeVariable(key) for name, key in shown.items()})
            found = mismatch(context, slot.passed, named, f"the argument `{slot.name}` of {what}")
            return with_swap(context, use, slots, slot, found)
    return None


def with_origins(context: Context, use: Use, slots: Sequence[Slot], found: Diagnostic) -> Diagnostic:
    """The message about a size that has no solution, with the arguments that have it."""
    if use.unsolved_size is None or found.secondary:
        return found
    passed = [slot.passed for slot in slots if isinstance(slot.passed, typed.Expression)]
    labels = [Label(one.span, show(one.type)) for one in passed if use.unsolved_size in sizes_in(one.type)]
    origin = tuple(size_labels(context, use.unsolved_size))
    return replace(found, secondary=(*labels, *origin))


def all_fit(context: Context, use: Use, slots: Sequence[Slot], changed: Mapping[str, typed.Expression]) -> bool:
    """Whether a call is right with some of its arguments replaced."""
    given = {slot.name: changed.get(slot.name, slot.passed) for slot in slots}
    with context.trial():
        again = Use(context, use.generics, use.given)
        for slot in slots:
            value = given[slot.name]
            kind = value.place.type if isinstance(value, typed.Lend) else value.type if value is not None else None
            if kind is not None and not again.solver.match(again.rename(slot.type), kind):
                return False
        again.solver.settle()
        for slot in slots:
            value, wanted = given[slot.name], again.solver.resolve(again.rename(slot.type))
            if isinstance(value, typed.Expression) and (again.solver.open_names(wanted) or fitting(context, value, wanted) is None):
                return False
    return True
