"""Scalar rows on constants, where the result has the same bits on every machine.

`fold(name, dtypes, values, dtype)` is the value that the row's meaning gives, or None where that is left to run time: what
isn't exact, what fails, and what Python's numbers can't say. A double holds the exact sum, product and quotient of two f32
well enough that rounding it once more gives the f32 result. NumPy is not needed, so a build doesn't load it.

>>> fold("add", ["f32", "f32"], [1.0, 1e-8], "f32"), fold("mul", ["i32", "i32"], [2**30, 4], "i32")
(1.0, 0)
"""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Callable, Sequence
from typing import Any

WIDTHS = {"i64": 64, "i32": 32}
FLOATS = ("f64", "f32")
Number = int | float | bool


def _division(x: float, y: float) -> float | None:
    return x / y if y else None


def _whole(operation: Callable[[int, int], int]) -> Callable[[int, int], int | None]:
    return lambda x, y: operation(x, y) if y else None


FOLDS: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "neg": operator.neg, "div": _division,
    "floor_division": _whole(operator.floordiv), "floor_modulo": _whole(operator.mod),
    "equal": operator.eq, "not_equal": operator.ne, "less": operator.lt, "less_equal": operator.le, "greater": operator.gt,
    "greater_equal": operator.ge,
    "logical_and": operator.and_, "logical_or": operator.or_, "logical_not": operator.not_, "xor": operator.xor,
    "convert": lambda x: x,
}


def fold(name: str, dtypes: Sequence[str], values: Sequence[Number], dtype: str) -> Number | None:
    if not {*dtypes, dtype} <= {*WIDTHS, *FLOATS, "bool"} or any(not math.isfinite(one) for one in values):
        return None
    if name == "convert" and (not _converts(dtypes[0], values[0], dtype)):
        return None
    # A constant may be written with more digits than its dtype holds: 0.9 is another number as f32.
    given = [_rounded(value, kind) for value, kind in zip(values, dtypes, strict=True)]
    if None in given:
        return None
    found = FOLDS[name](*given)
    return None if found is None else _rounded(found, dtype)


def _converts(source: str, value: Number, dtype: str) -> bool:
    """Ints that a double holds go to floats exactly or by one rounding; floats to ints are left to run time."""
    return source == dtype or source not in FLOATS if dtype not in FLOATS else source in FLOATS or abs(value) <= 2**53


def _rounded(value: Number, dtype: str) -> Number | None:
    if dtype == "bool":
        return bool(value)
    if dtype in WIDTHS:
        half = 1 << WIDTHS[dtype] - 1
        return (int(value) + half) % (2 * half) - half
    try:
        value = float(value)
        return value if dtype == "f64" else struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return None
