"""Functions called on arrays: native code without and with optimisation, the interpreter and NumPy agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dynlang import pipeline
from dynlang.ssa import interpret
from dynlang.tools import flat
from dynlang.tools.call import results_of
from dynlang.tools.execute import compiled

PROGRAM = Path(__file__).parent / "language" / "_called.dyn"
RANDOM = np.random.default_rng(7)


def normal(*shape: int, dtype: str = "float32") -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(dtype)


def whole(low: int, high: int, *shape: int, dtype: str = "int64") -> np.ndarray:
    return RANDOM.integers(low, high, shape).astype(dtype)


def softmax(x: np.ndarray) -> np.ndarray:
    p = np.exp(x - x.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def dilated(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    return np.array([sum(x[i + 2 * j] * w[j] for j in range(len(w))) for i in range(len(x) - 2 * len(w) + 2)])


def convolved(k: np.ndarray, img: np.ndarray) -> np.ndarray:
    h, w = img.shape[1] - 2, img.shape[2] - 2
    return np.array([[np.sum(k * img[:, y:y + 3, x:x + 3]) for x in range(w)] for y in range(h)])


def walked(x: np.ndarray) -> np.ndarray:
    s, out = 0.0, []
    for v in x:
        s = 0.9 * s + v
        out.append(s)
    return np.array(out)


Case = tuple[str, dict[str, Any], Callable[..., Any]]


def cases() -> Iterator[Case]:
    """A function of the program, its arguments, and what NumPy makes of them: an array, or several by name."""
    for n, m, k in ((3, 4, 5), (1, 1, 1), (17, 33, 9), (64, 64, 64)):
        yield "matmul", {"a": normal(n, m), "b": normal(m, k)}, lambda a, b: a @ b
        yield "affine", {"w": normal(n, m), "b": normal(n), "x": normal(m)}, lambda w, b, x: np.tanh(w @ x + b)
        yield "rows_times", {"x": normal(k, n, m), "w": normal(m)}, lambda x, w: x @ w
        yield "batched_product", {"x": normal(2, n, m), "w": normal(m, k)}, lambda x, w: x @ w
        yield "vector_matrix", {"x": normal(n), "w": normal(n, m)}, lambda x, w: x @ w
        yield "outer_sum", {"a": normal(n), "b": normal(m)}, lambda a, b: a[:, None] + b[None, :]
        yield "trailing", {"x": normal(n, m), "b": normal(m)}, lambda x, b: (x - b) * 2 + b
        yield "attention", {"q": normal(n, m), "k": normal(k, m), "v": normal(k, n)}, (
            lambda q, k, v: softmax(q @ k.T / np.sqrt(q.shape[1])) @ v)
        yield "sums", {"x": normal(n, m, k)}, lambda x: {
            "result.0": x.sum(), "result.1": x.sum(0), "result.2": x.sum(1), "result.3": x.sum(2), "result.4": x.sum((0, 2))}
        yield "extremes", {"x": normal(n, m)}, lambda x: {
            "result.0": x.max(), "result.1": x.min(0), "result.2": x.max(1), "result.3": x.argmax(1), "result.4": x.argmin(0)}
        yield "distances", {"a": normal(n, k), "b": normal(m, k)}, lambda a, b: np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))
        yield "turned", {"x": normal(n, m, k)}, lambda x: {"result.0": x.transpose(2, 1, 0), "result.1": x.transpose(1, 2, 0)}
        yield "flattened", {"x": normal(n, m)}, lambda x: x.reshape(-1)
        yield "stacked", {"x": normal(n), "y": normal(n)}, lambda x, y: np.stack([x, y, x + y])
        yield "joined", {"x": normal(n, k), "y": normal(m, k)}, lambda x, y: np.concatenate([x, y, x])
        yield "gram", {"x": normal(n, m)}, lambda x: x.T @ x
        yield "variance", {"x": normal(n, m)}, lambda x: x.var(1)
        yield "picked", {"x": normal(n, m), "ids": whole(0, n, k)}, lambda x, ids: x[ids]
        yield "scattered", {"ids": whole(0, n, k), "v": normal(k, m), "like": normal(n)}, (
            lambda ids, v, like: np.array([v[ids == i].sum(0) for i in range(len(like))], np.float32))
        yield "masked", {"x": normal(n), "mask": whole(0, 2, n).astype(bool)}, lambda x, mask: {
            "result.0": x[mask].sum(), "result.1": mask.sum(), "result.2": np.where(mask, x, 0)}
        yield "walk", {"x": normal(n)}, walked
        yield "whole_numbers", {"a": whole(-50, 50, n), "b": whole(1, 9, n)}, lambda a, b: {
            "result.0": a // b, "result.1": a % b, "result.2": a * b - 3, "result.3": np.abs(a), "result.4": a // -b, "result.5": a % -b}
        yield "bytes", {"a": whole(0, 256, n, dtype="uint8"), "b": whole(0, 256, n, dtype="uint8")}, lambda a, b: {
            "result.0": a + b, "result.1": a * b, "result.2": a.astype(np.float32) / 255, "result.3": a.astype(np.int64).sum()}
        yield "shorts", {"a": whole(-30000, 30000, n, dtype="int16"), "b": whole(1, 300, n, dtype="int16")}, lambda a, b: {
            "result.0": a + b, "result.1": a * b, "result.2": a // b, "result.3": a.astype(np.int8)}
        yield "doubles", {"x": normal(n, m, dtype="float64")}, lambda x: {
            "result.0": np.exp(x).sum(), "result.1": np.log1p(np.abs(x)), "result.2": x.astype(np.float32)}
        yield "halves", {"x": normal(n).astype("float16")}, lambda x: (x.astype(np.float32) * 2 + 1).astype(np.float16)
        yield "compared", {"a": whole(0, 3, n), "b": whole(0, 3, n)}, lambda a, b: {
            "result.0": a < b, "result.1": a == b, "result.2": (a < b) & (b > 1), "result.3": np.any(a != b)}
        yield "elementary", {"x": np.abs(normal(n)) + 0.1}, lambda x: {
            "result.0": np.sqrt(x), "result.1": np.log(x), "result.2": np.sin(x), "result.3": np.cos(x), "result.4": x ** 1.5,
            "result.5": 1 / (1 + np.exp(-x)), "result.6": np.floor(x * 3), "result.7": np.expm1(x)}
        yield "triangle", {"x": normal(n, n)}, lambda x: {"result.0": np.triu(x, 1).sum(), "result.1": np.tril(x)}
        yield "running", {"x": normal(n)}, lambda x: np.cumsum(x)
        yield "positives", {"x": normal(n)}, lambda x: x[x > 0]
        yield "sorted", {"x": normal(n)}, lambda x: np.sort(x)
        yield "powers", {"x": normal(n, n) / 8, "k": np.int64(5)}, lambda x, k: np.linalg.matrix_power(x, 5)
        yield "layers", {"net.0.w": normal(m, n), "net.0.b": normal(m), "net.1.w": normal(k, m), "net.1.b": normal(k), "x": normal(n)}, (
            lambda **a: a["net.1.w"] @ np.maximum(a["net.0.w"] @ a["x"] + a["net.0.b"], 0) + a["net.1.b"])
    for n in (2, 5, 20):
        yield "shifted", {"x": normal(n)}, lambda x: {"result.0": x[1:] - x[:-1], "result.1": x[::2], "result.2": x[::-1]}
        yield "pooled", {"x": normal(2 * n, 2 * n)}, lambda x: x.reshape(x.shape[0] // 2, 2, -1, 2).max((1, 3))
        yield "halved", {"x": normal(2 * n + 1)}, lambda x: x[:-1].reshape(-1, 2).sum(1)
        yield "conv", {"k": normal(n, 3, 3), "img": normal(n, n + 2, n + 3)}, convolved
        yield "dilated", {"x": normal(2 * n + 3), "w": normal(2)}, dilated
        yield "parted", {"x": normal(3 * n)}, lambda x: {
            "result.0": x[:len(x) // 3] * x[len(x) // 3:2 * len(x) // 3], "result.1": x[-len(x) // 3:]}
        yield "rolled", {"x": normal(n), "by": np.int64(-7)}, lambda x, by: np.roll(x, by)
    tree = {"t.tag": np.array([1, 0, 1, 0, 0]), "t.Leaf.x": normal(3, 4)}
    yield "folded", tree, lambda **a: np.tanh(a["t.Leaf.x"][0] + np.tanh(a["t.Leaf.x"][1] + a["t.Leaf.x"][2]))
    yield "deepest", tree, lambda **a: 3
    yield "mirrored", tree, lambda **a: {"result.tag": np.array([1, 1, 0, 0, 0]), "result.Leaf.x": a["t.Leaf.x"][::-1]}
    yield "updated", {"state.mean": normal(3), "state.count": np.int64(4), "x": normal(3)}, lambda **a: {
        "state.mean": a["state.mean"] + (a["x"] - a["state.mean"]) / 5, "state.count": 5, "result": 5}
    yield "emptied", {"x": normal(0)}, lambda x: {"result.0": 0.0, "result.1": 1.0, "result.2": -np.inf, "result.3": 0, "result.4": True}
    yield "paired", {"p.0": normal(3), "p.1": np.int64(2)}, lambda **a: {"result.0": 2, "result.1": a["p.0"] * 2}


CASES = list(cases())
Run = Callable[[str, Mapping[str, Any]], dict[str, np.ndarray]]


@pytest.fixture(scope="module", params=["0", "2", "interp"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Calls a function of the program in one of the ways."""
    names = tuple(dict.fromkeys(name for name, _, _ in CASES))
    level = 2 if request.param == "interp" else int(request.param)
    asked = pipeline.Request(PROGRAM, entries=names, level=level)
    ssa = pipeline.build(asked, until="opt")
    core = asked.keep["grad"]

    def call(way: Callable[[str, list], list], name: str, arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
        function = core.functions[name]
        reader = flat.Reader(core.sums, {one: np.asarray(array) for one, array in arrays.items()})
        values = reader.arguments(function, function.parameter_labels)
        reader.finish(function.parameter_labels)
        return results_of(function, way(name, values), core.sums)

    if request.param == "interp":
        yield lambda name, arrays: call(lambda one, values: interpret.interpret(ssa, one, values), name, arrays)
        return
    with compiled(ssa, list(names), level) as code:
        yield lambda name, arrays: call(code.call, name, arrays)


@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda place: f"{CASES[place][0]}-{place}")
def test_called(run: Run, case: int) -> None:
    name, arrays, meaning = CASES[case]
    found = run(name, arrays)
    with np.errstate(all="ignore"):
        expected = meaning(**arrays)
    if not isinstance(expected, dict):
        expected = {"result": expected}
    assert found.keys() == expected.keys()
    for key, wanted in expected.items():
        wanted = np.asarray(wanted)
        assert found[key].shape == wanted.shape, key
        exact = wanted.dtype.kind in "iub"
        assert exact is (found[key].dtype.kind in "iub"), key
        if exact:
            assert np.array_equal(found[key], wanted), key
        else:
            tolerance = 2e-3 if found[key].dtype == np.float16 else 1e-12 if found[key].dtype == np.float64 else 3e-5
            assert np.allclose(found[key], wanted, rtol=tolerance, atol=tolerance), key
