"""Sizes, shared by every stage from the checker down.

A **size** is a polynomial with integer coefficients over size variables and atoms ``p // c`` (c > 0), kept in
normal form, so two sizes are equal exactly when their objects are:

>>> n, m = Size.variable("n"), Size.variable("m")
>>> n + m == m + n, 2 * n == n + n, (2 * n + 1) // 2 == n
(True, True, True)
>>> str((n + 1) * (m - 2))
'm*n + m - 2*n - 2'
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, order=True)
class SizeVariable:
    """A size known at run time: a size parameter, an opened unknown, or an immutable int. Names are unique in a function."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class FloorDivision:
    """The atom ``numerator // divisor``, where the numerator has no term that the divisor divides."""

    numerator: Size
    divisor: int

    def __str__(self) -> str:
        return f"({self.numerator}) // {self.divisor}"


Atom = SizeVariable | FloorDivision
TERM_LIMIT = 1_000
"""A size of more terms is refused: no program that is meant needs one."""

Monomial = tuple[Atom, ...]


def _monomial_key(monomial: Monomial) -> tuple[int, tuple[str, ...]]:
    return -len(monomial), tuple(str(atom) for atom in monomial)


@dataclass(frozen=True, slots=True)
class Size:
    """A polynomial in normal form: monomials in a fixed order, none with coefficient 0."""

    terms: tuple[tuple[Monomial, int], ...]

    @staticmethod
    def from_terms(terms: Mapping[Monomial, int]) -> Size:
        kept = [(monomial, coefficient) for monomial, coefficient in terms.items() if coefficient]
        if len(kept) > TERM_LIMIT:
            raise _too_many_terms()
        return Size(tuple(sorted(kept, key=lambda term: _monomial_key(term[0]))))

    @staticmethod
    def constant(value: int) -> Size:
        return Size((((), value),)) if value else Size(())

    @staticmethod
    def variable(name: str) -> Size:
        return Size((((SizeVariable(name),), 1),))

    @staticmethod
    def of(value: Size | int) -> Size:
        return value if isinstance(value, Size) else Size.constant(value)

    @property
    def weight(self) -> int:
        """How much a type grows by this size."""
        return len(self.terms) or 1

    @property
    def value(self) -> int | None:
        """The integer this size is, if it is constant."""
        if not self.terms:
            return 0
        return self.terms[0][1] if self.terms[0][0] == () and len(self.terms) == 1 else None

    @property
    def single_variable(self) -> str | None:
        """The name, if this size is exactly one variable."""
        if len(self.terms) == 1 and self.terms[0][1] == 1 and len(self.terms[0][0]) == 1:
            atom = self.terms[0][0][0]
            return atom.name if isinstance(atom, SizeVariable) else None
        return None

    def variables(self) -> frozenset[str]:
        found: set[str] = set()
        for monomial, _ in self.terms:
            for atom in monomial:
                if isinstance(atom, SizeVariable):
                    found.add(atom.name)
                else:
                    found |= atom.numerator.variables()
        return frozenset(found)

    def substitute(self, replace: Callable[[str], Size | None]) -> Size:
        """Every variable replaced by the size that `replace` gives it (None keeps it)."""
        total = Size(())
        for monomial, coefficient in self.terms:
            product = Size.constant(coefficient)
            for atom in monomial:
                if isinstance(atom, SizeVariable):
                    found = replace(atom.name)
                    factor = Size((((atom,), 1),)) if found is None else found
                else:
                    factor = atom.numerator.substitute(replace) // atom.divisor
                product = product * factor
            total = total + product
        return total

    def evaluate(self, values: Mapping[str, int]) -> int:
        """The integer under an assignment of all variables."""
        total = 0
        for monomial, coefficient in self.terms:
            product = coefficient
            for atom in monomial:
                if isinstance(atom, SizeVariable):
                    product *= values[atom.name]
                else:
                    product *= atom.numerator.evaluate(values) // atom.divisor
            total += product
        return total

    def __add__(self, other: Size | int) -> Size:
        terms = dict(self.terms)
        for monomial, coefficient in Size.of(other).terms:
            terms[monomial] = terms.get(monomial, 0) + coefficient
        return Size.from_terms(terms)

    def __mul__(self, other: Size | int) -> Size:
        terms: dict[Monomial, int] = {}
        if not isinstance(other, int) and len(self.terms) * len(other.terms) > 10 * TERM_LIMIT:
            raise _too_many_terms()
        for left, a in self.terms:
            for right, b in Size.of(other).terms:
                monomial = tuple(sorted(left + right, key=str))
                terms[monomial] = terms.get(monomial, 0) + a * b
        return Size.from_terms(terms)

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self) -> Size:
        return Size(tuple((monomial, -coefficient) for monomial, coefficient in self.terms))

    def __sub__(self, other: Size | int) -> Size:
        return self + (-Size.of(other))

    def __rsub__(self, other: int) -> Size:
        return Size.of(other) - self

    def __floordiv__(self, divisor: int) -> Size:
        """(c*q + r) // c = q + r // c: what the divisor divides leaves the division."""
        whole = {m: k // divisor for m, k in self.terms if m != () and k % divisor == 0}
        rest = {m: k for m, k in self.terms if m != () and k % divisor}
        constant = dict(self.terms).get((), 0)
        whole[()] = constant // divisor if not rest else 0
        if not rest:
            return Size.from_terms(whole)
        whole[()] = constant // divisor
        rest[()] = constant % divisor
        atom = FloorDivision(Size.from_terms(rest), divisor)
        return Size.from_terms(whole) + Size((((atom,), 1),))

    def leaves_division(self, divisor: int) -> bool:
        """Whether a part of ``self // divisor`` leaves the division, which takes numbers that don't overflow.

        >>> n = Size.variable("n")
        >>> (2 * n + 1).leaves_division(2), (n + 1).leaves_division(2)
        (True, False)
        """
        leaves = (coefficient % divisor == 0 if monomial else not 0 <= coefficient < divisor for monomial, coefficient in self.terms)
        return divisor > 1 and bool(self.variables()) and any(leaves)

    def has_no_negative_coefficient(self) -> bool:
        """Whether it is 0 or more for all sizes by its form; ``(h - k) // 2`` isn't.

        >>> h, k = Size.variable("h"), Size.variable("k")
        >>> (h + k // 2).has_no_negative_coefficient(), ((h - k) // 2).has_no_negative_coefficient()
        (True, False)
        """
        return all(coefficient >= 0 and all(map(_is_natural, monomial)) for monomial, coefficient in self.terms)

    def __str__(self) -> str:
        if not self.terms:
            return "0"
        parts: list[str] = []
        for monomial, coefficient in self.terms:
            factors = "*".join(str(atom) for atom in monomial)
            magnitude = abs(coefficient)
            text = factors if factors and magnitude == 1 else f"{magnitude}*{factors}" if factors else str(magnitude)
            parts.append(("-" if coefficient < 0 else "") + text if not parts else f" {'-' if coefficient < 0 else '+'} {text}")
        return "".join(parts)


def _too_many_terms() -> Exception:
    from dynlang.diag import LimitReached

    return LimitReached(f"a size that is a polynomial of more than {TERM_LIMIT:,} terms", hint="a size parameter can stand for a part")


def _is_natural(atom: Atom) -> bool:
    return isinstance(atom, SizeVariable) or atom.numerator.has_no_negative_coefficient()


@dataclass(frozen=True, slots=True)
class Unknown:
    """An existential size ``?`` or ``?k``: known at run time only, opened by a pattern, a ``let`` or a checked cast."""

    name: str | None = None
    weight: ClassVar[int] = 1

    def __str__(self) -> str:
        return f"?{self.name or ''}"


SizeArgument = Size | Unknown
