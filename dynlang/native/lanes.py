"""Arithmetic on one floating type and one width: the words in which the elementary functions are written.

    v = Lanes(f, "f32", 8)
    half = v.mul(x, v.constant(0.5))

Only operations that round once and are the same on every machine are used, but for `fma`, which is fused where the
target has it. Where exactness matters (`two_product`) the result is the same on every target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynlang.native.emit import Operand, number, splat_constant, vector

if TYPE_CHECKING:
    from dynlang.native.emit import Function


@dataclass(frozen=True, slots=True)
class Format:
    """A binary floating format: LLVM's names, mantissa bits and exponent bias, and the constant that rounds to integers.

    Adding `magic` (1.5 * 2**mantissa) to a small x leaves round(x), ties to even, in its low bits.
    """

    scalar: str
    integer: str
    mantissa: int
    bias: int

    @property
    def magic(self) -> float:
        return 1.5 * 2.0**self.mantissa

    @property
    def magic_bits(self) -> int:
        return ((self.bias + self.mantissa) << self.mantissa) | 1 << (self.mantissa - 1)

    @property
    def bits(self) -> int:
        return int(self.integer[1:])


FORMATS = {"f32": Format("float", "i32", 23, 127), "f64": Format("double", "i64", 52, 1023)}


class Lanes:
    """Operations on `width` values of one format at once."""

    __slots__ = ("boolean", "dtype", "f", "format", "integer", "kind", "width")

    def __init__(self, f: Function, dtype: str, width: int) -> None:
        self.f = f
        self.dtype = dtype
        self.width = width
        self.format = FORMATS[dtype]
        self.kind = vector(self.format.scalar, width)
        self.integer = vector(self.format.integer, width)
        self.boolean = vector("i1", width)

    def constant(self, value: float) -> str:
        """The value in every lane."""
        return splat_constant(self.kind, number(value, self.format.scalar))

    def bits(self, value: int) -> str:
        """The integer in every lane; written as two's complement."""
        half = 1 << (self.format.bits - 1)
        return splat_constant(self.integer, (value + half) % (2 * half) - half)

    # -- floats

    def add(self, a: Operand, b: Operand) -> str:
        return self.f.binary("fadd", self.kind, a, b)

    def sub(self, a: Operand, b: Operand) -> str:
        return self.f.binary("fsub", self.kind, a, b)

    def mul(self, a: Operand, b: Operand) -> str:
        return self.f.binary("fmul", self.kind, a, b)

    def div(self, a: Operand, b: Operand) -> str:
        return self.f.binary("fdiv", self.kind, a, b)

    def neg(self, a: Operand) -> str:
        return self.f.value(f"fneg {self.kind} {a}")

    def fma(self, a: Operand, b: Operand, c: Operand) -> str:
        return self.f.fma(self.kind, a, b, c)

    def abs(self, a: Operand) -> str:
        return self.f.intrinsic("llvm.fabs", self.kind, a)

    def sqrt(self, a: Operand) -> str:
        return self.f.intrinsic("llvm.sqrt", self.kind, a)

    def copysign(self, size: Operand, sign: Operand) -> str:
        return self.f.intrinsic("llvm.copysign", self.kind, size, sign)

    def compare(self, predicate: str, a: Operand, b: Operand) -> str:
        """`fcmp`: oeq, olt, ogt, oge, uno, ..."""
        return self.f.fcmp(predicate, self.kind, a, b)

    def select(self, condition: Operand, yes: Operand, no: Operand) -> str:
        return self.f.select(condition, self.kind, yes, no)

    def at_most(self, a: Operand, bound: float) -> str:
        """The smaller of `a` and a constant; NaN stays NaN."""
        limit = self.constant(bound)
        return self.select(self.compare("ogt", a, limit), limit, a)

    def at_least(self, a: Operand, bound: float) -> str:
        """The larger of `a` and a constant; NaN stays NaN."""
        limit = self.constant(bound)
        return self.select(self.compare("olt", a, limit), limit, a)

    def polynomial(self, x: Operand, coefficients: Sequence[float]) -> str:
        """Horner's rule, highest power first."""
        total: Operand = self.constant(coefficients[0])
        for coefficient in coefficients[1:]:
            total = self.fma(total, x, self.constant(coefficient))
        return str(total)

    # -- bits

    def to_bits(self, a: Operand) -> str:
        return self.f.convert("bitcast", self.kind, a, self.integer)

    def from_bits(self, a: Operand) -> str:
        return self.f.convert("bitcast", self.integer, a, self.kind)

    def integer_op(self, operation: str, a: Operand, b: Operand) -> str:
        return self.f.binary(operation, self.integer, a, b)

    def power_of_two(self, exponent: Operand) -> str:
        """2 to an integer power within the range of normal numbers."""
        raised = self.integer_op("add", exponent, self.bits(self.format.bias))
        return self.from_bits(self.integer_op("shl", raised, self.bits(self.format.mantissa)))

    def scale(self, a: Operand, exponent: Operand) -> str:
        """`a * 2**exponent` in two steps, so that results below the normal range and overflow come out right."""
        shifted = self.integer_op("lshr", self.integer_op("add", exponent, self.bits(8192)), self.bits(1))
        half = self.integer_op("sub", shifted, self.bits(4096))
        rest = self.integer_op("sub", exponent, half)
        return self.mul(self.mul(a, self.power_of_two(half)), self.power_of_two(rest))

    def nearest_integer(self, a: Operand, factor: float) -> tuple[str, str]:
        """(n, bits): n = round(a * factor) as a float, and a vector of integers with n in its low bits, offset by `magic_bits`.

        For |n| well below 2**(mantissa - 1).
        """
        raised = self.fma(a, self.constant(factor), self.constant(self.format.magic))
        return self.sub(raised, self.constant(self.format.magic)), self.to_bits(raised)

    def to_float(self, small: Operand) -> str:
        """A small integer as a float, without a conversion instruction (which vectors of i64 seldom have)."""
        raised = self.from_bits(self.integer_op("add", small, self.bits(self.format.magic_bits)))
        return self.sub(raised, self.constant(self.format.magic))

    # -- rounding to whole numbers

    def _rounding(self, name: str, a: Operand) -> str:
        """`floor`, `ceil`, `trunc` or `roundeven`, by one instruction or by arithmetic that gives the same."""
        if self.f.target.has_rounding:
            return self.f.intrinsic(f"llvm.{name}", self.kind, a)
        limit = self.constant(2.0**self.format.mantissa)
        size = self.abs(a)
        nearest = self.sub(self.add(size, limit), limit)
        one, zero = self.constant(1.0), self.constant(0.0)
        if name == "trunc":
            whole = self.sub(nearest, self.select(self.compare("ogt", nearest, size), one, zero))
        else:
            whole = nearest
        whole = self.copysign(whole, a)
        if name == "floor":
            whole = self.sub(whole, self.select(self.compare("ogt", whole, a), one, zero))
        elif name == "ceil":
            whole = self.add(whole, self.select(self.compare("olt", whole, a), one, zero))
        return self.select(self.compare("olt", size, limit), self.copysign(whole, a), a)

    def floor(self, a: Operand) -> str:
        return self._rounding("floor", a)

    def ceil(self, a: Operand) -> str:
        return self._rounding("ceil", a)

    def trunc(self, a: Operand) -> str:
        return self._rounding("trunc", a)

    def round_even(self, a: Operand) -> str:
        return self._rounding("roundeven", a)

    # -- pairs: a value as the sum of a float and a much smaller one

    def fast_two_sum(self, a: Operand, b: Operand) -> tuple[str, str]:
        """(s, e) with s = fl(a + b) and s + e = a + b exactly, for |a| >= |b|."""
        total = self.add(a, b)
        return total, self.sub(b, self.sub(total, a))

    def two_sum(self, a: Operand, b: Operand) -> tuple[str, str]:
        """(s, e) with s = fl(a + b) and s + e = a + b exactly."""
        total = self.add(a, b)
        part = self.sub(total, a)
        return total, self.add(self.sub(a, self.sub(total, part)), self.sub(b, part))

    def two_product(self, a: Operand, b: Operand) -> tuple[str, str]:
        """(p, e) with p = fl(a * b) and p + e = a * b exactly (unless something overflows)."""
        product = self.mul(a, b)
        if self.f.target.has_fma:
            return product, self.fma(a, b, self.neg(product))
        a_high, a_low = self._halves(a)
        b_high, b_low = self._halves(b)
        error = self.sub(self.mul(a_high, b_high), product)
        error = self.add(error, self.mul(a_high, b_low))
        error = self.add(error, self.mul(a_low, b_high))
        return product, self.add(error, self.mul(a_low, b_low))

    def _halves(self, a: Operand) -> tuple[str, str]:
        """Veltkamp's split into two halves of the mantissa."""
        spread = self.mul(a, self.constant(2.0 ** ((self.format.mantissa + 2) // 2) + 1.0))
        high = self.sub(spread, self.sub(spread, a))
        return high, self.sub(a, high)

    def pair_product(self, a: tuple[str, str], b: tuple[str, str]) -> tuple[str, str]:
        """Product of two pairs, to about twice the precision."""
        high, low = self.two_product(a[0], b[0])
        low = self.add(low, self.add(self.mul(a[0], b[1]), self.mul(a[1], b[0])))
        return self.fast_two_sum(high, low)

    def pair_sum(self, a: tuple[str, str], b: tuple[str, str]) -> tuple[str, str]:
        """Sum of two pairs, to about twice the precision where they don't cancel."""
        high, low = self.two_sum(a[0], b[0])
        return self.fast_two_sum(high, self.add(low, self.add(a[1], b[1])))
