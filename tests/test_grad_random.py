"""Random programs: branches, loops, calls, arrays updated in place, lists, sums; reverse mode equals forward mode, and differences."""

from __future__ import annotations

import random as rnd
from typing import Any

import numpy as np
import pytest

from dynlang.core.nodes import Atom, Variable
from dynlang.core.verify import verify
from dynlang.grad import gradient_program
from dynlang.types import ListType, Type
from grad_checks import F64, INT, Program, Writer, array, check

VECTOR, MATRIX = array("n"), array("n", "n")
ITEMS = ListType((VECTOR,))
Pool = dict[str, list[Atom]]


class Generator:
    """Writes blocks of random statements over pools of variables: scalars, vectors, matrices, ints, lists, sums."""

    def __init__(self, seed: int) -> None:
        self.pick = rnd.Random(seed)
        self.program = Program()
        self.functions: list[str] = []
        self.shape = self.program.sum("Shape", ["n"])
        self.program.sum("Shape", ["n"], Dot={"x": F64}, Line={"v": VECTOR, "k": INT}, Pair={"first": self.shape, "second": self.shape})

    # -- choosing

    def one(self, pool: Pool, kind: str) -> Atom:
        return self.pick.choice(pool[kind])

    def index(self, w: Writer, pool: Pool, n: Variable) -> Atom:
        return w.floor_modulo(self.one(pool, "int"), n)

    # -- statements

    def statements(self, w: Writer, pool: Pool, n: Variable, count: int, depth: int) -> None:
        for _ in range(count):
            self.pick.choice(self.simple if depth == 0 or self.pick.random() < 0.6 else self.nested)(self, w, pool, n, depth)

    def elementwise(self, w: Writer, pool: Pool, n: Variable, depth: int) -> None:
        kind = self.pick.choice(("scalar", "vector", "vector", "matrix"))
        x, y = self.one(pool, kind), self.one(pool, self.pick.choice((kind, "scalar")))
        choices = (lambda: w.mul(x, y), lambda: w.add(x, y), lambda: w.sub(w.sin(x), y), lambda: w.tanh(x), lambda: w.mul(x, w.cos(y)))
        made = self.pick.choice(choices)()
        pool[kind].append(w.tanh(made) if self.pick.random() < 0.5 else w.mul(made, 0.7))

    def contract(self, w: Writer, pool: Pool, n: Variable, depth: int) -> None:
        m, x, y = self.one(pool, "matrix"), self.one(pool, "vector"), self.one(pool, "vector")
        match self.pick.randrange(5):
            case 0:
                pool["vector"].append(w.tanh(w.matvec(m, x)))
            case 1:
                pool["vector"].append(w.tanh(w.vecmat(x, m)))
            case 2:
                pool["scalar"].append(w.tanh(w.dot(x, y)))
            case 3:
                pool["scalar"].append(w.tanh(w.reduce_sum(m)))
            case _:
                pool["vector"].append(w.reduce_sum(m, axes=(self.pick.randrange(2),)))

    def read(self, w: Writer, pool: Pool, n: Variable, depth: int) -> None:
        i = self.index(w, pool, n)
        if self.pick.random() < 0.5:
            pool["vector"].append(w.at(self.one(pool, "matrix"), i))
        else:
            pool["scalar"].append(w.at(self.one(pool, "vector"), i))

    def write(self, w: Writer, pool: Pool, n: Variable, depth: int) -> None:
        i = self.index(w, pool, n)
        if self.pick.random() < 0.5:
            pool["matrix"].append(w.update(self.one(pool, "matrix"), i, self.one(pool, "vector")))
        else:
            pool["vector"].append(w.update(self.one(pool, "vector"), i, self.one(pool, "scalar")))

    def construct(self, w: Writer, pool: Pool, n: Variable, depth: int) -> None:
        match self.pick.randrange(3):
            case 0:
                made = w.construct(self.shape, "Dot", self.one(pool, "scalar"))
            case 1:
                made = w.construct(self.shape, "Line", self.one(pool, "vector"), self.one(pool, "int"))
            case _:
                made = w.construct(self.shape, "Pair", self.one(pool, "shape"), self.one(pool, "shape"))
        pool["shape"].append(made)

    def push(self, w: Writer, pool: Pool, n: Variable, depth: int) -> None:
        pool["list"].append(w.list_push(self.one(pool, "list"), self.one(pool, "vector")))

    def walk(self, w: Writer, pool: Pool, n: Variable, depth: int) -> None:
        items = self.one(pool, "list")
        pool["vector"].append(
            w.loop(w.list_length(items), [self.one(pool, "vector")], lambda u, i, a: u.tanh(u.add(a, u.many("list_get", items, i)[0])))
        )

    def call(self, w: Writer, pool: Pool, n: Variable, depth: int) -> None:
        if not self.functions:
            return
        name = self.pick.choice(self.functions)
        x = self.one(pool, "vector")
        y = x if self.pick.random() < 0.3 else self.one(pool, "vector")
        m, s, _ = w.call(name, n, x, y, self.one(pool, "matrix"), self.one(pool, "shape"), self.one(pool, "int"))
        pool["matrix"].append(m)
        pool["scalar"].append(s)

    # -- constructs

    def results(self, pool: Pool, kinds: list[str]) -> list[Atom]:
        return [self.one(pool, kind) for kind in kinds]

    def block(self, u: Writer, pool: Pool, n: Variable, kinds: list[str], depth: int, extra: Pool) -> list[Atom]:
        inner = {kind: [*values, *extra.get(kind, ()), *extra.get(kind, ())] for kind, values in pool.items()}
        self.statements(u, inner, n, self.pick.randint(1, 4), depth - 1)
        return [self.pick.choice(inner[kind][-3:]) for kind in kinds]

    def kinds(self) -> list[str]:
        return [self.pick.choice(("scalar", "vector", "matrix", "shape", "list")) for _ in range(self.pick.randint(1, 3))]

    def types(self, kinds: list[str]) -> list[Type]:
        return [{"scalar": F64, "vector": VECTOR, "matrix": MATRIX, "shape": self.shape, "list": ITEMS}[kind] for kind in kinds]

    def add(self, pool: Pool, kinds: list[str], values: Any) -> None:
        many = values if isinstance(values, tuple) else (values,)
        for kind, value in zip(kinds, many, strict=True):
            pool[kind].append(value)

    def branch(self, w: Writer, pool: Pool, n: Variable, depth: int) -> None:
        kinds = self.kinds()
        condition = w.less(w.floor_modulo(self.one(pool, "int"), 3), 1)
        self.add(
            pool,
            kinds,
            w.branch(
                condition,
                self.types(kinds),
                lambda u: self.block(u, pool, n, kinds, depth, {}),
                lambda u: self.block(u, pool, n, kinds, depth, {}),
            ),
        )

    def loop(self, w: Writer, pool: Pool, n: Variable, depth: int) -> None:
        kinds = self.kinds()

        def trip(u: Writer, i: Variable, *carried: Atom) -> list[Atom]:
            extra: Pool = {"int": [i]}
            for kind, one in zip(kinds, carried, strict=True):
                extra.setdefault(kind, []).append(one)
            return self.block(u, pool, n, kinds, depth, extra)

        self.add(pool, kinds, w.loop(self.pick.randint(0, 3), self.results(pool, kinds), trip))

    def until(self, w: Writer, pool: Pool, n: Variable, depth: int) -> None:
        kinds = self.kinds()
        limit = self.pick.randint(0, 3)

        def trip(u: Writer, count: Atom, *carried: Atom) -> list[Atom]:
            extra: Pool = {"int": [count]}
            for kind, one in zip(kinds, carried, strict=True):
                extra.setdefault(kind, []).append(one)
            return [u.add(count, 1), *self.block(u, pool, n, kinds, depth, extra)]

        found = w.until([0, *self.results(pool, kinds)], lambda u, count, *_: u.less(count, limit), trip)  # type: ignore[list-item]
        self.add(pool, kinds, found[1:])

    def match(self, w: Writer, pool: Pool, n: Variable, depth: int) -> None:
        kinds = self.kinds()
        value = self.one(pool, "shape")
        assert isinstance(value, Variable)

        def arm(u: Writer, extra: Pool) -> list[Atom]:
            return self.block(u, pool, n, kinds, depth, extra)

        self.add(
            pool,
            kinds,
            w.case(
                value,
                self.types(kinds),
                Dot=lambda u, x: arm(u, {"scalar": [x]}),
                Line=lambda u, v, k: arm(u, {"vector": [v], "int": [k]}),
                Pair=lambda u, a, b: arm(u, {"shape": [a, b]}),
            ),
        )

    simple = (elementwise, elementwise, contract, contract, read, write, write, construct, push, walk, call)
    nested = (branch, loop, loop, until, match)

    # -- functions

    def function(self, name: str, recursive: bool) -> None:
        parameters = {"x": VECTOR, "y": VECTOR, "m": MATRIX, "s": self.shape, "k": INT}
        results = {"m2": MATRIX, "r": F64, "count": INT}

        def body(w: Writer, n: Variable, x: Variable, y: Variable, m: Variable, s: Variable, k: Variable) -> list[Atom]:
            pool: Pool = {
                "scalar": [w.tanh(w.reduce_sum(x))],
                "vector": [x, y],
                "matrix": [m],
                "int": [k, n],
                "shape": [s],
                "list": [w.list_empty(elements=ITEMS.elements)],
            }
            self.statements(w, pool, n, self.pick.randint(3, 7), 2)
            m2 = pool["matrix"][-1]
            if recursive:

                def again(u: Writer) -> list[Atom]:
                    found, r, _ = u.call(name, n, self.one(pool, "vector"), y, m2, self.one(pool, "shape"), u.sub(k, 1))
                    return [found, r]

                m2, r = w.branch(w.less(k, 1), [MATRIX, F64], lambda u: [m2, pool["scalar"][-1]], again)
            else:
                r = pool["scalar"][-1]
            total = w.add(w.tanh(w.reduce_sum(m2)), w.mul(r, w.reduce_sum(pool["vector"][-1])))
            total = w.add(total, self.measure(w, pool["shape"][-1], n))
            return [m2, w.tanh(total), w.add(k, 1)]

        from dynlang.core.build import Signature

        places = (Variable("n", INT), *(Variable(one, kind) for one, kind in parameters.items()))
        self.program.signatures[name] = Signature(places, tuple(Variable(one, kind) for one, kind in results.items()))
        inout = ((3, 0),) if self.pick.random() < 0.4 else ()
        self.program.function(name, ["n"], parameters, results, body, inout=inout)

    def measure(self, w: Writer, value: Atom, n: Variable) -> Atom:
        return w.call("measure", n, value)

    def build(self) -> str:
        self.program.function(
            "measure",
            ["n"],
            {"s": self.shape},
            {"r": F64},
            lambda w, n, s: w.case(
                s,
                [F64],
                Dot=lambda u, x: u.sin(x),
                Line=lambda u, v, k: u.reduce_sum(u.tanh(v)),
                Pair=lambda u, a, b: u.tanh(u.add(u.call("measure", n, a), u.mul(u.call("measure", n, b), 0.5))),
            ),
        )
        for k in range(self.pick.randint(1, 3)):
            self.function(f"f{k}", self.pick.random() < 0.4)
            self.functions.append(f"f{k}")

        def body(w: Writer, n: Variable, x: Variable, m: Variable, a: Variable, k: Variable) -> Atom:
            s = w.construct(self.shape, "Pair", w.construct(self.shape, "Line", x, k), w.construct(self.shape, "Dot", a))
            m2, r, _ = w.call(self.functions[-1], n, x, w.mul(x, a), w.mul(m, 1.0), s, k)
            return w.add(w.add(w.reduce_sum(w.sin(m2)), r), w.add(w.dot(x, x), w.add(w.mul(a, a), w.reduce_sum(w.mul(m, m)))))

        self.program.function("main", ["n"], {"x": VECTOR, "m": MATRIX, "a": F64, "k": INT}, {"y": F64}, body)
        return "main"


def values(seed: int) -> list[object]:
    numbers = np.random.default_rng(seed)
    return [3, numbers.standard_normal(3) * 0.5, numbers.standard_normal((3, 3)) * 0.5, 0.6, seed % 3]


@pytest.mark.parametrize("seed", range(12))
def test_random_program(seed: int) -> None:
    generator = Generator(seed)
    check(generator.program.module, generator.build(), values(seed), [1, 2, 3], tolerance=1e-7, step=1e-3)


@pytest.mark.parametrize("seed", range(2))
def test_second_derivative_of_a_random_program(seed: int) -> None:
    generator = Generator(seed)
    generator.build()
    made = gradient_program(generator.program.module, "main", [1, 2, 3])
    verify(made)
    check(made, "main_grad", values(seed), [1, 2, 3], tolerance=1e-5, step=1e-3)
