"""Derivatives of sums as text: ``Node(left=Zero, right=Leaf(layer.w=[1.0, 2.0]))``.

What is inside of them stands as differentiation makes it (`core.tangents`): arrays and lists that nothing was added to are Zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dynlang.core.build import text
from dynlang.core.elaborate.alternatives import core_name, fields_of, primal
from dynlang.core.elaborate.formats import formatted, joined_text, repeated
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.settled import cases, list_atoms
from dynlang.core.elaborate.values import Value
from dynlang.core.nodes import Atom, Variable
from dynlang.types import ArrayType, ListType, ScalarType, Size, StringType, SumType, Type, tangent

STRING = StringType()


def derivative_text(frame: Frame, value: Value, specification: str) -> Atom:
    """The text of a value of type ``Tangent<sum>``: ``Zero``, or a constructor with the derivatives of its payload."""
    of = primal(value.type)
    assert isinstance(of, SumType)
    name = core_name(frame, of)
    frame.layouts.tangents.tangent_sum(name)
    declared = frame.elaborator.program.sums[of.name].constructors

    def shown(chosen: int, fields: Sequence[Variable]) -> list[Atom]:
        if not chosen:
            return [text("Zero")]
        own = by_position(frame, name, chosen - 1, fields)
        parts = [(one.path, place_text(frame, one.source, own[one.position], specification))
                 for one in fields_of(frame, of, chosen - 1, own) if one.position in own]
        return [labelled(frame, declared[chosen - 1].name, parts) if declared[chosen - 1].fields else text(declared[chosen - 1].name)]

    return cases(frame, value.atom, [STRING], shown)[0]


def by_position(frame: Frame, name: str, chosen: int, fields: Sequence[Variable]) -> Mapping[int, Variable]:
    """The fields of a derivative's constructor by the positions of the value's."""
    places = frame.layouts.tangents.fields(name, frame.elaborator.sums[name].constructors[chosen].name)
    return {one.position: field for one, field in zip(places, fields, strict=True)}


def labelled(frame: Frame, name: str, parts: Sequence[tuple[str, Atom]]) -> Atom:
    """``Name(path=.., path=..)``"""
    pieces: list[Atom | str] = []
    for path, part in parts:
        pieces += [", " if pieces else "", f"{path}=", part]
    return joined_text(frame, [f"{name}(", *pieces, ")"])


def place_text(frame: Frame, source: Type, atom: Atom, specification: str) -> Atom:
    """The text of one place of a derivative as differentiation makes it."""
    kind = atom.type
    if frame.layouts.tangents.is_lazy(kind):
        return cases(frame, atom, [STRING], lambda chosen, fields: [
            place_text(frame, source, fields[0], specification) if chosen else text("Zero")])[0]
    if isinstance(kind, ListType) and isinstance(source, ListType):
        length = frame.builder.operation("list_length", atom, name="length")
        return repeated(frame, length, lambda index: item_text(frame, source.elements[0], list_atoms(frame, atom, index), specification))
    if isinstance(kind, ArrayType) and isinstance(source, ArrayType) and not isinstance(kind.element, ScalarType):
        return repeated(frame, frame.builder.size(size_of_axis(kind)), lambda index: part_text(frame, source, atom, index, specification))
    shown = kind if not isinstance(kind, SumType) else tangent(source)
    return formatted(frame, Value(shown, (atom,)), specification, True)


def size_of_axis(kind: ArrayType) -> Size:
    assert isinstance(kind.shape[0], Size)
    return kind.shape[0]


def part_text(frame: Frame, source: ArrayType, atom: Atom, index: Atom, specification: str) -> Atom:
    """The text of an item of an array of lists or sums, along its first axis."""
    part = frame.builder.operation("at", atom, index, name="item")
    if len(source.shape) > 1:
        return place_text(frame, ArrayType(source.element, source.shape[1:]), part, specification)
    return item_text(frame, source.element, [part], specification)


def item_text(frame: Frame, element: Type, atoms: Sequence[Atom], specification: str) -> Atom:
    """The text of an item of a list: one of several numbers is shown by its paths."""
    layouts = frame.layouts
    if layouts.is_boxed(element):
        name = layouts.box(element).name
        return cases(frame, atoms[0], [STRING], lambda chosen, fields: [
            places_text(frame, element, by_position(frame, name, 0, fields), specification) if chosen else text("Zero")])[0]
    waiting = iter(atoms)
    given = {position: next(waiting) for position, place in enumerate(layouts.stored(element)) if layouts.tangent(place.type) is not None}
    return places_text(frame, element, given, specification)


def places_text(frame: Frame, element: Type, given: Mapping[int, Atom], specification: str) -> Atom:
    parts = [(place.path.lstrip("."), place_text(frame, place.source, given[position], specification))
             for position, place in enumerate(frame.layouts.places(element))
             if position in given and not place.path.startswith("?")]
    return parts[0][1] if len(parts) == 1 and not parts[0][0] else labelled(frame, "", parts)

