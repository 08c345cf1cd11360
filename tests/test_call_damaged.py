"""Damaged arguments of `dync call` get an answer in words; `python tests/fuzz_calls.py --count 20000` checks more of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fuzz_calls
from dynlang.tools.call import call_function
from dynlang.tools.flat import BadArgument


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
