"""Parameters that are the same literal in every call: sizes of a model, most of all.

    fn step(n: int, x: f32[n]) called as step(128, a) and step(128, b) only      is      fn step(x: f32[128])

Recursion that hands a parameter on as it is agrees with what it was called with. Nothing is copied for a constant, so code
doesn't grow (rule 8).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from dynlang.core.nodes import Call, Function, Literal, Variable
from dynlang.core.simplify.parameters import fixed_signatures
from dynlang.core.walk import Substitution, statements_in

Known = dict[str, "Literal | None"]
"""What a parameter is known to be, by name: absent, nothing yet; None, several things."""


def spread_constants(functions: Mapping[str, Function], roots: Collection[str]) -> dict[str, Function]:
    """The functions with constant parameters replaced by what they are; the parameters are left, unread."""
    if not roots:
        return dict(functions)
    known = constant_parameters(functions, fixed_signatures(functions) | set(roots))
    return {name: _with_constants(function, known[name]) for name, function in functions.items()}


def constant_parameters(functions: Mapping[str, Function], fixed: Collection[str]) -> dict[str, Known]:
    """The greatest agreement: start from nothing known, and let calls disagree until nothing changes: a function whose
    parameters are known anew hands that on."""
    known: dict[str, Known] = {name: dict.fromkeys((one.name for one in function.parameters), None) if name in fixed else {}
                               for name, function in functions.items()}
    calls = {name: [one.right for one in statements_in(function.body) if isinstance(one.right, Call)]
             for name, function in functions.items()}
    own = {name: {one.name for one in function.parameters} for name, function in functions.items()}
    waiting = dict.fromkeys(functions)
    while waiting:
        caller = next(iter(waiting))
        del waiting[caller]
        for call in calls[caller]:
            if _agree(call, known[caller], own[caller], functions[call.function], known[call.function]):
                waiting[call.function] = None
    return known


def _agree(call: Call, inside: Known, own: Collection[str], callee: Function, target: Known) -> bool:
    """Hold what a call hands on against what is known of its callee's parameters; whether less is known now. `inside` is what is known
    of the caller's `own` parameters."""
    changed = False
    for place, atom in zip(callee.parameters, call.arguments, strict=True):
        if isinstance(atom, Variable):
            if atom.name in own and atom.name not in inside:
                continue
            found = inside.get(atom.name) if atom.name in own else None
        else:
            found = atom
        if place.name not in target:
            target[place.name] = found
            changed = True
        elif target[place.name] is not None and not _same(target[place.name], found):
            target[place.name] = None
            changed = True
    return changed


def _same(one: Literal | None, other: Literal | None) -> bool:
    return one is not None and other is not None and one == other and type(one.value) is type(other.value)


def _with_constants(function: Function, known: Known) -> Function:
    mapping = {name: literal for name, literal in known.items() if literal is not None}
    if not mapping:
        return function
    substitution = Substitution(mapping)
    parameters = tuple(one if one.name in mapping else substitution.binder(one) for one in function.parameters)
    results = tuple(map(substitution.binder, function.results))
    return replace(function, parameters=parameters, results=results, body=substitution.block(function.body))
