"""Sine and cosine over the whole range, with exact argument reduction; the arctangent.

Reduction subtracts n * pi/2 in double precision (f32 too): in three steps up to |x| = 800,000, where every product is
exact; beyond, lane by lane through `dyn.math.reduce`, which multiplies by 192 of the 1200 bits of 2/pi (Payne and
Hanek). The kernels on [-pi/4, pi/4] are fdlibm's for f64 and Cephes' for f32.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

from dynlang.native.emit import Operand, number
from dynlang.native.lanes import Lanes

if TYPE_CHECKING:
    from dynlang.native.emit import Function, ModuleText

LIMIT = 800_000.0

# pi/2 in three pieces of 33 bits, so that n * piece is exact for |n| < 2**20, and what is left of it after two and three.
_PIECES = (1.57079632673412561417e00, 6.07710050630396597660e-11, 2.02226624871116645580e-21)
_LEFT = (6.07710050650619224932e-11, 2.02226624879595063154e-21, 8.47842766036889956997e-32)
_TWO_OVER_PI = 0.6366197723675814

# (atan(x)/x - 1) / x**2 in x**2 near zero (Cephes): a polynomial for f32, a quotient of two for f64, and where "near" ends.
_ATAN32 = (8.05374449538e-2, -1.38776856032e-1, 1.99777106478e-1, -3.33329491539e-1)
_ATAN64 = (-8.750608600031904122785e-1, -1.615753718733365076637e1, -7.500855792314704667340e1, -1.228866684490136173410e2,
           -6.485021904942025371773e1)  # fmt: skip
_ATAN64_BELOW = (1.0, 2.485846490142306297962e1, 1.650270098316988542046e2, 4.328810604912902668951e2, 4.853903996359136964868e2,
                 1.945506571482613964425e2)  # fmt: skip
_ATAN_NEAR = {"f32": 0.4142135623730950, "f64": 0.66}
_ATAN_FAR = 2.414213562373095
_LOW_HALF_PI = 6.123233995736765886e-17

_SIN64 = (1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06, -1.98412698298579493134e-04,
          8.33333333332248946124e-03)  # fmt: skip
_SIN64_FIRST = -1.66666666666666324348e-01
_COS64 = (-1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513906633035e-07, 2.48015872894767294178e-05,
          -1.38888888888741095749e-03, 4.16666666666666019037e-02)  # fmt: skip
_SIN32 = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_COS32 = (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)


def arctangent(v: Lanes, x: Operand) -> str:
    """atan(s) is pi/2 + atan(-1/s) far out, pi/4 + atan((s - 1)/(s + 1)) in the middle."""
    size, one, zero = v.abs(x), v.constant(1.0), v.constant(0.0)
    far, middle = v.compare("ogt", size, v.constant(_ATAN_FAR)), v.compare("ogt", size, v.constant(_ATAN_NEAR[v.dtype]))
    moved = v.select(middle, v.div(v.sub(size, one), v.add(size, one)), size)
    moved = v.select(far, v.div(v.constant(-1.0), size), moved)
    square = v.mul(moved, moved)
    if v.dtype == "f32":
        part = v.polynomial(square, _ATAN32)
    else:
        part = v.div(v.polynomial(square, _ATAN64), v.polynomial(square, _ATAN64_BELOW))
    start = v.select(far, v.constant(math.pi / 2), v.select(middle, v.constant(math.pi / 4), zero))
    rest = v.select(far, v.constant(_LOW_HALF_PI), v.select(middle, v.constant(_LOW_HALF_PI / 2), zero))
    bent = v.add(v.fma(v.mul(square, part), moved, rest), moved)
    return v.copysign(v.add(start, bent), x)


def sine(v: Lanes, x: Operand) -> str:
    """sin(x)."""
    return _wave(v, x, 0)


def cosine(v: Lanes, x: Operand) -> str:
    """cos(x) = sin(x + pi/2): the quadrant one further."""
    return _wave(v, x, 1)


def _wave(v: Lanes, x: Operand, turn: int) -> str:
    wide = v if v.dtype == "f64" else Lanes(v.f, "f64", v.width)
    x_wide = x if wide is v else v.f.convert("fpext", v.kind, x, wide.kind)
    high, low, quadrant = _reduce(wide, x_wide)
    if wide is v:
        sin, cos = _kernels64(v, high, low)
    else:
        quadrant = v.f.convert("trunc", wide.integer, quadrant, v.integer)
        sin, cos = _kernels32(v, v.f.convert("fptrunc", wide.kind, high, v.kind))
    quadrant = v.integer_op("add", quadrant, v.bits(turn)) if turn else quadrant
    odd = v.f.icmp("ne", v.integer_op("and", quadrant, v.bits(1)), v.bits(0), v.integer)
    sign = v.integer_op("shl", v.integer_op("and", quadrant, v.bits(2)), v.bits(v.format.bits - 2))
    result = v.from_bits(v.integer_op("xor", v.to_bits(v.select(odd, cos, sin)), sign))
    return result if turn else v.select(v.compare("oeq", x, v.constant(0.0)), x, result)


def _kernels64(v: Lanes, x: Operand, low: Operand) -> tuple[str, str]:
    """sin and cos of x + low, |x| <= pi/4."""
    z = v.mul(x, x)
    cube = v.mul(z, x)
    tail = v.polynomial(z, _SIN64)
    half_low = v.mul(v.constant(0.5), low)
    inner = v.sub(v.mul(z, v.sub(half_low, v.mul(cube, tail))), low)
    sin = v.sub(x, v.sub(inner, v.mul(cube, v.constant(_SIN64_FIRST))))
    half_square = v.mul(v.constant(0.5), z)
    main = v.sub(v.constant(1.0), half_square)
    rest = v.sub(v.mul(z, v.mul(z, v.polynomial(z, _COS64))), v.mul(x, low))
    cos = v.add(main, v.add(v.sub(v.sub(v.constant(1.0), main), half_square), rest))
    return sin, cos


def _kernels32(v: Lanes, x: Operand) -> tuple[str, str]:
    z = v.mul(x, x)
    sin = v.fma(v.mul(v.polynomial(z, _SIN32), z), x, x)
    cos = v.fma(v.mul(z, z), v.polynomial(z, _COS32), v.fma(v.constant(-0.5), z, v.constant(1.0)))
    return sin, cos


def _reduce(v: Lanes, x: Operand) -> tuple[str, str, str]:
    """(high, low, quadrant): x - quadrant * pi/2 = high + low; the quadrant counts modulo 4 in the low bits."""
    f = v.f
    n, quadrant = v.nearest_integer(x, _TWO_OVER_PI)
    first = v.sub(x, v.mul(n, v.constant(_PIECES[0])))
    high, low = v.two_sum(first, v.neg(v.mul(n, v.constant(_PIECES[1]))))
    high, more = v.two_sum(high, v.neg(v.mul(n, v.constant(_PIECES[2]))))
    low = v.sub(v.add(low, more), v.mul(n, v.constant(_LEFT[2])))
    high, low = v.fast_two_sum(high, low)
    far = v.compare("uge", v.abs(x), v.constant(LIMIT))
    if v.width > 1:
        f.module.declare(f"llvm.vector.reduce.or.v{v.width}i1", "i1", v.boolean, attributes="")
        far = f.call(f"llvm.vector.reduce.or.v{v.width}i1", far)
    choice = f.choose(far)
    with choice.yes():
        slow = _reduce_far(v, x, (high, low, quadrant))
    with choice.no():
        pass
    fast, kinds = (high, low, quadrant), (v.kind, v.kind, v.integer)
    high, low, quadrant = (choice.merge(kind, *either) for kind, *either in zip(kinds, slow, fast, strict=True))
    return high, low, quadrant


def _reduce_far(v: Lanes, x: Operand, near: tuple[str, str, str]) -> tuple[str, str, str]:
    """Reduction of the lanes that are far out by the exact scalar function; the others keep what they have."""
    f = v.f
    name = f.module.require("dyn.math.reduce", _build_reduce).name
    pair = f.slot("double", count=2)
    values = f.slot(v.kind, x, align=64)
    kinds = (v.kind, v.kind, v.integer)
    results = [f.slot(kind, first, align=64) for kind, first in zip(kinds, near, strict=True)]
    with f.loop(0, v.width) as loop:
        one = f.load("double", f.offset(values, loop.index, "double"))
        with f.when(f.fcmp("uge", "double", f.intrinsic("llvm.fabs", "double", one), number(LIMIT, "double"))):
            f.store("i64", f.call(name, one, pair), f.offset(results[2], loop.index, "i64"))
            for part in (0, 1):
                half = f.load("double", f.offset(pair, part, "double"))
                f.store("double", half, f.offset(results[part], loop.index, "double"))
    high, low, quadrant = (f.load(kind, place, 64) for kind, place in zip(kinds, results, strict=True))
    return high, low, quadrant


@functools.cache
def two_over_pi_words(count: int = 20) -> tuple[int, ...]:
    """The first `64 * count` bits of 2/pi after the point, behind a word of zeros. Exact integer arithmetic (Machin's formula)."""
    precision = 64 * (count + 2)
    one = 1 << precision

    def arctangent_of_inverse(k: int) -> int:
        total = term = one // k
        n, square, sign = 3, k * k, -1
        while term:
            term //= square
            total += sign * (term // n)
            n, sign = n + 2, -sign
        return total

    pi = 4 * (4 * arctangent_of_inverse(5) - arctangent_of_inverse(239))
    value = (2 << (2 * precision)) // pi >> (precision - 64 * count)
    return (0, *((value >> (64 * (count - 1 - i))) & (2**64 - 1) for i in range(count)))


def _build_reduce(module: ModuleText) -> None:
    """`i64 dyn.math.reduce(double x, ptr pair)`: quadrant, and the rest as high and low part, for any |x| > 2**-30 or so.

    x = M 2**e with a 53-bit M. Bits of 2/pi of weight above 4 / (M 2**e) only add whole turns, so a window of 192 bits
    that starts there is enough: its product with M, modulo 2**192, is the quadrant (two bits) and the fraction.
    """
    f = module.function("dyn.math.reduce", "i64", "double x", "ptr pair", attributes="nounwind noinline cold")
    v = Lanes(f, "f64", 1)
    finite = f.fcmp("oeq", "double", f.binary("fsub", "double", "%x", "%x"), number(0.0, "double"))
    with f.when(f.binary("xor", "i1", finite, "true")):
        for part in (0, 1):
            f.store("double", f.binary("fsub", "double", "%x", "%x"), f.offset("%pair", part, "double"))
        f.ret(0)
    words = two_over_pi_words()
    table = module.constant(f"[{len(words)} x i64]", "[" + ", ".join(f"i64 {w}" for w in words) + "]", 8, "two_over_pi")
    bits = f.bit_and(v.to_bits("%x"), (1 << 63) - 1)
    mantissa = f.binary("or", "i64", f.bit_and(bits, (1 << 52) - 1), 1 << 52)
    start = f.add(f.binary("lshr", "i64", bits, 52), 64 - 2 - 1075)
    product = _window_product(f, mantissa, table, f.binary("lshr", "i64", start, 6), f.bit_and(start, 63))
    quadrant = f.convert("trunc", "i128", f.binary("lshr", "i128", product[0], 126), "i64")
    low_bits = f.convert("zext", "i64", f.binary("lshr", "i64", product[1], 62), "i128")
    fraction = f.binary("or", "i128", f.binary("shl", "i128", product[0], 2), low_bits)
    down = f.icmp("slt", fraction, 0, "i128")
    quadrant = f.add(quadrant, f.convert("zext", "i1", down, "i64"))
    size = f.select(down, "i128", f.sub(0, fraction, "i128"), fraction)
    module.declare("llvm.ctlz.i128", "i128", "i128", "i1", attributes="")
    zeros = f.call("llvm.ctlz.i128", size, "false")
    size = f.binary("shl", "i128", size, zeros)
    high = f.convert("uitofp", "i64", f.convert("trunc", "i128", f.binary("lshr", "i128", size, 75), "i64"), "double")
    rest = f.bit_and(f.convert("trunc", "i128", f.binary("lshr", "i128", size, 22), "i64"), (1 << 53) - 1)
    low = f.convert("uitofp", "i64", rest, "double")
    exponent = f.sub(-53, f.convert("trunc", "i128", zeros, "i64"))
    scale = v.power_of_two(exponent)
    negative = f.binary("xor", "i1", down, f.icmp("slt", v.to_bits("%x"), 0))
    scale = v.select(negative, v.neg(scale), scale)
    pair = (v.mul(high, scale), v.mul(v.mul(low, scale), v.constant(2.0**-53)))
    result = v.pair_product(pair, (v.constant(1.5707963267948966), v.constant(6.123233995736766e-17)))
    f.store("double", result[0], "%pair")
    f.store("double", result[1], f.offset("%pair", 1, "double"))
    backwards = f.icmp("slt", v.to_bits("%x"), 0)
    f.ret(f.bit_and(f.select(backwards, "i64", f.sub(0, quadrant), quadrant), 3))


def _window_product(f: Function, mantissa: str, table: str, word: str, shift: str) -> tuple[str, str]:
    """mantissa * (192 bits of the table from `64 * word + shift` on), modulo 2**192: the upper 128 bits and the lowest 64."""
    raw = [f.load("i64", f.offset(table, f.add(word, i), "i64")) for i in range(4)]
    back = f.sub(63, shift)
    window = []
    for i in range(3):
        carried = f.binary("lshr", "i64", f.binary("lshr", "i64", raw[i + 1], 1), back)
        window.append(f.binary("or", "i64", f.binary("shl", "i64", raw[i], shift), carried))
    wide = f.convert("zext", "i64", mantissa, "i128")
    lowest = f.binary("mul", "i128", wide, f.convert("zext", "i64", window[2], "i128"))
    middle = f.binary("mul", "i128", wide, f.convert("zext", "i64", window[1], "i128"))
    top = f.binary("shl", "i128", f.convert("zext", "i64", f.mul(mantissa, window[0]), "i128"), 64)
    upper = f.binary("add", "i128", f.binary("add", "i128", top, middle), f.binary("lshr", "i128", lowest, 64))
    return upper, f.convert("trunc", "i128", lowest, "i64")
