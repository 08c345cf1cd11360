"""What a dtype is to NumPy. bf16 is carried as f32 whose low 16 bits are zero."""

from __future__ import annotations

from typing import Any

NUMPY = {"f64": "float64", "f32": "float32", "f16": "float16", "bf16": "float32", "i64": "int64", "i32": "int32", "i16": "int16",
         "i8": "int8", "u8": "uint8", "bool": "bool"}
PACKED = {"f64": "d", "f32": "f", "i64": "q", "i32": "i", "u8": "B", "bool": "?"}
"""The letter of Python's `struct` for the dtypes that `constant_array` holds."""
BYTES = {"f64": 8, "f32": 4, "f16": 2, "bf16": 2, "i64": 8, "i32": 4, "i16": 2, "i8": 1, "u8": 1, "bool": 1}


def round_to_bf16(x: Any) -> Any:
    """The nearest f32 with 8 bits of mantissa, ties to even; NaN stays NaN."""
    import numpy as np

    bits = np.asarray(x, np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(x), np.float32("nan"), rounded.view(np.float32)).astype(np.float32)


def round_to_odd(x: Any) -> Any:
    """The f32 beside each f64 that is nearer to 0, made odd where the f64 is none: rounding it once more is rounding once."""
    import numpy as np

    with np.errstate(all="ignore"):
        single = x.astype(np.float32)
    back = single.astype(np.float64)
    bits = single.view(np.uint32)
    towards_zero = np.where(np.abs(back) > np.abs(x), bits - 1, bits)
    inexact = (back != x) & ~np.isnan(x)
    return np.where(inexact, towards_zero | 1, bits).astype(np.uint32).view(np.float32)


def convert(x: Any, dtype: str) -> Any:
    """`x` in another dtype: to a float rounds to nearest even; float to integer truncates and saturates, NaN becomes 0; ints wrap."""
    import numpy as np

    x = np.asarray(x)
    if dtype == "bf16":
        return round_to_bf16(round_to_odd(x) if x.dtype == np.float64 else x.astype(np.float32))
    target = np.dtype(NUMPY[dtype])
    if dtype == "bool":
        return x != 0
    if x.dtype.kind == "f" and target.kind in "iu":
        limits = np.iinfo(target)
        low, high = float(limits.min), float(limits.max)
        wide = np.nan_to_num(x.astype(np.float64), nan=0.0, posinf=high, neginf=low)
        inside = np.where((wide > low) & (wide < high), wide, 0.0).astype(target)
        return np.where(wide <= low, target.type(limits.min), np.where(wide >= high, target.type(limits.max), inside)).astype(target)
    with np.errstate(over="ignore"):
        return x.astype(target)
