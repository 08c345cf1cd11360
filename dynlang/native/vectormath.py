"""Elementary functions on vectors, as straight LLVM IR: f32 and f64, any width, width 1 being a plain scalar.

    y = emit_unary(f, "tanh", "f32", 8, x)          # x is an operand of type <8 x float>
    z = emit_binary(f, "pow", "f64", 1, x, y)       # doubles

Every lane goes through the same operations, so a value doesn't depend on its place in an array.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dynlang.native.emit import Function

UNARY = ("exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "sigmoid", "erf", "sqrt", "abs", "floor", "ceil", "round", "trunc", "sign")
BINARY = ("pow", "min", "max", "copysign")
