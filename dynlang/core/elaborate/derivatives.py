"""Requests for derivatives, and functions with a derivative of their own."""

from __future__ import annotations

from collections.abc import Sequence

from dynlang.check import typed
from dynlang.core.build import Builder, number
from dynlang.core.elaborate.expressions import expression, handles
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.functions import argument_atoms, call_function, expand_call, prepared_apply, results_of, tamed
from dynlang.core.elaborate.module import Elaborator, Instance, Prepared, has_function
from dynlang.core.elaborate.order import in_order
from dynlang.core.elaborate.places import read_place, write_place
from dynlang.core.elaborate.values import FunctionValue, StoredFunction, Value
from dynlang.core.nodes import Atom, Function, Jvp, Let, Right, Variable, Vjp
from dynlang.core.sizes import expand, rename_telescope, size_of
from dynlang.core.walk import Names
from dynlang.diag import InternalError, NotBuilt
from dynlang.types import FLOATS, INT, FunctionType, ScalarType, Size, TupleType, Type, substitute


@handles(typed.Derivative)
def derivative(frame: Frame, node: typed.Derivative) -> Value:
    """A `Vjp` or `Jvp` of an instance. Captures are arguments that nothing is differentiated by."""
    places = [one.place if isinstance(one, typed.Lend) else None for one in node.arguments]
    held = [read_place(frame, place)[1] if place is not None else None for place in places]

    def read(position: int) -> Value:
        one, steps = parts[position], (None, *held)[position]
        return read_place(frame, one.place, steps)[0] if isinstance(one, typed.Lend) else expression(frame, one)

    parts = (node.function, *node.arguments)
    (callee, *values) = in_order(frame, parts, read)
    function = callee.functions[0]
    if isinstance(function, FunctionValue) and has_function(function.function.returns):
        raise NotBuilt("the derivative of a function that returns a function", node.span)
    extra = [expression(frame, one) for one in node.extra]
    frame.builder.span = node.span
    if isinstance(function, StoredFunction):
        request = Request(frame, prepared_apply(frame, function, values), 0, values, node)
    else:
        everything = [tamed(frame, one) for one in (*function.bound, *values)]
        prepared = frame.elaborator.instance(function.function, function.types, function.sizes, everything)
        request = Request(frame, prepared, len(function.bound), values, node)
    result, backs = request.answer(extra)
    for place, back, steps in zip(places, backs, held, strict=True):
        if place is not None and back is not None:
            write_place(frame, place, back, steps)
    return result


class Request:
    """One request: which flat parameters and results take part, and what the answer is made of."""

    def __init__(self, frame: Frame, prepared: Prepared, bound: int, values: Sequence[Value], node: typed.Derivative) -> None:
        self.frame, self.prepared, self.bound, self.values, self.node = frame, prepared, bound, values, node
        self.instance = prepared.instance
        self.atoms = argument_atoms(frame, prepared)
        known = frame.builder.known
        self.sizes = {place.name: size_of(atom, known)
                      for place, atom in zip(self.instance.parameters, self.atoms, strict=True) if place.type == INT}

    def answer(self, extra: Sequence[Value]) -> tuple[Value, list[Value | None]]:
        node, frame = self.node, self.frame
        returns = self.primal_type()
        lent = [isinstance(one, typed.Lend) for one in node.arguments]
        if node.kind == "jvp":
            variables, tangents = self.forward(extra)
            primal, backs = results_of(frame, self.prepared, variables, returns, self.values, lent)
            kind = frame.type(node.type)
            assert isinstance(kind, TupleType)
            wanted = len(frame.layouts.data(kind.items[1]))
            return Value(kind, (*primal.atoms, *tangents[:wanted]), primal.functions), backs
        variables, gradients = self.reverse(self.cotangents(extra))
        primal, backs = results_of(frame, self.prepared, variables, returns, self.values, lent)
        kind = frame.type(node.type)
        gradient = self.gradient_atoms(gradients)
        if node.kind == "grad":
            return Value(kind, gradient), backs
        return Value(kind, (*primal.atoms, *gradient), primal.functions), backs

    def primal_type(self) -> Type:
        return substitute(self.instance.returns, self.sizes)

    # -- positions

    def active_positions(self, parameter: int) -> list[int]:
        """Where the atoms of a parameter that carry a derivative stand."""
        start, stop = self.instance.spread[self.bound + parameter]
        return [position for position in range(start, stop) if self.tangent_at(position) is not None]

    def tangent_at(self, position: int) -> Type | None:
        return self.frame.layouts.tangent(substitute(self.instance.parameters[position].type, self.sizes))

    # -- reverse

    def cotangents(self, extra: Sequence[Value]) -> list[Atom | None]:
        own = self.instance.results[:self.instance.returned]
        given: list[Atom | None] = [None] * len(self.instance.results)
        active = [position for position, one in enumerate(own) if self.frame.layouts.tangent(one.type) is not None]
        if self.node.kind == "vjp":
            for position, atom in zip(active, extra[0].atoms, strict=False):
                given[position] = atom
            return given
        first = own[0].type if own else None
        if not isinstance(first, ScalarType) or first.dtype not in FLOATS:
            raise InternalError(f"the gradient of a {first}", self.node.span)
        given[0] = number(1.0, first.dtype)
        return given

    def reverse(self, cotangents: list[Atom | None]) -> tuple[list[Variable], list[Variable]]:
        wrt = tuple(position for parameter in self.node.wrt for position in self.active_positions(parameter))
        kinds = [self.tangent_at(position) for position in wrt]
        names = [f"d_{self.instance.parameters[position].name}" for position in wrt]
        right = Vjp(self.instance.name, self.atoms, wrt, tuple(cotangents))
        return self.emit(right, names, [kind for kind in kinds if kind is not None])

    def gradient_atoms(self, gradients: Sequence[Variable]) -> tuple[Atom, ...]:
        """The gradients, with the ints that their sizes mention between them."""
        waiting = iter(gradients)
        atoms: list[Atom] = []
        for parameter in self.node.wrt:
            start, _ = self.instance.spread[self.bound + parameter]
            for place, position in self.frame.layouts.tangent_places(self.values[parameter].type):
                atoms.append(self.atoms[start + position] if place.type == INT else next(waiting))
        return tuple(atoms)

    # -- forward

    def forward(self, extra: Sequence[Value]) -> tuple[list[Variable], list[Variable]]:
        tangents: list[Atom | None] = [None] * len(self.atoms)
        for parameter, value in zip(self.node.wrt, extra, strict=True):
            given = [atom for atom in value.atoms if atom.type != INT]
            for position, atom in zip(self.active_positions(parameter), given, strict=True):
                kind = self.tangent_at(position)
                assert kind is not None
                tangents[position] = self.frame.retyped_atom(atom, expand(kind, self.frame.builder.known))
        layouts = self.frame.layouts
        active = [(one.name, found) for one in self.instance.results if (found := layouts.tangent(one.type)) is not None]
        right = Jvp(self.instance.name, self.atoms, tuple(tangents))
        sizes = self.sizes
        return self.emit(right, [f"d_{name}" for name, _ in active], [substitute(kind, sizes) for _, kind in active])

    # -- the statement

    def emit(self, right: Right, names: Sequence[str], kinds: Sequence[Type]) -> tuple[list[Variable], list[Variable]]:
        builder = self.frame.builder
        results = rename_telescope(self.instance.results, builder.names.fresh, self.sizes, builder.known)
        outer = {old.name: Size.variable(new.name) for old, new in zip(self.instance.results, results, strict=True) if old.type == INT}
        further = tuple(Variable(builder.names.fresh(name), expand(substitute(kind, outer), builder.known))
                        for name, kind in zip(names, kinds, strict=True))
        builder.append(Let((*results, *further), right, self.node.span))
        return list(results), list(further)


# ---------------------------------------------------------------- rules


def rule_function(elaborator: Elaborator, instance: Instance) -> Function:
    """``@derivative(of=f)`` as a function of f's arguments and the cotangents of its results: it gives f's results and
    the cotangents of f's arguments. The pullback that the rule returns is called in place."""
    rule = elaborator.rules[instance.function.name]
    assert instance.rule is not None
    names = Names(one.name for one in instance.parameters)
    frame = Frame(elaborator, Builder(names, elaborator.scope), dict(instance.locals), dict(instance.size_names),
                  dict(instance.types), instance.returns, instance.rule)
    types = tuple(instance.types.values())
    sizes = tuple(instance.size_names[name] for name in instance.function.sizes)
    arguments = [instance.locals[one.local.name] for one in instance.function.parameters]
    value, _ = expand_call(frame, FunctionValue(rule, types, sizes), arguments)
    if not isinstance(value.type, TupleType) or len(value.type.items) != 2:
        raise InternalError(f"the rule {rule.name} gives no value and pullback", rule.span)
    primal, pullback = frame.split(value, value.type.items)
    if not pullback.functions:
        raise NotBuilt("a rule whose pullback isn't a function", rule.span)
    results = frame.retyped_atoms(frame.stored(primal), frame.layouts.stored(instance.returns))
    kind = pullback.type
    assert isinstance(kind, FunctionType)
    cotangents: list[Variable] = []
    given: list[Value] = []
    for one in kind.parameters:
        places = rename_telescope(frame.layouts.data(one), lambda _: names.fresh("g"), {}, frame.builder.known)
        cotangents += places
        given.append(Value(one, places))
    back = call_function(frame, pullback.functions[0], given, kind.result)
    gradients = frame.retyped_atoms(back.atoms, frame.layouts.data(kind.result))
    declared = instance.results[:instance.returned]
    further = [Variable(names.fresh("gradient"), atom.type) for atom in gradients]
    return Function(instance.rule, (*instance.parameters, *cotangents), (*declared, *further),
                    frame.builder.block(*results, *gradients), instance.sizes, documentation=rule.documentation, span=rule.span)
