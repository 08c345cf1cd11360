"""Types, shared by every stage from the checker down; the sizes in them are polynomials (`sizes.py`).

A **type** is a frozen value. Nominal types (records, sums) hold the qualified name of their declaration and the
arguments in the order of its parameters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeGuard

from dynlang.sizes import Atom as Atom
from dynlang.sizes import FloorDivision as FloorDivision
from dynlang.sizes import Monomial as Monomial
from dynlang.sizes import Size as Size
from dynlang.sizes import SizeArgument as SizeArgument
from dynlang.sizes import SizeVariable as SizeVariable
from dynlang.sizes import Unknown as Unknown

# ---------------------------------------------------------------- types

FLOATS = ("f64", "f32", "f16", "bf16")
INTEGERS = ("i64", "i32", "i16", "i8", "u8")
DTYPES = (*FLOATS, *INTEGERS, "bool")


WEIGHT_LIMIT = 10_000
AXES_LIMIT = 64


def _weigh(whole: Any, inside: Iterable[Any]) -> None:
    """Sets the `weight` of a type: the number of parts that it is written with. A type that doubles again and again ends here,
    so whatever looks at a whole type takes a bounded time."""
    weight = 1
    for one in inside:
        weight += one.weight
    object.__setattr__(whole, "weight", weight)
    if weight > WEIGHT_LIMIT:
        raise _too_heavy(f"a type of more than {WEIGHT_LIMIT:,} parts", whole)


def _too_heavy(what: str, kind: Type) -> Exception:
    from dynlang.diag import LimitReached

    text = re.sub(r"\w+\.(?=\w)", "", str(kind))
    return LimitReached(what, notes=(f"it begins `{text[:60]}...`",), hint="an array or a list holds many values of one type")


@dataclass(frozen=True, slots=True)
class ScalarType:
    """A number or bool; `int` is i64."""

    dtype: str
    weight: ClassVar[int] = 1

    def __str__(self) -> str:
        return "int" if self.dtype == "i64" else self.dtype


@dataclass(frozen=True, slots=True)
class IndexType:
    """``idx<bound>``: an int known to lie in 0..bound. Erased to i64 in Core."""

    bound: Size
    weight: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _weigh(self, (self.bound,))

    def __str__(self) -> str:
        return f"idx<{self.bound}>"


@dataclass(frozen=True, slots=True)
class ArrayType:
    """``element[shape]``. `row_sparse` marks an embedding table, whose tangent is `RowsType` (rule 28)."""

    element: Type
    shape: tuple[SizeArgument, ...]
    row_sparse: bool = False
    weight: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _weigh(self, (self.element, *self.shape))
        if len(self.shape) > AXES_LIMIT:
            raise _too_heavy(f"an array of {len(self.shape)} axes, more than {AXES_LIMIT}", self)

    def __str__(self) -> str:
        element = f"({self.element})" if is_sparse(self.element) else str(self.element)
        return f"{element}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class TupleType:
    """Several values; the empty tuple is the type of a `proc` without result."""

    items: tuple[Type, ...]
    weight: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _weigh(self, self.items)

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.items))})"


@dataclass(frozen=True, slots=True)
class RecordType:
    name: str
    arguments: tuple[Argument, ...] = ()
    weight: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _weigh(self, self.arguments)

    def __str__(self) -> str:
        return _nominal(self.name, self.arguments)


@dataclass(frozen=True, slots=True)
class SumType:
    name: str
    arguments: tuple[Argument, ...] = ()
    weight: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _weigh(self, self.arguments)

    def __str__(self) -> str:
        return _nominal(self.name, self.arguments)


@dataclass(frozen=True, slots=True)
class ListType:
    """A growable sequence. In Core an element may be several values (`elements`), stored side by side."""

    elements: tuple[Type, ...]
    weight: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _weigh(self, self.elements)

    def __str__(self) -> str:
        return f"List<{', '.join(map(str, self.elements))}>"


@dataclass(frozen=True, slots=True)
class StringType:
    weight: ClassVar[int] = 1

    def __str__(self) -> str:
        return "str"


@dataclass(frozen=True, slots=True)
class FunctionType:
    """``parameters -> result``; `modes[i]` is 'value' or 'inout'. Gone in Core (defunctionalised)."""

    parameters: tuple[Type, ...]
    result: Type
    modes: tuple[str, ...] = ()
    weight: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _weigh(self, (*self.parameters, self.result))

    def __str__(self) -> str:
        lent = self.modes or ("value",) * len(self.parameters)
        shown = [f"inout {one}" if mode == "inout" else str(one) for one, mode in zip(self.parameters, lent, strict=True)]
        bare = len(shown) == 1 and lent[0] == "value" and not isinstance(self.parameters[0], (TupleType, FunctionType))
        left = shown[0] if bare else f"({', '.join(shown)})"
        return f"{left} -> {self.result}"


@dataclass(frozen=True, slots=True)
class TypeVariable:
    """A type parameter of a kind (`check/kinds.py`). Gone in Core."""

    name: str
    kind: str = "any"
    weight: ClassVar[int] = 1

    @property
    def is_number(self) -> bool:
        """Whether a value is a number, or an array of numbers."""
        return self.kind in ("number", "float", "numbers", "floats")

    @property
    def is_float(self) -> bool:
        return self.kind in ("float", "floats")

    @property
    def may_be_array(self) -> bool:
        """Whether a value may be an array, so that it has no order, is no condition and is no item of an array."""
        return self.kind in ("numbers", "floats")

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class TangentType:
    """``Tangent<of>`` of a record, a sum, a function or a type variable; every other tangent is computed at once (`tangent`)."""

    of: Type
    weight: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _weigh(self, (self.of,))

    def __str__(self) -> str:
        return f"Tangent<{self.of}>"


@dataclass(frozen=True, slots=True)
class RowsType:
    """The tangent of an embedding table of this dtype and shape: the rows touched, with their indices, duplicates allowed."""

    dtype: str
    shape: tuple[Size, ...]
    weight: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _weigh(self, self.shape)

    def __str__(self) -> str:
        return f"Rows<{self.dtype}[{', '.join(map(str, self.shape))}]>"


@dataclass(frozen=True, slots=True)
class ErrorType:
    """The type of an expression already reported; agrees with everything, so one mistake gives one message."""
    weight: ClassVar[int] = 1

    def __str__(self) -> str:
        return "<error>"


Type = (
    ScalarType | IndexType | ArrayType | TupleType | RecordType | SumType | ListType | StringType
    | FunctionType | TypeVariable | TangentType | RowsType | ErrorType
)
Argument = Type | Size | Unknown

UNIT = TupleType(())
BOOL, INT, F32, F64 = ScalarType("bool"), ScalarType("i64"), ScalarType("f32"), ScalarType("f64")


SPARSE = ("sparse.stored.Vector", "sparse.stored.Matrix")
"""The library's records that `sparse T[n]` and `sparse T[n, m]` stand for; their arguments are the sizes, then the number type."""


def sparse_type(kind: ArrayType) -> RecordType | None:
    """What ``sparse kind`` is; None if no such sparse value exists.

    >>> str(sparse_type(ArrayType(F32, (Size.variable("n"),)))), sparse_type(ArrayType(F32, (Size.constant(2),) * 3))
    ('sparse f32[n]', None)
    """
    rank = len(kind.shape)
    return RecordType(SPARSE[rank - 1], (*kind.shape, kind.element)) if 0 < rank <= len(SPARSE) and not kind.row_sparse else None


def is_sparse(kind: Type) -> TypeGuard[RecordType]:
    return isinstance(kind, RecordType) and kind.name in SPARSE


def _nominal(name: str, arguments: tuple[Argument, ...]) -> str:
    if name in SPARSE:
        return f"sparse {arguments[-1]}[{', '.join(map(str, arguments[:-1]))}]"
    return f"{name}<{', '.join(map(str, arguments))}>" if arguments else name


def array_of(element: Type, shape: tuple[SizeArgument, ...], row_sparse: bool = False) -> Type:
    """``element[shape]``: an array of arrays has the axes of both, the outer ones first (rule 7); f32[?][n] stays jagged.

    >>> str(array_of(ArrayType(F32, (Size.variable('m'),)), (Size.variable('n'),)))
    'f32[n, m]'
    """
    if isinstance(element, ArrayType) and not element.row_sparse and not any(isinstance(size, Unknown) for size in element.shape):
        return ArrayType(element.element, shape + element.shape)
    return ArrayType(element, shape, row_sparse) if shape else element


def map_type(kind: Type, on_size: Callable[[SizeArgument], SizeArgument], on_type: Callable[[Type], Type | None]) -> Type:
    """Rebuild a type bottom-up: `on_size` for every size in it; `on_type` may replace a type (None: rebuild it)."""

    def argument(one: Argument) -> Argument:
        return on_size(one) if isinstance(one, (Size, Unknown)) else walk(one)

    def size(one: Size) -> Size:
        found = on_size(one)
        return found if isinstance(found, Size) else one

    def walk(one: Type) -> Type:
        found = on_type(one)
        if found is not None:
            return found
        match one:
            case IndexType(bound):
                return IndexType(size(bound))
            case ArrayType(element, shape, row_sparse):
                return array_of(walk(element), tuple(map(on_size, shape)), row_sparse)
            case TupleType(items):
                return TupleType(tuple(map(walk, items)))
            case RecordType(name, arguments):
                return RecordType(name, tuple(map(argument, arguments)))
            case SumType(name, arguments):
                return SumType(name, tuple(map(argument, arguments)))
            case ListType(elements):
                return ListType(tuple(map(walk, elements)))
            case FunctionType(parameters, result, modes):
                return FunctionType(tuple(map(walk, parameters)), walk(result), modes)
            case TangentType(of):
                return tangent(walk(of))
            case RowsType(dtype, shape):
                return RowsType(dtype, tuple(map(size, shape)))
            case _:
                return one

    return walk(kind)


def sizes_in(kind: Type) -> tuple[Size, ...]:
    """All sizes of a type without unknown ones, left to right, each as often as it stands there."""
    found: list[Size] = []

    def keep(one: SizeArgument) -> SizeArgument:
        if isinstance(one, Size):
            found.append(one)
        return one

    map_type(kind, keep, lambda _: None)
    return tuple(found)


def with_sizes(kind: Type, sizes: Sequence[Size]) -> Type:
    """The type with other sizes in the places of `sizes_in`."""
    rest = iter(sizes)
    return map_type(kind, lambda one: next(rest) if isinstance(one, Size) else one, lambda _: None)


def same_but_sizes(one: Type, other: Type) -> bool:
    """Whether two types are equal but for how their sizes are written."""
    zero = Size(())
    return (map_type(one, lambda _: zero, lambda _: None) == map_type(other, lambda _: zero, lambda _: None)
            and len(sizes_in(one)) == len(sizes_in(other)))


def substitute(kind: Type, sizes: Mapping[str, Size], types: Mapping[str, Type] | None = None) -> Type:
    """Size variables and type variables replaced by what the mappings give them."""
    types = types or {}

    def on_size(one: SizeArgument) -> SizeArgument:
        return one.substitute(sizes.get) if isinstance(one, Size) else one

    def on_type(one: Type) -> Type | None:
        return types.get(one.name) if isinstance(one, TypeVariable) else None

    return map_type(kind, on_size, on_type)


def parts(kind: Type) -> Iterator[Type | SizeArgument]:
    """The direct components of a type, types and sizes, left to right."""
    match kind:
        case IndexType(bound):
            yield bound
        case ArrayType(element, shape):
            yield element
            yield from shape
        case TupleType(items) | ListType(items):
            yield from items
        case RecordType(_, arguments) | SumType(_, arguments):
            yield from arguments
        case FunctionType(parameters, result):
            yield from parameters
            yield result
        case TangentType(of):
            yield of
        case RowsType(_, shape):
            yield from shape


_NO_NAMES: frozenset[str] = frozenset()


def size_variables(kind: Type) -> frozenset[str]:
    if isinstance(kind, (ScalarType, StringType)):
        return _NO_NAMES
    found = _NO_NAMES
    for part in kind.shape if isinstance(kind, ArrayType) and isinstance(kind.element, ScalarType) else parts(kind):
        if isinstance(part, Size):
            found = found | part.variables() if found else part.variables()
        elif not isinstance(part, Unknown):
            found |= size_variables(part)
    return found


def unknowns(kind: Type) -> tuple[Unknown, ...]:
    """The existential sizes that opening a value of this type gives names to, left to right; a named one counts once.

    A size binds at the nearest array element, list element, field or function result (rule 4), so those stay closed, and so do
    type arguments, which are the types of elements and fields:

    >>> unknowns(ArrayType(F32, (Unknown(), Unknown("k"), Unknown("k")))), unknowns(ListType((ArrayType(F32, (Unknown(),)),)))
    ((Unknown(name=None), Unknown(name='k')), ())
    >>> unknowns(SumType("Option", (ArrayType(F32, (Unknown(),)),))), unknowns(RecordType("Linear", (Unknown(), Size.constant(3))))
    ((), (Unknown(name=None),))
    """
    found: list[Unknown] = []
    for part in opened_parts(kind):
        if isinstance(part, Unknown):
            if part.name is None or part not in found:
                found.append(part)
        elif not isinstance(part, Size):
            found += [one for one in unknowns(part) if one.name is None or one not in found]
    return tuple(found)


def opened_parts(kind: Type) -> Iterator[Type | SizeArgument]:
    """The components whose unknown sizes belong to a value of this type itself."""
    match kind:
        case ArrayType(_, shape):
            yield from shape
        case RecordType(_, arguments) | SumType(_, arguments):
            yield from (one for one in arguments if isinstance(one, (Size, Unknown)))
        case TupleType() | TangentType() | RowsType():
            yield from parts(kind)


def open_unknowns(kind: Type, names: tuple[str, ...]) -> Type:
    """The type with its k-th unknown (as `unknowns` counts) replaced by the k-th name.

    >>> str(open_unknowns(ArrayType(F32, (Unknown(), Size.constant(3))), ("n",)))
    'f32[n, 3]'
    """
    waiting = iter(names)
    known: dict[str, Size] = {}

    def size(one: SizeArgument) -> SizeArgument:
        if isinstance(one, Size):
            return one
        if one.name is None:
            return Size.variable(next(waiting))
        return known[one.name] if one.name in known else known.setdefault(one.name, Size.variable(next(waiting)))

    def argument(one: Argument) -> Argument:
        return size(one) if isinstance(one, (Size, Unknown)) else one

    def walk(one: Type) -> Type:
        match one:
            case ArrayType(element, shape, row_sparse):
                return array_of(element, tuple(map(size, shape)), row_sparse)
            case TupleType(items):
                return TupleType(tuple(map(walk, items)))
            case RecordType(name, arguments):
                return RecordType(name, tuple(map(argument, arguments)))
            case SumType(name, arguments):
                return SumType(name, tuple(map(argument, arguments)))
            case TangentType(of):
                return tangent(walk(of))
            case _:
                return one

    return walk(kind)


def tangent(kind: Type) -> Type:
    """The type of derivatives with respect to a value of this type (rule 28); depends on the type alone.

    >>> tangent(F32), tangent(INT), tangent(TupleType((F32, INT)))
    (ScalarType(dtype='f32'), TupleType(items=()), TupleType(items=(ScalarType(dtype='f32'), TupleType(items=()))))
    """
    match kind:
        case ScalarType(dtype):
            return kind if dtype in FLOATS else UNIT
        case ArrayType(ScalarType(dtype), shape, row_sparse) if row_sparse and dtype in FLOATS:
            return RowsType(dtype, tuple(size for size in shape if isinstance(size, Size)))
        case ArrayType(TypeVariable(), _, True):
            return TangentType(kind)
        case ArrayType(element, shape):
            inner = tangent(element)
            return UNIT if inner == UNIT else ArrayType(inner, shape)
        case TupleType(items):
            return TupleType(tuple(map(tangent, items)))
        case ListType(elements):
            inside = tuple(map(tangent, elements))
            return UNIT if all(one == UNIT for one in inside) else ListType(inside)
        case TypeVariable(kind="float"):
            return kind
        case RecordType() | SumType() | FunctionType() | TypeVariable():
            return TangentType(kind)
        case TangentType() | RowsType() | ErrorType():
            return kind
        case _:
            return UNIT
