"""Derivatives of derivatives: every check differentiates a gradient, by reverse over reverse and forward over reverse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

import test_grad_constructs as constructs
from dynlang.core.build import number
from dynlang.core.nodes import Module, Vjp
from dynlang.core.verify import verify
from dynlang.grad import differentiate, gradient_program
from grad_checks import F64, INT, Program, Value, array, check, random, same_numbers  # noqa: F401
from test_grad import tree_program, word_tree


def norm(w, x):
    return w.dot(x, x)


def gradient(module: Module, name: str, wrt: Sequence[int]) -> Module:
    made = gradient_program(module, name, wrt)
    verify(made)
    return made


def check_twice(p: Program, name: str, arguments: Sequence[Value], wrt: Sequence[int], tolerance: float = 1e-8, **options) -> Module:
    made = gradient(p.module, name, wrt)
    return check(made, f"{name}_grad", arguments, wrt, tolerance=tolerance, step=1e-3, **options)


def test_straight_line_to_third_order() -> None:
    p = Program()

    def body(w, n, W, x):
        h = w.tanh(w.matvec(W, x))
        return w.div(w.dot(h, w.mul(h, x)), w.add(w.reduce_sum(w.exp(h)), 2.0))

    p.function("f", ["n"], {"W": array("n", "n"), "x": array("n")}, {"y": F64}, body)
    arguments = [3, random(3, 3), random(3)]
    check_twice(p, "f", arguments, [1, 2])
    first = gradient(p.module, "f", [2])
    q = Program()
    q.functions.update(first.functions)
    q.sums.update(first.sums)
    q.signatures.update(first.functions)  # type: ignore[arg-type]
    q.function("g", ["n"], {"W": array("n", "n"), "x": array("n")}, {"y": F64}, lambda w, n, W, x: norm(w, w.call("f_grad", n, W, x)[1]))
    check_twice(q, "g", arguments, [1, 2], tolerance=1e-7)


def test_loops() -> None:
    p = Program()

    def nested(w, d, W, x, n, m):
        return norm(w, w.loop(n, [x], lambda v, i, h: v.mul(v.loop(m, [h], lambda u, j, k: u.tanh(u.add(u.matvec(W, k), x))), x)))

    p.function("nested", ["d"], {"W": array("d", "d"), "x": array("d"), "n": INT, "m": INT}, {"y": F64}, nested)
    check_twice(p, "nested", [3, random(3, 3), random(3), 3, 2], [1, 2])

    def newton(w, n, a):
        return w.reduce_sum(
            w.until([a], lambda v, x: v.greater(norm(v, v.sub(v.mul(x, x), a)), 1e-3), lambda v, x: v.mul(v.add(x, v.div(a, x)), 0.5))
        )

    p.function("newton", ["n"], {"a": array("n")}, {"y": F64}, newton)
    check_twice(p, "newton", [3, np.abs(random(3)) + 0.5], [1])


def test_tree_lstm() -> None:
    p = tree_program()
    check_twice(p, "loss", [7, 2, random(7, 2), random(6, 2), random(10, 4), word_tree(2)], [3, 4])


def test_table_of_a_tree_lstm() -> None:
    p = tree_program()
    check_twice(p, "loss", [7, 2, random(7, 2), random(6, 2), random(10, 4), word_tree(2)], [2, 3, 4])


def test_active_trees() -> None:
    p = Program()
    tree = constructs.add_tree_functions(p)
    p.function(
        "f", ["n"], {"t": tree, "v": array("n")}, {"y": F64}, lambda w, n, t, v: w.reduce_sum(w.call("tsum", n, w.call("tmap", n, t, v), v))
    )
    check_twice(p, "f", [3, constructs.leaf_tree(2), random(3)], [1, 2])
    check_twice(p, "f", [3, constructs.leaf_tree(2), random(3)], [2])


def test_shared_subtrees() -> None:
    p = Program()
    tree = constructs.add_tree_functions(p)

    def dag(w, n, x, v):
        a = w.construct(tree, "Leaf", x)
        b = w.construct(tree, "Node", a, a)
        return w.reduce_sum(w.call("tsum", n, w.construct(tree, "Node", b, a), v))

    p.function("dag", ["n"], {"x": array("n"), "v": array("n")}, {"y": F64}, dag)
    check_twice(p, "dag", [3, random(3), random(3)], [1, 2])


def test_memory() -> None:
    p = constructs.memory_call()
    p.function(
        "f",
        ["s", "d", "k"],
        {"m": array("s", "d"), "values": array("k", "d")},
        {"y": F64},
        lambda w, s, d, k, m, values: w.call("memcall", s, d, k, w.mul(m, 1.0), values)[1],
    )
    check_twice(p, "f", [5, 3, 6, random(5, 3), random(6, 3)], [3, 4])


def test_gather_and_scatter() -> None:
    p = Program()
    integers = array("m")
    integers = type(integers)(INT, integers.shape)
    p.function(
        "f",
        ["n", "m"],
        {"x": array("n"), "i": integers},
        {"y": F64},
        lambda w, n, m, x, i: norm(w, w.scatter_add(w.mul(x, x), i, w.tanh(w.gather(x, i)))),
    )
    check_twice(p, "f", [5, 4, random(5), np.array([0, 3, 3, 1])], [2])


@pytest.mark.parametrize("op", ["reduce_max", "reduce_prod"])
def test_reductions(op: str) -> None:
    p = Program()
    p.function("f", ["n"], {"x": array("n", 3)}, {"y": F64}, lambda w, n, x: norm(w, getattr(w, op)(w.tanh(x), axes=(0,))))
    check_twice(p, "f", [4, random(4, 3)], [1])


def test_lists() -> None:
    p = Program()

    def body(w, n, x, k):
        full = w.loop(k, [w.list_empty(elements=(array("n"),))], lambda u, i, l: u.list_push(l, u.mul(x, u.tanh(x))))
        return norm(w, w.loop(w.list_length(full), [x], lambda u, i, a: u.mul(a, u.exp(u.many("list_get", full, i)[0]))))

    p.function("f", ["n"], {"x": array("n"), "k": INT}, {"y": F64}, body)
    check_twice(p, "f", [3, random(3), 3], [1])


def test_checkpoint() -> None:
    p = Program()
    p.function(
        "cell",
        ["n"],
        {"W": array("n", "n"), "h": array("n")},
        {"y": array("n")},
        lambda w, n, W, h: w.tanh(w.matvec(W, h)),
        checkpoint=True,
    )
    p.function(
        "f",
        ["n"],
        {"W": array("n", "n"), "x": array("n"), "k": INT},
        {"y": F64},
        lambda w, n, W, x, k: norm(w, w.loop(k, [x], lambda u, i, h: u.call("cell", n, W, h))),
    )
    check_twice(p, "f", [3, random(3, 3), random(3), 3], [1, 2])


def test_hessian_vector_product_in_the_program() -> None:
    """``jvp`` of a function that holds a ``vjp``: innermost first."""
    from dynlang.core.nodes import Jvp

    p = Program()
    p.function("energy", ["n"], {"x": array("n")}, {"e": F64}, lambda w, n, x: w.reduce_sum(w.mul(w.mul(x, x), w.exp(x))))

    def slope(w, n, x):
        return w.builder.emit(Vjp("energy", (n, x), (1,), (number(1.0, "f64"),)), ["e", "g"], [F64, array("n")])[1]

    def curved(w, n, x, v):
        return w.builder.emit(Jvp("slope", (n, x), (None, v)), ["g", "hv"], [array("n"), array("n")])[1]

    p.function("slope", ["n"], {"x": array("n")}, {"g": array("n")}, slope)
    p.function("curved", ["n"], {"x": array("n"), "v": array("n")}, {"hv": array("n")}, curved)
    made = differentiate(p.module)
    from dynlang.core.evaluate import evaluate

    x, v = random(4), random(4)
    exact = (2 + 4 * x + x * x) * np.exp(x) * v
    np.testing.assert_allclose(evaluate(made, "curved", [4, x, v])[0], exact, rtol=1e-12)
    check(made, "curved", [4, x, v], [1, 2])
