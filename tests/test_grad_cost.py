"""A gradient costs at most 6 times the primal's operations, and grows as the primal does: exponents within 0.05."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

import test_grad_constructs as constructs
from dynlang.core.evaluate import SumValue
from grad_checks import F64, INT, Program, Space, Value, array, operations, random, random_indices, same_numbers, with_requests  # noqa: F401
from test_grad import tree_program, word_tree

RATIO, SLACK = 6.0, 0.05


def norm(w, x):
    return w.dot(x, x)


def straight() -> tuple[Program, str]:
    p = Program()

    def body(w, n, W, x, b):
        h = w.tanh(w.add(w.matvec(W, x), b))
        return w.div(w.dot(h, w.mul(h, x)), w.add(w.reduce_sum(w.exp(h)), 2.0))

    p.function("straight", ["n"], {"W": array("n", "n"), "x": array("n"), "b": array("n")}, {"y": F64}, body)
    return p, "straight"


def nested() -> tuple[Program, str]:
    p = Program()

    def body(w, d, W, x, n, m):
        return norm(w, w.loop(n, [x], lambda v, i, h: v.mul(v.loop(m, [h], lambda u, j, k: u.tanh(u.add(u.matvec(W, k), x))), x)))

    p.function("nested", ["d"], {"W": array("d", "d"), "x": array("d"), "n": INT, "m": INT}, {"y": F64}, body)
    return p, "nested"


def early() -> tuple[Program, str]:
    p = Program()

    def body(w, n, W, x, k):
        def trip(u, h, j):
            return u.add(u.matvec(W, h), x), u.add(j, 1)

        h, _ = w.until([x, 0], lambda u, h, j: u.logical_and(u.less(j, k), u.less(norm(u, h), 1e9)), trip)
        return norm(w, h)

    p.function("early", ["n"], {"W": array("n", "n"), "x": array("n"), "k": INT}, {"y": F64}, body)
    return p, "early"


def memory() -> tuple[Program, str]:
    p = Program()

    def body(w, s, d, k, m, keys, values):
        def trip(u, i, m, total):
            e = u.exp(u.matvec(m, u.at(keys, i)))
            r = u.vecmat(u.div(e, u.reduce_sum(e)), m)
            return u.update(m, u.floor_modulo(i, s), u.tanh(u.add(u.at(values, i), r))), u.add(total, norm(u, r))

        return w.loop(k, [m, 0.0], trip)[1]

    p.function("memory", ["s", "d", "k"], {"m": array("s", "d"), "keys": array("k", "d"), "values": array("k", "d")}, {"y": F64}, body)
    return p, "memory"


def touched_rows() -> tuple[Program, str]:
    p = constructs.memory_call()
    p.function(
        "touched",
        ["s", "d", "k"],
        {"m": array("s", "d"), "values": array("k", "d")},
        {"y": F64},
        lambda w, s, d, k, m, values: w.call("memcall", s, d, k, m, values)[1],
    )
    return p, "touched"


def scattered() -> tuple[Program, str]:
    p = Program()
    integers = type(array("n"))(INT, array("n").shape)
    p.function(
        "scattered",
        ["n"],
        {"x": array("n"), "y": array("n"), "ix": integers, "jx": integers},
        {"r": array("n")},
        lambda w, n, x, y, ix, jx: w.scatter_add(w.mul(x, x), jx, w.mul(w.gather(w.mul(y, y), ix), w.gather(x, jx))),
    )
    return p, "scattered"


def active_tree() -> tuple[Program, str]:
    p = Program()
    constructs.add_tree_functions(p)
    return p, "tsum"


def mapped_tree() -> tuple[Program, str]:
    p = Program()
    constructs.add_tree_functions(p)
    return p, "tmap"


def passed_through() -> tuple[Program, str]:
    """``get(m, i) -> (m[i], m)`` with m unused: a materialised zero cotangent would make it quadratic."""
    p = Program()
    p.function("get", ["n"], {"m": array("n"), "i": INT}, {"x": F64, "m2": array("n")}, lambda w, n, m, i: (w.at(m, i), m))

    def trip_of(n, m):
        return lambda u, i, a: (lambda y: u.add(a, u.mul(y, y)))(u.call("get", n, m, i)[0])

    p.function("passed", ["n"], {"m": array("n")}, {"y": F64}, lambda w, n, m: w.loop(n, [0.0], trip_of(n, m)))
    return p, "passed"


def element_of_payload() -> tuple[Program, str]:
    """A big array under a constructor made in a loop, of which one element is read."""
    p = Program()
    tree = constructs.payload_tree(p)
    p.function(
        "path",
        ["n"],
        {"t": tree, "k": INT},
        {"y": F64},
        lambda w, n, t, k: w.case(t, [F64], Leaf=lambda u, x: u.at(x, k), Node=lambda u, left, right: u.call("path", n, left, k)),
    )

    def body(w, n, x):
        def trip(u, i, a):
            leaf = u.construct(tree, "Leaf", x)
            return u.add(a, u.call("path", n, u.construct(tree, "Node", leaf, u.construct(tree, "Leaf", x)), i))

        return w.loop(n, [0.0], trip)

    p.function("element", ["n"], {"x": array("n")}, {"y": F64}, body)
    return p, "element"


def chain(depth: int) -> SumValue:
    tree = SumValue("Leaf", (0,))
    for k in range(depth):
        tree = SumValue("Node", (tree, SumValue("Leaf", (k % 7,))))
    return tree


def lstm() -> tuple[Program, str]:
    return tree_program(), "loss"


def weights(v: int, d: int) -> list[Value]:
    return [v, d, random(v, d), random(3 * d, d), random(5 * d, 2 * d)]


Example = tuple[Callable[[], tuple[Program, str]], Sequence[int], Callable[[int], list[Value]], Sequence[int]]
EXAMPLES: dict[str, Example] = {
    "straight line": (straight, (32, 64, 128), lambda n: [n, random(n, n), random(n), random(n)], (1, 2, 3)),
    "nested loops": (nested, (8, 16, 32), lambda n: [16, random(16, 16), random(16), n, 4], (1, 2)),
    "while": (early, (16, 64, 128), lambda n: [16, random(16, 16) * 0.1, random(16) * 0.1, n], (1, 2)),
    "TreeLSTM, nodes": (lstm, (8, 32, 128), lambda n: [*weights(7, 16), word_tree(int(np.log2(n)))], (2, 3, 4)),
    "TreeLSTM, depth": (lstm, (16, 32, 64), lambda n: [*weights(7, 16), chain(n)], (2, 3, 4)),
    "TreeLSTM, vocabulary": (lstm, (64, 512, 4096), lambda n: [*weights(n, 8), word_tree(4)], (2, 3, 4)),
    "sum over a tree": (active_tree, (16, 64, 128), lambda n: [8, constructs.leaf_tree(int(np.log2(n)), 8), random(8)], (1, 2)),
    "tree to tree": (mapped_tree, (16, 64, 128), lambda n: [8, constructs.leaf_tree(int(np.log2(n)), 8), random(8)], (1, 2)),
    "gather and scatter": (scattered, (64, 256, 1024), lambda n: [n, random(n), random(n), random_indices(n), random_indices(n)], (1, 2)),
    "memory, trips": (memory, (16, 64, 128), lambda n: [32, 16, n, random(32, 16), random(n, 16), random(n, 16)], (3, 4, 5)),
    "memory, rows": (memory, (16, 64, 256), lambda n: [n, 16, 32, random(n, 16), random(32, 16), random(32, 16)], (3, 4, 5)),
    "memory, rows touched": (touched_rows, (32, 64, 128), lambda n: [n, 8, n, random(n, 8), random(n, 8)], (3, 4)),
    "passed through": (passed_through, (32, 128, 256), lambda n: [n, random(n)], (1,)),
    "element of a payload": (element_of_payload, (32, 128, 256), lambda n: [n, random(n)], (1,)),
}
LOOSE = {"passed through": 12.0, "element of a payload": 12.0}
"""Programs of scalar steps, in which every step of the bookkeeping counts as one: what matters is the exponent."""


def costs(name: str) -> list[tuple[float, float]]:
    make, sizes, arguments, wrt = EXAMPLES[name]
    p, function = make()
    made, reverse, _ = with_requests(p.module, function, wrt, forward=False)
    space = Space(p.module)
    on = space.engine.activity.results(function, tuple(k in wrt for k in range(len(p.functions[function].parameters))))
    found = []
    for n in sizes:
        given = arguments(n)
        from dynlang.core.evaluate import evaluate

        values = evaluate(p.module, function, given)
        cotangents = [
            space.vector(value, one.type) for value, one, yes in zip(values, p.functions[function].results, on, strict=True) if yes
        ]
        found.append((operations(p.module, function, given), operations(made, reverse, [*given, *cotangents])))
    return found


@pytest.mark.parametrize("name", EXAMPLES)
def test_cost_of_the_gradient(name: str) -> None:
    found = costs(name)
    sizes = EXAMPLES[name][1]
    ratios = [gradient / primal for primal, gradient in found]

    def exponent(values: Sequence[float]) -> float:
        return float(np.log(values[-1] / values[-2]) / np.log(sizes[-1] / sizes[-2]))

    primal, gradient = exponent([one for one, _ in found]), exponent([one for _, one in found])
    assert max(ratios) <= LOOSE.get(name, RATIO), ratios
    assert gradient <= primal + SLACK, (primal, gradient, ratios)
