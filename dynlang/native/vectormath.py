"""Elementary functions on vectors, as straight LLVM IR: f32 and f64, any width, width 1 being a plain scalar.

    y = emit_unary(f, "tanh", "f32", 8, x)          # x is an operand of type <8 x float>
    z = emit_binary(f, "power", "f64", 1, x, y)     # doubles

Every lane goes through the same operations, so a value doesn't depend on its place in an array. The whole range is
covered: NaN, infinities, zeros with their signs, and subnormal results.

Largest error measured against extended precision, in units in the last place, with or
without fused multiply-add:

            exp   expm1 log   log1p sin   cos   tanh  sigmoid erf   power atan
    f32     0.97  1.4   0.8   1.5   1.5   1.5   2.4   2.3     1.1   0.5   2.7
    f64     0.95  1.9   0.8   1.2   0.8   0.8   2.4   2.2     1.1   0.6   0.9

Names are those of the op table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dynlang.native.emit import Operand, splat_constant, vector, width_of
from dynlang.native.lanes import Lanes
from dynlang.native.trigonometry import arctangent, cosine, sine

if TYPE_CHECKING:
    from dynlang.native.emit import Function, ModuleText

_LOG2_E = 1.4426950408889634
# ln 2 as a part of few bits, whose multiples by small integers are exact, and the rest.
_LN2 = {"f32": (0.693145751953125, 1.42860677e-6), "f64": (6.93147180369123816490e-01, 1.90821492927058770002e-10)}

# (exp(r) - 1 - r) / r**2 on [-ln2/2, ln2/2], minimax for the error of r**2 times it relative to r.
_EXP = {
    "f32": (0.0001991423067063651, 0.0013941008584505707, 0.00833327292671177, 0.04166635466502183, 0.1666666681768311, 0.5),
    "f64": (2.092443767342662e-09, 2.5109045107181608e-08, 2.755724277890151e-07, 2.755724418125427e-06,
            2.4801587360531467e-05, 0.0001984126988615925, 0.0013888888888866852, 0.008333333333321615,
            0.0416666666666667, 0.16666666666666677, 0.5),
}  # fmt: skip
_EXP_RANGE = {"f32": (-104.0, 89.0), "f64": (-746.0, 710.0)}

# log(1 + f) = f - f**2/2 + f**3 P(f) (Cephes), and fdlibm's coefficients in s**2 with s = f / (2 + f).
_LOG32 = (7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
          2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1)  # fmt: skip
_LOG64_EVEN = (1.531383769920937332e-01, 2.222219843214978396e-01, 3.999999999940941908e-01)
_LOG64_ODD = (1.479819860511658591e-01, 1.818357216161805012e-01, 2.857142874366239149e-01, 6.666666666666735130e-01)
_ROOT_HALF_BITS = {"f32": 0x3F3504F3, "f64": 0x3FE6A09E667F3BCD}

# (atanh(s)/s - 1 - s**2/3) / s**4 in s**2, for |s| < 0.1718.
_ATANH_TAIL = (0.05863220851735204, 0.058529610843119154, 0.0666740825816901, 0.07692297371612042, 0.0909090916873313,
               0.11111111110823314, 0.1428571428571469, 0.2)  # fmt: skip

# erf(x)/x - 1 in x**2 near zero; log(erfc(x)) in x further out, minimax for the error of erf.
_ERF_NEAR = {
    "f32": (8.32950328371308e-05, -0.0008133062569769036, 0.005200179000950822, -0.026859052765473065, 0.11283689225440886,
            -0.37612633323400935, 0.12837916659413026),
    "f64": (5.945262897141227e-11, -1.1365666702331524e-09, 1.4657880052504533e-08, -1.6350025257252504e-07,
            1.6460972820674074e-06, -1.4925593507147635e-05, 0.00012055331036911902, -0.0008548326978742597,
            0.005223977624780875, -0.026866170645072896, 0.11283791670954857, -0.3761263890318375, 0.1283791670955126),
}  # fmt: skip
_ERF_FAR = {
    "f32": (-1.72853470e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1, -1.12871751e0, 0.0),
    "f64": (-5.224865721278776e-12, 2.1602509543542578e-10, -4.1423650070975344e-09, 4.873685215784476e-08,
            -3.9105315419486687e-07, 2.2353609062618485e-06, -9.09154944059335e-06, 2.4221549134712932e-05,
            -2.3882466620355886e-05, -0.0001276818987785185, 0.0007588024230084082, -0.0019010229170637052,
            0.00039606395490635185, 0.019000961549513348, -0.10270928801695228, -0.6366414378002739, -1.128374595260245,
            -4.4861347592444747e-07),
}  # fmt: skip
_ERF_BORDER = {"f32": 0.927734375, "f64": 1.0}
_ERF_END = {"f32": 4.5, "f64": 6.0}


def emit_unary(f: Function, name: str, dtype: str, width: int, x: Operand) -> str:
    """The function `name` of the op table at every lane of `x`. dtype: "f32" or "f64"."""
    return UNARY[name](Lanes(f, dtype, width), x)


def emit_binary(f: Function, name: str, dtype: str, width: int, x: Operand, y: Operand) -> str:
    """A function of two operands; for integer dtypes `floor_division` and `floor_modulo` (the divisor is not 0)."""
    if dtype not in ("f32", "f64"):
        return _INTEGER[name](f, vector(_INTEGER_TYPES[dtype], width), x, y)
    return BINARY[name](Lanes(f, dtype, width), x, y)


LONG = frozenset({"exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "sigmoid", "erf", "power"})
"""Functions of tens of instructions."""


def call_scalar(f: Function, name: str, dtype: str, *operands: Operand) -> str:
    """A long function of scalars, by a call: a line of many of them would be code of millions of lines. What is called in one place
    alone the optimiser puts there."""
    kind = {"f32": "float", "f64": "double"}[dtype]

    def build(module: ModuleText) -> None:
        made = module.function(f"math.{name}.{dtype}", kind, *(f"{kind} x{place}" for place in range(len(operands))))
        emit = UNARY.get(name) or BINARY[name]
        made.ret(emit(Lanes(made, dtype, 1), *(f"%x{place}" for place in range(len(operands)))))

    return f.call(f.module.require(f"math.{name}.{dtype}", build).name, *operands)


# -- exp and its family


def _reduced(v: Lanes, x: Operand) -> tuple[str, str]:
    """(bits of n, exp(r) - 1) with x = n ln2 + r, |r| <= ln2/2."""
    n, bits = v.nearest_integer(x, _LOG2_E)
    high, low = _LN2[v.dtype]
    r = v.fma(n, v.constant(-low), v.fma(n, v.constant(-high), x))
    return v.integer_op("sub", bits, v.bits(v.format.magic_bits)), v.fma(v.mul(r, r), v.polynomial(r, _EXP[v.dtype]), r)


def _exp(v: Lanes, x: Operand) -> str:
    low, high = _EXP_RANGE[v.dtype]
    n, part = _reduced(v, v.at_least(v.at_most(x, high), low))
    return v.scale(v.add(part, v.constant(1.0)), n)


def _expm1_size(v: Lanes, x: Operand) -> str:
    """exp(x) - 1 for 0 <= x <= 40 or so."""
    n, part = _reduced(v, x)
    power = v.power_of_two(n)
    return v.fma(power, part, v.sub(power, v.constant(1.0)))


def _expm1(v: Lanes, x: Operand) -> str:
    lowest = {"f32": -20.0, "f64": -40.0}[v.dtype]
    n, part = _reduced(v, v.at_least(v.at_most(x, _EXP_RANGE[v.dtype][1]), lowest))
    # exp(x) - 1 = 2**n (part + (1 - 2**-n)); from n = 64 on the power is too small to matter.
    shrink = v.integer_op("sub", v.bits(0), v.f.intrinsic("llvm.smin", v.integer, n, v.bits(64)))
    rest = v.sub(v.constant(1.0), v.power_of_two(shrink))
    return v.copysign(v.scale(v.add(part, rest), n), x)


def _tanh(v: Lanes, x: Operand) -> str:
    twice = v.abs(x)
    doubled = v.at_most(v.add(twice, twice), {"f32": 20.0, "f64": 40.0}[v.dtype])
    t = _expm1_size(v, doubled)
    return v.copysign(v.div(t, v.add(t, v.constant(2.0))), x)


def _sigmoid(v: Lanes, x: Operand) -> str:
    small = _exp(v, v.neg(v.abs(x)))
    top = v.select(v.compare("olt", x, v.constant(0.0)), small, v.constant(1.0))
    return v.div(top, v.add(small, v.constant(1.0)))


# -- log and its family


def _exponent_and_mantissa(v: Lanes, x: Operand) -> tuple[str, str]:
    """(k, m) with x = m * 2**k, m between sqrt(1/2) and sqrt(2), for positive x, subnormal ones too."""
    width = v.format.mantissa
    tiny = v.compare("olt", x, v.constant(2.0 ** (1 - v.format.bias)))
    bits = v.to_bits(v.select(tiny, v.mul(x, v.constant(2.0**width)), x))
    above = v.integer_op("sub", bits, v.bits(_ROOT_HALF_BITS[v.dtype]))
    whole = v.integer_op("and", above, v.bits(-1 << width))
    mantissa = v.from_bits(v.integer_op("sub", bits, whole))
    # An arithmetic shift, made of one that every machine has on vectors.
    top = 1 << (v.format.bits - 1)
    shifted = v.integer_op("lshr", v.integer_op("xor", whole, v.bits(top)), v.bits(width))
    k = v.to_float(v.integer_op("sub", shifted, v.bits(top >> width)))
    return v.select(tiny, v.sub(k, v.constant(float(width))), k), mantissa


def _log_positive(v: Lanes, x: Operand) -> str:
    k, mantissa = _exponent_and_mantissa(v, x)
    f = v.sub(mantissa, v.constant(1.0))
    square = v.mul(f, f)
    if v.dtype == "f32":
        y = v.mul(v.mul(v.polynomial(f, _LOG32), f), square)
        y = v.fma(k, v.constant(-2.12194440e-4), y)
        y = v.fma(square, v.constant(-0.5), y)
        return v.fma(k, v.constant(0.693359375), v.add(f, y))
    s = v.div(f, v.add(f, v.constant(2.0)))
    z = v.mul(s, s)
    w = v.mul(z, z)
    rest = v.fma(z, v.polynomial(w, _LOG64_ODD), v.mul(w, v.polynomial(w, _LOG64_EVEN)))
    half = v.mul(v.constant(0.5), square)
    high, low = _LN2["f64"]
    correction = v.fma(s, v.add(half, rest), v.mul(k, v.constant(low)))
    return v.sub(v.mul(k, v.constant(high)), v.sub(v.sub(half, correction), f))


def _log(v: Lanes, x: Operand) -> str:
    y = v.select(v.compare("olt", x, v.constant(float("inf"))), _log_positive(v, x), x)
    y = v.select(v.compare("oeq", x, v.constant(0.0)), v.constant(float("-inf")), y)
    return v.select(v.compare("olt", x, v.constant(0.0)), v.constant(float("nan")), y)


def _log1p(v: Lanes, x: Operand) -> str:
    """log(u) + e / u, where u + e = 1 + x exactly."""
    u, error = v.two_sum(v.constant(1.0), x)
    y = v.copysign(v.add(_log_positive(v, u), v.div(error, u)), x)
    y = v.select(v.compare("olt", x, v.constant(float("inf"))), y, x)
    y = v.select(v.compare("oeq", x, v.constant(-1.0)), v.constant(float("-inf")), y)
    return v.select(v.compare("olt", x, v.constant(-1.0)), v.constant(float("nan")), y)


# -- powers


def _log_pair(v: Lanes, x: Operand) -> tuple[str, str]:
    """log(x) to about 66 bits, for positive finite x (f64): 2 atanh(s) + k ln2 with s = (m - 1) / (m + 1), in pairs."""
    k, mantissa = _exponent_and_mantissa(v, x)
    f = v.sub(mantissa, v.constant(1.0))
    below, below_low = v.fast_two_sum(v.constant(1.0), mantissa)
    s = v.div(f, below)
    product, error = v.two_product(s, below)
    residue = v.sub(v.sub(v.sub(f, product), error), v.mul(s, below_low))
    pair = (s, v.div(residue, below))
    square = v.pair_product(pair, pair)
    tail = v.mul(square[0], v.polynomial(square[0], _ATANH_TAIL))
    series = v.pair_sum((v.constant(1.0 / 3.0), v.constant(1.850371707708594e-17)), (tail, v.constant(0.0)))
    cubic = v.pair_product(v.pair_product(square, series), pair)
    total = v.pair_sum(pair, cubic)
    doubled = (v.add(total[0], total[0]), v.add(total[1], total[1]))
    high, low = v.two_product(k, v.constant(0.6931471805599453))
    low = v.fma(k, v.constant(2.3190468138462996e-17), low)
    return v.pair_sum((high, low), doubled)


def _exp_pair(v: Lanes, high: Operand, low: Operand) -> str:
    """exp(high + low)."""
    lowest, highest = _EXP_RANGE[v.dtype]
    clamped = v.at_least(v.at_most(high, highest), lowest)
    low = v.select(v.compare("oeq", clamped, high), low, v.constant(0.0))
    n, bits = v.nearest_integer(clamped, _LOG2_E)
    first, second = _LN2[v.dtype]
    r = v.sub(clamped, v.mul(n, v.constant(first)))
    r, left = v.fast_two_sum(r, v.sub(low, v.mul(n, v.constant(second))))
    part = v.add(v.fma(v.mul(r, r), v.polynomial(r, _EXP[v.dtype]), left), v.mul(left, r))
    whole, rest = v.fast_two_sum(v.constant(1.0), r)
    return v.scale(v.add(whole, v.add(rest, part)), v.integer_op("sub", bits, v.bits(v.format.magic_bits)))


def _power_of_size(v: Lanes, size: Operand, y: Operand) -> str:
    """size ** y for positive finite sizes; infinite y too."""
    y = v.at_least(v.at_most(y, 2.0**65), -(2.0**65))
    if v.dtype == "f64":
        log = _log_pair(v, size)
        high, low = v.two_product(log[0], y)
        low = v.fma(log[1], y, low)
        return _exp_pair(v, *v.fast_two_sum(high, low))
    f, wide = v.f, Lanes(v.f, "f64", v.width)
    log = _log_positive(wide, f.convert("fpext", v.kind, size, wide.kind))
    result = _exp(wide, wide.mul(log, f.convert("fpext", v.kind, y, wide.kind)))
    return f.convert("fptrunc", wide.kind, result, v.kind)


def _power(v: Lanes, x: Operand, y: Operand) -> str:
    """C's pow: 1 for y = 0 and for x = 1 whatever the other is; NaN for a negative x and a y that is not whole."""
    zero, one, infinity = v.constant(0.0), v.constant(1.0), v.constant(float("inf"))
    size = v.abs(x)
    result = _power_of_size(v, size, y)
    falling = v.compare("olt", y, zero)
    result = v.select(v.compare("oeq", size, zero), v.select(falling, infinity, zero), result)
    result = v.select(v.compare("oeq", size, infinity), v.select(falling, zero, infinity), result)
    whole = v.compare("oeq", v.trunc(y), y)
    half = v.mul(y, v.constant(0.5))
    odd = v.f.binary("and", v.boolean, whole, v.compare("une", v.trunc(half), half))
    result = v.select(odd, v.copysign(result, x), result)
    finite_negative = v.f.binary("and", v.boolean, v.compare("olt", x, zero), v.compare("olt", size, infinity))
    broken = v.f.binary("and", v.boolean, finite_negative, v.compare("one", v.trunc(y), y))
    result = v.select(broken, v.constant(float("nan")), result)
    result = v.select(v.compare("uno", x, y), v.add(x, y), result)
    trivial = v.f.binary("or", v.boolean, v.compare("oeq", x, one), v.compare("oeq", y, zero))
    return v.select(trivial, one, result)


# -- the error function


def _erf(v: Lanes, x: Operand) -> str:
    size = v.at_most(v.abs(x), _ERF_END[v.dtype])
    near = v.fma(v.polynomial(v.mul(x, x), _ERF_NEAR[v.dtype]), x, x)
    far = v.sub(v.constant(1.0), _exp(v, v.polynomial(size, _ERF_FAR[v.dtype])))
    return v.select(v.compare("ogt", size, v.constant(_ERF_BORDER[v.dtype])), v.copysign(far, x), near)


# -- signs, steps and choices


def _sign(v: Lanes, x: Operand) -> str:
    zero = v.constant(0.0)
    step = v.select(v.compare("ogt", x, zero), v.constant(1.0), zero)
    step = v.select(v.compare("olt", x, zero), v.constant(-1.0), step)
    return v.select(v.compare("uno", x, x), x, step)


def _relu(v: Lanes, x: Operand) -> str:
    zero = v.constant(0.0)
    return v.select(v.compare("ule", x, zero), v.select(v.compare("uno", x, x), x, zero), x)


def _extreme(predicate: str) -> Callable[[Lanes, Operand, Operand], str]:
    def choose(v: Lanes, x: Operand, y: Operand) -> str:
        return v.select(v.compare("uno", x, x), x, v.select(v.compare(predicate, x, y), x, y))

    return choose


UNARY: dict[str, Callable[[Lanes, Operand], str]] = {
    "exp": _exp,
    "expm1": _expm1,
    "log": _log,
    "log1p": _log1p,
    "sin": sine,
    "cos": cosine,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "erf": _erf,
    "atan": arctangent,
    "sqrt": Lanes.sqrt,
    "abs": Lanes.abs,
    "floor": Lanes.floor,
    "ceil": Lanes.ceil,
    "trunc": Lanes.trunc,
    "round": Lanes.round_even,
    "sign": _sign,
    "relu": _relu,
}
BINARY: dict[str, Callable[[Lanes, Operand, Operand], str]] = {
    "power": _power,
    "maximum": _extreme("oge"),
    "minimum": _extreme("ole"),
    "copysign": Lanes.copysign,
}


# -- integers and conversions

_INTEGER_TYPES = {"i64": "i64", "i32": "i32", "i16": "i16", "i8": "i8", "u8": "i8", "bool": "i1"}


def _divide(f: Function, kind: str, x: Operand, y: Operand) -> tuple[str, str]:
    """(quotient rounded down, remainder with the divisor's sign). Dividing by -1 is negation, which wraps and can't trap."""
    zero, one = splat_constant(kind, 0), splat_constant(kind, 1)
    boolean = vector("i1", width_of(kind))
    flip = f.icmp("eq", y, splat_constant(kind, -1), kind)
    divisor = f.select(flip, kind, one, y)
    quotient = f.binary("sdiv", kind, x, divisor)
    remainder = f.sub(x, f.mul(quotient, divisor, kind), kind)
    uneven = f.icmp("ne", remainder, zero, kind)
    opposed = f.icmp("slt", f.binary("xor", kind, remainder, divisor), zero, kind)
    off = f.binary("and", boolean, uneven, opposed)
    quotient = f.select(off, kind, f.sub(quotient, one, kind), quotient)
    remainder = f.select(off, kind, f.add(remainder, divisor, kind), remainder)
    return f.select(flip, kind, f.sub(zero, x, kind), quotient), remainder


_INTEGER: dict[str, Callable[[Function, str, Operand, Operand], str]] = {
    "floor_division": lambda f, kind, x, y: _divide(f, kind, x, y)[0],
    "floor_modulo": lambda f, kind, x, y: _divide(f, kind, x, y)[1],
}
