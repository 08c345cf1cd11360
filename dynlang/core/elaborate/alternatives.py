"""Leaves of sums, of stored functions, and of the derivatives of both: values taken apart together, and made anew.

The sum of all stored functions of a type has a constructor for each, with what the function captured. The derivative of a sum has
its constructors and `Zero` (`core.tangents`), which goes with every constructor: beside a value its leaves are zeros, and where
all are `Zero` there is nothing to visit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dynlang.core.build import integer, truth
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.indexing import own_sizes
from dynlang.core.elaborate.settled import opened_lazy, settled, shape_of, unsettled, zero_like, zero_of
from dynlang.core.elaborate.structures import NUMBER, STATE, Walk, extended, holds_leaf
from dynlang.core.elaborate.values import FunctionValue, StoredFunction, Value, is_binder
from dynlang.core.nodes import Arm, Atom, Case, Variable
from dynlang.core.sizes import rename_telescope
from dynlang.diag import NotBuilt
from dynlang.types import INT, FunctionType, ListType, Size, SumType, TangentType, Type, substitute, tangent

Fields = Mapping[int, Atom]


@dataclass(frozen=True, slots=True)
class Field:
    """A place of a constructor: its path, ``left.w``, its position among the Core fields, and its type in the program."""

    path: str
    position: int
    source: Type


def sum_atom(value: Value) -> Atom:
    """The atom of a value that has alternatives."""
    if isinstance(value.type, FunctionType):
        (function,) = value.functions
        assert isinstance(function, StoredFunction)
        return function.atom
    return value.atom


def primal(kind: Type) -> SumType | FunctionType:
    of = kind.of if isinstance(kind, TangentType) else kind
    assert isinstance(of, (SumType, FunctionType))
    return of


def core_name(frame: Frame, of: SumType | FunctionType) -> str:
    """The Core sum of a type's values."""
    return (frame.layouts.function_sum(of) if isinstance(of, FunctionType) else frame.layouts.core_sum(of)).name


def match_all(frame: Frame, walk: Walk, values: Sequence[Value], path: Atom) -> Value:
    """Every value taken apart; all have the same constructor, or are `Zero`."""
    for one in values:
        if isinstance(one.type, TangentType):
            frame.layouts.tangents.tangent_sum(core_name(frame, primal(one.type)))
    if not frame.elaborator.sums[core_name(frame, primal(values[0].type))].constructors:
        return values[0]
    held = f"leaf.whole{walk.depth}"
    frame.locals[held] = values[0]
    kinds = frame.carried_locals([*([held] if walk.maps else []), STATE, NUMBER])

    def opened(position: int, chosen: int | None, fields: tuple[tuple[Variable, ...] | None, ...]) -> None:
        """Cases for the values from a position on: `chosen` is the constructor of those before."""
        if position == len(values):
            if chosen is not None:
                frame.locals[held] = Rebuilding(frame, walk, values, chosen, fields).result(path)
            return
        atom = sum_atom(values[position])
        assert isinstance(atom.type, SumType)
        declaration = frame.elaborator.sums[atom.type.name]
        zeros = 1 if isinstance(values[position].type, TangentType) else 0
        arms: list[Arm] = []
        for number, constructor in enumerate(declaration.constructors):
            with frame.inside() as builder:
                own = rename_telescope(constructor.fields, builder.names.fresh, own_sizes(declaration, atom.type), builder.known)
                if number < zeros:
                    opened(position + 1, chosen, (*fields, None))
                elif chosen in (None, number - zeros):
                    opened(position + 1, number - zeros, (*fields, own))
                else:
                    frame.check(truth(False), f"`{walk.word}` takes values of one structure, and their alternatives differ", walk.node.span)
                arms.append(Arm(constructor.name, own, builder.block(*frame.current(kinds))))
        frame.assign_all(kinds, frame.merge(Case(atom, tuple(arms)), frame.telescope(kinds), walk.node.span))

    opened(0, None, ())
    return frame.locals.pop(held)


# ---------------------------------------------------------------- the places of a constructor


def fields_of(frame: Frame, of: SumType | FunctionType, chosen: int, own: Fields) -> Iterator[Field]:
    """The places of a constructor; their types are over the sizes among the fields that are given."""
    if isinstance(of, FunctionType):
        family = frame.layouts.function_sums[core_name(frame, of)]
        _, function, declared = list(family.constructors.values())[chosen]
        positions = {one.name: position for position, one in enumerate(declared)}
        sizes = own_sizes(frame.elaborator.sums[family.name], frame.layouts.function_sum(of))
        sizes |= {name: frame.builder.size_of(own[position]) for name, position in positions.items()
                  if declared[position].type == INT and position in own}
        for one in captured(frame, function, "", positions):
            yield Field(one.path, one.position, substitute(one.source, sizes))
        return
    from dynlang.core.elaborate.statements import field_types

    declared_sum = frame.elaborator.program.sums[of.name].constructors[chosen]
    at = 0
    for (label, _), kind in zip(declared_sum.fields, field_types(frame, of, declared_sum.name), strict=True):
        found: dict[str, Size] = {}
        for place in frame.layouts.places(kind):
            if not isinstance(place.entry, FunctionType) and is_binder(place.entry):
                if at in own:
                    found[place.path] = frame.builder.size_of(own[at])
            else:
                yield Field(label + place.path, at, substitute(place.source, found))
            at += 1


def captured(frame: Frame, function: FunctionValue, path: str, positions: Mapping[str, int]) -> Iterator[Field]:
    """The places of what a function captured, by the names of its parameters; what functions in it captured with them."""
    for parameter, value in zip(function.function.parameters, function.bound, strict=False):
        atoms, functions = iter(value.atoms), iter(value.functions)
        name = f"{path}{parameter.name}"
        found: dict[str, Size] = {}
        for place in frame.layouts.places(value.type):
            if isinstance(place.entry, FunctionType):
                inner = next(functions)
                if isinstance(inner, FunctionValue):
                    yield from captured(frame, inner, f"{name}{place.path}.", positions)
                    continue
                atom = inner.atom
            else:
                atom = next(atoms)
            assert isinstance(atom, Variable)
            if not isinstance(place.entry, FunctionType) and is_binder(place.entry):
                found[place.path] = Size.variable(atom.name)
            else:
                yield Field(name + place.path, positions[atom.name], substitute(place.source, found))


# ---------------------------------------------------------------- one constructor


class Rebuilding:
    """Values of one constructor, `fields` None for a `Zero`: their leaves visited, and the first value made of what comes out."""

    def __init__(self, frame: Frame, walk: Walk, values: Sequence[Value], chosen: int,
                 fields: Sequence[tuple[Variable, ...] | None]) -> None:
        self.frame, self.walk, self.values, self.chosen = frame, walk, values, chosen
        self.declaration = frame.elaborator.sums[core_name(frame, primal(values[0].type))]
        self.constructor = self.declaration.constructors[chosen]
        self.own = [self.by_position(value, own) for value, own in zip(values, fields, strict=True)]
        self.places = [None if own is None else {one.path: one for one in fields_of(frame, primal(value.type), chosen, own)}
                       for value, own in zip(values, self.own, strict=True)]
        self.model = next((k for k, one in enumerate(values) if not isinstance(one.type, TangentType)), None)
        self.donor = next(k for k, one in enumerate(self.own) if one is not None)

    def by_position(self, value: Value, own: Sequence[Variable] | None) -> Fields | None:
        """The fields by the primal's positions."""
        if own is None or not isinstance(value.type, TangentType):
            return None if own is None else dict(enumerate(own))
        places = self.frame.layouts.tangents.fields(self.declaration.name, self.constructor.name)
        return {one.position: field for one, field in zip(places, own, strict=True)}

    def result(self, path: Atom) -> Value:
        changed: dict[int, Atom] = {}
        for name, place in (self.places[self.donor] or {}).items():
            kind = self.constructor.fields[place.position].type
            if self.is_visited(place, kind):
                changed[place.position] = self.visited(name, place, path)
        return self.made(changed) if self.walk.maps else self.values[0]

    def is_visited(self, place: Field, kind: Type) -> bool:
        if any(isinstance(one.type, TangentType) for one in self.values):
            found = self.frame.layouts.tangent_of_place(place.source, kind)
            return found is not None and holds_leaf(self.frame, found, self.walk.kind)
        return holds_leaf(self.frame, kind, self.walk.kind)

    def visited(self, name: str, place: Field, path: Atom) -> Atom:
        from dynlang.core.elaborate.leaves import visit_place

        given, sources = [], []
        for k, value in enumerate(self.values):
            own, places = self.own[k], self.places[k]
            source = places[name].source if places is not None else place.source
            if isinstance(value.type, TangentType):
                made = own[place.position] if own is not None else None
                given.append(self.derivative(made, name, place, source))
                sources.append(tangent(source))
            else:
                assert own is not None
                given.append(own[place.position])
                sources.append(source)
        return visit_place(self.frame, self.walk, sources, given, extended(self.frame, self.walk, path, name))

    # -- derivatives as a program holds them

    def derivative(self, made: Atom | None, name: str, place: Field, source: Type) -> Atom:
        """The derivative at a place, by the value beside it; `made` None: it is `Zero`."""
        frame = self.frame
        if self.model is not None:
            own, places = self.own[self.model], self.places[self.model]
            assert own is not None and places is not None
            beside, value = places[name].source, own[place.position]
            return zero_of(frame, beside, value) if made is None else settled(frame, beside, value, made)
        known = self.own[self.donor]
        assert known is not None
        wanted = self.wanted(known[place.position] if made is None else made, source, place)
        if isinstance(wanted, ListType):
            return self.list_alone(made, place, source, wanted)
        if made is None:
            return zero_like(frame, source, integer(0), wanted)
        if frame.layouts.tangents.is_lazy(made.type):
            return opened_lazy(frame, made, wanted, lambda: zero_like(frame, source, integer(0), wanted), lambda held: held)
        return made

    def wanted(self, made: Atom, source: Type, place: Field) -> Type:
        """The type of a derivative for which there is no value. Of a list or array whose items may be Zero nothing is known then."""
        found = self.frame.layouts.tangent_of_place(source, self.constructor.fields[place.position].type)
        lazy = isinstance(made.type, SumType) and self.frame.layouts.tangents.is_lazy(made.type)
        held = self.held_type(made.type) if lazy and isinstance(made.type, SumType) else made.type
        if found is None or shape_of(found) != shape_of(held):
            what = f"`{self.walk.word}` over derivatives alone, where a sum holds lists of lists or of arrays of different sizes"
            raise NotBuilt(what, self.walk.node.span, "give the value that they are derivatives of, too")
        return held

    def held_type(self, lazy: SumType) -> Type:
        declaration = self.frame.elaborator.sums[lazy.name]
        return substitute(declaration.constructors[1].fields[0].type, own_sizes(declaration, lazy))

    def list_alone(self, made: Atom | None, place: Field, source: Type, wanted: Type) -> Atom:
        """A list among derivatives alone: one that is `Zero` has as many items as the first that isn't."""
        frame = self.frame

        def like() -> Atom:
            return zero_like(frame, tangent(source), self.known_list(place, wanted), wanted)

        if made is None:
            return like()
        return opened_lazy(frame, made, wanted, like, lambda held: held) if frame.layouts.tangents.is_lazy(made.type) else made

    def known_list(self, place: Field, wanted: Type, after: int = 0) -> Atom:
        """The first list that is no `Zero`; an empty one if there is none."""
        for k in range(after, len(self.values)):
            own = self.own[k]
            if own is not None:
                made = own[place.position]
                if not self.frame.layouts.tangents.is_lazy(made.type):
                    return made
                return opened_lazy(self.frame, made, wanted, lambda k=k: self.known_list(place, wanted, k + 1), lambda held: held)
        assert isinstance(wanted, ListType)
        return self.frame.builder.operation("list_empty", elements=wanted.elements, name="empty")

    # -- the first value

    def made(self, changed: Mapping[int, Atom]) -> Value:
        first, own = self.values[0], self.own[0]
        kind = sum_atom(first).type
        assert isinstance(kind, SumType)
        builder = self.frame.builder
        if not isinstance(first.type, TangentType):
            assert own is not None
            atoms = [changed.get(position, own[position]) for position in range(len(self.constructor.fields))]
            atom: Atom = builder.construct(kind, self.constructor.name, *atoms, name="x")
            return Value(first.type, (), (StoredFunction(first.type, atom),)) if isinstance(first.type, FunctionType) else Value(
                first.type, (atom,))
        declaration = self.frame.elaborator.sums[kind.name]
        constructor = declaration.constructors[self.chosen + 1]
        sizes = own_sizes(declaration, kind)
        atoms = []
        places = self.frame.layouts.tangents.fields(self.declaration.name, self.constructor.name)
        for one, field in zip(places, constructor.fields, strict=True):
            atoms.append(self.derivative_field(one.position, substitute(field.type, sizes), changed))
            if field.type == INT:
                sizes[field.name] = builder.size_of(atoms[-1])
        return Value(first.type, (builder.construct(kind, constructor.name, *atoms, name="d"),))

    def derivative_field(self, position: int, wanted: Type, changed: Mapping[int, Atom]) -> Atom:
        """A field of the first value, a derivative: what came out of the walk, else what it was, else an int of another value."""
        frame, own = self.frame, self.own[0]
        if position not in changed:
            given = own if own is not None else self.own[self.donor]
            assert given is not None
            return given[position]
        places = self.places[self.donor]
        assert places is not None
        source = next(one.source for one in places.values() if one.position == position)
        new = changed[position]
        if self.model is None and isinstance(new.type, ListType) and frame.layouts.tangents.is_lazy(wanted):
            length = frame.builder.operation("list_length", new, name="length")
            none = frame.builder.operation("equal", length, integer(0), name="none")
            return frame.branch(none, [("d", wanted)], lambda: [zero_like(frame, source, new, wanted)],
                                      lambda: [unsettled(frame, source, new, wanted)])[0]
        return unsettled(frame, source, new, wanted)
