"""All ten scalar types: what arithmetic, conversions, sums and products give, bit for bit, in all three ways of running."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dyn_calls import WAYS, Call, callable_program
from dynlang.ops.dtypes import NUMPY, convert, round_to_bf16

FLOATS, HALVES = ("f64", "f32", "f16", "bf16"), ("f16", "bf16")
INTEGERS = ("i64", "i32", "i16", "i8", "u8")
ALL = (*FLOATS, *INTEGERS, "bool")

ARITHMETIC = {"add": "+", "sub": "-", "mul": "*"}
COMPARISONS = {"less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==", "not_equal": "!="}


def number_functions(t: str) -> Iterator[str]:
    operators = ARITHMETIC | ({"divide": "/"} if t in FLOATS else {"floor_divide": "//", "mod": "%"})
    for name, sign in operators.items():
        yield f"fn {name}_{t}<n>(x: {t}[n], y: {t}[n]) -> {t}[n]:\n    return x {sign} y\n"
    for name, sign in COMPARISONS.items():
        yield f"fn {name}_{t}<n>(x: {t}[n], y: {t}[n]) -> bool[n]:\n    return x {sign} y\n"
    for name in ("abs", "sign"):
        yield f"fn {name}_{t}<n>(x: {t}[n]) -> {t}[n]:\n    return {name}(x)\n"
    for name in ("shift_left", "shift_right", "bit_and", "bit_or", "bit_xor") if t in INTEGERS else ():
        yield f"fn {name}_{t}<n>(x: {t}[n], y: {t}[n]) -> {t}[n]:\n    return {name}(x, y)\n"
    for name in ("max", "min"):
        yield f"fn {name}_{t}<n>(x: {t}[n], y: {t}[n]) -> {t}[n]:\n    return {name}(x, y)\n"
    for name in ("sum", "prod", "max", "min"):
        yield f"fn {name}_all_{t}<a, b, c>(x: {t}[a, b, c]) -> {t}:\n    return {name}(x)\n"
        yield f"fn {name}_inner_{t}<a, b, c>(x: {t}[a, b, c]) -> {t}[b]:\n    return {name}(x, axis=(0, 2))\n"
        yield f"fn {name}_each_{t}<n>(x: {t}[n], m: bool[n]) -> {t}:\n    return {name}(x[i] for i if m[i])\n"
    yield f"fn scalar_{t}(x: {t}, y: {t}) -> {t}:\n    return -x * y + abs(x)\n"
    yield f"fn dot_{t}<n>(x: {t}[n], y: {t}[n]) -> {t}:\n    return x @ y\n"
    yield f"fn each_dot_{t}<n>(x: {t}[n], y: {t}[n], m: bool[n]) -> {t}:\n    return sum(x[i] * y[i] for i if m[i])\n"
    yield f"fn matvec_{t}<m, n>(x: {t}[m, n], y: {t}[n]) -> {t}[m]:\n    return x @ y\n"
    yield f"fn vecmat_{t}<m, n>(x: {t}[m], y: {t}[m, n]) -> {t}[n]:\n    return x @ y\n"
    yield f"fn matmul_{t}<m, k, n>(x: {t}[m, k], y: {t}[k, n]) -> {t}[m, n]:\n    return x @ y\n"


def program() -> str:
    parts = [text for t in (*FLOATS, *INTEGERS) for text in number_functions(t)]
    parts += [f"fn cast_{s}_{t}<n>(x: {s}[n]) -> {t}[n]:\n    return {t}(x)\n" for s, t in itertools.product(ALL, ALL)]
    parts += [f"fn one_{s}_{t}(x: {s}) -> {t}:\n    return {t}(x)\n" for s, t in itertools.product(ALL, ALL)]
    return "\n".join(parts)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("scalars") / "scalars.dyn"
    file.write_text(program())
    return file


@pytest.fixture(scope="module", params=WAYS)
def call(request: pytest.FixtureRequest, path: Path) -> Iterator[Call]:
    names = [line[3:].split("(")[0].split("<")[0] for line in path.read_text().splitlines() if line.startswith("fn ")]
    with callable_program(path, names, request.param) as found:
        yield found


SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 300.7, -300.7, 65520.0, 1e30, -1e30, 3.3e38, np.inf, -np.inf, np.nan, 2.0**-14, 1e-7, 2.0**63)


def values(dtype: str, size: int, seed: int) -> Any:
    """Random numbers of a dtype, the awkward ones first."""
    random = np.random.default_rng(seed)
    if dtype == "bool":
        return random.random(size) < 0.5
    if dtype in INTEGERS:
        kind = np.dtype(NUMPY[dtype])
        limits = np.iinfo(kind)
        found = random.integers(limits.min, limits.max, size, dtype=kind, endpoint=True)
        found[:4] = [limits.min, limits.max, 0, 1][:size]
        return found
    found = random.standard_normal(size) * 10.0 ** random.integers(-3, 4, size)
    found[: len(SPECIAL)] = SPECIAL[:size]
    with np.errstate(all="ignore"):
        return convert(found, dtype)


def moderate(dtype: str, shape: tuple[int, ...], seed: int) -> Any:
    if dtype in INTEGERS:
        return values(dtype, int(np.prod(shape)), seed).reshape(shape)
    return convert(np.random.default_rng(seed).standard_normal(shape), dtype)


def rounded(x: Any, dtype: str) -> Any:
    with np.errstate(all="ignore"):
        return convert(np.asarray(x), dtype)


def same(found: Any, wanted: Any) -> bool:
    """The same bits, but any NaN for any NaN."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    if found.dtype != wanted.dtype or found.shape != wanted.shape:
        return False
    if found.dtype.kind != "f":
        return np.array_equal(found, wanted)
    word = np.dtype(f"u{found.dtype.itemsize}")
    return bool(np.all((found.view(word) == wanted.view(word)) | (np.isnan(found) & np.isnan(wanted))))


def elementwise(name: str, x: Any, y: Any, dtype: str) -> Any:
    """By NumPy, half types in f32 and rounded once."""
    names = {"max": "maximum", "min": "minimum", "divide": "true_divide", "sub": "subtract", "mul": "multiply"}
    function = getattr(np, names.get(name, name))
    with np.errstate(all="ignore"):
        if dtype in HALVES:
            found = function(np.float32(x), np.float32(y))
            return found if found.dtype == bool else rounded(found, dtype)
        return function(x, y)


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_elementwise_arithmetic(call: Call, dtype: str) -> None:
    x, y = values(dtype, 77, 1), np.roll(values(dtype, 77, 2), 5)
    own = ["divide"] if dtype in FLOATS else ["floor_divide", "mod"]
    for name in [*ARITHMETIC, *COMPARISONS, "max", "min", *own]:
        right = np.where(y == 0, np.asarray(3, y.dtype), y) if name in ("floor_divide", "mod") else y
        found = call(f"{name}_{dtype}", x=x, y=right)["result"]
        assert same(found, elementwise(name, x, right, dtype)), name


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_magnitudes_and_signs(call: Call, dtype: str) -> None:
    x = values(dtype, 77, 1)
    with np.errstate(all="ignore"):
        assert same(call(f"abs_{dtype}", x=x)["result"], np.abs(x))
        assert same(call(f"sign_{dtype}", x=x)["result"], np.sign(x))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_bits(call: Call, dtype: str) -> None:
    """An amount that is no place of a bit shifts everything out."""
    x, y = values(dtype, 77, 1), values(dtype, 77, 2)
    width = 8 * x.dtype.itemsize
    assert same(call(f"bit_and_{dtype}", x=x, y=y)["result"], x & y)
    assert same(call(f"bit_or_{dtype}", x=x, y=y)["result"], x | y)
    assert same(call(f"bit_xor_{dtype}", x=x, y=y)["result"], x ^ y)
    amounts = (np.arange(77) % (width + 3) - 1).astype(x.dtype)
    for word in ("left", "right"):
        bits = [int(one) % 2**width for one in x]
        pairs = [(b, int(k)) for b, k in zip(bits, amounts, strict=True)]
        moved = [(b << k if word == "left" else b >> k) % 2**width if 0 <= k < width else 0 for b, k in pairs]
        wanted = np.array(moved, f"u{x.dtype.itemsize}").astype(x.dtype)
        assert same(call(f"shift_{word}_{dtype}", x=x, y=amounts)["result"], wanted), word


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_scalar_arithmetic(call: Call, dtype: str) -> None:
    x, y = moderate(dtype, (9,), 5), moderate(dtype, (9,), 6)
    for a, b in zip(x, y, strict=True):
        with np.errstate(all="ignore"):
            product = elementwise("mul", -np.asarray(a), np.asarray(b), dtype)
            wanted = elementwise("add", product, np.abs(np.asarray(a)), dtype)
        assert same(call(f"scalar_{dtype}", x=a, y=b)["result"], wanted)


@pytest.mark.parametrize("source", ALL)
def test_conversions(call: Call, source: str) -> None:
    """Every pair, arrays and scalars: to floats by rounding to even, floats to ints truncated and saturated (NaN is 0), ints wrap."""
    x = values(source, 77, 3)
    for target in ALL:
        wanted = rounded(x, target)
        assert same(call(f"cast_{source}_{target}", x=x)["result"], wanted), target
        for place in range(0, 20):
            assert same(call(f"one_{source}_{target}", x=x[place])["result"], wanted[place]), (target, x[place])


def test_what_conversions_mean() -> None:
    """The meaning itself, on numbers worked out by hand."""
    assert convert(np.array([300.7, -300.7, np.nan, np.inf, -np.inf, -0.9]), "i8").tolist() == [127, -128, 0, 127, -128, 0]
    assert convert(np.array([300.7, -1.0, 2.9]), "u8").tolist() == [255, 0, 2]
    assert convert(np.array([300, -300, 129]), "i8").tolist() == [44, -44, -127]
    assert convert(np.array([-1, 256]), "u8").tolist() == [255, 0]
    assert convert(np.array([1e30, np.nan]), "i64").tolist() == [2**63 - 1, 0]
    assert convert(np.array([0.0, -0.0, np.nan, 1e-30]), "bool").tolist() == [False, False, True, True]
    assert convert(np.array([65519.0, 65520.0, -1e9]), "f16").tolist() == [65504.0, np.inf, -np.inf]
    assert convert(np.array([1.00390625, 1.01171875]), "bf16").tolist() == [1.0, 1.015625]
    assert convert(np.array([1.00390625 + 2.0**-40]), "bf16").tolist() == [1.0078125], "f64 to bf16 rounds once"
    assert convert(np.array([True, False]), "f16").tolist() == [1.0, 0.0]


def summed(x: Any, dtype: str) -> Any:
    """From the first to the last, in f32 for half types."""
    total = np.float32(0) if dtype in HALVES else np.zeros((), x.dtype)[()]
    with np.errstate(all="ignore"):
        for one in np.ravel(x):
            total = total + one.astype(total.dtype)
    return rounded(total, dtype) if dtype in HALVES else np.asarray(total)


def multiplied(x: Any, y: Any, dtype: str) -> Any:
    """A matrix product; of half types the exact products added in f32 in order, of ints modulo 2 to the width."""
    wide = np.float32 if dtype in HALVES else x.dtype
    total = np.zeros((x.shape[0], y.shape[1]), wide)
    with np.errstate(all="ignore"):
        for k in range(x.shape[1]):
            total = total + np.multiply.outer(x[:, k].astype(wide), y[k].astype(wide))
    return rounded(total, dtype)


@pytest.mark.parametrize("dtype", [*HALVES, *INTEGERS])
def test_sums_are_exact_to_the_bit(call: Call, dtype: str) -> None:
    x = moderate(dtype, (3, 5, 41), 7)
    flat, mask = x.reshape(-1), np.arange(x.size) % 3 > 0
    assert same(call(f"sum_all_{dtype}", x=x)["result"], summed(x, dtype))
    assert same(call(f"sum_each_{dtype}", x=flat, m=mask)["result"], summed(flat[mask], dtype))
    for name in ("max", "min"):
        assert same(call(f"{name}_all_{dtype}", x=x)["result"], getattr(np, name)(x))
        assert same(call(f"{name}_inner_{dtype}", x=x)["result"], getattr(np, name)(x, axis=(0, 2)))
        assert same(call(f"{name}_each_{dtype}", x=flat, m=mask)["result"], getattr(np, name)(flat[mask]))
    inner = call(f"sum_inner_{dtype}", x=x)["result"]
    if dtype in INTEGERS:
        assert same(inner, np.sum(x, axis=(0, 2), dtype=x.dtype))
        assert same(call(f"prod_all_{dtype}", x=x)["result"], np.prod(x, dtype=x.dtype))
        assert same(call(f"prod_inner_{dtype}", x=x)["result"], np.prod(x, axis=(0, 2), dtype=x.dtype))
    else:
        rows = [np.add.accumulate(np.concatenate([np.zeros(1, np.float32), np.float32(x[a, b])]))[-1] for b in range(5) for a in range(3)]
        wanted = [np.add.accumulate(np.array([0, *rows[3 * b:3 * b + 3]], np.float32))[-1] for b in range(5)]
        assert same(inner, rounded(np.array(wanted, np.float32), dtype)), "what the inner axis gives isn't rounded before it is added"


@pytest.mark.parametrize("dtype", [*HALVES, *INTEGERS])
def test_products_are_exact_to_the_bit(call: Call, dtype: str) -> None:
    x, y = moderate(dtype, (7, 33), 8), moderate(dtype, (33, 5), 9)
    assert same(call(f"matmul_{dtype}", x=x, y=y)["result"], multiplied(x, y, dtype))
    assert same(call(f"matvec_{dtype}", x=x, y=y[:, 0])["result"], multiplied(x, y[:, :1], dtype)[:, 0])
    assert same(call(f"vecmat_{dtype}", x=x[0], y=y)["result"], multiplied(x[:1], y, dtype)[0])
    assert same(call(f"dot_{dtype}", x=x[0], y=y[:, 0])["result"], multiplied(x[:1], y[:, :1], dtype)[0, 0])
    everything = np.ones(33, bool)
    found = call(f"each_dot_{dtype}", x=x[0], y=y[:, 0], m=everything)["result"]
    assert same(found, multiplied(x[:1], y[:, :1], dtype)[0, 0]), "a sum of products in a loop is the same as `@`"


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_sums_and_products_of_wide_floats(call: Call, dtype: str) -> None:
    """Within the rounding of another order of addition."""
    x, y = moderate(dtype, (7, 33), 8), moderate(dtype, (33, 5), 9)
    eps = float(np.finfo(x.dtype).eps)
    bound = 2 * 33 * eps * (np.abs(x).astype(np.float64) @ np.abs(y).astype(np.float64))
    assert np.all(np.abs(call(f"matmul_{dtype}", x=x, y=y)["result"].astype(np.float64) - x.astype(np.float64) @ y) <= bound)
    total = call(f"sum_all_{dtype}", x=x[None])["result"]
    assert abs(float(total) - float(np.sum(x.astype(np.float64)))) <= x.size * eps * float(np.sum(np.abs(x)))


def test_rounding_to_bf16_is_to_even() -> None:
    assert round_to_bf16(np.float32(1.00390625)) == 1.0
    assert round_to_bf16(np.float32(1.01171875)) == 1.015625
    assert np.isnan(round_to_bf16(np.float32("nan")))
