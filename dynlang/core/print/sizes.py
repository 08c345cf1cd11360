"""Which sizes of a signature its arguments determine, and types with some sizes unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dynlang.core.nodes import Function
from dynlang.types import INT, FloorDivision, Size, Type, Unknown, map_type, parts, size_variables


def determined_sizes(function: Function, with_results: bool = True) -> frozenset[str]:
    """The ints that a caller need not give: sizes, each the one unknown, linear, of some size in a parameter's or a result's type."""
    typed = function.parameters + (function.results if with_results else ())
    equations = [size for one in typed for size in sizes_of(one.type)]
    wanted = {name for size in equations for name in size.variables()} & {one.name for one in function.parameters if one.type == INT}
    found: set[str] = set()
    changed = True
    while changed:
        changed = False
        for size in equations:
            unknown = (size.variables() & wanted) - found
            if len(unknown) == 1 and is_linear(size, next(iter(unknown))):
                found |= unknown
                changed = True
    return frozenset(found)


def hidden_sizes(function: Function) -> frozenset[str]:
    """The sizes in a function's signature that stay plain ints: where types name them they are unknown, and cast inside."""
    named = {name for one in (*function.parameters, *function.results) for name in size_variables(one.type)}
    return frozenset(named & {one.name for one in function.parameters if one.type == INT}) - determined_sizes(function)


def packed(kind: Type, inner: Iterable[str]) -> Type:
    """The type with sizes that mention `inner` unknown."""
    hidden = set(inner)
    return map_type(kind, lambda one: Unknown() if isinstance(one, Size) and one.variables() & hidden else one, lambda one: None)


def masked(kind: Type, declared: Type, hidden: Iterable[str]) -> Type:
    """The type with sizes unknown where the declared type names hidden ones."""
    unknown = [bool(size.variables() & set(hidden)) for size in sizes_of(declared)]
    waiting = iter(unknown)
    return map_type(kind, lambda one: Unknown() if isinstance(one, Size) and next(waiting, False) else one, lambda one: None)


def sizes_of(kind: Type) -> Iterator[Size]:
    for part in parts(kind):
        if isinstance(part, Size):
            yield part
        elif not isinstance(part, Unknown):
            yield from sizes_of(part)


def is_sure_slice(start: Size, count: Size, sizes: Iterable[str]) -> bool:
    """Whether a slice ``start:start + count`` has `count` items by proof: ends that are computed from ints which are no sizes are sizes
    of their own (``x[1:k + 1]`` has end - 1 items), unless an end is such an int itself."""
    end = start + count
    return all(Size.variable(one) in (start, end) for one in count.variables() - set(sizes))


def is_linear(size: Size, name: str) -> bool:
    """Whether a variable stands in exactly one term, alone."""
    terms = [monomial for monomial, _ in size.terms if any(name in _atom_variables(atom) for atom in monomial)]
    return len(terms) == 1 and len(terms[0]) == 1 and not isinstance(terms[0][0], FloorDivision)


def _atom_variables(atom: object) -> frozenset[str]:
    return atom.numerator.variables() if isinstance(atom, FloorDivision) else frozenset({str(atom)})
