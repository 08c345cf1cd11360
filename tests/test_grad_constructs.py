"""Derivatives of what programs are made of: sums with active payloads, arrays updated in place, `inout`, aliasing, lists, rules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dynlang.core.build import Signature, integer, number
from dynlang.core.evaluate import SumValue, object_array
from dynlang.core.nodes import CustomDerivative, Variable, Vjp
from dynlang.types import ArrayType, ListType
from grad_checks import F64, INT, Program, Writer, array, check, random, same_numbers  # noqa: F401


def norm(w, x):
    return w.dot(x, x)


# ---------------------------------------------------------------- sums with active payloads


def payload_tree(p: Program):
    tree = p.sum("Tree", ["n"])
    p.sum("Tree", ["n"], Leaf={"x": array("n")}, Node={"left": tree, "right": tree})
    return tree


def leaf_tree(depth: int, n: int = 3) -> SumValue:
    return SumValue("Leaf", (random(n),)) if depth == 0 else SumValue("Node", (leaf_tree(depth - 1, n), leaf_tree(depth - 1, n)))


def add_tree_functions(p: Program):
    tree = payload_tree(p)

    def tsum(w, n, t, v):
        return w.case(
            t,
            [array("n")],
            Leaf=lambda u, x: u.tanh(u.mul(v, x)),
            Node=lambda u, left, right: u.tanh(u.add(u.mul(u.call("tsum", n, left, v), u.call("tsum", n, right, v)), v)),
        )

    p.function("tsum", ["n"], {"t": tree, "v": array("n")}, {"y": array("n")}, tsum)

    def tmap(w, n, t, v):
        return w.case(
            t,
            [tree],
            Leaf=lambda u, x: u.construct(tree, "Leaf", u.mul(x, v)),
            Node=lambda u, left, right: u.construct(tree, "Node", u.call("tmap", n, right, v), u.call("tmap", n, left, u.mul(v, v))),
        )

    p.function("tmap", ["n"], {"t": tree, "v": array("n")}, {"y": tree}, tmap)
    return tree


def test_tree_with_active_leaves() -> None:
    p = Program()
    add_tree_functions(p)
    check(p.module, "tsum", [3, leaf_tree(3), random(3)], [1, 2])
    check(p.module, "tmap", [3, leaf_tree(3), random(3)], [1, 2])


def test_shared_subtrees_count_at_each_place() -> None:
    p = Program()
    tree = add_tree_functions(p)

    def dag(w, n, x, v):
        a = w.construct(tree, "Leaf", x)
        b = w.construct(tree, "Node", a, a)
        c = w.construct(tree, "Node", b, a)
        return w.call("tsum", n, w.construct(tree, "Node", c, b), v)

    p.function("dag", ["n"], {"x": array("n"), "v": array("n")}, {"y": array("n")}, dag)
    check(p.module, "dag", [3, random(3), random(3)], [1, 2])


def test_mutual_recursion() -> None:
    p = Program()
    tree = payload_tree(p)
    for name in ("even", "odd"):
        p.signatures[name] = None  # type: ignore[assignment]
    from dynlang.core.build import Signature
    from dynlang.core.nodes import Variable

    places = (Variable("n", INT), Variable("t", tree), Variable("v", array("n")))
    p.signatures["odd"] = Signature(places, (Variable("y", array("n")),))

    def even(w, n, t, v):
        return w.case(
            t,
            [array("n")],
            Leaf=lambda u, x: u.mul(x, v),
            Node=lambda u, left, right: u.add(u.call("odd", n, left, v), u.tanh(u.call("odd", n, right, v))),
        )

    def odd(w, n, t, v):
        return w.case(
            t,
            [array("n")],
            Leaf=lambda u, x: u.mul(x, 1.0),
            Node=lambda u, left, right: u.mul(u.call("even", n, left, v), u.sigmoid(u.call("even", n, right, v))),
        )

    p.function("even", ["n"], {"t": tree, "v": array("n")}, {"y": array("n")}, even)
    p.function("odd", ["n"], {"t": tree, "v": array("n")}, {"y": array("n")}, odd)
    check(p.module, "even", [3, leaf_tree(3), random(3)], [1, 2])


def test_payload_of_unknown_size() -> None:
    p = Program()
    chain = p.sum("Chain", [])
    p.sum("Chain", [], End={}, Link={"n": INT, "x": array("n"), "rest": chain})

    def total(w, c, s):
        return w.case(
            c, [F64], End=lambda u: 0.0, Link=lambda u, n, x, rest: u.add(u.mul(u.dot(x, u.tanh(x)), s), u.mul(u.call("total", rest, s), s))
        )

    p.function("total", [], {"c": chain, "s": F64}, {"y": F64}, total)

    def grown(w, c, s):
        return w.case(
            c,
            [chain],
            End=lambda u: u.construct(chain, "End"),
            Link=lambda u, n, x, rest: u.construct(chain, "Link", n, u.mul(x, s), u.call("grown", rest, s)),
        )

    p.function("grown", [], {"c": chain, "s": F64}, {"y": chain}, grown)
    p.function(
        "both",
        [],
        {"c": chain, "s": F64},
        {"y": F64},
        lambda w, c, s: w.add(w.call("total", w.call("grown", c, s), s), w.call("total", c, s)),
    )
    value = SumValue("End", ())
    for n in (2, 0, 3):
        value = SumValue("Link", (n, random(n), value))
    check(p.module, "total", [value, 0.7], [0, 1])
    check(p.module, "grown", [value, 0.7], [0, 1])
    check(p.module, "both", [value, 0.7], [0, 1])


def test_closures_as_sums() -> None:
    p = Program()
    closure = p.sum("Closure", ["n"])
    p.sum(
        "Closure",
        ["n"],
        Scale={"s": F64},
        Layer={"W": array("n", "n"), "b": array("n")},
        Compose={"first": closure, "second": closure},
        Relu={},
    )

    def apply(w, n, f, x):
        return w.case(
            f,
            [array("n")],
            Scale=lambda u, s: u.mul(s, x),
            Layer=lambda u, W, b: u.tanh(u.add(u.matvec(W, x), b)),
            Compose=lambda u, g, h: u.call("apply", n, h, u.call("apply", n, g, x)),
            Relu=lambda u: u.relu(x),
        )

    p.function("apply", ["n"], {"f": closure, "x": array("n")}, {"y": array("n")}, apply)

    def hof(w, n, W, b, s, x, count):
        g = w.construct(closure, "Compose", w.construct(closure, "Layer", W, b), w.construct(closure, "Scale", s))

        def trip(u, i, h):
            inner = u.construct(closure, "Compose", u.construct(closure, "Relu"), u.construct(closure, "Layer", W, h))
            return u.call("apply", n, u.construct(closure, "Compose", g, inner), h)

        return w.loop(count, [x], trip)

    p.function("hof", ["n"], {"W": array("n", "n"), "b": array("n"), "s": F64, "x": array("n"), "count": INT}, {"y": array("n")}, hof)
    check(p.module, "hof", [3, random(3, 3), random(3), 0.7, random(3), 3], [1, 2, 3, 4], step=1e-3, tolerance=1e-8)


def test_arrays_of_sums() -> None:
    p = Program()
    tree = add_tree_functions(p)
    forest = ArrayType(tree, (array("k").shape[0],))

    def read(w, n, k, b, v, count):
        return w.loop(count, [w.fill(0.0, sizes=["n"])], lambda u, i, a: u.add(a, u.call("tsum", n, u.at(b, u.floor_modulo(i, k)), v)))

    p.function("read", ["n", "k"], {"b": forest, "v": array("n"), "count": INT}, {"y": array("n")}, read)

    def write(w, n, k, b, v, count):
        def trip(u, i, b, a):
            j = u.floor_modulo(i, k)
            t = u.at(b, j)
            return u.update(b, j, u.call("tmap", n, t, v)), u.add(a, u.call("tsum", n, t, v))

        b2, a = w.loop(count, [b, w.fill(0.0, sizes=["n"])], trip)
        return w.add(a, w.call("tsum", n, w.at(b2, 0), v))

    p.function("write", ["n", "k"], {"b": forest, "v": array("n"), "count": INT}, {"y": array("n")}, write)
    value = object_array([leaf_tree(2), leaf_tree(1)])
    check(p.module, "read", [3, 2, value, random(3), 5], [2, 3])
    check(p.module, "write", [3, 2, value, random(3), 5], [2, 3])


# ---------------------------------------------------------------- indexing and arrays updated in place


def test_gather_and_scatter_with_duplicates() -> None:
    p = Program()
    integers = ArrayType(INT, array("m").shape)

    def body(w, n, k, m, x, y, ix, jx):
        return w.scatter_add(w.mul(x, x), jx, w.mul(w.gather(w.mul(y, y), ix), w.gather(x, jx)))

    p.function("f", ["n", "k", "m"], {"x": array("n"), "y": array("k"), "ix": integers, "jx": integers}, {"r": array("n")}, body)
    check(p.module, "f", [5, 4, 4, random(5), random(4), np.array([0, 3, 3, 1]), np.array([2, 2, 2, 4])], [3, 4])
    check(p.module, "f", [5, 4, 0, random(5), random(4), np.zeros(0, int), np.zeros(0, int)], [3])


def test_memory_updated_in_a_loop() -> None:
    p = Program()

    def body(w, s, d, k, m, keys, values):
        def trip(u, i, m, total):
            e = u.exp(u.matvec(m, u.at(keys, i)))
            a = u.div(e, u.reduce_sum(e))
            r = u.vecmat(a, m)
            return u.update(m, u.floor_modulo(i, s), u.tanh(u.add(u.at(values, i), r))), u.add(total, norm(u, r))

        return w.loop(k, [m, 0.0], trip)

    p.function(
        "memory",
        ["s", "d", "k"],
        {"m": array("s", "d"), "keys": array("k", "d"), "values": array("k", "d")},
        {"m2": array("s", "d"), "y": F64},
        body,
    )
    check(p.module, "memory", [5, 3, 12, random(5, 3), random(12, 3), random(12, 3)], [3, 4, 5])


def memory_call() -> Program:
    p = Program()

    def write(w, s, d, m, i, v):
        old = w.at(m, i)
        y = norm(w, old)
        return w.update(m, i, w.tanh(w.add(v, old))), y

    p.function(
        "write", ["s", "d"], {"m": array("s", "d"), "i": INT, "v": array("d")}, {"m2": array("s", "d"), "y": F64}, write, inout=((2, 0),)
    )

    def body(w, s, d, k, m, values):
        def trip(u, i, m, total):
            m2, y = u.call("write", s, d, m, u.floor_modulo(u.mul(i, 7), s), u.at(values, i))
            q = u.at(m2, 0)
            return m2, u.add(u.add(total, y), u.dot(q, u.mul(q, q)))

        return w.loop(k, [m, 0.0], trip)

    p.function("memcall", ["s", "d", "k"], {"m": array("s", "d"), "values": array("k", "d")}, {"m2": array("s", "d"), "y": F64}, body)
    return p


def test_memory_through_an_inout_call() -> None:
    check(memory_call().module, "memcall", [5, 3, 9, random(5, 3), random(9, 3)], [3, 4])


def test_inout_gradient_of_the_function_itself() -> None:
    check(memory_call().module, "write", [5, 3, random(5, 3), 2, random(3)], [2, 4])


def test_memory_written_in_one_branch() -> None:
    p = Program()

    def body(w, s, d, m, v, count):
        def trip(u, i, m, a):
            j = u.floor_modulo(i, 3)
            q = u.at(m, j)
            m2 = u.branch(u.greater(u.reduce_sum(q), 0.0), [array("s", "d")], lambda t: t.update(m, j, t.tanh(t.mul(q, v))), lambda t: m)
            return m2, u.add(a, norm(u, q))

        return w.loop(count, [m, 0.0], trip)

    p.function("f", ["s", "d"], {"m": array("s", "d"), "v": array("d"), "count": INT}, {"m2": array("s", "d"), "y": F64}, body)
    check(p.module, "f", [4, 3, random(4, 3), random(3) + 1, 9], [2, 3])


def test_recursion_with_inout_memory() -> None:
    p = Program()

    def body(w, s, d, m, v, k):
        def step(u):
            j = u.floor_modulo(k, s)
            old = u.at(m, j)
            q = u.tanh(u.add(u.mul(u.at(v, j), old), u.mul(old, old)))
            return u.call("memrec", s, d, u.update(m, j, q), v, u.sub(k, 1))

        return w.branch(w.less(k, 1), [array("s", "d")], lambda u: m, step)

    p.function("memrec", ["s", "d"], {"m": array("s", "d"), "v": array("s", "d"), "k": INT}, {"m2": array("s", "d")}, body, inout=((2, 0),))
    p.function(
        "f",
        ["s", "d"],
        {"m": array("s", "d"), "v": array("s", "d"), "k": INT},
        {"y": F64},
        lambda w, s, d, m, v, k: w.reduce_sum(w.call("memrec", s, d, w.mul(m, 1.0), v, k)),
    )
    check(p.module, "f", [4, 3, random(4, 3), random(4, 3), 9], [2, 3])


def test_comprehension_like_loop_saves_no_overwritten_elements() -> None:
    """``[tanh(x[i]) for i]`` as a loop of updates: the elements overwritten are zeros that nobody reads."""
    p = Program()
    p.function(
        "f",
        ["n"],
        {"x": array("n")},
        {"y": array("n")},
        lambda w, n, x: w.loop(n, [w.fill(0.0, sizes=["n"])], lambda u, i, y: u.update(y, i, u.tanh(u.at(x, i)))),
    )
    made = check(p.module, "f", [4, random(4)], [1])
    from dynlang.core.show import show

    assert "old" not in show(made)
    check(p.module, "f", [0, random(0)], [1])


def test_slices_updated() -> None:
    p = Program()

    def body(w, n, x, y, k):
        return w.loop(k, [x], lambda u, i, x: u.update_slice(x, i, u.mul(u.slice(x, u.add(i, 1), sizes=["2"]), u.tanh(y))))

    p.function("f", ["n"], {"x": array("n"), "y": array("2"), "k": INT}, {"r": array("n")}, body)
    check(p.module, "f", [7, random(7) + 1, random(2), 4], [1, 2])


# ---------------------------------------------------------------- calls


def test_one_variable_for_two_parameters() -> None:
    p = Program()
    p.function(
        "mulxy",
        ["n"],
        {"x": array("n"), "w": array("n"), "y": array("n")},
        {"a": array("n"), "b": array("n")},
        lambda u, n, x, w, y: (u.add(u.mul(x, y), w), x),
    )
    p.function("same", ["n"], {"x": array("n"), "w": array("n")}, {"y": F64}, lambda u, n, x, w: u.dot(*u.call("mulxy", n, x, w, x)))
    check(p.module, "same", [3, random(3), random(3)], [1, 2])
    p.function("square", ["a", "b"], {"x": array("a"), "y": array("b")}, {"r": F64}, lambda u, a, b, x, y: u.mul(norm(u, x), norm(u, y)))
    p.function("twice", ["n"], {"x": array("n")}, {"y": F64}, lambda u, n, x: u.call("square", n, n, x, x))
    check(p.module, "twice", [3, random(3)], [1])


def test_one_matrix_used_both_ways() -> None:
    p = Program()
    p.function(
        "dup", ["n"], {"W": array("n", "n"), "y": array("n")}, {"r": array("n")}, lambda w, n, W, y: w.mul(w.matvec(W, y), w.vecmat(y, W))
    )
    check(p.module, "dup", [3, random(3, 3), random(3)], [1, 2])


def test_partial_activity_in_recursion() -> None:
    p = Program()

    def body(w, n, x, c, k):
        return w.branch(
            w.less(k, 1),
            [array("n")],
            lambda u: u.mul(x, c),
            lambda u: u.mul(u.call("partial", n, x, c, u.sub(k, 1)), u.call("partial", n, c, c, u.sub(k, 1))),
        )

    p.function("partial", ["n"], {"x": array("n"), "c": array("n"), "k": INT}, {"y": array("n")}, body)
    check(p.module, "partial", [3, random(3), random(3), 3], [1])
    check(p.module, "partial", [3, random(3), random(3), 3], [1, 2])


def test_result_without_cotangent() -> None:
    p = Program()
    p.function(
        "two", ["n"], {"x": array("n"), "y": array("n")}, {"a": array("n"), "b": array("n")}, lambda w, n, x, y: (w.mul(x, y), w.exp(x))
    )
    p.function("first", ["n"], {"x": array("n"), "y": array("n")}, {"a": array("n")}, lambda w, n, x, y: w.call("two", n, x, y)[0])
    check(p.module, "first", [3, random(3), random(3)], [1, 2])


def test_local_used_in_both_branches() -> None:
    p = Program()

    def body(w, n, x, y):
        z = w.mul(x, y)
        r = w.branch(w.less(0.0, w.reduce_sum(x)), [F64], lambda u: u.dot(z, x), lambda u: u.reduce_sum(z))
        return w.add(r, norm(w, z))

    p.function("f", ["n"], {"x": array("n"), "y": array("n")}, {"r": F64}, body)
    for sign in (1, -1):
        check(p.module, "f", [3, sign * (np.abs(random(3)) + 0.1), random(3)], [1, 2])


def test_result_of_unknown_size() -> None:
    p = Program()
    p.function(
        "repeat",
        [],
        {"x": F64, "k": INT},
        {"n": INT, "y": array("n")},
        lambda w, x, k: (lambda n: (n, w.fill(x, sizes=[n.name])))(w.floor_modulo(k, 5)),
    )
    p.function("f", [], {"x": F64, "k": INT}, {"r": F64}, lambda w, x, k: norm(w, w.tanh(w.call("repeat", x, k)[1])))
    check(p.module, "f", [0.3, 8], [0])


# ---------------------------------------------------------------- loops


def test_inactive_at_first() -> None:
    p = Program()

    def body(w, n, W, x, k):
        h = w.loop(k, [w.fill(0.0, sizes=["n"])], lambda u, i, h: u.tanh(u.add(u.matvec(W, h), x)))
        return norm(w, h)

    p.function("cold", ["n"], {"W": array("n", "n"), "x": array("n"), "k": INT}, {"y": F64}, body)
    check(p.module, "cold", [3, random(3, 3), random(3), 6], [1, 2])


def test_initial_value_captured_as_well() -> None:
    p = Program()
    p.function(
        "f", ["n"], {"x": array("n"), "k": INT}, {"y": F64}, lambda w, n, x, k: norm(w, w.loop(k, [x], lambda u, i, h: u.tanh(u.add(h, x))))
    )
    check(p.module, "f", [3, random(3), 4], [1])


def test_early_exit() -> None:
    p = Program()

    def body(w, n, W, x, k):
        def trip(u, h, j, done):
            h2 = u.add(u.matvec(W, h), x)
            return h2, u.add(j, 1), u.less(2.0, norm(u, h2))

        return w.until([x, integer(0), _false()], lambda u, h, j, done: u.logical_and(u.less(j, k), u.logical_not(done)), trip)[0]

    p.function("early", ["n"], {"W": array("n", "n"), "x": array("n"), "k": INT}, {"h": array("n")}, body)
    check(p.module, "early", [3, random(3, 3) * 2, random(3), 20], [1, 2])


def _false():
    from dynlang.core.build import truth

    return truth(False)


def test_values_swapped_in_a_loop() -> None:
    p = Program()
    p.function(
        "f",
        ["n"],
        {"x": array("n"), "y": array("n"), "k": INT},
        {"a": array("n"), "b": array("n")},
        lambda w, n, x, y, k: w.loop(k, [x, y], lambda u, i, a, b: (b, u.tanh(u.mul(a, b)))),
    )
    check(p.module, "f", [3, random(3), random(3), 5], [1, 2])


def test_index_used_in_the_body() -> None:
    p = Program()
    p.function(
        "f",
        ["n"],
        {"x": array("n")},
        {"y": F64},
        lambda w, n, x: w.loop(n, [0.0], lambda u, i, a: u.add(u.mul(a, u.at(x, i)), u.mul(u.convert(i, dtype="f64"), u.exp(u.at(x, i))))),
    )
    check(p.module, "f", [4, random(4)], [1])


# ---------------------------------------------------------------- lists


def test_list_filled_and_read() -> None:
    p = Program()
    vectors = ListType((array("n"), INT))

    def body(w, n, x, k):
        empty = w.list_empty(elements=vectors.elements)
        full = w.loop(k, [empty], lambda u, i, l: u.list_push(l, u.mul(x, u.convert(i, dtype="f64")), i))
        changed = w.list_set(full, 1, w.tanh(x), 7)
        total = w.loop(
            w.list_length(changed), [w.fill(0.0, sizes=["n"])], lambda u, i, a: u.add(a, u.exp(u.many("list_get", changed, i)[0]))
        )
        rest, last, _ = w.many("list_pop", changed)
        again = w.many("list_get", rest, integer(0))[0]
        return w.add(total, w.mul(last, w.exp(again)))

    p.function("f", ["n"], {"x": array("n"), "k": INT}, {"y": array("n")}, body)
    check(p.module, "f", [3, random(3), 4], [1])


def test_list_parameter() -> None:
    p = Program()
    vectors = ListType((array("n"), INT))

    def body(w, n, l, x):
        return w.loop(w.list_length(l), [x], lambda u, i, a: u.mul(a, u.tanh(u.many("list_get", l, i)[0])))

    p.function("f", ["n"], {"l": vectors, "x": array("n")}, {"y": array("n")}, body)
    check(p.module, "f", [3, [(random(3), 1), (random(3), 2)], random(3)], [1, 2])


# ---------------------------------------------------------------- rules, checkpoints, constants


def test_custom_rule() -> None:
    p = Program()
    p.function("softplus", [], {"x": F64}, {"y": F64}, lambda w, x: w.log(w.add(w.exp(x), 1.0)))
    p.function(
        "softplus_rule", [], {"x": F64, "g": F64}, {"d_x": F64}, lambda w, x, g: w.mul(g, w.sigmoid(x))
    )
    p.functions["softplus"] = replace(p.functions["softplus"], derivative=CustomDerivative("softplus_rule"))
    p.function(
        "f",
        ["n"],
        {"x": array("n")},
        {"y": F64},
        lambda w, n, x: w.loop(n, [0.0], lambda u, i, a: u.add(a, u.call("softplus", u.mul(u.at(x, i), u.at(x, i))))),
    )
    check(p.module, "f", [4, random(4)], [1])
    check(p.module, "softplus", [0.3], [0])


def test_checkpoint_saves_nothing() -> None:
    p = Program()

    def cell(w, n, W, h, x):
        z = w.tanh(w.add(w.matvec(W, h), x))
        return w.add(w.mul(w.sigmoid(z), h), w.tanh(w.mul(z, x)))

    parameters = {"W": array("n", "n"), "h": array("n"), "x": array("n")}
    p.function("cell", ["n"], parameters, {"y": array("n")}, cell, checkpoint=True)
    p.function(
        "rnn",
        ["n"],
        {"W": array("n", "n"), "x": array("n"), "k": INT},
        {"y": array("n")},
        lambda w, n, W, x, k: w.loop(k, [x], lambda u, i, h: u.call("cell", n, W, h, x)),
    )
    made = check(p.module, "rnn", [3, random(3, 3), random(3), 5], [1, 2])
    pushed = [one for one in made.functions["rnn_forward"].results if isinstance(one.type, ListType)]
    assert all(len(one.type.elements) <= 1 for one in pushed if isinstance(one.type, ListType))
    check(p.module, "cell", [3, random(3, 3), random(3), random(3)], [1, 2, 3])


def test_stop_gradient() -> None:
    p = Program()
    p.function("f", ["n"], {"x": array("n")}, {"y": array("n")}, lambda w, n, x: w.mul(w.stop_gradient(x), x))
    from dynlang.core.evaluate import evaluate
    from grad_checks import with_requests

    made, name, _ = with_requests(p.module, "f", [1])
    x = random(3)
    np.testing.assert_array_equal(evaluate(made, name, [3, x, np.ones(3)])[1], x)


def test_gradient_that_is_always_zero() -> None:
    from dynlang.diag import CompileError
    from grad_checks import with_requests

    p = Program()
    p.function("f", ["n"], {"x": array("n"), "y": array("n")}, {"r": F64}, lambda w, n, x, y: w.reduce_sum(w.mul(w.stop_gradient(x), y)))
    with pytest.raises(CompileError) as found:
        with_requests(p.module, "f", [1])
    assert found.value.diagnostics[0].code == "DYN0611"
    with_requests(p.module, "f", [1, 2], forward=False)


def test_gradient_inside_a_function() -> None:
    """Fifty steps of descent, differentiated: a gradient of a gradient."""
    p = Program()

    def energy(w, n, y, A, x):
        q = w.matvec(A, y)
        return w.sub(w.add(w.dot(q, q), norm(w, y)), w.dot(x, y))

    p.function("energy", ["n"], {"y": array("n"), "A": array("n", "n"), "x": array("n")}, {"e": F64}, energy)

    def descend(w, n, A, x, y0, k):
        def trip(u, i, y):
            _, g = u.builder.emit(Vjp("energy", (n, y, A, x), (1,), (number(1.0, "f64"),)), ["e", "g"], [F64, array("n")])
            return u.sub(y, u.mul(g, 0.05))

        return w.loop(k, [y0], trip)

    p.function("descend", ["n"], {"A": array("n", "n"), "x": array("n"), "y0": array("n"), "k": INT}, {"y": array("n")}, descend)
    from dynlang.grad import differentiate

    check(differentiate(p.module), "descend", [3, random(3, 3), random(3), random(3), 20], [1, 2, 3])


# ---------------------------------------------------------------- sizes that change in a loop


def loop_with_sizes(w: Writer, count, size_, value, body):
    """``for: (n, x: f64[n])`` where the size changes."""
    from dynlang.core.nodes import For, Variable
    from dynlang.types import Size

    names = w.builder.names
    index, n = Variable(names.fresh("i"), INT), Variable(names.fresh("m"), INT)
    x = Variable(names.fresh("p"), ArrayType(F64, (Size.variable(n.name),)))
    right = For(index, count, (n, x), (size_, value), w.block(body, index, n, x))
    return w.builder.emit(right, ["m", "x"])


def test_size_that_changes_in_a_loop() -> None:
    p = Program()

    def body(w, n, x, k):
        def trip(u, i, m, h):
            longer = u.concat(u.tanh(h), u.fill(u.reduce_sum(u.mul(h, h)), sizes=["2"]))
            more = u.add(m, 2)
            return more, u.tanh(u.mul(longer, 0.7))

        _, h = loop_with_sizes(w, k, n, x, trip)
        return w.reduce_sum(w.mul(h, h))

    p.function("grow", ["n"], {"x": array("n"), "k": INT}, {"y": F64}, body)
    check(p.module, "grow", [3, random(3), 3], [1])
    check(p.module, "grow", [3, random(3), 0], [1])


# ---------------------------------------------------------------- rules in forward mode, surrogates


def with_rule(surrogate: bool = False) -> Program:
    """``scaled(W, x) = W (x * x)`` with a rule for both arguments."""
    p = Program()
    p.function("scaled", ["n"], {"W": array("n", "n"), "x": array("n")}, {"y": array("n")}, lambda w, n, W, x: w.matvec(W, w.mul(x, x)))

    def rule(w, n, W, x, g):
        inner = w.vecmat(g, W)
        return w.accumulate_outer(w.fill(0.0, sizes=["n", "n"]), g, w.mul(x, x)), w.mul(w.mul(inner, x), 2.0)

    p.function(
        "rule",
        ["n"],
        {"W": array("n", "n"), "x": array("n"), "g": array("n")},
        {"d_W": array("n", "n"), "d_x": array("n")},
        rule,
    )
    p.functions["scaled"] = replace(p.functions["scaled"], derivative=CustomDerivative("rule", surrogate))
    p.function(
        "f", ["n"], {"W": array("n", "n"), "x": array("n")}, {"y": F64}, lambda w, n, W, x: norm(w, w.call("scaled", n, W, w.tanh(x)))
    )
    return p


def test_rule_of_arrays_in_forward_mode() -> None:
    p = with_rule()
    for wrt in ([1], [2], [1, 2]):
        check(p.module, "f", [3, random(3, 3), random(3)], wrt)
    check(p.module, "scaled", [3, random(3, 3), random(3)], [1, 2])


def test_second_derivative_through_a_rule() -> None:
    from dynlang.grad import gradient_program

    made = gradient_program(with_rule().module, "f", [1, 2])
    check(made, "f_grad", [3, random(3, 3), random(3)], [1, 2], step=1e-3, tolerance=1e-8)


def test_surrogate_has_no_second_derivative() -> None:
    from dynlang.diag import CompileError

    p = with_rule(surrogate=True)

    def slope(w, n, W, x):
        return w.builder.emit(Vjp("f", (n, W, x), (2,), (number(1.0, "f64"),)), ["y", "g"], [F64, array("n")])[1]

    p.function("slope", ["n"], {"W": array("n", "n"), "x": array("n")}, {"g": array("n")}, slope)
    p.function(
        "twice",
        ["n"],
        {"W": array("n", "n"), "x": array("n"), "v": array("n")},
        {"h": array("n")},
        lambda w, n, W, x, v: w.builder.emit(Vjp("slope", (n, W, x), (2,), (v,)), ["g", "h"], [array("n"), array("n")])[1],
    )
    from dynlang.grad import differentiate

    with pytest.raises(CompileError) as found:
        differentiate(p.module)
    assert found.value.diagnostics[0].code == "DYN0613"


def test_matrix_of_sums() -> None:
    p = Program()
    tree = add_tree_functions(p)
    forest = ArrayType(tree, array("k", 2).shape)

    def body(w, n, k, b, v):
        first = w.loop(k, [w.fill(0.0, sizes=["n"])], lambda u, i, a: u.add(a, u.call("tsum", n, u.at(b, i, 1), v)))
        return w.branch(w.less(k, 5), [array("n")], lambda u: u.add(first, u.call("tsum", n, u.at(b, 0, 0), v)), lambda u: first)

    p.function("f", ["n", "k"], {"b": forest, "v": array("n")}, {"y": array("n")}, body)
    p.function(
        "g",
        ["n", "k"],
        {"b": forest, "v": array("n")},
        {"y": array("n")},
        lambda w, n, k, b, v: w.mul(w.call("f", n, k, b, v), w.call("f", n, k, b, v)),
    )
    value = np.empty((2, 2), object)
    for place in np.ndindex(2, 2):
        value[place] = leaf_tree(place[0] + place[1])
    from dynlang.core.evaluate import evaluate
    from grad_checks import with_requests

    made, name, _ = with_requests(p.module, "g", [2, 3])
    assert evaluate(made, name, [3, 2, value, random(3), np.ones(3)])[1].shape == (2, 2)


def test_zero_gradient_says_where_it_dies(tmp_path) -> None:
    from dynlang import pipeline
    from dynlang.diag import CompileError

    path = tmp_path / "program.dyn"
    path.write_text(
        "fn rounded(x: f32) -> f32:\n    return floor(x)\n\nfn f(x: f32) -> f32:\n    return rounded(x) * 2.0\n\n"
        "fn g(x: f32) -> f32:\n    return grad(f)(x)\n"
    )
    with pytest.raises(CompileError) as found:
        pipeline.build(pipeline.Request(path, entries=("g",)), until="grad")
    error = found.value.diagnostics[0]
    assert error.code == "DYN0611" and error.secondary[0].span.text == "floor(x)"


def test_recursion_that_hands_on_what_it_copies_and_changes() -> None:
    """The backward has y in its residual, as y is changed in a copy, and gets it again from recursive calls."""
    p = Program()

    def body(w, n, y, k):
        changed = w.update(y, 0, 0.5)
        norm_ = w.sin(w.dot(y, w.mul(y, changed)))
        return w.branch(w.less(k, 1), [F64], lambda u: norm_, lambda u: u.mul(norm_, u.call("f", n, y, u.sub(k, 1))))

    p.signatures["f"] = Signature((Variable("n", INT), Variable("y", array("n")), Variable("k", INT)), (Variable("r", F64),))
    p.function("f", ["n"], {"y": array("n"), "k": INT}, {"r": F64}, body)
    check(p.module, "f", [3, random(3), 2], [1])
