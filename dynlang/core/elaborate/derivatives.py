"""Requests for derivatives, and functions with a derivative of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dynlang.check import errors, typed
from dynlang.check.declarations.world import show
from dynlang.core.build import number
from dynlang.core.elaborate.captures import joined_changes, parted_change, width
from dynlang.core.elaborate.compared import compared
from dynlang.core.elaborate.expressions import expression, handles
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.functions import argument_atoms, prepared_apply, results_of, tamed
from dynlang.core.elaborate.leaves import check_structure, has_structure
from dynlang.core.elaborate.module import Prepared
from dynlang.core.elaborate.order import in_order
from dynlang.core.elaborate.places import read_place, write_place
from dynlang.core.elaborate.settled import settled, unsettled
from dynlang.core.elaborate.values import FunctionValue, StoredFunction, Value
from dynlang.core.nodes import Atom, Jvp, Let, Right, Variable, Vjp
from dynlang.core.sizes import expand, rename_telescope, size_of
from dynlang.diag import CompileError, Diagnostic, InternalError
from dynlang.types import FLOATS, INT, FunctionType, ScalarType, Size, SumType, TupleType, Type, substitute, unknowns


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
    extra = [expression(frame, one) for one in node.extra]
    frame.builder.span = node.span
    if isinstance(function, StoredFunction):
        values = [frame.unstored(one.type, frame.stored(one)) for one in values]
        request = Request(frame, prepared_apply(frame, function, values), 0, values, node)
    else:
        everything = [tamed(frame, one) for one in (*function.bound, *values)]
        prepared = frame.elaborator.instance(function.function, function.types, function.sizes, everything)
        request = Request(frame, prepared, len(function.bound), everything[len(function.bound):], node)
    result, backs = request.answer(extra)
    for place, back, steps in zip(places, backs, held, strict=True):
        if place is not None and back is not None:
            write_place(frame, place, back, steps)
    return result


@handles(typed.NoChange)
def no_change(frame: Frame, node: typed.NoChange) -> Value:
    kind = frame.type(node.type)
    (place,) = frame.layouts.data(kind)
    assert isinstance(place.type, SumType)
    return Value(kind, (frame.builder.construct(place.type, frame.layouts.tangents.zero_of[place.type.name], name="nothing"),))


class Request:
    """One request: which flat parameters and results take part, and what the answer is made of."""

    def __init__(self, frame: Frame, prepared: Prepared, bound: int, values: Sequence[Value], node: typed.Derivative) -> None:
        self.frame, self.prepared, self.bound, self.values, self.node = frame, prepared, bound, values, node
        self.instance = prepared.instance
        self.name = self.instance.name
        self.atoms = argument_atoms(frame, prepared)
        known = frame.builder.known
        self.sizes = {place.name: size_of(atom, known)
                      for place, atom in zip(self.instance.parameters, self.atoms, strict=True) if place.type == INT}

    def answer(self, extra: Sequence[Value]) -> tuple[Value, list[Value | None]]:
        node, frame = self.node, self.frame
        returns = self.primal_type()
        lent = [isinstance(one, typed.Lend) for one in node.arguments]
        if node.kind in ("jacobian", "hessian"):
            from dynlang.core.elaborate.jacobians import matrix

            return matrix(self), [None] * len(node.arguments)
        if node.kind == "hvp":
            _, tangents = self.forward(extra)
            kind = frame.type(node.type)
            return Value(kind, tuple(tangents[:len(frame.layouts.data(kind))])), [None] * len(node.arguments)
        if node.kind == "jvp":
            variables, tangents = self.forward(extra)
            primal, backs = results_of(frame, self.prepared, variables, returns, self.values, lent)
            kind = frame.type(node.type)
            change = self.change_atoms(primal, tangents)
            return Value(kind, (*primal.atoms, *change), primal.functions), backs
        if node.kind == "vjp" and has_structure(frame, self.part(returns)):
            made = compared(frame, self.instance, self.atoms, self.part(self.instance.returns), extra[0], node.span)
            self.name, self.atoms = made.name, made.atoms
        variables, gradients = self.reverse(self.cotangents(extra))
        primal, backs = results_of(frame, self.prepared, variables, returns, self.values, lent)
        kind = frame.type(node.type)
        gradient = self.gradient_atoms(gradients)
        if node.kind == "grad":
            return Value(kind, gradient), backs
        return Value(kind, (*primal.atoms, *gradient), primal.functions), backs

    def part(self, returns: Type) -> Type:
        """What is differentiated of a result: all of it, or the first of several."""
        return returns.items[0] if self.node.first and isinstance(returns, TupleType) and returns.items else returns

    def primal_type(self) -> Type:
        return substitute(self.instance.returns, self.sizes)

    # -- positions

    def positions(self, parameter: int) -> list[range]:
        """For each place of a parameter's value as it is stored, where it stands among the instance's parameters. A function that is
        known stands there as its captures."""
        value = self.values[parameter]
        start, after = self.instance.spread[self.bound + parameter]
        data, functions = iter(range(start, after)), iter(value.functions)
        found: list[range] = []
        for entry in self.frame.layouts.entries(value.type):
            if isinstance(entry, Variable):
                position = next(data)
                found.append(range(position, position + 1))
                continue
            count = width(next(functions))
            found.append(range(after, after + count))
            after += count
        return found

    def known_functions(self, parameter: int) -> dict[int, tuple[FunctionType, FunctionValue]]:
        """The functions of a parameter's value that are known when compiling, by their places as it is stored."""
        value = self.values[parameter]
        places = [(position, one) for position, one in enumerate(self.frame.layouts.entries(value.type)) if isinstance(one, FunctionType)]
        return {position: (kind, function) for (position, kind), function in zip(places, value.functions, strict=True)
                if isinstance(function, FunctionValue)}

    def active_positions(self, parameter: int) -> list[int]:
        """Where the places of a parameter that carry a derivative stand."""
        return [position for places in self.positions(parameter) for position in places if self.tangent_at(position) is not None]

    def is_handed_on(self, parameter: int) -> bool:
        """Whether a function to differentiate by is one that this function was given: its callers' matter."""
        given = self.node.arguments[parameter]
        own = {one.local.name for one in self.frame.elaborator.expanding[-1].parameters}
        return isinstance(given, typed.LocalReference) and isinstance(given.type, FunctionType) and given.local.name in own

    def nothing_varies(self, parameter: int) -> Diagnostic:
        kind = self.values[parameter].type
        what = "this function" if isinstance(kind, FunctionType) else f"a {show(kind)}"
        return errors.GradientOfInteger(f"there is no gradient with respect to {what}: what it captured holds no float", self.node.span,
                                        hint="the derivative with respect to a function is that of what it captured")

    def tangent_at(self, position: int) -> Type | None:
        return self.frame.layouts.tangent(substitute(self.instance.parameters[position].type, self.sizes))

    def expanded_tangent(self, position: int) -> Type:
        kind = self.tangent_at(position)
        assert kind is not None
        return expand(kind, self.frame.builder.known)

    # -- reverse

    def differentiated(self) -> list[tuple[Variable, int, Type]]:
        """The places of the derivative of the result, or of the first of several, each with the position of the result that it
        belongs to, and that result's type in the program."""
        layouts, returns = self.frame.layouts, self.instance.returns
        first = self.part(returns)
        moved = len(unknowns(returns)) - len(unknowns(first))
        sizes = len(unknowns(first))
        sources = [one.source for one in layouts.places(first)]
        return [(place, position if position < sizes else position + moved, sources[position])
                for place, position in layouts.tangent_places(first)]

    def cotangents(self, extra: Sequence[Value]) -> list[Atom | None]:
        own = self.instance.results[:self.instance.returned]
        given: list[Atom | None] = [None] * len(self.instance.results)
        if self.node.kind == "vjp":
            for (place, position, source), atom in zip(self.differentiated(), extra[0].atoms, strict=True):
                kind = self.frame.layouts.tangent(own[position].type) if place.type != INT else None
                given[position] = None if kind is None else unsettled(self.frame, source, atom, kind)
            return given
        first = own[0].type if own else None
        if not isinstance(first, ScalarType) or first.dtype not in FLOATS:
            raise InternalError(f"the gradient of a {first}", self.node.span)
        given[0] = number(1.0, first.dtype)
        return given

    def reverse(self, cotangents: list[Atom | None]) -> tuple[list[Variable], list[Variable]]:
        for parameter in self.node.wrt:
            if not self.active_positions(parameter) and not self.is_handed_on(parameter):
                raise CompileError(self.nothing_varies(parameter))
        wrt = tuple(position for parameter in self.node.wrt for position in self.active_positions(parameter))
        kinds = [self.tangent_at(position) for position in wrt]
        names = [f"d_{self.instance.parameters[position].name}" for position in wrt]
        right = Vjp(self.name, self.atoms, wrt, tuple(cotangents))
        return self.emit(right, names, [kind for kind in kinds if kind is not None])

    def gradient_atoms(self, gradients: Sequence[Variable]) -> tuple[Atom, ...]:
        """The gradients, with the ints that their sizes mention between them."""
        waiting = iter(gradients)
        atoms: list[Atom] = []
        for parameter in self.node.wrt:
            positions, sources, known = self.positions(parameter), self.sources(parameter), self.known_functions(parameter)
            for place, position in self.frame.layouts.tangent_places(self.values[parameter].type):
                where = positions[position]
                if position in known:
                    kind, function = known[position]
                    changes = {offset: next(waiting) for offset, one in enumerate(where) if self.tangent_at(one) is not None}
                    atoms.append(joined_changes(self.frame, function, kind, changes) if changes else self.no_change(place.type))
                elif place.type == INT:
                    atoms.append(self.atoms[where.start])
                else:
                    atoms.append(settled(self.frame, sources[position], self.atoms[where.start], next(waiting)))
        return tuple(atoms)

    def sources(self, parameter: int) -> list[Type]:
        """For each place of a parameter's value as it is stored, the type that the program has for it."""
        kind, positions = self.values[parameter].type, self.positions(parameter)
        own = {place.path: size_of(self.atoms[where.start], self.frame.builder.known)
               for place, where in zip(self.frame.layouts.places(kind), positions, strict=True)
               if place.source == INT and place.path.startswith("?")}
        return [substitute(place.source, own) for place in self.frame.layouts.places(kind)]

    def no_change(self, kind: Type) -> Atom:
        """The derivative with respect to a function that has captured nothing that varies."""
        assert isinstance(kind, SumType)
        return self.frame.builder.construct(kind, self.frame.layouts.tangents.zero_of[kind.name], name="nothing")

    # -- forward

    def forward(self, extra: Sequence[Value]) -> tuple[list[Variable], list[Variable]]:
        tangents: dict[int, Atom] = {}
        for parameter, value in zip(self.node.wrt, extra, strict=True):
            if has_structure(self.frame, self.values[parameter].type):
                check_structure(self.frame, "jvp", self.values[parameter], value, self.node.span)
            positions, sources, known = self.positions(parameter), self.sources(parameter), self.known_functions(parameter)
            places = self.frame.layouts.tangent_places(self.values[parameter].type)
            for (place, position), atom in zip(places, value.atoms, strict=True):
                active = [one for one in positions[position] if self.tangent_at(one) is not None]
                if position in known and active:
                    kind, function = known[position]
                    tangents_given = parted_change(self.frame, function, kind, atom)
                elif position not in known and place.type != INT:
                    tangents_given = [unsettled(self.frame, sources[position], atom, self.expanded_tangent(one)) for one in active]
                else:
                    continue
                for one, made in zip(active, tangents_given, strict=True):
                    tangents[one] = self.frame.retyped_atom(made, self.expanded_tangent(one))
        return self.changes(tangents)

    def changes(self, tangents: Mapping[int, Atom]) -> tuple[list[Variable], list[Variable]]:
        """The results, and how those that have a derivative change along tangents of some positions."""
        layouts = self.frame.layouts
        active = [(one.name, found) for one in self.instance.results if (found := layouts.tangent(one.type)) is not None]
        right = Jvp(self.instance.name, self.atoms, tuple(tangents.get(position) for position in range(len(self.atoms))))
        sizes = self.sizes
        return self.emit(right, [f"d_{name}" for name, _ in active], [substitute(kind, sizes) for _, kind in active])

    def change_atoms(self, primal: Value, tangents: Sequence[Variable]) -> tuple[Atom, ...]:
        """The derivative of the result, with the ints that its sizes mention."""
        frame = self.frame
        active = [position for position, one in enumerate(self.instance.results) if frame.layouts.tangent(one.type) is not None]
        made = dict(zip(active, tangents, strict=True))
        stored = frame.stored(primal)
        own = {place.name: size_of(atom, frame.builder.known)
               for place, atom in zip(self.instance.results, stored, strict=False) if place.type == INT}
        binders = {place.name: own[one.name] for place, one in zip(frame.layouts.stored(self.instance.returns), self.instance.results,
                                                                   strict=False) if place.name.startswith("?")}
        return tuple(stored[position] if place.type == INT
                     else settled(frame, substitute(source, {**self.sizes, **binders}), stored[position], made[position])
                     for place, position, source in self.differentiated())

    # -- the statement

    def emit(self, right: Right, names: Sequence[str], kinds: Sequence[Type]) -> tuple[list[Variable], list[Variable]]:
        builder = self.frame.builder
        results = rename_telescope(self.instance.results, builder.names.fresh, self.sizes, builder.known)
        outer = {old.name: Size.variable(new.name) for old, new in zip(self.instance.results, results, strict=True) if old.type == INT}
        further = tuple(Variable(builder.names.fresh(name), expand(substitute(kind, outer), builder.known))
                        for name, kind in zip(names, kinds, strict=True))
        builder.append(Let((*results, *further), right, self.node.span))
        return list(results), list(further)
