"""Alternatives that nothing makes are cut (`core/unmade.py`), and nothing else changes: not what is refused either."""

from __future__ import annotations

import numpy as np
import pytest

from dynlang.check.program import check_source
from dynlang.core.elaborate import elaborate
from dynlang.core.evaluate import evaluate
from dynlang.core.nodes import Module
from dynlang.core.print import print_module
from dynlang.core.simplify import simplify, without_unread
from dynlang.core.unmade import without_unmade
from dynlang.core.verify import verify
from dynlang.diag import CompileError
from dynlang.grad import differentiate

MODES = """
type Mode:
    Off
    On(gain: f64)
    Both(first: f64, mode: Mode)

type Wrapped:
    Held(mode: Mode)

fn applied(x: f64, mode: Mode) -> f64:
    match mode:
        Off:
            return 2.0
        On(gain):
            return gain * x * x
        Both(first, inner):
            return first * applied(x, inner)
"""

PROGRAMS = {
    "made where nothing reaches": ("fn f(x: f64) -> f64:\n    return applied(x, On(gain=3.0))", {"Mode": ["On"]}, True),
    "made in an arm that is reached": ("fn f(x: f64) -> f64:\n    return applied(x, Both(first=x, mode=On(gain=2.0)))",
                                       {"Mode": ["On", "Both"]}, True),
    "in a list": ("fn f(x: f64) -> f64:\n    var modes: List<Mode> = List()\n    modes.push(On(gain=x))\n"
                  "    return sum(applied(x, mode) for mode in modes)", {"Mode": ["On"]}, True),
    "of nothing made all stays": ("fn f(x: f64) -> f64:\n    var modes: List<Mode> = List()\n"
                                  "    return x + sum(applied(x, mode) for mode in modes)", {"Mode": ["Off", "On", "Both"]}, True),
    "a tangent follows its primal": (
        "fn f(x: f64) -> f64:\n    let d = grad(m => applied(x, m))(Both(first=x, mode=On(gain=2.0)))\n"
        "    return fold_leaves((total, p) => total + f64(sum(p)), x, d)", {"Mode": ["On", "Both"]}, False),
    "no floats are left, though a derivative is named": (
        "fn f(x: f64) -> f64:\n    let _, d = vjp(m => applied(x, m), Off, 1.0)\n"
        "    return fold_leaves((total, p) => total + f64(sum(p)), x, d)", {"Mode": ["Off"]}, False),
    "a derivative is named and not looked into": (
        "fn f(x: f64) -> f64:\n    let e, d = vjp(m => applied(x, m), Off, 1.0)\n"
        "    let same = scale(d, 2.0)\n    return e * x", {"Mode": ["Off"]}, False),
    "a gradient that is zero of what is left alone": (
        "fn f(x: f64) -> f64:\n    return grad(y => applied(y, Off))(x)", {"Mode": ["Off"]}, True),
    "a stored function": ("fn f(x: f64) -> f64:\n    let g: List<f64 -> f64> = [y => applied(y, On(gain=2.0)), y => y]\n"
                          "    return g[0](x)", {"Mode": ["On"]}, True),
}


def parts(text: str) -> tuple[Module, Module]:
    core = elaborate(check_source(MODES + "\n" + text), ["f"])
    return core, without_unmade(core)


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_left_gives_what_all_gave(name: str) -> None:
    text, kept, prints = PROGRAMS[name]
    core, cut = parts(text)
    verify(cut)
    assert {one: [c.name for c in cut.sums[one].constructors] for one in kept} == kept
    made = simplify(differentiate(simplify(cut), whole=core), cut.roots)
    verify(made)
    x = np.float64(1.3)
    want = evaluate(differentiate(core), "f", [x])
    assert evaluate(made, "f", [x]) == want
    if prints:
        again = elaborate(check_source(print_module(cut)), ["f"])
        assert evaluate(differentiate(again, whole=core), "f", [x]) == want


def test_what_comes_from_outside_or_goes_there_keeps_all() -> None:
    core, cut = parts("fn f(x: f64) -> Wrapped:\n    return Held(mode=On(gain=x))")
    assert cut is core
    core, cut = parts("fn f(x: f64, wrapped: List<Wrapped>) -> f64:\n    return x + f64(len(wrapped))")
    assert cut is core


def test_a_gradient_that_is_always_zero_is_refused_as_before() -> None:
    core, cut = parts("fn flat(x: f64) -> f64:\n    return f64(int(x))\n\n"
                      "fn f(x: f64) -> f64:\n    return grad(flat)(x) + applied(x, On(gain=x))")
    assert cut is not core
    with pytest.raises(CompileError, match="always zero"):
        differentiate(cut, whole=core)


UNREAD = """
fn both(x: f64, n: int) -> (f64, f64, int):
    if n == 0:
        return x, exp(x), n
    let a, b, count = both(x * 0.5, n - 1)
    return a + x, b * x, count + 1

fn first(x: f64, n: int) -> (f64, f64):
    let a, b, _ = both(x, n)
    return a, b

fn f(x: f64) -> f64:
    let a, _ = first(x, 3)
    return a
"""


def test_results_that_no_call_reads_are_not_computed() -> None:
    core = elaborate(check_source(UNREAD), ["f"])
    left = without_unread(core)
    verify(left)
    assert [len(left.functions[name].results) for name in ("both", "f")] == [3, 1]
    count = {name: len(one.results) for name, one in core.functions.items()}
    assert any(len(one.results) < count[name] for name, one in left.functions.items()), count
    assert evaluate(left, "f", [np.float64(0.7)]) == evaluate(core, "f", [np.float64(0.7)])
