"""Elementwise ops: operands have one shape, or are scalars; so has the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dynlang.ops.table import Op
from dynlang.types import ArrayType, IndexType, ScalarType, Size, Type


def scalar_of(kind: Type) -> str:
    """The dtype of a scalar or of an array's elements."""
    match kind:
        case ScalarType(dtype):
            return dtype
        case IndexType():
            return "i64"
        case ArrayType(element, _):
            return scalar_of(element)
    raise TypeError(f"a number, or an array of numbers, is needed, not {kind}")


def with_dtype(kind: Type, dtype: str) -> Type:
    return ArrayType(ScalarType(dtype), kind.shape) if isinstance(kind, ArrayType) else ScalarType(dtype)


def widest(kinds: tuple[Type, ...]) -> Type:
    """The common shape: that of the arrays, or scalar."""
    arrays = [kind for kind in kinds if isinstance(kind, ArrayType)]
    for other in arrays[1:]:
        if other.shape != arrays[0].shape:
            raise TypeError(f"the shapes {arrays[0]} and {other} differ")
    return arrays[0] if arrays else kinds[0]


def same(kinds: tuple[Type, ...], attributes: Mapping[str, Any], sizes: tuple[Size, ...]) -> tuple[Type, ...]:
    """Result: the common shape, the common dtype."""
    dtypes = {scalar_of(kind) for kind in kinds}
    if len(dtypes) > 1:
        raise TypeError(f"the operands have different dtypes: {', '.join(sorted(dtypes))}")
    return (with_dtype(widest(kinds), dtypes.pop()),)


def truth(kinds: tuple[Type, ...], attributes: Mapping[str, Any], sizes: tuple[Size, ...]) -> tuple[Type, ...]:
    """Result: the common shape, of bools."""
    same(kinds, attributes, sizes)
    return (with_dtype(widest(kinds), "bool"),)


def chosen(kinds: tuple[Type, ...], attributes: Mapping[str, Any], sizes: tuple[Size, ...]) -> tuple[Type, ...]:
    (value,) = same(kinds[1:], attributes, sizes)
    return (with_dtype(widest(kinds), scalar_of(value)),)


def converted(kinds: tuple[Type, ...], attributes: Mapping[str, Any], sizes: tuple[Size, ...]) -> tuple[Type, ...]:
    return (with_dtype(kinds[0], attributes["dtype"]),)


Pointwise = Callable[..., Any]


def pointwise(function: Pointwise) -> Callable[[Any, list[Any], Mapping[str, Any], tuple[int, ...]], Any]:
    return lambda np, operands, attributes, sizes: function(np, *operands)


def unary(name: str, meaning: Pointwise, derivative: str, documentation: str, accepts: str = "float", lower: Mapping[str, str] | None = None,
          tolerance: float = 0.0, cost: float = 1.0, surface: str | None = "") -> Op:
    traits = frozenset({"elementwise", "diagonal"} | ({"linear"} if name == "neg" else set()))
    return Op(name, ("x",), (accepts,), same, pointwise(meaning), {"x": derivative} if derivative else {}, lower or {"float": "math"},
              traits, name if surface == "" else surface, tolerance, cost, "vector" if lower else "special", documentation)


def binary(name: str, meaning: Pointwise, derivative: Mapping[str, str], documentation: str, accepts: str = "number",
           lower: Mapping[str, str] | None = None, traits: frozenset[str] = frozenset(), surface: str | None = None,
           tolerance: float = 0.0, cost: float = 1.0) -> Op:
    return Op(name, ("x", "y"), (accepts, accepts), same, pointwise(meaning), derivative, lower or {"float": "math"},
              traits | {"elementwise", "diagonal"}, surface, tolerance, cost, "vector", documentation)


def comparison(name: str, meaning: Pointwise, float_word: str, integer_word: str, documentation: str) -> Op:
    lower = {"float": f"fcmp {float_word} {{t}} {{0}}, {{1}}", "integer": f"icmp {integer_word} {{t}} {{0}}, {{1}}",
             "bool": f"icmp {integer_word.replace('s', 'u', 1) if integer_word[0] == 's' else integer_word} {{t}} {{0}}, {{1}}"}
    return Op(name, ("x", "y"), ("any", "any"), truth, pointwise(meaning), {}, lower, frozenset({"elementwise", "comparison"}),
              None, 0.0, 1.0, "vector", documentation)


def logic(name: str, meaning: Pointwise, word: str, documentation: str, surface: str | None = None) -> Op:
    return Op(name, ("x", "y"), ("bool", "bool"), same, pointwise(meaning), {}, {"bool": f"{word} {{t}} {{0}}, {{1}}"},
              frozenset({"elementwise", "commutative", "associative"}), surface, 0.0, 1.0, "vector", documentation)


def bitwise(name: str, meaning: Pointwise, word: str, documentation: str) -> Op:
    return Op(name, ("x", "y"), ("integer", "integer"), same, pointwise(meaning), {},
              {"integer": word if word == "math" else f"{word} {{t}} {{0}}, {{1}}"}, frozenset({"elementwise"}), name, 0.0, 1.0, "vector", documentation)


def _multiply_add(np: Any, x: Any, y: Any, z: Any) -> Any:
    """Rounded once, but for what the wider type loses."""
    wide = np.longdouble if np.asarray(x).dtype == np.float64 else np.float64
    return np.asarray(np.asarray(x, wide) * y + z, np.asarray(x).dtype)[()]


def _sigmoid(np: Any, x: Any) -> Any:
    x = np.asarray(x)
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small)).astype(x.dtype)


def _erf(np: Any, x: Any) -> Any:
    import math

    return np.asarray(np.vectorize(math.erf, otypes=[np.float64])(x), dtype=np.asarray(x).dtype)


def _floor_division(np: Any, x: Any, y: Any) -> Any:
    return np.floor_divide(x, y)


def _extreme(word: str) -> Pointwise:
    """One of two; ties, of 0 and -0 too, take x, which NumPy leaves to the machine."""

    def choose(np: Any, x: Any, y: Any) -> Any:
        x, y = np.asarray(x), np.asarray(y)
        return np.where(getattr(np, word)(x, y) | (x != x), x, y)

    return choose


def _shifted(word: str) -> Pointwise:
    """On the bits; an amount that isn't the place of a bit leaves nothing."""

    def shift(np: Any, x: Any, y: Any) -> Any:
        x, y = np.broadcast_arrays(x, y)
        bits = x.astype(np.dtype(f"u{x.dtype.itemsize}"))
        inside = (y >= 0) & (y < 8 * x.dtype.itemsize)
        moved = getattr(np, word)(bits, np.where(inside, y, 0).astype(bits.dtype))
        return np.where(inside, moved, 0).astype(bits.dtype).astype(x.dtype)

    return shift


_shift_left, _shift_right = _shifted("left_shift"), _shifted("right_shift")


def _convert(np: Any, operands: list[Any], attributes: Mapping[str, Any], sizes: tuple[int, ...]) -> Any:
    from dynlang.ops.dtypes import convert

    return convert(operands[0], attributes["dtype"])


BOTH = {"float": "f{w} {{t}} {{0}}, {{1}}", "integer": "{w} {{t}} {{0}}, {{1}}"}


def arithmetic(word: str) -> dict[str, str]:
    return {key: text.format(w=word) for key, text in BOTH.items()}


COMMUTES = frozenset({"commutative", "associative"})

ROWS: list[Op] = [
    # -- arithmetic
    unary("neg", lambda np, x: -x, "-g", "Minus x.", "number", {"float": "fneg {t} {0}", "integer": "sub {t} zeroinitializer, {0}"}, surface=None),
    unary("abs", lambda np, x: np.abs(x), "g * sign(x)", "The magnitude of x; its derivative at 0 is 0.", "number",
          {"float": "call {t} @llvm.fabs.{m}({t} {0})", "integer": "call {t} @llvm.abs.{m}({t} {0}, i1 false)"}),
    unary("sign", lambda np, x: np.sign(x), "", "-1, 0 or 1.", "number", {"float": "math", "integer": "math"}),
    unary("sqrt", lambda np, x: np.sqrt(x), "g / (2.0 * result)", "The square root.", lower={"float": "call {t} @llvm.sqrt.{m}({t} {0})"}),
    unary("floor", lambda np, x: np.floor(x), "", "The largest whole number not above x.", lower={"float": "math"}),
    unary("ceil", lambda np, x: np.ceil(x), "", "The smallest whole number not below x.", lower={"float": "math"}),
    unary("round", lambda np, x: np.round(x), "", "The nearest whole number, halves to even.", lower={"float": "math"}),
    binary("add", lambda np, x, y: x + y, {"x": "g", "y": "g"}, "Sum.", lower=arithmetic("add"), traits=COMMUTES | {"linear"}),
    binary("sub", lambda np, x, y: x - y, {"x": "g", "y": "-g"}, "Difference.", lower=arithmetic("sub"), traits=frozenset({"linear"})),
    binary("mul", lambda np, x, y: x * y, {"x": "g * y", "y": "g * x"}, "Product.", lower=arithmetic("mul"), traits=COMMUTES),
    binary("div", lambda np, x, y: x / y, {"x": "g / y", "y": "-(g * result) / y"}, "Quotient of floats.", "float",
           {"float": "fdiv {t} {0}, {1}"}, cost=4),
    Op("multiply_add", ("x", "y", "z"), ("float", "float", "float"), same, pointwise(_multiply_add), {"x": "g * y", "y": "g * x", "z": "g"},
       {"float": "math"}, frozenset({"elementwise", "diagonal"}), None, 1.0, 2.0, "vector",
       "x * y + z, as the kernels of products do it: rounded once where the target can, else twice."),
    binary("power", lambda np, x, y: np.power(x, y), {"x": "select(y == 0.0, 0.0, g * y * power(x, y - 1.0))", "y": "select(x > 0.0, g * result * log(select(x > 0.0, x, 1.0)), 0.0)"},
           "x to the power y.", "float", {"float": "math"}, tolerance=8, cost=16),
    binary("floor_division", _floor_division, {}, "Quotient of ints, rounded down; by zero is an error (checked before).", "integer", {"integer": "math"}, cost=8),
    binary("floor_modulo", lambda np, x, y: np.mod(x, y), {}, "x - y * (x // y), of ints.", "integer", {"integer": "math"}, cost=8),
    binary("maximum", _extreme("greater_equal"), {"x": "select(x >= y, g, 0.0)", "y": "select(x >= y, 0.0, g)"},
           "The larger; ties take x; NaN wins.", lower={"float": "math", "integer": "call {t} @llvm.smax.{m}({t} {0}, {t} {1})"}),
    binary("minimum", _extreme("less_equal"), {"x": "select(x <= y, g, 0.0)", "y": "select(x <= y, 0.0, g)"},
           "The smaller; ties take x; NaN wins.", lower={"float": "math", "integer": "call {t} @llvm.smin.{m}({t} {0}, {t} {1})"}),
    # -- transcendental functions
    unary("exp", lambda np, x: np.exp(x), "g * result", "e to the power x.", tolerance=4, cost=8),
    unary("expm1", lambda np, x: np.expm1(x), "g * (result + 1.0)", "exp(x) - 1, exact near 0.", tolerance=8, cost=10),
    unary("log", lambda np, x: np.log(x), "g / x", "The natural logarithm.", tolerance=4, cost=8),
    unary("log1p", lambda np, x: np.log1p(x), "g / (1.0 + x)", "log(1 + x), exact near 0.", tolerance=8, cost=10),
    unary("sin", lambda np, x: np.sin(x), "g * cos(x)", "The sine of x radians.", tolerance=4, cost=8),
    unary("cos", lambda np, x: np.cos(x), "-(g * sin(x))", "The cosine of x radians.", tolerance=4, cost=8),
    unary("tanh", lambda np, x: np.tanh(x), "g * (1.0 - result * result)", "The hyperbolic tangent.", tolerance=6, cost=8),
    unary("sigmoid", _sigmoid, "g * (result * (1.0 - result))", "1 / (1 + exp(-x)).", tolerance=8, cost=8),
    unary("erf", _erf, "g * (1.1283791670955126 * exp(-(x * x)))", "The error function.", tolerance=6, cost=12),
    unary("atan", lambda np, x: np.arctan(x), "g / (1.0 + x * x)", "The angle in -pi/2..pi/2 whose tangent is x.", tolerance=4, cost=12),
    unary("relu", lambda np, x: np.where((x > 0) | np.isnan(x), x, np.zeros_like(x)), "select(x > 0.0, g, 0.0)", "max(x, 0); its derivative at 0 is 0.", lower={"float": "math"}),
    # -- comparison, logic, choice
    comparison("equal", lambda np, x, y: x == y, "oeq", "eq", "x == y"),
    comparison("not_equal", lambda np, x, y: x != y, "une", "ne", "x != y"),
    comparison("less", lambda np, x, y: x < y, "olt", "slt", "x < y"),
    comparison("less_equal", lambda np, x, y: x <= y, "ole", "sle", "x <= y"),
    comparison("greater", lambda np, x, y: x > y, "ogt", "sgt", "x > y"),
    comparison("greater_equal", lambda np, x, y: x >= y, "oge", "sge", "x >= y"),
    logic("logical_and", lambda np, x, y: np.logical_and(x, y), "and", "Both; `and` on bools evaluates its right side only if needed."),
    logic("logical_or", lambda np, x, y: np.logical_or(x, y), "or", "Either."),
    logic("xor", lambda np, x, y: np.logical_xor(x, y), "xor", "Exactly one of two bools.", "xor"),
    Op("logical_not", ("x",), ("bool",), same, pointwise(lambda np, x: np.logical_not(x)), {}, {"bool": "xor {t} {0}, {true}"},
       frozenset({"elementwise"}), documentation="Not."),
    Op("select", ("c", "x", "y"), ("bool", "any", "any"), chosen, pointwise(lambda np, c, x, y: np.where(c, x, y).astype(np.asarray(x).dtype)),
       {"x": "select(c, g, 0.0)", "y": "select(c, 0.0, g)"},
       {"float": "select {c} {0}, {t} {1}, {t} {2}", "integer": "select {c} {0}, {t} {1}, {t} {2}", "bool": "select {c} {0}, {t} {1}, {t} {2}"},
       frozenset({"elementwise", "diagonal"}), "where", documentation="x where c holds, else y; both are evaluated."),
    # -- bits of integers
    bitwise("bit_and", lambda np, x, y: x & y, "and", "Bits set in both."),
    bitwise("bit_or", lambda np, x, y: x | y, "or", "Bits set in either."),
    bitwise("bit_xor", lambda np, x, y: x ^ y, "xor", "Bits set in exactly one."),
    bitwise("shift_left", _shift_left, "math", "x * 2**y, bits lost at the top; 0 where y isn't a place of a bit (below 0, or too large)."),
    bitwise("shift_right", _shift_right, "math", "Bits moved down, zeros from above; 0 where y isn't a place of a bit (below 0, or too large)."),
    # -- conversion, and what stands in the way of derivatives
    Op("convert", ("x",), ("any",), converted, _convert, "rule", {"float": "math", "integer": "math", "bool": "math"},
       frozenset({"elementwise", "linear"}), documentation="To another dtype: floats round to nearest, float to int truncates and saturates (NaN is 0)."),
    Op("stop_gradient", ("x",), ("any",), same, pointwise(lambda np, x: x), {}, {"float": "copy", "integer": "copy", "bool": "copy"},
       frozenset({"elementwise"}), "stop_gradient", documentation="x, a constant to every derivative."),
]
