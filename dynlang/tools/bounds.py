"""Indices that come from outside: an ``idx<n>`` is checked once, where it enters, and never again.

Those inside of sum types are looked at where their values are read (`flat.SumReader`): what they are indices of depends on the place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from dynlang.check import typed
from dynlang.tools.flat import check_indices
from dynlang.types import ArrayType, IndexType, ListType, RecordType, Size, TupleType, Type, Unknown, substitute

Bounds = Mapping[str, Size]
"""What the numbers of an array, by the name that `dync call` gives it, must be below."""


def index_bounds(program: typed.Program, function: typed.Function) -> dict[str, Size]:
    """The arrays that hold indices: ``{"i": n}`` of ``f<n>(x: f32[n], i: idx<n>)``, ``{"line.at": n}`` of a record's field."""
    places = [place for one in function.parameters for place in _places(program, one.label or one.name, one.local.type)]
    return {label: kind.bound for label, kind in places if isinstance(kind, IndexType)}


def check_bounds(bounds: Bounds, arrays: Mapping[str, np.ndarray], sizes: Mapping[str, int]) -> None:
    """Raise where an index is outside; a size that isn't known here has no arrays that it could be an index of."""
    for label, bound in bounds.items():
        if label in arrays and bound.variables() <= sizes.keys():
            check_indices(label, arrays[label], bound.evaluate(sizes))


def _places(program: typed.Program, label: str, kind: Type) -> Iterator[tuple[str, Type]]:
    """The arrays that a value is given as, in their order, each with the type of its numbers."""
    match kind:
        case ArrayType(element, _):
            yield from _places(program, label, element)
        case ListType((element,)):
            inside = [one for _, one in _places(program, label, element)]
            names = [label] if len(inside) == 1 else [f"{label}.{place}" for place in range(len(inside))]
            yield from zip(names, inside, strict=True)
        case TupleType(items):
            for place, item in enumerate(items):
                yield from _places(program, f"{label}.{place}", item)
        case RecordType(name, arguments) if name in program.records:
            record = program.records[name]
            for field, inner in record.fields:
                yield from _places(program, f"{label}.{field}", given_field(record.generics, arguments, inner))
        case _:
            yield label, kind


def given_field(generics: tuple[typed.Generic, ...], arguments: tuple[object, ...], kind: Type) -> Type:
    """The type of a field, where the type that holds it has these arguments."""
    pairs = [(one.name, given) for one, given in zip(generics, arguments, strict=True)]
    sizes = {name: given for name, given in pairs if isinstance(given, Size)}
    return substitute(kind, sizes, {name: given for name, given in pairs if not isinstance(given, (Size, Unknown))})  # type: ignore[misc]
