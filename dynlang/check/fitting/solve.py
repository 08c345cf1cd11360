"""Solving for the type and size parameters of one use of a generic declaration (rule 3).

A use replaces each parameter of the declaration by an unknown; matching the declared types against the types of the
arguments collects equations between sizes, which are solved one unknown at a time, linear, by exact division by a
monomial, until nothing changes. Matching only *solves*: whether the solved types fit is decided by `fit.py`, so that
every mismatch is reported in one way.

>>> from dynlang.types import F32, ArrayType
>>> d = Size.variable("d'1")
>>> solver = Solver(sizes={"d'1": None})
>>> solver.match(ArrayType(F32, (3 * d,)), ArrayType(F32, (Size.constant(384),)))
True
>>> str(solver.resolve(ArrayType(F32, (d,))))
'f32[128]'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dynlang.types import (
    INT,
    Argument,
    ArrayType,
    ErrorType,
    FunctionType,
    IndexType,
    ListType,
    RecordType,
    RowsType,
    ScalarType,
    Size,
    SizeArgument,
    SumType,
    TangentType,
    TupleType,
    Type,
    TypeVariable,
    Unknown,
    array_of,
    map_type,
    size_variables,
    tangent,
    unknowns,
)

OPEN = Unknown("'open")
"""A size that a hint leaves open: what takes the hint keeps the size that it has."""
HOLE = TypeVariable("_")
"""A type that a hint leaves open: ``f32[3] -> _`` is a function whose result isn't known yet."""


def has_open(kind: Type | None) -> bool:
    """Whether a hint leaves sizes open."""
    return kind is not None and any(one == OPEN for one in unknowns(kind))


def has_hole(kind: Type) -> bool:
    return any(one.name == "_" for one in type_variables(kind))


def type_variables(kind: Type) -> frozenset[TypeVariable]:
    found: set[TypeVariable] = set()

    def on_type(one: Type) -> None:
        if isinstance(one, TypeVariable):
            found.add(one)

    map_type(kind, lambda size: size, on_type)
    return frozenset(found)


def divide(dividend: Size, monomial: tuple, coefficient: int) -> Size | None:
    """`dividend / (coefficient * monomial)` if that is exact.

    >>> n = Size.variable("n")
    >>> str(divide(6 * n, n.terms[0][0], 2)), divide(6 * n + 1, n.terms[0][0], 2)
    ('3', None)
    """
    terms: dict[tuple, int] = {}
    for atoms, factor in dividend.terms:
        if factor % coefficient:
            return None
        rest = list(atoms)
        for atom in monomial:
            if atom not in rest:
                return None
            rest.remove(atom)
        terms[tuple(rest)] = factor // coefficient
    return Size.from_terms(terms)


def isolate(pattern: Size, unknown: str) -> tuple[Size, Size] | None:
    """`(c, r)` with ``pattern = c * unknown + r``, if the pattern is linear in the unknown."""
    variable = Size.variable(unknown).terms[0][0][0]
    factor: dict[tuple, int] = {}
    rest: dict[tuple, int] = {}
    for atoms, coefficient in pattern.terms:
        count = sum(atom == variable for atom in atoms)
        others = tuple(atom for atom in atoms if atom != variable)
        if any(unknown in Size((((atom,), 1),)).variables() for atom in others) or count > 1:
            return None
        (factor if count else rest)[others] = coefficient
    return Size.from_terms(factor), Size.from_terms(rest)


def solve_for(pattern: Size, unknown: str, actual: Size) -> Size | None:
    """The value of `unknown` that makes `pattern` equal `actual`, by exact division by a monomial."""
    parts = isolate(pattern, unknown)
    if parts is None or len(parts[0].terms) != 1:
        return None
    ((monomial, coefficient),) = parts[0].terms
    return divide(actual - parts[1], monomial, coefficient)


@dataclass(frozen=True, slots=True)
class Equation:
    """``pattern = actual``: a declared size and the size that an argument has in its place."""

    pattern: Size
    actual: Size


@dataclass
class Solver:
    """The unknowns of one use, solved as types are matched. None: not solved yet."""

    sizes: dict[str, Size | None] = field(default_factory=dict)
    types: dict[str, Type | None] = field(default_factory=dict)
    equations: list[Equation] = field(default_factory=list)

    def copy(self) -> Solver:
        return Solver(dict(self.sizes), dict(self.types), list(self.equations))

    # ---------------------------------------------------------------- matching

    def match(self, pattern: Type, actual: Type) -> bool:
        """Solve what can be solved; False if the types are built differently."""
        fits = self._match(pattern, actual)
        self.settle()
        return fits

    def _match(self, pattern: Type, actual: Type) -> bool:
        if actual == HOLE or isinstance(actual, ErrorType):
            return True
        match pattern, actual:
            case TypeVariable(name), _ if name in self.types:
                known = self.types[name]
                if (known is None and not has_hole(actual)) or (isinstance(known, IndexType) and actual == INT):
                    self.types[name] = actual
                return True
            case IndexType(bound), IndexType(other):
                self._equate(bound, other)
                return True
            case IndexType(), ScalarType("i64"):
                return True
            case ScalarType("i64"), IndexType():
                return True
            case ArrayType(), ArrayType():
                return self._match_arrays(pattern, actual)
            case ArrayType(TypeVariable(name) as element, shape), _ if self.unsolved(element) and not shape:
                return self._match(element, actual)
            case TupleType(items), TupleType(others):
                return self._match_all(items, others)
            case ListType(items), ListType(others):
                return self._match_all(items, others)
            case RecordType(name, arguments), RecordType(other, given):
                return name == other and self._match_all(arguments, given)
            case SumType(name, arguments), SumType(other, given):
                return name == other and self._match_all(arguments, given)
            case FunctionType(parameters, result), FunctionType(others, returned):
                return self._match_all(parameters, others) and self._match(result, returned)
            case TangentType(of), TangentType(other):
                return self._match(of, other)
            case TangentType(of), _:
                solved = tangent(self.resolve(of))
                if isinstance(solved, TangentType):
                    return bool(self.open_names(solved))
                return self._match(solved, actual)
            case RowsType(dtype, shape), RowsType(other, sizes):
                return dtype == other and self._match_all(shape, sizes)
            case _:
                return pattern == actual

    def _match_all(self, patterns: Iterable[Argument], actuals: Iterable[Argument]) -> bool:
        left, right = list(patterns), list(actuals)
        if len(left) != len(right):
            return False
        fits = [self._match_argument(p, a) for p, a in zip(left, right, strict=True)]
        return all(fits)

    def _match_argument(self, pattern: Argument, actual: Argument) -> bool:
        if isinstance(pattern, Size):
            if isinstance(actual, Size):
                self._equate(pattern, actual)
            return isinstance(actual, (Size, Unknown))
        if isinstance(pattern, Unknown) or isinstance(actual, (Size, Unknown)):
            return isinstance(pattern, Unknown) and isinstance(actual, (Size, Unknown))
        return self._match(pattern, actual)

    def _match_arrays(self, pattern: ArrayType, actual: ArrayType) -> bool:
        """``T[n]`` fits f32[3, 4] with T = f32[4]: what is left of the shape belongs to the element."""
        extra = len(actual.shape) - len(pattern.shape)
        if extra < 0:
            return False
        open_element = isinstance(pattern.element, TypeVariable) and pattern.element.kind not in ("number", "float", "key", "order")
        jagged = isinstance(pattern.element, ArrayType) and bool(unknowns(pattern.element))
        if extra and not open_element and not jagged:
            return False
        inner = array_of(actual.element, actual.shape[len(pattern.shape) :]) if extra else actual.element
        shapes = self._match_all(pattern.shape, actual.shape[: len(pattern.shape)])
        return self._match(pattern.element, inner) and shapes

    def _equate(self, pattern: Size, actual: Size) -> None:
        self.equations.append(Equation(pattern, actual))

    # ---------------------------------------------------------------- solving

    def settle(self) -> None:
        """Solve one unknown at a time until nothing changes."""
        changed = True
        while changed:
            changed = False
            for equation in self.equations:
                pattern = equation.pattern.substitute(self.sizes.get)
                unknown = [name for name in pattern.variables() if name in self.sizes]
                if len(unknown) == 1:
                    found = solve_for(pattern, unknown[0], equation.actual)
                    if found is not None:
                        self.sizes[unknown[0]] = found
                        changed = True

    def unsolvable(self, name: str) -> Equation | None:
        """The equation that should have given `name` but has no solution (``2*d = 7``)."""
        for equation in self.equations:
            pattern = equation.pattern.substitute(self.sizes.get)
            if [one for one in pattern.variables() if one in self.sizes] == [name]:
                return Equation(pattern, equation.actual)
        return None

    def unsolved(self, kind: Type) -> bool:
        return isinstance(kind, TypeVariable) and kind.name in self.types and self.types[kind.name] is None

    def open_names(self, kind: Type) -> frozenset[str]:
        """The unknowns of this use that the type still mentions."""
        sizes = {name for name in size_variables(kind) if name in self.sizes and self.sizes[name] is None}
        types = {one.name for one in type_variables(kind) if one.name in self.types and self.types[one.name] is None}
        return frozenset(sizes | types)

    def resolve(self, kind: Type) -> Type:
        """The type with everything solved put in."""

        def on_size(one: SizeArgument) -> SizeArgument:
            return one.substitute(self.sizes.get) if isinstance(one, Size) else one

        def on_type(one: Type) -> Type | None:
            return self.types.get(one.name) if isinstance(one, TypeVariable) else None

        return map_type(kind, on_size, on_type)

    def resolve_hint(self, kind: Type) -> Type | None:
        """The type as a hint: holes where it isn't known; None if a size or everything is open."""
        resolved = self.resolve(kind)
        if isinstance(resolved, ArrayType) and unknowns(resolved.element) and isinstance(resolved.element, RecordType | SumType):
            resolved = ArrayType(resolved.element, tuple(self._open_as_unknown(one) for one in resolved.shape))
        if any(name in self.sizes for name in size_variables(resolved)):
            return ListType((HOLE,)) if isinstance(resolved, ListType) else None

        def on_type(one: Type) -> Type | None:
            return HOLE if isinstance(one, TypeVariable) and one.name in self.types else None

        holed = map_type(resolved, lambda size: size, on_type)
        return None if holed == HOLE else holed

    def _open_as_unknown(self, size: SizeArgument) -> SizeArgument:
        """Of an array whose elements have unknown sizes, the element type alone is a hint."""
        return OPEN if isinstance(size, Size) and any(name in self.sizes for name in size.variables()) else size

    def learn(self, other: Solver) -> None:
        """Take over from hints what the arguments left open, and a type that forgets sizes which theirs have."""
        from dynlang.check.fitting.fit import packs, unknowns_inside

        for name, size in other.sizes.items():
            if self.sizes.get(name) is None:
                self.sizes[name] = size
        for name, kind in other.types.items():
            known = self.types.get(name)
            index = isinstance(known, IndexType) and (kind == INT or isinstance(kind, IndexType))
            if (known is None or index or (kind is not None and unknowns_inside(kind) and packs(known, kind))) and not has_open(kind):
                self.types[name] = kind

    def widen(self) -> None:
        """Indices are ints where nothing asks for indices."""
        for name, kind in self.types.items():
            if isinstance(kind, IndexType):
                self.types[name] = INT


def determined(names: Iterable[str], types: Iterable[Type]) -> frozenset[str]:
    """The sizes among `names` that any use can solve from values of these types (rule 3)."""
    patterns = [size for kind in types for size in sizes_of(kind)]
    unknown, known = set(names), set()
    changed = True
    while changed:
        changed = False
        for pattern in patterns:
            left = [name for name in pattern.variables() if name in unknown]
            if len(left) == 1:
                parts = isolate(pattern, left[0])
                if parts is not None and len(parts[0].terms) == 1:
                    unknown.discard(left[0])
                    known.add(left[0])
                    changed = True
    return frozenset(known)


def sizes_of(kind: Type) -> list[Size]:
    """Every size that a type mentions."""
    found: list[Size] = []

    def on_size(one: SizeArgument) -> SizeArgument:
        if isinstance(one, Size):
            found.append(one)
        return one

    map_type(kind, on_size, lambda one: None)
    return found


def rename(generics: Mapping[str, str], kind: Type, kinds: Mapping[str, str]) -> Type:
    """The type with the parameters of a declaration replaced by the names of the unknowns of one use."""

    def on_size(one: SizeArgument) -> SizeArgument:
        if not isinstance(one, Size):
            return one
        return one.substitute(lambda name: Size.variable(generics[name]) if name in generics else None)

    def on_type(one: Type) -> Type | None:
        if isinstance(one, TypeVariable) and one.name in generics:
            return TypeVariable(generics[one.name], kinds.get(one.name, one.kind))
        return None

    return map_type(kind, on_size, on_type)
