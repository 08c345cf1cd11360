"""Between int atoms and sizes: what a size is as an atom, and which int operations make sizes.

An int variable may be the value of a size polynomial, as ``k = mul(2, n)`` is of ``2*n``. Types always mention the
polynomial over variables that no operation defines (``f32[2*n]``, never ``f32[k]``), so equal sizes are equal objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from dynlang.core.nodes import Atom, Literal, Operation, Right, Variable
from dynlang.types import INT, ArrayType, Size, Type, size_variables, substitute

SIZE_ARITHMETIC: Mapping[str, Callable[[Size, Size], Size]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
}
"""The int ops under which sizes are closed; ``floor_division`` by a positive literal is one more."""


def size_of(atom: Atom, known: Mapping[str, Size] | None = None) -> Size:
    """The size whose value an int atom is; `known` holds the polynomials of variables that have one."""
    if isinstance(atom, Literal):
        return Size.constant(int(atom.value))
    found = known.get(atom.name) if known else None
    return Size.variable(atom.name) if found is None else found


def size_of_right(right: Right, known: Mapping[str, Size]) -> Size | None:
    """The polynomial that an int operation computes, if it is one."""
    if not isinstance(right, Operation) or len(right.arguments) != 2 or right.arguments[0].type != INT:
        return None
    x, y = right.arguments
    if right.op in SIZE_ARITHMETIC:
        return SIZE_ARITHMETIC[right.op](size_of(x, known), size_of(y, known))
    if right.op == "floor_division" and isinstance(y, Literal) and int(y.value) > 0:
        return size_of(x, known) // int(y.value)
    return None


def may_wrap(right: Right, known: Mapping[str, Size]) -> bool:
    """Whether the polynomial of an int operation isn't its value where ints wrap: ``mul(4, q) // 4`` need not be q.

    As the size of an array it is: an array of that many elements wouldn't have been made."""
    if not isinstance(right, Operation) or right.op != "floor_division":
        return False
    x, y = right.arguments
    return isinstance(y, Literal) and size_of(x, known).leaves_division(int(y.value))


def expand(kind: Type, known: Mapping[str, Size]) -> Type:
    """A type over variables that no operation defines."""
    return substitute(kind, known) if known and not known.keys().isdisjoint(size_variables(kind)) else kind


def expand_size(size: Size, known: Mapping[str, Size]) -> Size:
    return size.substitute(known.get) if known else size


# ---------------------------------------------------------------- telescopes: variables whose types mention earlier ones


def telescope_types(telescope: Sequence[Variable], atoms: Sequence[Atom], sizes: Mapping[str, Size],
                    known: Mapping[str, Size] | None = None) -> Iterator[Type]:
    """The type that each atom must have, if `atoms` stand in the places of a telescope's variables.

    ``n: int, x: f32[n]`` filled with ``k, y`` asks for ``int`` and ``f32[k]``. `sizes` replaces variables from outside.
    """
    replace = dict(sizes)
    for place, atom in zip(telescope, atoms, strict=True):
        yield substitute(place.type, replace) if replace else place.type
        if place.type == INT:
            replace[place.name] = size_of(atom, known)


def rename_telescope(telescope: Sequence[Variable], fresh: Callable[[str], str], sizes: Mapping[str, Size],
                     known: Mapping[str, Size] | None = None) -> tuple[Variable, ...]:
    """New variables of a telescope's types, under fresh names."""
    replace, made = dict(sizes), []
    for place in telescope:
        kind = substitute(place.type, replace) if replace else place.type
        variable = Variable(fresh(place.name), expand(kind, known) if known else kind)
        made.append(variable)
        if place.type == INT:
            replace[place.name] = Size.variable(variable.name)
    return tuple(made)


def plain(kind: Type) -> Type:
    """A type without the mark of embedding tables, which matters to derivatives alone."""
    return ArrayType(kind.element, kind.shape) if isinstance(kind, ArrayType) and kind.row_sparse else kind
