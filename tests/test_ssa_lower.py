"""Core becomes SSA of the same meaning, with counts that come out even."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dynlang.core.build import integer
from dynlang.core.build import text as string
from dynlang.core.evaluate import SumValue, evaluate
from dynlang.core.nodes import For, Literal, Module, Variable
from dynlang.core.verify import verify as verify_core
from dynlang.opt import optimise
from dynlang.ssa import lower, print_module, verify
from dynlang.ssa.interpret import interpret
from dynlang.ssa.lower import components
from dynlang.types import ListType, Size, StringType
from grad_checks import F64, INT, Program, array
from test_opt_programs import same


def check(module: Module, function: str, arguments: Sequence[Any]) -> str:
    """Core and SSA agree at every level; returns the SSA text."""
    verify_core(module)
    expected = evaluate(module, function, arguments)
    made = lower(module)
    verify(made)
    assert same(interpret(made, function, arguments), expected)
    for level in (0, 2):
        ready = optimise(made, level, check=True)
        assert same(interpret(ready, function, arguments, count=True), expected)
    return print_module(made)


def test_sizes_are_values_computed_once() -> None:
    p = Program()

    def body(w, d, x, y):
        s = w.mul(w.add(x, x), x)
        negative = w.less(w.reduce_sum(s), 0.0)
        return w.branch(negative, [array("3*d")], lambda v: v.neg(s), lambda v: v.concat(y, v.slice(s, 0, sizes=["2*d"])))

    p.function("f", ["d"], {"x": array("3*d"), "y": array("d")}, {"r": array("3*d")}, body)
    text = check(p.module, "f", [2, np.arange(6.0), np.ones(2)])
    assert text.count("mul %c, %d") == 1
    check(p.module, "f", [0, np.zeros(0), np.zeros(0)])


def test_floor_division_and_differences_of_sizes() -> None:
    p = Program()
    n = Size.variable("n")
    half = (n + 1) // 2

    def body(w, n, x):
        return w.slice(x, 1, sizes=[half]), w.fill(2.0, sizes=[Size.variable("n") - 1])

    p.function("f", ["n"], {"x": array("n")}, {"a": type(array("n"))(F64, (half,)), "b": type(array("n"))(F64, (n - 1,))}, body)
    check(p.module, "f", [7, np.arange(7.0)])


def test_unknown_sizes_travel_with_their_arrays() -> None:
    p = Program()

    def grown(w, n, x):
        m = w.mul(n, 2)
        return m, w.concat(x, x)

    p.function("grow", ["n"], {"x": array("n")}, {"m": INT, "y": array("m")}, grown)

    def body(w, n, x):
        m, y = w.call("grow", n, x)
        k, z = Variable("k", INT), Variable("z", array("k"))
        body = w.block(lambda v, *_: v.call("grow", k, z))
        loop = For(Variable("i", INT), integer(2), (k, z), (m, y), body)
        k2, z2 = w.builder.bind(loop, [Variable("k2", INT), Variable("z2", array("k2"))])
        return w.reduce_sum(z2), k2

    p.function("f", ["n"], {"x": array("n")}, {"s": F64, "k": INT}, body)
    check(p.module, "f", [3, np.arange(3.0)])


def test_sums_with_sizes_and_recursion() -> None:
    p = Program()
    tree = p.sum("Tree", ["d"], Leaf={"x": array("d")}, Any={"n": INT, "v": array("2*n")})
    p.sum("Tree", ["d"], Leaf={"x": array("d")}, Any={"n": INT, "v": array("2*n")}, Node={"left": tree, "right": tree})

    def total(w, d, t):
        return w.case(t, [F64], Leaf=lambda v, x: v.reduce_sum(x),
                      Any=lambda v, n, x: v.reduce_sum(v.mul(x, v.fill(2.0, sizes=["2*" + n.name]))),
                      Node=lambda v, left, right: v.add(v.call("total", d, left), v.call("total", d, right)))

    p.function("total", ["d"], {"t": tree}, {"s": F64}, total)
    leaf = SumValue("Leaf", (np.ones(2),))
    value = SumValue("Node", (leaf, SumValue("Node", (SumValue("Any", (np.int64(1), np.array([3.0, 4.0]))), leaf))))
    text = check(p.module, "total", [2, value])
    assert "recursive = true" in text


def test_lists_strings_and_inout() -> None:
    p = Program()
    pairs = ListType((array("n"), INT))

    def push(w, n, items, x):
        return w.list_push(items, x, w.list_length(items))

    p.function("push", ["n"], {"items": pairs, "x": array("n")}, {"items": pairs}, push, inout=((1, 0),))

    def body(w, n, x):
        items = w.call("push", n, w.list_empty(elements=pairs.elements), x)
        items = w.call("push", n, items, w.add(x, x))
        rest, last, i = w.many("list_pop", items)
        words = w.loop(i, [Literal("a", StringType())], lambda v, j, s: v.string_concat(s, string("b")))
        return last, rest, words

    p.function("f", ["n"], {"x": array("n")}, {"y": array("n"), "rest": pairs, "s": StringType()}, body)
    text = check(p.module, "f", [3, np.arange(3.0)])
    assert "owned = [1]" in text


def test_open_loops() -> None:
    p = Program()

    def body(w, n, a):
        return w.until([a], lambda v, x: v.greater(v.dot(x, x), 1.0), lambda v, x: v.mul(x, 0.5))

    p.function("f", ["n"], {"a": array("n")}, {"x": array("n")}, body)
    check(p.module, "f", [3, np.arange(3.0)])


def test_components_of_a_graph() -> None:
    edges = {"a": ["b"], "b": ["c"], "c": ["b", "d"], "d": [], "e": ["e"]}
    assert sorted(map(sorted, components(edges))) == [["a"], ["b", "c"], ["d"], ["e"]]
    chain = {str(i): [str(i + 1)] for i in range(20_000)} | {"20000": []}
    assert len(components(chain)) == 20_001
