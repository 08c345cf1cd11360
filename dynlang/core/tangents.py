"""Tangent types: what a derivative with respect to a value of a type is, in Core.

Elaboration asks for them where a program looks into a derivative, differentiation everywhere; both get the same types.

    f32, f32[n]           themselves; ints, bools, strings nothing
    an embedding table    Rows: the rows touched
    List<a, b>            List of the tangents of what carries derivatives; lists inside lists and arrays are lazy
    T = A(..) | B(..)     TTangent = TZero | TTangentA(..) | TTangentB(..), with the fields that carry derivatives; array
                          fields inside are lazy: ``LazyF32x1<n> = LazyZeroF32x1 | LazyValueF32x1(value: f32[n])``
    a tangent type        itself: it is a linear space

The tangent of a sum keeps the int fields that its sizes mention. The sum of all stored functions of a type always has a tangent
(rule 28), whatever the functions have captured: they aren't all known when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dynlang.core.nodes import Constructor, SumDeclaration, Variable
from dynlang.diag import LimitReached
from dynlang.types import (
    FLOATS,
    INT,
    ArrayType,
    ListType,
    RowsType,
    ScalarType,
    Size,
    SumType,
    Type,
    map_type,
    size_variables,
)

ALTERNATIVES_LIMIT = 160
"""Two tangents of a sum type are added case by case, in a number of arms that is the square of this."""


@dataclass(frozen=True, slots=True)
class TangentField:
    """A field of a tangent constructor and the position of the primal's field that it belongs to."""

    position: int
    active: bool


def tangent_sum_name(name: str) -> str:
    """The sum that is the tangent of a sum: ``Tangent<Tree>`` is ``TreeTangent``."""
    return f"{name}Tangent"


def tangent_zero_name(tangent: str) -> str:
    """The zero of a tangent sum."""
    return f"{tangent}Zero"


def tangent_constructor_name(tangent: str, constructor: str) -> str:
    """The alternative of a tangent sum that goes with an alternative of its primal."""
    return f"{tangent}{constructor}"


def is_lazy_sum(declaration: SumDeclaration) -> bool:
    """Whether it is ``LazyX = ZeroX | ValueX(..)``."""
    stem = declaration.name.removeprefix("Lazy")
    return [one.name for one in declaration.constructors] == [f"Zero{stem}", f"Value{stem}"]


def array_sizes(kind: ArrayType) -> tuple[Size, ...]:
    return tuple(size for size in kind.shape if isinstance(size, Size))


def is_number(kind: Type) -> bool:
    return isinstance(kind, ScalarType) or (isinstance(kind, ArrayType) and isinstance(kind.element, ScalarType))


class TangentTypes:
    """Computes tangent types and declares the sums they need, once each."""

    def __init__(self, sums: dict[str, SumDeclaration], always: Callable[[str], bool]) -> None:
        self.sums, self.always = sums, always
        self._carries: dict[str, bool] = {}
        self.linear: set[str] = set()
        self.lazy_of: dict[str, Type] = {}
        self.zero_of: dict[str, str] = {}
        self.fields_of: dict[tuple[str, str], tuple[TangentField, ...]] = {}
        self.constructor_of: dict[tuple[str, str], str] = {}

    # -- which types carry derivatives

    def carries(self, kind: Type) -> bool:
        match kind:
            case ScalarType(dtype):
                return dtype in FLOATS
            case ArrayType(element, _):
                return self.carries(element)
            case RowsType():
                return True
            case ListType(elements):
                return any(map(self.carries, elements))
            case SumType(name, _):
                return self._sum_carries(name)
        return False

    def _sum_carries(self, name: str) -> bool:
        if name not in self._carries:
            seen: set[str] = set()
            self._carries[name] = self._reaches_float(name, seen)
        return self._carries[name]

    def _reaches_float(self, name: str, seen: set[str]) -> bool:
        if name in self.linear or self.always(name):
            return True
        if name in seen or name not in self.sums:
            return False
        seen.add(name)
        return any(self._type_reaches(one.type, seen) for constructor in self.sums[name].constructors for one in constructor.fields)

    def _type_reaches(self, kind: Type, seen: set[str]) -> bool:
        match kind:
            case SumType(name, _):
                return self._reaches_float(name, seen)
            case ArrayType(element, _):
                return self._type_reaches(element, seen)
            case ListType(elements):
                return any(self._type_reaches(one, seen) for one in elements)
        return self.carries(kind)

    # -- types

    def of(self, kind: Type) -> Type:
        """The tangent type of a type that carries derivatives."""
        match kind:
            case ArrayType(ScalarType(dtype), _, True):
                return RowsType(dtype, array_sizes(kind))
            case ArrayType(element, shape):
                return ArrayType(self.element(element), shape)
            case ListType(elements):
                return ListType(tuple(self.element(one) for one in elements if self.carries(one)))
            case SumType(name, arguments):
                return SumType(self.tangent_sum(name), arguments)
        return kind

    def element(self, kind: Type) -> Type:
        """The tangent type of an element of a list or an array: a list inside has no zero without its length, so it is lazy."""
        made = self.of(kind)
        return self.lazy(made) if isinstance(made, ListType) else made

    def is_lazy(self, kind: Type) -> bool:
        return isinstance(kind, SumType) and kind.name in self.lazy_of

    def is_linear(self, kind: Type) -> bool:
        return isinstance(kind, SumType) and kind.name in self.linear

    def field(self, kind: Type, owner: str) -> Type:
        """The type of a field of the tangent of sum `owner`: lazy if it is an array or a list, unless the owner is linear itself."""
        made = self.of(kind)
        if isinstance(made, (ScalarType, SumType, RowsType)) or owner in self.linear:
            return made
        return self.lazy(made)

    def lazy(self, kind: Type) -> SumType:
        """``LazyX<sizes>`` of a tangent type X."""
        sizes: list[Size] = []

        def abstract(size: object) -> Size:
            assert isinstance(size, Size)
            sizes.append(size)
            return Size.variable(f"s{len(sizes)}")

        pattern = map_type(kind, abstract, lambda _: None)  # type: ignore[arg-type]
        name = self._lazy_name(pattern, len(sizes))
        return SumType(name, tuple(sizes))

    def _lazy_name(self, pattern: Type, count: int) -> str:
        name = f"Lazy{mangled(pattern)}"
        if name not in self.linear:
            self.linear.add(name)
            self.lazy_of[name] = pattern
            self.zero_of[name] = f"Zero{mangled(pattern)}"
            constructors = Constructor(self.zero_of[name], ()), Constructor(f"Value{mangled(pattern)}", (Variable("value", pattern),))
            self.sums[name] = SumDeclaration(name, tuple(f"s{k + 1}" for k in range(count)), constructors)
        return name

    def value_constructor(self, lazy: SumType) -> str:
        return self.sums[lazy.name].constructors[1].name

    def declare_again(self, name: str) -> None:
        """The tangent of a sum that has more constructors now, if somebody has asked for it."""
        made = tangent_sum_name(name)
        if made in self.linear:
            self._declare(self.sums[name], made)

    def tangent_sum(self, name: str) -> str:
        if name in self.linear:
            return name
        made = tangent_sum_name(name)
        if made not in self.linear:
            self.linear.add(made)
            self._declare(self.sums[name], made)
        return made

    def _declare(self, declaration: SumDeclaration, made: str) -> None:
        if len(declaration.constructors) > ALTERNATIVES_LIMIT:
            raise LimitReached(f"the derivative by values of `{declaration.name}`, of {len(declaration.constructors):,} alternatives",
                               notes=(f"sum types of at most {ALTERNATIVES_LIMIT} alternatives, stored functions of one type among them, "
                                      "can be differentiated",), hint="put the numbers that differ into a field, and branch on an int")
        constructors: list[Constructor] = []
        zero = tangent_zero_name(made)
        self.zero_of[made] = zero
        self.sums[made] = SumDeclaration(made, declaration.sizes, ())
        for constructor in declaration.constructors:
            fields = self._fields(declaration.name, constructor)
            self.fields_of[declaration.name, constructor.name] = fields
            name = self.constructor_of[declaration.name, constructor.name] = tangent_constructor_name(made, constructor.name)
            own = [constructor.fields[one.position] for one in fields]
            kinds = [self.field(place.type, declaration.name) if one.active else INT for place, one in zip(own, fields, strict=True)]
            constructors.append(Constructor(
                name, tuple(Variable(place.name, kind) for place, kind in zip(own, kinds, strict=True))))
        self.sums[made] = SumDeclaration(made, declaration.sizes, (Constructor(zero, ()), *constructors))
        self._register_linear(made)

    def _fields(self, owner: str, constructor: Constructor) -> tuple[TangentField, ...]:
        active = [position for position, one in enumerate(constructor.fields) if self.carries(one.type)]
        mentioned: set[str] = set()
        for position in active:
            mentioned |= size_variables(constructor.fields[position].type)
        return tuple(
            TangentField(position, position in active)
            for position, one in enumerate(constructor.fields)
            if position in active or (one.type == INT and one.name in mentioned)
        )

    def _register_linear(self, made: str) -> None:
        """A tangent sum is its own tangent, field by field."""
        for constructor in self.sums[made].constructors:
            self.fields_of[made, constructor.name] = tuple(
                TangentField(position, one.type != INT) for position, one in enumerate(constructor.fields)
            )
            self.constructor_of[made, constructor.name] = constructor.name

    def fields(self, owner: str, constructor: str) -> tuple[TangentField, ...]:
        """The tangent's fields for a constructor of `owner` (lazy and tangent sums answer for themselves)."""
        if owner in self.lazy_of:
            return tuple(TangentField(position, True) for position, _ in enumerate(self.sums[owner].constructor(constructor).fields))
        self.tangent_sum(owner)
        return self.fields_of[owner, constructor]

    def constructor(self, owner: str, constructor: str) -> str:
        if owner in self.lazy_of:
            return constructor
        self.tangent_sum(owner)
        return self.constructor_of[owner, constructor]


def mangled(kind: Type) -> str:
    """A type as part of a name, sizes left out: ``F32x2``, ``ListF32x1``."""
    match kind:
        case ScalarType(dtype):
            return dtype.upper()
        case ArrayType(element, shape):
            return f"{mangled(element)}x{len(shape)}"
        case RowsType(dtype, shape):
            return f"Rows{dtype.upper()}x{len(shape)}"
        case SumType(name, _):
            return name.replace(".", "")
        case ListType(elements):
            return "List" + "".join(map(mangled, elements))
    return str(kind)

