"""The functions of `arrays` and `numeric` that NumPy has under the same names give what NumPy gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from dyn_calls import WAYS, Call, callable_program

PROGRAM = """
fn sums<n, m>(x: f32[n, m]) -> f32[n, m]:
    return cumsum(x)
fn products<n>(x: f64[n]) -> f64[n]:
    return cumprod(x)
fn ints<n>(x: int[n]) -> (int[n], idx<n>[n], int[n], int[?]):
    return cumsum(x), argsort(x), sort(x), unique(x)
fn small<n>(x: i8[n]) -> (i8[n], idx<n>[n]):
    return sort(x), argsort(x)
fn floats<n>(x: f32[n]) -> (f32[n], idx<n>[n], f32[?]):
    return sort(x), argsort(x), unique(x)
fn differences<n>(x: f32[n + 1]) -> f32[n]:
    return diff(x)
fn top<n>(x: f32[n]) -> (f32[3], idx<n>[3]):
    return largest(x, 3)
fn search<n, m>(x: f32[n], v: f32[m]) -> int[m]:
    return [searchsorted(x, one) for one in v]
fn places<n>(m: bool[n]) -> idx<n>[?]:
    return nonzero(m)
fn counts<m>(ids: idx<5>[m]) -> int[5]:
    return bincount(ids)
fn parts<n>(x: f32[n]) -> int[4]:
    return histogram(x, -1.0, 1.0, 4)
fn steps(a: int, b: int, s: int) -> int[?]:
    return arange(a, b, s)
fn padded<n>(x: f32[n]) -> f32[n + 5]:
    return pad(x, 2, 3, value=7.0)
fn repeated<n, m>(x: f32[n, m]) -> (f32[n * 3, m], f32[3 * n, m]):
    return repeat(x, 3), tile(x, 3)
fn grids<n, m>(x: f32[n], y: f32[m]) -> (f32[m, n], f32[m, n]):
    return meshgrid(x, y)
fn squares<n>(x: f32[n, n]) -> (f32[n], f32, f32[n, n], f32[n, n], f32[n * n], f32[n, n]):
    return diagonal(x), trace(x), tril(x), triu(x, 1), flatten(x), diag(diagonal(x))
fn crossed(x: f32[3], y: f32[3]) -> f32[3]:
    return cross(x, y)
fn spread<n>(x: f64[n]) -> (f64, f64, f64, f64):
    return variance(x), std(x), median(x), quantile(x, 0.3)
fn between<n, m>(at: f64[m], x: f64[n], y: f64[n]) -> f64[m]:
    return [interp(one, x, y) for one in at]
fn polynomial<n>(c: f64[n], x: f64) -> f64:
    return polyval(c, x)
fn evenly() -> (f32[5], f64[1]):
    return linspace(-1.0, 1.0), linspace(3.0, 9.0)
fn chosen<n>(x: f32[n], y: f32[n]) -> f32[n]:
    return where(x > y, x, 2.0 * y)
fn moved<n>(x: f32[n]) -> f32[n]:
    return roll(x, 2)
fn added<n, m>(d: f32[n], ids: idx<n>[m], v: f32[m]) -> f32[n]:
    return scatter_add(d, ids, v)
"""
NAMES = [line[3:].split("(")[0].split("<")[0] for line in PROGRAM.splitlines() if line.startswith("fn ")]


@pytest.fixture(scope="module", params=WAYS)
def call(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Call]:
    file = tmp_path_factory.mktemp("arrays") / "arrays.dyn"
    file.write_text(PROGRAM)
    with callable_program(file, NAMES, request.param) as found:
        yield found


def agree(found: dict[str, Any], *wanted: Any) -> None:
    assert len(found) == len(wanted)
    for value, expected in zip(found.values(), wanted, strict=True):
        expected = np.asarray(expected)
        assert value.shape == expected.shape, (value, expected)
        if expected.dtype.kind == "f":
            tolerance = 1e-5 if value.dtype == np.float32 else 1e-12
            assert np.allclose(value, expected, rtol=tolerance, atol=tolerance, equal_nan=True), (value, expected)
        else:
            assert np.array_equal(value, expected), (value, expected)


def random(*shape: int, seed: int = 3) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 17, 64])
def test_sorting(call: Call, n: int) -> None:
    x = np.round(random(n) * 3).astype(np.float32)
    agree(call("floats", x=x), np.sort(x), np.argsort(x, kind="stable"), np.unique(x))
    whole = x.astype(np.int64)
    agree(call("ints", x=whole), np.cumsum(whole), np.argsort(whole, kind="stable"), np.sort(whole), np.unique(whole))
    agree(call("small", x=whole.astype(np.int8)), np.sort(whole), np.argsort(whole, kind="stable"))


def test_sorting_of_nan_and_infinities(call: Call) -> None:
    x = np.array([np.nan, 2, -np.inf, np.inf, np.nan, -1], np.float32)
    found = call("floats", x=x)
    agree({"sorted": found["result.0"], "order": found["result.1"]}, np.sort(x), np.argsort(x, kind="stable"))


@pytest.mark.parametrize("n", [0, 1, 5])
def test_running_totals(call: Call, n: int) -> None:
    x = random(n, 3)
    agree(call("sums", x=x), np.cumsum(x, axis=0))
    agree(call("products", x=x[:, 0].astype(np.float64)), np.cumprod(x[:, 0].astype(np.float64)))
    agree(call("differences", x=random(n + 1)), np.diff(random(n + 1)))


def test_finding(call: Call) -> None:
    x = np.array([1, 5, 3, 5, 2], np.float32)
    agree(call("top", x=x), [5, 5, 3], [1, 3, 2])
    ordered, at = np.sort(random(9)), random(20, seed=4)
    agree(call("search", x=ordered, v=at), np.searchsorted(ordered, at))
    mask = random(11) > 0
    agree(call("places", m=mask), np.flatnonzero(mask))
    ids = np.array([0, 4, 4, 1, 0, 4])
    agree(call("counts", ids=ids), np.bincount(ids, minlength=5))
    points = np.clip(random(50), -1.2, 1.2)
    points[:3] = [-1, 1, 0]
    agree(call("parts", x=points), np.histogram(points, 4, (-1, 1))[0])


@pytest.mark.parametrize(("a", "b", "s"), [(0, 5, 1), (5, 0, 1), (5, 0, -2), (1, 10, 3), (0, 0, 1), (-3, 4, 7)])
def test_arange(call: Call, a: int, b: int, s: int) -> None:
    agree(call("steps", a=a, b=b, s=s), np.arange(a, b, s))


def test_shapes(call: Call) -> None:
    x = random(4, 4)
    agree(call("squares", x=x), np.diagonal(x), np.trace(x), np.tril(x), np.triu(x, 1), x.ravel(), np.diag(np.diagonal(x)))
    agree(call("repeated", x=x[:2]), np.repeat(x[:2], 3, axis=0), np.tile(x[:2], (3, 1)))
    agree(call("grids", x=x[0], y=x[1, :3]), *np.meshgrid(x[0], x[1, :3]))
    agree(call("padded", x=x[0]), np.pad(x[0], (2, 3), constant_values=7))
    agree(call("crossed", x=x[0, :3], y=x[1, :3]), np.cross(x[0, :3], x[1, :3]))
    agree(call("evenly"), np.linspace(-1, 1, 5), [3.0])
    agree(call("chosen", x=x[0], y=x[1]), np.where(x[0] > x[1], x[0], 2 * x[1]))
    agree(call("moved", x=x[0]), np.roll(x[0], 2))
    agree(call("added", d=np.zeros(3, np.float32), ids=np.array([2, 0, 2]), v=np.ones(3, np.float32)), np.array([1, 0, 2], np.float32))


@pytest.mark.parametrize("n", [1, 2, 9, 10])
def test_statistics(call: Call, n: int) -> None:
    x = random(n).astype(np.float64)
    agree(call("spread", x=x), np.var(x), np.std(x), np.median(x), np.quantile(x, 0.3))


def test_curves(call: Call) -> None:
    x, y, at = np.array([0.0, 1.0, 3.0]), np.array([2.0, -1.0, 5.0]), np.linspace(-1, 4, 13)
    agree(call("between", at=at, x=x, y=y), np.interp(at, x, y))
    agree(call("polynomial", c=y, x=0.7), np.polyval(y, 0.7))
