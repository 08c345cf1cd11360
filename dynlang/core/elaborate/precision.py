"""Values in other number types, ``f32(x)`` and ``cast(model)``: number by number, whatever holds the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from dynlang.core.elaborate.expressions import convert_literal, scalar_dtype
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.indexing import Items, indexed, list_item, unboxed_element
from dynlang.core.elaborate.settled import cases, filled_array, filled_list, shape_of, through_function
from dynlang.core.elaborate.statements import field_types
from dynlang.core.elaborate.values import Layouts, Value
from dynlang.core.nodes import Atom, Literal, Variable
from dynlang.diag import InternalError
from dynlang.types import ArrayType, FunctionType, ListType, SumType, TupleType, Type


def in_precision(frame: Frame, value: Value, kind: Type) -> Value:
    """The value as one of a type that differs from its own in number types alone."""
    places = [one for one in frame.layouts.places(value.type) if not isinstance(one.entry, FunctionType)]
    wanted = [one for one in frame.layouts.places(kind) if not isinstance(one.entry, FunctionType)]
    atoms = [place_in_precision(frame, mine.source, theirs.source, theirs.entry.type, atom)
             for mine, theirs, atom in zip(places, wanted, value.atoms, strict=True) if isinstance(theirs.entry, Variable)]
    return Value(kind, tuple(atoms), value.functions)


def place_in_precision(frame: Frame, source: Type, wanted: Type, kind: Type, atom: Atom) -> Atom:
    """`source` and `wanted` are what the program calls the types, `kind` is Core's."""
    found, dtype = scalar_dtype(atom.type), scalar_dtype(kind)
    if shape_of(atom.type) == shape_of(kind):
        return atom
    if found is not None and dtype is not None:
        return convert_literal(frame, atom, dtype) if isinstance(atom, Literal) else frame.builder.operation("convert", atom, dtype=dtype)
    match source, wanted:
        case ListType(), ListType((other,)):
            length = frame.builder.operation("list_length", atom, name="length")
            whole = Value(source, (atom,))
            return filled_list(frame, kind, length, lambda index: unboxed_element(
                frame, other, in_precision(frame, list_item(frame, whole, index), other)))
        case ArrayType(), ArrayType(other):
            whole = Value(source, (atom,))
            return filled_array(frame, kind, lambda _, indices: unboxed_element(
                frame, other, in_precision(frame, indexed(frame, whole, Items(indices, source)), other))[0])
        case SumType(), SumType():
            return through_function(frame, "cast", TupleType((source, wanted)), [atom], sum_in_precision, second_sum)
    raise InternalError(f"a {source} as a {wanted}", frame.builder.span)


def second_sum(layouts: Layouts, kinds: Type) -> Type:
    assert isinstance(kinds, TupleType) and isinstance(kinds.items[1], SumType)
    return layouts.core_sum(kinds.items[1])


def sum_in_precision(frame: Frame, kinds: Type, atoms: Sequence[Atom]) -> Atom:
    """The same alternative with its payload in the other precision."""
    assert isinstance(kinds, TupleType)
    source, wanted = kinds.items
    assert isinstance(source, SumType) and isinstance(wanted, SumType)
    core = frame.layouts.core_sum(wanted)
    declared = frame.elaborator.program.sums[source.name].constructors

    def changed(chosen: int, fields: Sequence[Variable]) -> list[Atom]:
        name = declared[chosen].name
        made: list[Atom] = []
        at = 0
        for mine, theirs in zip(field_types(frame, source, name), field_types(frame, wanted, name), strict=True):
            count = len(frame.layouts.entries(mine))
            part = in_precision(frame, frame.unstored(mine, fields[at:at + count]), theirs)
            made += frame.retyped_atoms(frame.stored(part), frame.layouts.stored(theirs))
            at += count
        constructor = frame.layouts.constructor_names[core.name, name]
        return [frame.builder.construct(core, constructor, *made, name="x")]

    return cases(frame, atoms[0], [core], changed)[0]
