"""What a type parameter can do: its kind, one word of a closed list. There are no traits.

    any       nothing is known: a value is kept, passed on, compared with `==`, printed, handed to `map_leaves`
    number    one number: arithmetic, `<`, conversion `T(2)`, items of arrays `T[n]`
    float     one float: also `/`, `exp` and their like
    numbers   a number or an array of numbers: arithmetic element by element
    floats    a float or an array of floats: also `/`, `exp` and their like, element by element
    key       what a `Map` can be looked up by
    order     what `<` orders: numbers, strings, and tuples of them
"""

from __future__ import annotations

from collections.abc import Mapping

from dynlang.check.declarations.world import World
from dynlang.types import FLOATS, ArrayType, ErrorType, IndexType, ScalarType, Type, TypeVariable

KINDS: Mapping[str, str] = {
    "any": "a type",
    "number": "a number type",
    "float": "a float type",
    "numbers": "a number type or arrays of numbers",
    "floats": "a float type or arrays of floats",
    "key": "a key type (int, str, bool, an index, or a tuple or record of those)",
    "order": "a type with an order (a number, str, or a tuple of those)",
}
"""What the word behind the colon in ``<T: word>`` asks of a type."""

IMPLIED: Mapping[str, frozenset[str]] = {
    "any": frozenset({"any"}),
    "number": frozenset({"any", "number", "numbers", "order"}),
    "float": frozenset({"any", "number", "float", "numbers", "floats", "order"}),
    "numbers": frozenset({"any", "numbers"}),
    "floats": frozenset({"any", "numbers", "floats"}),
    "key": frozenset({"any", "key"}),
    "order": frozenset({"any", "order"}),
}
"""What a parameter of a kind may be handed to."""


def kind_words(kind: str) -> str:
    return KINDS[kind]


def kind_hint(kind: Type, wanted: str) -> str:
    """What to do where an array meets a parameter that is one number, or a parameter one of a narrower kind."""
    if isinstance(kind, ArrayType) and wanted in ("number", "float") and has_kind(kind, wanted + "s"):
        return f"a parameter that is also an array of them is declared `: {wanted}s`; else apply it to each: `[f(x) for x in xs]`"
    if isinstance(kind, TypeVariable):
        return f"declare it as one: `<{kind.name}: {wanted}>`"
    return ""


def has_kind(kind: Type, wanted: str, world: World | None = None) -> bool:
    """Whether a type is of a kind. Records are keys if their fields are.

    >>> from dynlang.types import F32, INT, Size
    >>> has_kind(F32, "float"), has_kind(INT, "float"), has_kind(ArrayType(F32, (Size.constant(3),)), "float")
    (True, False, False)
    >>> has_kind(ArrayType(F32, (Size.constant(3),)), "floats")
    True
    """
    if wanted == "any" or isinstance(kind, ErrorType):
        return True
    if isinstance(kind, TypeVariable):
        return wanted in IMPLIED.get(kind.kind, frozenset())
    if wanted in ("key", "order"):
        from dynlang.check.expressions.structure import is_key, is_ordered

        return is_ordered(kind) if wanted == "order" else is_key(world, kind)
    match kind:
        case ScalarType(dtype):
            return dtype in FLOATS if wanted in ("float", "floats") else dtype != "bool"
        case IndexType():
            return wanted in ("number", "numbers")
        case ArrayType(element, _):
            return wanted in ("numbers", "floats") and has_kind(element, wanted)
    return False
