"""Models of facts and ratings, points of hyperbolic space and operators of sparse values, beside their formulas in NumPy; and what of
the library's modules of structures no such evaluation reaches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import test_memory_values
import test_sparse
from dyn_calls import Call, callable_program
from dynlang import pipeline
from dynlang.check import typed
from dynlang.check.program import check_source
from test_library_gradients import reached

PROGRAM = """
import embedding
import nn
import sparse

fn scores<n, r, d>(at: int[3], e: f64[n, d], s: f64[r, d], c: f64[n, 2*d], t: f64[r, 2*d]) -> f64[6]:
    let f: embedding.Fact<n, r> = embedding.fact(at[0], at[1], at[2])
    let translated: embedding.TransE<n, r, d, f64> = embedding.TransE(entities=nn.Table(rows=e), relations=nn.Table(rows=s))
    let diagonal: embedding.DistMult<n, r, d, f64> = embedding.DistMult(entities=nn.Table(rows=e), relations=nn.Table(rows=s))
    let complex: embedding.ComplEx<n, r, d, f64> = embedding.ComplEx(entities=nn.Table(rows=c), relations=nn.Table(rows=t))
    let turned: embedding.RotatE<n, r, d, f64> = embedding.RotatE(entities=nn.Table(rows=c), relations=nn.Table(rows=s))
    return [translated.score(f), diagonal.score(f), diagonal.penalty(f), complex.score(f), complex.penalty(f), turned.score(f)]

fn ratings<u, i, d, k>(users: f64[u, d], items: f64[i, d], a: f64[u, 1], b: f64[i, 1], at: idx<u>[k], x: f64[k]) -> f64[4]:
    let m = embedding.Factors(mean=0.5, users=nn.Table(rows=users), items=nn.Table(rows=items), user_biases=nn.Table(rows=a),
                              item_biases=nn.Table(rows=b))
    let pairs = embedding.FactorizationMachine(bias=0.25, weights=nn.Table(rows=a), factors=nn.Table(rows=users))
    return [m.rating(1 as idx<u>, 2 as idx<i>), m.penalty(1 as idx<u>, 2 as idx<i>), pairs(at, x), pairs.penalty(at)]

fn losses<k>(good: f64, bad: f64[k]) -> f64[4]:
    return [embedding.margin_loss(good, bad[0]), embedding.logistic_loss(good, bad), embedding.softmax_loss(good, bad),
            embedding.self_adversarial_loss(good, bad, 2.0, 0.5)]

fn ranks<n, k, q>(scores: f64[n], relevant: idx<n>[k], found: f64[q]) -> (f64[k], f64, f64, f64, f64):
    return (embedding.filtered_ranks(scores, relevant), embedding.mean_rank(found), embedding.mean_reciprocal_rank(found),
           embedding.hits_at(found, 3), embedding.average_precision(found))

fn ball<n>(x: f64[n], y: f64[n], v: f64[n]) -> (f64, f64[2], f64[n], f64[n], f64[n], f64[n], f64[n]):
    return (embedding.poincare_distance(x, y), embedding.poincare_distances(x, stack(y, v)), embedding.poincare_add(x, y),
           embedding.poincare_exp(x, v), embedding.poincare_log(x, y), embedding.poincare_gradient(x, v),
           embedding.poincare_project(10.0 * x))

fn sheet<n>(x: f64[n], y: f64[n], v: f64[n + 1]) -> (f64, f64, f64[n + 1], f64[n + 1], f64[n], f64[n + 1]):
    let a = embedding.lorentz_lift(x)
    let b = embedding.lorentz_lift(y)
    let slope = embedding.lorentz_gradient(a, v)
    return (embedding.lorentz_inner(a, b), embedding.lorentz_distance(a, b), slope, embedding.lorentz_exp(a, slope),
           embedding.lorentz_to_poincare(a), embedding.poincare_to_lorentz(0.1 * x))

fn vectors<n, m>(x: f64[n], y: f64[n], w: f64[m, n], z: f64[n, m]) -> (f64[14, n], f64[m], f64[m], f64[3], sparse f64[n]):
    let a = sparse(x)
    let b: sparse f64[n] = sparse(n, [(i, y[i]) for i in n if y[i] != 0.0])
    let all = [dense(a + b), dense(a - b), dense(a * b), dense(-a), dense(a * 2.0), dense(3.0 * a), dense(a / 2.0), dense(a * y),
               dense(y * a), a + y, y + a, a - y, y - a, dense(a.map(v => v * v))]
    return all, w @ a, a @ z, [a @ y, y @ a, a @ b], above(x, 0.5).keep(v => v < 2.0)

fn matrices<m, n>(p: f64[m, n], q: f64[m, n], x: f64[n], y: f64[m], s: f64[n, m]) -> (
    f64[13, m, n], f64[m], f64[n], f64[m, m], f64[n, n], f64[m, m], f64[m], f64[n], f64[n]):
    let a = sparse(p)
    let b = sparse(q)
    let all = [dense(a + b), dense(a - b), dense(a * b), dense(-a), dense(a * 2.0), dense(3.0 * a), dense(a / 2.0), dense(a * q),
               dense(q * a), a + q, q + a, a - q, q - a]
    let u = sparse(x)
    let v = sparse(y)
    let unit: sparse f64[n, n] = sparse.identity(n)
    return (all, a @ x, y @ a, a @ s, s @ a, dense(a @ transpose(b)), dense(a @ u), dense(v @ a),
           dense(sparse.diagonal(x) @ unit @ u))
"""
NAMES = tuple(line[3:].split("(")[0].split("<")[0] for line in PROGRAM.splitlines() if line.startswith("fn "))
draw = np.random.default_rng(9)


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Call]:
    path = tmp_path_factory.mktemp("formulas") / "formulas.dyn"
    path.write_text(PROGRAM)
    with callable_program(path, NAMES, "2") as made:
        yield made


def assert_agree(found: dict[str, np.ndarray], *expected: Any) -> None:
    assert len(found) == len(expected)
    for (name, one), other in zip(found.items(), expected, strict=True):
        assert np.allclose(one, other, rtol=1e-10, atol=1e-12), name


def softplus(x: Any) -> Any:
    return np.logaddexp(0.0, x)


def test_scores_of_facts(call: Call) -> None:
    e, s, c, t = (draw.standard_normal(shape) for shape in ((4, 3), (2, 3), (4, 6), (2, 6)))
    h, r, o = 2, 1, 3
    z, w = c[:, :3] + 1j * c[:, 3:], t[:, :3] + 1j * t[:, 3:]
    cubes = [sum((np.abs(one) ** 3).sum() for one in rows) for rows in ((e[h], s[r], e[o]), (z[h], w[r], z[o]))]
    assert_agree(call("scores", at=np.array([h, r, o]), e=e, s=s, c=c, t=t), [
        -np.linalg.norm(e[h] + s[r] - e[o]), (e[h] * s[r] * e[o]).sum(), cubes[0], (z[h] * w[r] * z[o].conj()).sum().real, cubes[1],
        -np.abs(z[h] * np.exp(1j * s[r]) - z[o]).sum()])


def test_ratings(call: Call) -> None:
    users, items, a, b = (draw.standard_normal(shape) for shape in ((4, 3), (5, 3), (4, 1), (5, 1)))
    at, x = np.array([3, 0, 2]), draw.standard_normal(3)
    pairs = sum(users[at[i]] @ users[at[j]] * x[i] * x[j] for i in range(3) for j in range(i))
    assert_agree(call("ratings", users=users, items=items, a=a, b=b, at=at, x=x), [
        0.5 + a[1, 0] + b[2, 0] + users[1] @ items[2], a[1, 0] ** 2 + b[2, 0] ** 2 + (users[1] ** 2).sum() + (items[2] ** 2).sum(),
        0.25 + a[at, 0] @ x + pairs, (a[at] ** 2).sum() + (users[at] ** 2).sum()])


def test_losses_of_facts(call: Call) -> None:
    good, bad = 0.3, draw.standard_normal(4)
    p = np.exp(0.5 * bad) / np.exp(0.5 * bad).sum()
    assert_agree(call("losses", good=good, bad=bad), [
        max(0.0, 1.0 - good + bad[0]), softplus(-good) + softplus(bad).sum(), np.log(np.exp([good, *bad]).sum()) - good,
        softplus(-2.0 - good) + p @ softplus(2.0 + bad)])


def test_metrics_of_rankings(call: Call) -> None:
    scores, relevant, found = draw.permutation(9) * 1.0, np.array([4, 1, 6]), np.array([2.0, 1.0, 7.0, 5.0])
    others = [[k for k in range(9) if k not in relevant and scores[k] > scores[one]] for one in relevant]
    ordered = np.sort(found)
    result = call("ranks", scores=scores, relevant=relevant, found=found)
    precision = np.mean((np.arange(4) + 1) / (ordered + np.arange(4)))
    assert_agree(result, [len(one) + 1 for one in others], found.mean(), (1 / found).mean(), 0.5, precision)


def test_the_ball(call: Call) -> None:
    x, y, v = (0.3 * draw.standard_normal(3) / np.sqrt(3) for _ in range(3))

    def add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return ((1 + 2 * a @ b + b @ b) * a + (1 - a @ a) * b) / (1 + 2 * a @ b + (a @ a) * (b @ b))

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.arccosh(1 + 2 * (a - b) @ (a - b) / (1 - a @ a) / (1 - b @ b)))

    room, norm = 1 - x @ x, np.linalg.norm
    way = add(-x, y)
    assert_agree(call("ball", x=x, y=y, v=v), distance(x, y), [distance(x, y), distance(x, v)], add(x, y),
                 add(x, np.tanh(norm(v) / room) * v / norm(v)), room * np.arctanh(norm(way)) * way / norm(way), room**2 / 4 * v,
                 10 * x if norm(10 * x) <= 0.99999 else 0.99999 * x / norm(x))


def test_the_hyperboloid(call: Call) -> None:
    x, y, v = draw.standard_normal(3), draw.standard_normal(3), 0.3 * draw.standard_normal(4)
    form = np.diag([-1.0, 1, 1, 1])
    a, b = (np.concatenate([[np.sqrt(1 + one @ one)], one]) for one in (x, y))
    slope = form @ v + (a @ form @ form @ v) * a
    length = np.sqrt(slope @ form @ slope)
    z = 0.1 * x
    up = 2 * z / (1 - z @ z)
    assert_agree(call("sheet", x=x, y=y, v=v), a @ form @ b, np.arccosh(-(a @ form @ b)), slope,
                 np.cosh(length) * a + np.sinh(length) * slope / length, x / (1 + a[0]), np.concatenate([[np.sqrt(1 + up @ up)], up]))


def holes(*shape: int) -> np.ndarray:
    """Numbers, half of them 0."""
    return draw.standard_normal(shape) * (draw.random(shape) < 0.5)


def test_sparse_vectors(call: Call) -> None:
    x, y, w, z = holes(7), holes(7), draw.standard_normal((4, 7)), draw.standard_normal((7, 4))
    kept = [k for k in range(7) if 0.5 < x[k] < 2.0]
    assert_agree(call("vectors", x=x, y=y, w=w, z=z), [
        x + y, x - y, x * y, -x, 2 * x, 3 * x, x / 2, x * y, x * y, x + y, x + y, x - y, y - x, x * x],
                 w @ x, x @ z, [x @ y] * 3, kept, x[kept])


def test_sparse_matrices(call: Call) -> None:
    p, q, x, y, s = holes(4, 6), holes(4, 6), holes(6), holes(4), draw.standard_normal((6, 4))
    assert_agree(call("matrices", p=p, q=q, x=x, y=y, s=s), [
        p + q, p - q, p * q, -p, 2 * p, 3 * p, p / 2, p * q, p * q, p + q, p + q, p - q, q - p],
                 p @ x, y @ p, p @ s, s @ p, p @ q.T, p @ x, y @ p, x * x)


# ---------------------------------------------------------------- what no formula reaches

ELSEWHERE = {
    "memory.Memory.write_sparse": "test_memories.py: the recall program",
    "nearest.IndexedMemory.oldest": "test_memories.py: what it finds and what it costs",
    "nearest.IndexedMemory.read": "test_memories.py: what it finds and what it costs",
    "nearest.IndexedMemory.remember": "test_memories.py: what it finds and what it costs",
    "nearest.memory_of": "test_memories.py: what it finds and what it costs",
    "sparse.stored.matrix_tangent": "a change of the values: the gradients of sparse values go through it",
    "sparse.stored.vector_tangent": "a change of the values: the gradients of sparse values go through it",
}
MODULES = ("graph", "gnn", "sparse", "memory", "embedding", "nearest")

def public() -> dict[str, typed.Function]:
    """The functions and methods of the modules that have a description: what has none is a part of others (`dync doc` leaves it out)."""
    program = check_source("".join(f"import {one}\n" for one in MODULES) + "proc main():\n    pass\n")
    return {name: one for name, one in program.functions.items()
            if name.partition(".")[0] in MODULES and "._" not in name and one.documentation}


def evaluated() -> set[str]:
    """What the programs reach that are compared with NumPy or plain Python, and the tests in Dyn that say what results must be: those of
    draws, of sets and of indices are no formula."""
    folder = Path(__file__).parent / "language"
    files = [(folder / name).read_text(encoding="utf-8") for name in ("_graph_layers.dyn", "_graphs.dyn")]
    found: set[str] = set()
    for text in (PROGRAM, test_memory_values.PROGRAM, test_sparse.PROGRAM, *files):
        program = check_source(text)
        for name, one in program.functions.items():
            if name.startswith(f"{program.module}."):
                found |= reached(program, one.body)
    for name in ("embeddings", "graph_layers", "graphs", "sparse_values"):
        program = pipeline.build(pipeline.Request(folder / f"{name}.dyn", tests=True), until="typed")
        for block in program.tests:
            found |= reached(program, block.body)
    return found


def test_every_public_function_has_an_evaluation() -> None:
    missing = sorted(set(public()) - evaluated() - set(ELSEWHERE))
    assert not missing, f"nothing says what these give: {missing}"
