"""Places: reading what is lent, and writing values into variables, fields, tuple items, elements and slices.

A write is functional: it gives the root a new value. Only the arrays that change are updated; `update` works in place
where the old value is not used again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dynlang.check import typed
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.indexing import (
    Items,
    Piece,
    indexed,
    item_of,
    list_item,
    list_position,
    part_of,
    read,
    unboxed_element,
    updated,
)
from dynlang.core.elaborate.values import Value
from dynlang.core.nodes import Atom
from dynlang.diag import InternalError
from dynlang.types import ArrayType, ListType, RecordType, TangentType, TupleType, Type


@dataclass(frozen=True, slots=True)
class Held:
    """The steps of a place, their index expressions evaluated."""

    steps: tuple[str | int | Items | Atom, ...]


def read_place(frame: Frame, place: typed.Place, held: Any = None) -> tuple[Value, Held]:
    """The value of a place now, and its steps; indices are evaluated once, when `held` is not given."""
    if held is None:
        piece, steps = walk(frame, place)
        return read(frame, piece), Held(steps)
    value = frame.local(place.root, place.span)
    for step in held.steps:
        value = part(frame, value, step)
    return value, held


def walk(frame: Frame, place: typed.Place) -> tuple[Piece, tuple[Any, ...]]:
    """The place, not read yet, and its steps: a field of an element is an element of the field's array."""
    piece, steps = Piece(frame.local(place.root, place.span)), []
    for step in place.steps:
        if isinstance(step, (str, int)):
            piece, flat = part_of(frame, piece, step)
            steps.insert(len(steps) - 1 if flat else len(steps), step)
        elif isinstance(piece.value.type, ListType) or (piece.is_element and isinstance(piece.value.type.element, ListType)):  # type: ignore[union-attr]
            value = read(frame, piece)
            assert isinstance(step[0], typed.Expression)
            steps.append(list_position(frame, value, step[0]))
            piece = Piece(list_item(frame, value, steps[-1]))
        else:
            goes_on = bool(piece.items) and not piece.is_element
            piece, items = item_of(frame, piece, step)
            if goes_on and len(items.items) > len(step):
                steps.pop()
            steps.append(items)
    return piece, tuple(steps)


def part(frame: Frame, value: Value, step: Any) -> Value:
    """One step into a value."""
    if isinstance(step, (str, int)):
        return select_part(frame, value, step)[0]
    if isinstance(value.type, ListType):
        return list_item(frame, value, step)
    return indexed(frame, value, step)


def part_types(frame: Frame, kind: Type) -> list[tuple[str | int, Type]]:
    """The fields or items of a product."""
    match kind:
        case TupleType(items):
            return list(enumerate(items))
        case RecordType():
            return list(frame.layouts.fields(kind))
        case TangentType(of):
            return [(name, tangent_of(one)) for name, one in part_types(frame, of)]
    raise InternalError(f"{kind} has no parts", frame.builder.span)


def tangent_of(kind: Type) -> Type:
    from dynlang.types import tangent

    return tangent(kind)


def select_part(frame: Frame, value: Value, step: str | int) -> tuple[Value, int, int]:
    """A field or item, with where its atoms and functions begin."""
    if isinstance(value.type, ArrayType):
        return array_part(frame, value, step)
    data = functions = 0
    for name, kind in part_types(frame, value.type):
        more_data, more_functions = frame.layouts.counts(kind)
        if name == step:
            found = Value(kind, value.atoms[data:data + more_data], value.functions[functions:functions + more_functions])
            return found, data, functions
        data, functions = data + more_data, functions + more_functions
    raise InternalError(f"{value.type} has no part {step}", frame.builder.span)


def array_part(frame: Frame, value: Value, step: str | int) -> tuple[Value, int, int]:
    """The array of a field of every element."""
    assert isinstance(value.type, ArrayType)
    data = 0
    for name, kind in part_types(frame, value.type.element):
        count = len(frame.layouts.element_places(kind))
        if name == step:
            from dynlang.types import array_of

            whole = array_of(kind, value.type.shape)
            return Value(whole, value.atoms[data:data + count]), data, 0
        data += count
    raise InternalError(f"{value.type} has no part {step}", frame.builder.span)


def write_place(frame: Frame, place: typed.Place, new: Value, held: Any = None) -> None:
    """The root of the place takes a value in which the place is `new`."""
    if held is None and place.steps:
        held = read_steps(frame, place)
    root = frame.local(place.root, place.span)
    steps = held.steps if held is not None else ()
    changed = written(frame, root, steps, new)
    frame.locals[place.root.name] = frame.unstored(changed.type, frame.stored(changed)) if changed.functions else changed


def read_steps(frame: Frame, place: typed.Place) -> Held:
    """The steps of a place."""
    return Held(walk(frame, place)[1])


def written(frame: Frame, value: Value, steps: Sequence[Any], new: Value) -> Value:
    """`value` with the part under `steps` replaced."""
    if not steps:
        return frame.retyped(new, value.type)
    step, rest = steps[0], steps[1:]
    if isinstance(step, (str, int)):
        old, data, functions = select_part(frame, value, step)
        inner = written(frame, old, rest, new)
        atoms = value.atoms[:data] + inner.atoms + value.atoms[data + len(old.atoms):]
        return Value(value.type, atoms, value.functions[:functions] + inner.functions + value.functions[functions + len(old.functions):])
    if isinstance(value.type, ListType):
        return written_list(frame, value, step, rest, new)
    if not rest:
        return updated(frame, value, step, new)
    old = indexed(frame, value, step)
    inner = written(frame, old, rest, new)
    return updated(frame, value, step, inner, old)


def written_list(frame: Frame, value: Value, position: Atom, rest: Sequence[Any], new: Value) -> Value:
    assert isinstance(value.type, ListType)
    inner = new
    if rest:
        inner = written(frame, list_item(frame, value, position), rest, new)
    atoms = unboxed_element(frame, value.type.elements[0], inner)
    result = frame.builder.operation("list_set", value.atom, position, *atoms, name="list")
    return Value(value.type, (result,))
