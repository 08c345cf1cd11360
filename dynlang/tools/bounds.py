"""Indices that come from outside: an ``idx<n>`` is checked once, where it enters, and never again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from dynlang.check import typed
from dynlang.tools.flat import BadArgument
from dynlang.types import ArrayType, IndexType, ListType, RecordType, Size, SumType, TupleType, Type, Unknown, substitute

DEEPEST = 20
"""How many types inside of one another are looked at: a type may hold itself with ever new sizes."""

Bounds = Mapping[str, Size]
"""What the numbers of an array, by the name that `dync call` gives it, must be below."""


def index_bounds(program: typed.Program, function: typed.Function) -> dict[str, Size]:
    """The arrays that hold indices: ``{"i": n}`` of ``f<n>(x: f32[n], i: idx<n>)``, ``{"t.Leaf.at": n}`` of a sum's field."""
    found: dict[str, Size] = {}
    for parameter in function.parameters:
        found |= dict(_inside(program, parameter.label or parameter.name, parameter.local.type, frozenset()))
    return found


def check_bounds(bounds: Bounds, arrays: Mapping[str, np.ndarray], sizes: Mapping[str, int]) -> None:
    """Raise where an index is outside; a size that isn't known here has no arrays that it could be an index of."""
    for label, bound in bounds.items():
        if label not in arrays or not bound.variables() <= sizes.keys():
            continue
        limit, given = bound.evaluate(sizes), np.asarray(arrays[label])
        outside = (given < 0) | (given >= limit)
        if outside.any():
            raise BadArgument(f"`{label}` holds the index {given[outside].ravel()[0]}, which is outside 0..{limit}")


def _inside(program: typed.Program, label: str, kind: Type, seen: frozenset[Type]) -> Iterator[tuple[str, Size]]:
    match kind:
        case IndexType(bound):
            yield label, bound
        case ArrayType(element, _):
            yield from _inside(program, label, element, seen)
        case ListType(elements):
            names = [label] if len(elements) == 1 else [f"{label}.{place}" for place in range(len(elements))]
            for name, element in zip(names, elements, strict=True):
                yield from _inside(program, name, element, seen)
        case TupleType(items):
            for place, item in enumerate(items):
                yield from _inside(program, f"{label}.{place}", item, seen)
        case RecordType(name, arguments) if name in program.records:
            record = program.records[name]
            for field, inner in record.fields:
                yield from _inside(program, f"{label}.{field}", given_field(record.generics, arguments, inner), seen)
        case SumType(name, arguments) if kind not in seen and name in program.sums and len(seen) < DEEPEST:
            declared = program.sums[name]
            for constructor in declared.constructors:
                for field, inner in constructor.fields:
                    held = given_field(declared.generics, arguments, inner)
                    yield from _inside(program, f"{label}.{constructor.name}.{field}", held, seen | {kind})


def given_field(generics: tuple[typed.Generic, ...], arguments: tuple[object, ...], kind: Type) -> Type:
    """The type of a field, where the type that holds it has these arguments."""
    pairs = [(one.name, given) for one, given in zip(generics, arguments, strict=True)]
    sizes = {name: given for name, given in pairs if isinstance(given, Size)}
    return substitute(kind, sizes, {name: given for name, given in pairs if not isinstance(given, (Size, Unknown))})  # type: ignore[misc]
