"""Damaged arguments of `dync call` get an answer in words; `python tests/fuzz_calls.py --count 20000` checks more of them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import fuzz_calls
from dynlang.check import typed
from dynlang.check.program import check_source
from dynlang.tools.call import call_function
from dynlang.tools.flat import BadArgument
from dynlang.tools.promises import check_promises


def test_damaged_calls() -> None:
    found = fuzz_calls.batch(range(300))
    assert isinstance(found, tuple), found
    fine, kinds = found
    assert 10 < fine < 150 and kinds > 40


INDEX = """type T<n>:
    A(i: idx<n>)

record R<n>:
    i: idx<n>

fn pick<n>(x: f32[n], i: idx<n>, ids: idx<n>[2], t: T<n>, r: R<n>, xs: List<idx<n>>) -> f32:
    match t:
        A(j):
            return x[i] + x[ids[0]] + x[j] + x[r.i] + x[xs[0]]
"""


@pytest.mark.parametrize("name", ["i", "ids", "t.A.i", "r.i", "xs"])
@pytest.mark.parametrize("wrong", [-1, 3, 10**15])
def test_indices_from_outside_are_checked(name: str, wrong: int, tmp_path: Path) -> None:
    """An `idx<n>` needs no check inside, since it was checked where it came in."""
    path = tmp_path / "index.dyn"
    path.write_text(INDEX, encoding="utf-8")
    given = {"x": np.ones(3, "f4"), "i": np.array(2), "ids": np.array([0, 1]), "t.tag": np.array([0]), "t.A.i": np.array([1]),
             "r.i": np.array(0), "xs": np.array([2])}
    if wrong == -1:
        assert call_function(path, "pick", given)["result"] == 5.0
    given[name] = np.full(given[name].shape, wrong)
    with pytest.raises(BadArgument, match=f"`{name}` holds the index {wrong}, which is outside 0..3"):
        call_function(path, "pick", given)


@pytest.mark.parametrize(("change", "message"), [
    ({"xs.1": np.ones((3, 2))}, "`xs.1` has 3 items, and `xs.0` has 2"),
    ({"xs.0": np.array(1)}, r"`xs.0` is a list, an array of shape \[items\]"),
    ({"xs.1": np.ones((2, 3))}, "axis 1 of `xs.1` has 3 elements, but d is 2"),
])
def test_items_of_lists(change: dict, message: str, tmp_path: Path) -> None:
    path = tmp_path / "lists.dyn"
    text = "fn f<d>(x: f64[d], xs: List<(int, f64[d])>) -> f64:\n    let n, v = xs[0]\n    return sum(v * x) * f64(n)\n"
    path.write_text(text, encoding="utf-8")
    given = {"x": np.ones(2), "xs.0": np.array([3, 4]), "xs.1": np.ones((2, 2))}
    assert call_function(path, "f", given)["result"] == 6.0
    with pytest.raises(BadArgument, match=message):
        call_function(path, "f", given | change)


PROMISES = """
import graph

fn total<n>(a: sparse f64[n], x: f64[n]) -> f64:
    return a @ x

fn times<m, n>(a: sparse f64[m, n], x: f64[n]) -> f64[m]:
    return a @ x

fn heard<n, e>(g: Graph<n, e>, x: f64[n]) -> f64[n]:
    return [sum(x[u] for u in g.into(v)) for v in g.nodes]

fn sizes(g: Graph<?, ?>) -> int:
    return g.nodes + g.edges

fn across<n, m, e>(pair: (graph.Between<n, m, e>, f64[n])) -> f64[m]:
    let g, x = pair
    return [sum(x[u] for u in g.into(v)) for v in g.targets]
"""
VECTOR = {"a.stored.indices": [1, 2], "a.stored.values": [1.0, 2.0], "x": [0.0, 1.0, 2.0, 3.0]}
MATRIX = {"a.stored.starts": [0, 2, 3], "a.stored.columns": [0, 3, 1], "a.stored.values": [1.0, 2.0, 3.0], "x": [0.0, 1.0, 2.0, 3.0]}
ARCS = {"source": [2, 0, 0], "target": [1, 2, 1], "in_start": [0, 0, 2, 3], "in_edge": [0, 2, 1], "in_node": [2, 0, 0],
        "out_start": [0, 2, 2, 3], "out_edge": [1, 2, 0], "out_node": [2, 1, 1]}
GRAPH = {f"g.{name}": array for name, array in ARCS.items()}
BETWEEN = {f"pair.0.{name}": array for name, array in ARCS.items()}


@pytest.fixture(scope="module")
def promised() -> typed.Program:
    return check_source(PROMISES)


@pytest.mark.parametrize(("function", "given", "message"), [
    ("total", VECTOR, ""),
    ("total", VECTOR | {"a.stored.indices": [2, 1]}, "`a.stored.indices` doesn't grow: 1 comes after 2"),
    ("total", VECTOR | {"a.stored.indices": [2, 2]}, "`a.stored.indices` doesn't grow: 2 comes after 2"),
    ("times", MATRIX, ""),
    ("times", MATRIX | {"a.stored.starts": [0, 9, 3]}, "`a.stored.starts` doesn't grow from 0 to the number of entries, 3"),
    ("times", MATRIX | {"a.stored.starts": [1, 2, 3]}, "`a.stored.starts` doesn't grow"),
    ("times", MATRIX | {"a.stored.columns": [3, 0, 1]}, "`a.stored.columns` doesn't grow in row 0: 0 comes after 3"),
    ("heard", GRAPH | {"x": [1.0, 2.0, 3.0]}, ""),
    ("heard", GRAPH | {"x": [1.0, 2.0, 3.0], "g.in_start": [0, 3, 2, 3]}, "`g.in_start` isn't the index"),
    ("heard", GRAPH | {"x": [1.0, 2.0, 3.0], "g.out_node": [2, 1, 2]}, "`g.out_node` isn't the index"),
    ("heard", GRAPH | {"x": [1.0, 2.0, 3.0], "g.in_edge": [2, 0, 1]}, "`g.in_edge` isn't the index"),
    ("sizes", GRAPH, ""),
    ("sizes", GRAPH | {"g.source": [-1, 0, 0]}, "`g.source` holds"),
    ("across", BETWEEN | {"pair.1": [1.0, 2.0, 3.0]}, ""),
    ("across", BETWEEN | {"pair.1": [1.0, 2.0, 3.0], "pair.0.out_edge": [2, 1, 0]}, "`pair.0.out_edge` isn't the index"),
])
def test_what_the_library_promises_of_its_records_is_checked(promised: typed.Program, function: str, given: dict, message: str) -> None:
    arrays = {name: np.array(one) for name, one in given.items()}
    asked = next(one for name, one in promised.functions.items() if name == f"{promised.module}.{function}")
    if not message:
        check_promises(promised, asked, arrays)
        return
    with pytest.raises(BadArgument, match=re.escape(message)):
        check_promises(promised, asked, arrays)


def test_a_call_asks_for_what_is_promised(tmp_path: Path) -> None:
    path = tmp_path / "promises.dyn"
    path.write_text(PROMISES)
    arrays = {name: np.array(one) for name, one in (VECTOR | {"a.stored.indices": [2, 1]}).items()}
    with pytest.raises(BadArgument, match="doesn't grow"):
        call_function(path, "total", arrays, backend="interp", level=0)
