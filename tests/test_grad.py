"""Reverse mode on hand-made Core: straight lines, branches, loops, recursion."""

from __future__ import annotations

import numpy as np

from dynlang.core.evaluate import SumValue
from grad_checks import F64, INT, Program, array, check, random, random_indices, same_numbers  # noqa: F401


def test_straight_line() -> None:
    p = Program()

    def body(w, n, W, x, b):
        h = w.tanh(w.add(w.matvec(W, x), b))
        return w.div(w.dot(h, w.mul(h, x)), w.add(w.reduce_sum(w.exp(h)), 2.0))

    p.function("straight", ["n"], {"W": array("n", "n"), "x": array("n"), "b": array("n")}, {"y": F64}, body)
    check(p.module, "straight", [3, random(3, 3), random(3), random(3)], [1, 2, 3])


def test_branch() -> None:
    p = Program()

    def body(w, n, x, y):
        return w.branch(w.less(w.reduce_sum(x), 0.0), [F64], lambda v: v.dot(x, y), lambda v: v.reduce_sum(v.exp(y)))

    p.function("branch", ["n"], {"x": array("n"), "y": array("n")}, {"r": F64}, body)
    x = np.abs(random(3)) + 1
    check(p.module, "branch", [3, x, random(3)], [1, 2])
    check(p.module, "branch", [3, -x, random(3)], [1, 2])


def test_nested_loops() -> None:
    p = Program()

    def body(w, d, W, x, n, m):
        h = w.loop(n, [x], lambda v, i, h: v.mul(v.loop(m, [h], lambda u, j, k: u.tanh(u.add(u.matvec(W, k), x))), x))
        return w.dot(h, h)

    p.function("nested", ["d"], {"W": array("d", "d"), "x": array("d"), "n": INT, "m": INT}, {"y": F64}, body)
    for n, m in ((4, 3), (0, 3), (3, 0)):
        check(p.module, "nested", [3, random(3, 3), random(3), n, m], [1, 2] if n and m else [2])


def test_while() -> None:
    p = Program()

    def body(w, n, a):
        return w.until(
            [a],
            lambda v, x: v.greater((lambda e: v.dot(e, e))(v.sub(v.mul(x, x), a)), 1e-3),
            lambda v, x: v.mul(v.add(x, v.div(a, x)), 0.5),
        )

    p.function("newton", ["n"], {"a": array("n")}, {"x": array("n")}, body)
    check(p.module, "newton", [3, np.abs(random(3)) + 0.5], [1], step=1e-3)


def tree_program() -> Program:
    p = Program()
    tree = p.sum("Tree", [], Leaf={"word": INT}, Node={"left": None, "right": None})
    p.sum("Tree", [], Leaf={"word": INT}, Node={"left": tree, "right": tree})

    def encode(w, v, d, E, U, W, t):
        def gate(u, z, k):
            return u.slice(z, u.mul(d, k), sizes=["d"])

        def leaf(u, word):
            z = u.matvec(U, u.at(E, word))
            c = u.mul(u.sigmoid(gate(u, z, 0)), u.tanh(gate(u, z, 2)))
            return u.mul(u.sigmoid(gate(u, z, 1)), u.tanh(c)), c

        def node(u, left, right):
            hl, cl = u.call("encode", v, d, E, U, W, left)
            hr, cr = u.call("encode", v, d, E, U, W, right)
            z = u.matvec(W, u.concat(hl, hr))
            c = u.add(
                u.add(u.mul(u.sigmoid(gate(u, z, 0)), u.tanh(gate(u, z, 4))), u.mul(u.sigmoid(gate(u, z, 1)), cl)),
                u.mul(u.sigmoid(gate(u, z, 2)), cr),
            )
            return u.mul(u.sigmoid(gate(u, z, 3)), u.tanh(c)), c

        return w.case(t, [array("d"), array("d")], Leaf=leaf, Node=node)

    weights = {"E": array("v", "d", table=True), "U": array("3*d", "d"), "W": array("5*d", "2*d")}
    p.function("encode", ["v", "d"], {**weights, "t": tree}, {"h": array("d"), "c": array("d")}, encode)

    def loss(w, v, d, E, U, W, t):
        h, _ = w.call("encode", v, d, E, U, W, t)
        return w.dot(h, h)

    p.function("loss", ["v", "d"], {**weights, "t": tree}, {"y": F64}, loss)
    return p


def word_tree(depth: int, v: int = 7) -> SumValue:
    if depth == 0:
        return SumValue("Leaf", (int(random_indices(v, 1)[0]),))
    return SumValue("Node", (word_tree(depth - 1, v), word_tree(depth - 1, v)))


def test_tree_lstm() -> None:
    p = tree_program()
    check(p.module, "loss", [7, 3, random(7, 3), random(9, 3), random(15, 6), word_tree(3)], [2, 3, 4])
