"""Conversions between dtypes, as `ops.dtypes.convert` says: floats round to nearest even, float to int truncates and
saturates with NaN as 0, ints wrap.

Half types travel as their bits, and are converted on them where the machine has no instruction for it: no library function is
called.
"""

from __future__ import annotations

from dynlang.native.emit import Function, mangle, number, splat_constant, vector
from dynlang.native.lower.layout import REGISTER, family
from dynlang.ops.dtypes import BYTES


def convert(f: Function, source: str, target: str, value: str, width: int) -> str:
    """`width` values in another dtype."""
    if source == target:
        return value
    kinds = vector(REGISTER[source], width), vector(REGISTER[target], width)
    match family(source), family(target):
        case "float", "float":
            return _float_to_float(f, source, target, value, width)
        case "float", "bool":
            if source in ("f16", "bf16"):
                return convert(f, "f32", "bool", convert(f, source, "f32", value, width), width)
            return f.fcmp("une", kinds[0], value, "zeroinitializer")
        case "float", _:
            return _float_to_integer(f, source, target, value, width)
        case "bool", "float":
            if target in ("f16", "bf16"):
                return convert(f, "f32", target, convert(f, source, "f32", value, width), width)
            return f.convert("uitofp", kinds[0], value, kinds[1])
        case "integer", "float":
            if target in ("f16", "bf16"):
                return convert(f, "f32", target, convert(f, source, "f32", value, width), width)
            return f.convert("uitofp" if source == "u8" else "sitofp", *_swap(kinds, value))
        case "integer", "bool":
            return f.icmp("ne", value, "zeroinitializer", kinds[0])
        case "bool", _:
            return f.convert("zext", *_swap(kinds, value))
    if BYTES[target] == BYTES[source]:
        return value
    word = "trunc" if BYTES[target] < BYTES[source] else "zext" if source == "u8" else "sext"
    return f.convert(word, *_swap(kinds, value))


def _swap(kinds: tuple[str, str], value: str) -> tuple[str, str, str]:
    return kinds[0], value, kinds[1]


def _float_to_float(f: Function, source: str, target: str, value: str, width: int) -> str:
    if target == "bf16":
        if source != "f32":
            value = _round_to_odd(f, value, width) if source == "f64" else convert(f, source, "f32", value, width)
        return _to_bf16(f, value, width)
    if source == "bf16":
        words, wide = vector("i16", width), vector("i32", width)
        raised = f.binary("shl", wide, f.convert("zext", words, value, wide), splat_constant(wide, 16))
        single = f.convert("bitcast", wide, raised, vector("float", width))
        return convert(f, "f32", target, single, width)
    if source == "f16":
        return convert(f, "f32", target, _half_to_single(f, value, width), width)
    if target == "f16":
        return _single_to_half(f, _round_to_odd(f, value, width) if source == "f64" else value, width)
    word = "fpext" if BYTES[target] > BYTES[source] else "fptrunc"
    return f.convert(word, vector(REGISTER[source], width), value, vector(REGISTER[target], width))


def has_half(f: Function) -> bool:
    """Whether the machine converts between f16 and f32 by itself."""
    return f.target.vector_bytes >= 32 or f.target.triple.startswith(("aarch64", "arm64"))


def _half_to_single(f: Function, value: str, width: int) -> str:
    """Without an instruction: the bits moved into place, the exponent corrected by a product that is exact for subnormal numbers too."""
    words, wide, single = vector("i16", width), vector("i32", width), vector("float", width)
    if has_half(f):
        return f.convert("fpext", vector("half", width), f.convert("bitcast", words, value, vector("half", width)), single)
    bits = f.convert("zext", words, value, wide)
    size = f.binary("and", wide, bits, splat_constant(wide, 0x7FFF))
    moved = f.binary("shl", wide, size, splat_constant(wide, 13))
    scale = splat_constant(single, number(2.0**112, "float"))
    finite = f.convert("bitcast", single, f.binary("fmul", single, f.convert("bitcast", wide, moved, single), scale), wide)
    special = f.icmp("uge", size, splat_constant(wide, 0x7C00), wide)
    size = f.select(special, wide, f.binary("or", wide, moved, splat_constant(wide, 0x7F800000)), finite)
    sign = f.binary("shl", wide, f.binary("and", wide, bits, splat_constant(wide, 0x8000)), splat_constant(wide, 16))
    return f.convert("bitcast", wide, f.binary("or", wide, size, sign), single)


def _single_to_half(f: Function, value: str, width: int) -> str:
    """Round to nearest even. Without an instruction: normal numbers on the bits, subnormal ones by an addition that aligns them."""
    words, wide, single = vector("i16", width), vector("i32", width), vector("float", width)
    if has_half(f):
        return f.convert("bitcast", vector("half", width), f.convert("fptrunc", single, value, vector("half", width)), words)
    bits = f.convert("bitcast", single, value, wide)
    size = f.binary("and", wide, bits, splat_constant(wide, 0x7FFFFFFF))
    odd = f.binary("and", wide, f.binary("lshr", wide, size, splat_constant(wide, 13)), splat_constant(wide, 1))
    rebased = f.binary("add", wide, f.binary("add", wide, size, splat_constant(wide, 0xC8000FFF - (1 << 32))), odd)
    normal = f.binary("lshr", wide, rebased, splat_constant(wide, 13))
    aligned = f.binary("fadd", single, f.convert("bitcast", wide, size, single), splat_constant(single, number(0.5, "float")))
    small = f.binary("sub", wide, f.convert("bitcast", single, aligned, wide), splat_constant(wide, 0x3F000000))
    result = f.select(f.icmp("ult", size, splat_constant(wide, 0x38800000), wide), wide, small, normal)
    result = f.select(f.icmp("uge", size, splat_constant(wide, 0x47800000), wide), wide, splat_constant(wide, 0x7C00), result)
    result = f.select(f.icmp("ugt", size, splat_constant(wide, 0x7F800000), wide), wide, splat_constant(wide, 0x7E00), result)
    sign = f.binary("and", wide, f.binary("lshr", wide, bits, splat_constant(wide, 16)), splat_constant(wide, 0x8000))
    return f.convert("trunc", wide, f.binary("or", wide, result, sign), words)


def _round_to_odd(f: Function, value: str, width: int) -> str:
    """f64 to f32, inexact results made odd: rounding that once more to f16 or bf16 gives what one rounding would."""
    double, single, wide = vector("double", width), vector("float", width), vector("i32", width)
    rounded = f.convert("fptrunc", double, value, single)
    back = f.convert("fpext", single, rounded, double)
    inexact = f.fcmp("one", double, back, value)
    larger = f.fcmp("ogt", double, f.intrinsic("llvm.fabs", double, back), f.intrinsic("llvm.fabs", double, value))
    bits = f.convert("bitcast", single, rounded, wide)
    towards_zero = f.select(larger, wide, f.binary("sub", wide, bits, splat_constant(wide, 1)), bits)
    odd = f.binary("or", wide, towards_zero, splat_constant(wide, 1))
    return f.convert("bitcast", wide, f.select(inexact, wide, odd, bits), single)


def _to_bf16(f: Function, value: str, width: int) -> str:
    """Round to nearest even on the bits, so that no target needs a library function; NaN stays a quiet NaN."""
    wide, words = vector("i32", width), vector("i16", width)
    bits = f.convert("bitcast", vector("float", width), value, wide)
    top = f.binary("lshr", wide, bits, splat_constant(wide, 16))
    odd = f.binary("and", wide, top, splat_constant(wide, 1))
    half = f.binary("add", wide, odd, splat_constant(wide, 0x7FFF))
    rounded = f.binary("lshr", wide, f.binary("add", wide, bits, half), splat_constant(wide, 16))
    quiet = f.binary("or", wide, top, splat_constant(wide, 64))
    chosen = f.select(f.fcmp("uno", vector("float", width), value, value), wide, quiet, rounded)
    return f.convert("trunc", wide, chosen, words)


def _float_to_integer(f: Function, source: str, target: str, value: str, width: int) -> str:
    if source in ("f16", "bf16"):
        return _float_to_integer(f, "f32", target, convert(f, source, "f32", value, width), width)
    floating, whole = vector(REGISTER[source], width), vector(REGISTER[target], width)
    word = "llvm.fptoui.sat" if target == "u8" else "llvm.fptosi.sat"
    name = f"{word}.{mangle(whole)}.{mangle(floating)}"
    f.module.declare(name, whole, floating, attributes="")
    return f.call(name, value)
