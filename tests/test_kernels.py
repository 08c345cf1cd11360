"""Vector maths and dense kernels, run through the JIT and compared with NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from dynlang.native import kernels
from dynlang.native import target as targets
from dynlang.native.emit import ModuleText, vector
from dynlang.native.lanes import FORMATS
from dynlang.native.target import Target
from dynlang.native.vectormath import BINARY, UNARY, emit_binary, emit_unary
from native_calls import address, link, narrow_targets

NUMPY: dict[str, Any] = {
    "f32": np.float32,
    "f64": np.float64,
    "i64": np.int64,
    "i32": np.int32,
    "i16": np.int16,
    "i8": np.int8,
    "u8": np.uint8,
}
TARGETS = narrow_targets()
FLOATS = ("f32", "f64")
LEVEL = {TARGETS[0]: 2} | dict.fromkeys(TARGETS[1:], 0)
"""Optimisation where a test doesn't choose: bits don't depend on it, compile time does."""
each_target = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.cpu)
each_float = pytest.mark.parametrize("dtype", FLOATS)


# ---------------------------------------------------------------- elementary functions


@cache
def maths(dtype: str, target: Target, width: int, optimisation: int) -> dict[str, Callable[..., Any]]:
    """Every elementary function as a loop over arrays."""
    module = ModuleText(target)
    scalar = FORMATS[dtype].scalar
    kind = vector(scalar, width)
    made = []
    for name in (*UNARY, *BINARY):
        f = module.function(name, "void", "i64 n", "ptr x", "ptr z", "ptr y", attributes="nounwind noinline")
        with f.loop(0, "%n", width) as loop:
            x, z, y = (f.offset(pointer, loop.index, scalar) for pointer in ("%x", "%z", "%y"))
            operand = f.load(kind, x)
            if name in UNARY:
                result = emit_unary(f, name, dtype, width, operand)
            else:
                result = emit_binary(f, name, dtype, width, operand, f.load(kind, z))
            f.store(kind, result, y)
        f.ret()
        made.append(module.signatures[name])
    return link(module, made, optimisation)


def run(name: str, x: Any, z: Any = None, *, target: Target = TARGETS[0], width: int = 8, optimisation: int | None = None) -> Any:
    """A function at every element, as NumPy would give it."""
    dtype = "f32" if x.dtype == np.float32 else "f64"
    missing = -len(x) % width
    x = np.concatenate([x, np.ones(missing, x.dtype)])
    z = x if z is None else np.concatenate([z, np.ones(missing, x.dtype)])
    y = np.empty_like(x)
    maths(dtype, target, width, LEVEL[target] if optimisation is None else optimisation)[name](len(x), address(x), address(z), address(y))
    return y[: len(y) - missing]


def distance(result: Any, exact: Any) -> float:
    """The largest error in units in the last place of the result's type; `exact` is in extended precision."""
    limits = np.finfo(result.dtype)
    exponent = np.maximum(np.frexp(np.abs(exact))[1] - 1 - limits.nmant, int(np.log2(limits.smallest_subnormal)))
    return float(np.max(np.abs(result.astype(np.longdouble) - exact) / np.ldexp(np.longdouble(1), exponent), initial=0.0))


def spread(low: float, high: float, dtype: str, count: int = 20_000) -> Any:
    """Numbers of both signs, even over the range and even over its magnitudes."""
    random = np.random.default_rng(7)
    size = max(abs(low), abs(high))
    near = np.exp(random.uniform(np.log(size * 1e-9), np.log(size), count)) * random.choice([-1.0, 1.0], count)
    return np.concatenate([random.uniform(low, high, count), near[(near >= low) & (near <= high)]]).astype(NUMPY[dtype])


def exact_erf(x: Any) -> Any:
    return np.array([math.erf(value) for value in x.astype(np.float64)], np.longdouble)


EXACT: dict[str, tuple[Callable[[Any], Any], tuple[float, float], tuple[float, float], float]] = {
    # function, range for f32, range for f64, bound in units in the last place
    "exp": (np.exp, (-103, 88), (-744, 709), 1.1),
    "expm1": (np.expm1, (-50, 88), (-50, 709), 2.1),
    "log": (np.log, (1e-38, 3e38), (1e-300, 1e300), 1.1),
    "log1p": (np.log1p, (-0.9999, 1e10), (-0.9999, 1e10), 1.7),
    "sin": (np.sin, (-100, 100), (-100, 100), 1.7),
    "cos": (np.cos, (-100, 100), (-100, 100), 1.7),
    "tanh": (np.tanh, (-20, 20), (-30, 30), 2.7),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), (-100, 40), (-740, 50), 2.5),
    "erf": (exact_erf, (-5, 5), (-7, 7), 2.1),
    "atan": (np.arctan, (-1e5, 1e5), (-1e9, 1e9), 3.0),
    "sqrt": (np.sqrt, (0, 1e30), (0, 1e300), 0.5),
}


@each_target
@each_float
@pytest.mark.parametrize("name", EXACT)
def test_elementary_functions_are_accurate(name: str, dtype: str, target: Target) -> None:
    function, *ranges, bound = EXACT[name]
    low, high = ranges[FLOATS.index(dtype)]
    x = spread(low, high, dtype)
    assert distance(run(name, x, target=target), function(x.astype(np.longdouble))) <= bound


@each_target
@each_float
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_large_arguments_are_reduced_exactly(name: str, dtype: str, target: Target) -> None:
    largest = float(np.finfo(NUMPY[dtype]).max) / 4
    multiples = (np.arange(1, 5000) * (np.pi / 2)).astype(NUMPY[dtype])
    x = np.concatenate([spread(-8e5, 8e5, dtype), spread(-1e9, 1e9, dtype), spread(-largest, largest, dtype), multiples])
    exact = getattr(np, name)(x.astype(np.longdouble))
    # The C library's extended functions reduce exactly too; its doubles are a second witness.
    assert np.allclose(exact.astype(np.float64), getattr(np, name)(x.astype(np.float64)), rtol=1e-9, atol=0)
    assert distance(run(name, x, target=target), exact) <= 1.7


def test_a_lane_far_out_leaves_its_neighbours_alone() -> None:
    x = np.array([1.0, 1e300, 1e-300, 0.5, -0.0, 3.0, 2.0, 1e-320])
    alone = np.concatenate([run("sin", np.array([value] * 8))[:1] for value in x])
    assert np.array_equal(run("sin", x), alone)


SPECIAL = [0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -1.0]


@each_target
@each_float
@pytest.mark.parametrize("name", [name for name in EXACT if name != "sqrt"] + ["floor", "ceil", "round", "trunc", "sign", "abs"])
def test_special_values(name: str, dtype: str, target: Target) -> None:
    tiny = float(np.finfo(NUMPY[dtype]).smallest_subnormal)
    x = np.array([*SPECIAL, tiny, -tiny, 1e-30, -1e-30, 0.5, -0.5, 2.5, -2.5], NUMPY[dtype])
    meaning = {"erf": exact_erf, "abs": np.abs, "round": np.round, "sigmoid": EXACT["sigmoid"][0]}.get(name) or getattr(np, name)
    with np.errstate(all="ignore"):
        expected = meaning(x.astype(np.longdouble)).astype(NUMPY[dtype])
    got = run(name, x, target=target)
    assert np.array_equal(np.isnan(got), np.isnan(expected))
    assert np.allclose(got, expected, rtol=1e-6, atol=0, equal_nan=True), (x, got, expected)
    assert np.array_equal(np.signbit(got[~np.isnan(got)]), np.signbit(expected[~np.isnan(got)])), (x, got, expected)


@each_float
def test_exp_over_and_underflows(dtype: str) -> None:
    end, bottom = {"f32": (88.8, -104.5), "f64": (709.9, -746.0)}[dtype]
    x = np.array([end, 1e4, 1e30, bottom, -1e4, -1e30], NUMPY[dtype])
    assert run("exp", x).tolist() == [math.inf] * 3 + [0.0] * 3


@each_target
@each_float
@pytest.mark.parametrize("name", ["floor", "ceil", "round", "trunc"])
def test_rounding_is_exact(name: str, dtype: str, target: Target) -> None:
    x = np.concatenate([spread(-1000, 1000, dtype), np.arange(-50, 50, 0.5).astype(NUMPY[dtype]), spread(-1e30, 1e30, dtype)])
    edge = 2.0 ** np.finfo(NUMPY[dtype]).nmant
    x = np.concatenate([x, np.array([edge - 0.5, edge, edge + 1, -edge, 0.49999997, -0.49999997], NUMPY[dtype])])
    assert np.array_equal(run(name, x, target=target), getattr(np, name)(x))


@each_target
@each_float
def test_power_is_accurate(dtype: str, target: Target) -> None:
    random = np.random.default_rng(3)
    x = np.concatenate([random.uniform(0.01, 100, 9000), random.uniform(0.999, 1.001, 9000)]).astype(NUMPY[dtype])
    y = np.concatenate([random.uniform(-18, 18, 9000), random.uniform(-8e4, 8e4, 9000)]).astype(NUMPY[dtype])
    assert distance(run("power", x, y, target=target), np.power(x.astype(np.longdouble), y.astype(np.longdouble))) <= 0.8


@each_target
@each_float
def test_power_of_special_values(dtype: str, target: Target) -> None:
    values = [*SPECIAL, 2.0, -2.0, 3.0, -3.0, 0.5, -0.5, 1e30, -1e30, 1e-30, 4503599627370497.0, 2.0**70]
    x, y = (np.ravel(side).astype(NUMPY[dtype]) for side in np.meshgrid(values, values))
    with np.errstate(all="ignore"):
        expected = np.power(x, y)
    got = run("power", x, y, target=target)
    wrong = ~(np.isclose(got, expected, rtol=1e-6, atol=0, equal_nan=True) & (np.isnan(got) | (np.signbit(got) == np.signbit(expected))))
    assert not wrong.any(), list(zip(x[wrong], y[wrong], got[wrong], expected[wrong], strict=True))


@each_float
@pytest.mark.parametrize("name", ["maximum", "minimum", "copysign"])
def test_choices(name: str, dtype: str) -> None:
    values = np.array([*SPECIAL, 2.0, -3.5], NUMPY[dtype])
    x, y = (np.ravel(side) for side in np.meshgrid(values, values))
    assert np.array_equal(run(name, x, y), getattr(np, name)(x, y), equal_nan=True)


@each_float
@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_bits_depend_neither_on_place_nor_on_optimisation(name: str, dtype: str) -> None:
    x = np.concatenate([spread(-4, 4, dtype, 400), spread(-1e7, 1e7, dtype, 400), np.array(SPECIAL, NUMPY[dtype])])
    z = x[::-1].copy()
    results = [run(name, x, z, width=width, optimisation=optimisation) for width, optimisation in ((1, 0), (1, 2), (4, 2), (8, 0), (16, 2))]
    for other in results[1:]:
        assert np.array_equal(results[0], other, equal_nan=True)


@pytest.mark.parametrize("dtype", ["i64", "i32", "i8"])
def test_integer_division_rounds_down_and_never_traps(dtype: str) -> None:
    limits = np.iinfo(NUMPY[dtype])
    values = np.array([limits.min, limits.min + 1, -7, -3, -2, -1, 1, 2, 3, 7, limits.max], NUMPY[dtype])
    x, y = (np.ravel(side) for side in np.meshgrid(np.append(values, NUMPY[dtype](0)), values))
    module = ModuleText(targets.host())
    scalar = dtype
    for name in ("floor_division", "floor_modulo"):
        f = module.function(name, "void", "i64 n", "ptr x", "ptr z", "ptr y")
        with f.loop(0, "%n") as loop:
            place = [f.offset(pointer, loop.index, scalar) for pointer in ("%x", "%z", "%y")]
            f.store(scalar, emit_binary(f, name, dtype, 1, f.load(scalar, place[0]), f.load(scalar, place[1])), place[2])
        f.ret()
    functions = link(module, list(module.signatures.values()))
    for name, meaning in (("floor_division", np.floor_divide), ("floor_modulo", np.mod)):
        result = np.empty_like(x)
        functions[name](len(x), address(x), address(y), address(result))
        with np.errstate(all="ignore"):
            assert np.array_equal(result, meaning(x, y))


# ---------------------------------------------------------------- kernels


@cache
def kernel(name: str, dtype: str, target: Target = TARGETS[0], optimisation: int | None = None) -> Callable[..., Any]:
    module = ModuleText(target)
    made = kernels.declare(module, name, dtype)
    return link(module, [made], LEVEL[target] if optimisation is None else optimisation)[made.name]


def call(name: str, *operands: Any, target: Target = TARGETS[0], optimisation: int | None = None) -> Any:
    """A kernel on sizes and arrays; the dtype is that of the last array."""
    dtype = next(word for word, kind in NUMPY.items() if kind == operands[-1].dtype.type)
    plain = [address(operand) if isinstance(operand, np.ndarray) else operand for operand in operands]
    return kernel(name, dtype, target, optimisation)(*plain)


def sample(*shape: int, dtype: str, seed: int = 0) -> Any:
    """Random numbers whose first element is not aligned to a vector."""
    count = math.prod(shape)
    return np.random.default_rng(seed + count).standard_normal(count + 1).astype(NUMPY[dtype])[1:].reshape(shape)


def tolerance(dtype: str, terms: int) -> float:
    return (terms + 1) * {"f32": 4e-6, "f64": 1e-14}[dtype]


SHAPES = [(0, 3, 4), (3, 0, 4), (3, 4, 0), (1, 1, 1), (2, 3, 5), (3, 300, 31), (5, 7, 17), (6, 16, 16), (7, 130, 33), (8, 8, 64),
          (9, 40, 40), (13, 5, 31), (12, 64, 32), (25, 300, 47), (500, 3, 2)]  # fmt: skip
FORMS: dict[str, Callable[[Any, Any], tuple[Any, Any]]] = {
    "matmul": lambda a, b: (a, b),
    "matmul_nt": lambda a, b: (a, np.ascontiguousarray(b.T)),
    "matmul_tn": lambda a, b: (np.ascontiguousarray(a.T), b),
}


@each_target
@each_float
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_matrix_products(shape: tuple[int, int, int], dtype: str, target: Target) -> None:
    m, k, n = shape
    a, b = sample(m, k, dtype=dtype), sample(k, n, dtype=dtype, seed=1)
    exact = a.astype(np.longdouble) @ b.astype(np.longdouble)
    first = None
    for form, arranged in FORMS.items():
        left, right = arranged(a, b)
        result = sample(m, n, dtype=dtype, seed=2)
        call(form, m, k, n, left, right, result, target=target)
        assert np.allclose(result, exact, atol=tolerance(dtype, k), rtol=0)
        # All forms add in the same order.
        first = result if first is None else first
        assert np.array_equal(result, first)
        sums = sample(m, n, dtype=dtype, seed=2)
        call(form + "_accumulate", m, k, n, left, right, sums, target=target)
        assert np.allclose(sums, sample(m, n, dtype=dtype, seed=2) + exact, atol=tolerance(dtype, k), rtol=0)


@each_target
@each_float
@pytest.mark.parametrize("odd", [0.0, np.inf, np.nan])
@pytest.mark.parametrize("m, k, n", [(33, 22, 64), (100, 9, 40), (1000, 5, 17), (40, 1, 3), (64, 600, 20)])
def test_rows_of_zeros_in_a_product(m: int, k: int, n: int, odd: float, dtype: str, target: Target) -> None:
    a, b, result, expected = sample(m, k, dtype=dtype), sample(k, n, dtype=dtype, seed=1), *(sample(m, n, dtype=dtype) for _ in range(2))
    zeros = np.random.default_rng(4).uniform(size=b.shape) < 0.5
    b[zeros.any(axis=1) if n < 20 else slice(1, None)] = 0.0
    b[:, 5:n // 2] = 0.0
    b[0, 0] = -0.0
    a[m // 3, k - 1] = odd
    call("matmul", m, k, n, a, b, result, target=target)
    call("matmul_nt", m, k, n, a, np.ascontiguousarray(b.T), expected, target=target)  # which goes through all of them
    assert np.array_equal(result, expected, equal_nan=True) and np.array_equal(np.signbit(result), np.signbit(expected))


@each_target
@each_float
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape[0]], ids=str)
def test_a_row_of_a_product_has_the_bits_of_vecmat(shape: tuple[int, int, int], dtype: str, target: Target) -> None:
    """Where rows are longer than 256 bytes; the sums of shorter ones go in several chains."""
    m, k, n = shape
    n += 256 // np.dtype(NUMPY[dtype]).itemsize + 1
    a, b, result = sample(m, k, dtype=dtype), sample(k, n, dtype=dtype, seed=1), sample(m, n, dtype=dtype, seed=2)
    call("matmul", m, k, n, a, b, result, target=target)
    for row, expected in zip(a, result, strict=True):
        alone = np.empty_like(expected)
        call("vecmat", k, n, row, b, alone, target=target)
        assert np.array_equal(alone, expected)


@each_target
@each_float
@pytest.mark.parametrize("m, n", [(0, 5), (5, 0), (1, 1), (3, 15), (4, 16), (7, 33), (9, 100), (150, 150), (16, 5), (35, 32), (39, 48),
                                  (66, 64)])
def test_matrix_times_vector(m: int, n: int, dtype: str, target: Target) -> None:
    w, x, v = sample(m, n, dtype=dtype), sample(n, dtype=dtype, seed=1), sample(m, dtype=dtype, seed=2)
    for name, operands, exact, size in (
        ("matvec", (w, x), w.astype(np.longdouble) @ x, m),
        ("vecmat", (v, w), v @ w.astype(np.longdouble), n),
    ):
        result = sample(size, dtype=dtype, seed=3)
        call(name, m, n, *operands, result, target=target)
        assert np.allclose(result, exact, atol=tolerance(dtype, m + n), rtol=0)
        sums = sample(size, dtype=dtype, seed=4)
        call(name + "_accumulate", m, n, *operands, sums, target=target)
        assert np.allclose(sums, sample(size, dtype=dtype, seed=4) + exact, atol=tolerance(dtype, m + n), rtol=0)
        if name == "matvec":
            assert result.tolist() == [call("dot", n, row, x, target=target) for row in w]


@each_target
@each_float
@pytest.mark.parametrize("count, m, n", [(0, 3, 4), (3, 0, 4), (3, 4, 0), (1, 1, 1), (2, 3, 5), (5, 9, 33), (9, 6, 64), (7, 40, 100)])
def test_matrix_times_many_vectors(count: int, m: int, n: int, dtype: str, target: Target) -> None:
    """The bits of one at a time."""
    w, x, result = sample(m, n, dtype=dtype), sample(count, n, dtype=dtype, seed=1), sample(count, m, dtype=dtype, seed=2)
    call("matvecs", count, m, n, w, x, result, target=target)
    for one, expected in zip(x, result, strict=True):
        alone = np.empty_like(expected)
        call("matvec", m, n, w, one, alone, target=target)
        assert np.array_equal(alone, expected)


@each_target
@each_float
@pytest.mark.parametrize("m, n", [(0, 5), (5, 0), (1, 1), (3, 15), (8, 8), (9, 17), (33, 100)])
def test_outer_products_and_transposes(m: int, n: int, dtype: str, target: Target) -> None:
    u, v = sample(m, dtype=dtype), sample(n, dtype=dtype, seed=1)
    result = sample(m, n, dtype=dtype, seed=2)
    before = result.copy()
    call("outer_accumulate", m, n, result, u, v, target=target)
    assert np.allclose(result, before + np.outer(u, v), atol=tolerance(dtype, 1), rtol=0)
    call("outer", m, n, result, u, v, target=target)
    assert np.array_equal(result, np.outer(u, v))
    turned = np.empty((n, m), NUMPY[dtype])
    call("transpose", m, n, result, turned, target=target)
    assert np.array_equal(turned, result.T)


def expected_reduction(kind: str, x: Any) -> Any:
    """NumPy's, along axis 1; of no floats the identity."""
    if kind in ("max", "min") and x.dtype.kind == "f":
        return getattr(x, kind)(axis=1, initial={"max": -np.inf, "min": np.inf}[kind])
    with np.errstate(over="ignore"):
        return getattr(x, kind)(axis=1, **({"dtype": x.dtype} if kind in ("sum", "prod") else {}))


SLABS = [(1, 1, 1), (1, 15, 1), (2, 16, 1), (1, 129, 1), (3, 200, 1), (2, 3, 4), (3, 1, 70), (2, 9, 33), (0, 3, 3), (3, 3, 0), (7, 33, 1)]


@pytest.mark.parametrize("dtype", NUMPY)
@pytest.mark.parametrize("kind", kernels.REDUCTIONS)
def test_reductions_over_an_axis(kind: str, dtype: str) -> None:
    for shape in [*SLABS, *([(3, 0, 3)] if dtype in FLOATS and not kind.startswith("arg") else [])]:
        if dtype in FLOATS:
            x = 1 + 0.1 * sample(*shape, dtype=dtype) if kind == "prod" else np.round(sample(*shape, dtype=dtype), 1)
        else:
            x = np.random.default_rng(math.prod(shape)).integers(0, 250, shape).astype(NUMPY[dtype])
        result = np.zeros((shape[0], shape[2]), np.int64 if kind.startswith("arg") else NUMPY[dtype])
        kernel(f"reduce_{kind}", dtype)(*shape, address(x), address(result))
        expected = expected_reduction(kind, x)
        if dtype in FLOATS and kind in ("sum", "prod"):
            assert np.allclose(result, expected, rtol=1e-4 if dtype == "f32" else 1e-12, atol=tolerance(dtype, shape[1]))
        else:
            assert np.array_equal(result, expected)
        if shape[0] == shape[2] == 1:
            single = call(kind, shape[1], x)
            assert NUMPY[dtype](single) == result[0, 0] if dtype != "u8" else single % 256 == result[0, 0]


@each_float
def test_extremes_see_nan_and_take_the_first(dtype: str) -> None:
    x = np.array([1, 3, 3, np.nan, 5, np.nan], NUMPY[dtype])
    assert math.isnan(call("max", 6, x)) and math.isnan(call("min", 6, x))
    assert call("argmax", 6, x) == 3 and call("argmin", 6, x) == 3
    assert call("argmax", 3, x) == 1 and call("max", 3, x) == 3
    for n in (40, 100):
        long = np.zeros(n, NUMPY[dtype])
        long[n - 2] = np.nan
        assert math.isnan(call("max", n, long)) and call("argmin", n, long) == n - 2


@each_float
def test_kernels_give_the_same_bits_at_every_optimisation_level(dtype: str) -> None:
    m, k, n = 21, 137, 39
    a, b = sample(m, k, dtype=dtype), sample(k, n, dtype=dtype, seed=1)
    results = []
    for optimisation in (0, 1, 2):
        c, y, z = (np.zeros(shape, NUMPY[dtype]) for shape in ((m, n), m, k))
        call("matmul", m, k, n, a, b, c, optimisation=optimisation)
        call("matvec", m, k, a, b[:, 0].copy(), y, optimisation=optimisation)
        call("vecmat", m, k, y, a, z, optimisation=optimisation)
        single = [call(name, m * k, a, optimisation=optimisation) for name in ("sum", "prod", "max", "min")]
        results.append((c.tobytes(), y.tobytes(), z.tobytes(), single, call("dot", m * k, a, a, optimisation=optimisation)))
    assert all(other == results[0] for other in results[1:])


@pytest.mark.parametrize(
    "target",
    [targets.AARCH64, targets.RISCV64, targets.WASM32, targets.X86_64, targets.X86_64_V3, targets.X86_64_V4],
    ids=lambda target: target.triple + target.cpu,
)
def test_every_target_compiles_without_a_maths_library(target: Target) -> None:
    module = ModuleText(target)
    for dtype in FLOATS:
        kernels.declare(module, "matmul", dtype)
        for name in (*UNARY, *BINARY):
            lanes = target.lanes(FORMATS[dtype].scalar)
            kind = vector(FORMATS[dtype].scalar, lanes)
            f = module.function(f"{name}.{dtype}", kind, f"{kind} x", f"{kind} y", linkage="")
            operands = ("%x",) if name in UNARY else ("%x", "%y")
            f.ret((emit_unary if name in UNARY else emit_binary)(f, name, dtype, lanes, *operands))
    module.export("dyn.kernel.matmul.f32")
    code = targets.compile_object(module.text(), target)
    for library_function in (b"floor", b"fmaf", b"sinf", b"expf", b"roundeven", b"truncf", b"ceilf"):
        assert b"\0" + library_function + b"\0" not in code
