"""Derivatives of programs written in Dyn: each function is checked as Core, with the gradient and its gradient."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from dynlang import pipeline
from dynlang.check import typed
from dynlang.check.program import check_source
from dynlang.check.walk import nodes
from dynlang.core.evaluate import SumValue
from dynlang.core.nodes import Module
from dynlang.core.verify import verify
from dynlang.grad import gradient_program
from grad_checks import Value, check, random, same_numbers  # noqa: F401


def core_of(folder: Path, text: str, entry: str) -> Module:
    path = folder / "program.dyn"
    path.write_text(text, encoding="utf-8")
    return pipeline.build(pipeline.Request(path, entries=(entry,)), until="grad")


def both_orders(module: Module, entry: str, arguments: Sequence[Value], wrt: Sequence[int], second: bool = True) -> None:
    check(module, entry, arguments, wrt)
    if second:
        made = gradient_program(module, entry, wrt)
        verify(made)
        check(made, f"{entry}_grad", arguments, wrt, tolerance=1e-7, step=1e-3)


PROGRAMS: dict[str, tuple[str, list[Value], list[int]]] = {
    "records and methods": (
        """
record Layer<n, m>:
    w: f64[m, n]
    b: f64[m]

    fn call(self, x: f64[n]) -> f64[m]:
        return tanh(self.w @ x + self.b)

fn f<n>(first: Layer<n, n>, second: Layer<n, 2*n>, x: f64[n]) -> f64:
    return sum(second(first(first(x))) ** 2)
""",
        [2, random(2, 2), random(2), random(4, 2), random(4), random(2)],
        [1, 2, 3, 4, 5],
    ),
    "comprehensions": (
        """
fn f<n, m>(w: f64[n, m], x: f64[m]) -> f64:
    let y = [sum(w[i, j] * x[j] for j) for i]
    let z = [exp(v) * v for v in y]
    return sum(z) + max(w[i, j] for i, j) * prod(v + 2.0 for v in x)
""",
        [3, 2, random(3, 2), random(2)],
        [2, 3],
    ),
    "early return from a loop": (
        """
fn f<n>(x: f64[n], limit: f64) -> f64:
    var total: f64 = 0.0
    for v in x:
        total += v * v * total + exp(v)
        if total > limit:
            return total * 2.0
    return total
""",
        [4, random(4), 2.5],
        [1],
    ),
    "while and break": (
        """
fn f<n>(x: f64[n]) -> f64:
    var h = x
    var count = 0
    while count < 20:
        h = tanh(h) * 1.5 + x
        count += 1
        if sum(h * h) > 6.0:
            break
    return sum(h)
""",
        [3, random(3) + 0.3],
        [1],
    ),
    "assignment to elements": (
        """
fn f<n>(x: f64[n], y: f64[n]) -> f64:
    var a = x
    var t: f64[n] = zeros(n)
    for i in n:
        t[i] = a[i] * y[i]
        a[i] = exp(t[i]) + a[0]
    t[0] += a[1] * 3.0
    return sum(t * a)
""",
        [3, random(3), random(3)],
        [1, 2],
    ),
    "inout": (
        """
record Memory<s, d>:
    rows: f64[s, d]
    strength: f64

    fn write(self: inout Memory<s, d>, i: idx<s>, v: f64[d]):
        self.rows[i] = tanh(self.rows[i] + v) * self.strength
        self.strength = self.strength * 0.9 + sum(v)

fn f<s, d>(start: f64[s, d], v: f64[d]) -> f64:
    var m: Memory<s, d> = Memory(start, 1.0)
    for i in s:
        m.write(i, v * f64(i))
        let first = m.rows[0]
        m.write(i, first)
    return sum(m.rows * m.rows) + m.strength
""",
        [3, 2, random(3, 2), random(2)],
        [2, 3],
    ),
    "closures": (
        """
fn twice(g: f64 -> f64, x: f64) -> f64:
    return g(g(x))

fn f(a: f64, x: f64, deep: bool) -> f64:
    var g: f64 -> f64 = y => y + a
    if deep:
        g = y => sin(y * a)
    let inner = g
    var h: f64 -> f64 = inner
    if deep:
        h = y => inner(y) * inner(a)
    return twice(h, x) + twice(y => y * a, x)
""",
        [0.7, 0.4, True],
        [0, 1],
    ),
    "lists": (
        """
fn f<n>(x: f64[n]) -> f64:
    var items: List<f64[n]> = List()
    for i in 4:
        items.push(x * f64(i))
    var total: f64 = 0.0
    for item in items:
        total += sum(sin(item)) * total + sum(item)
    return total + sum(items[2] * items[1])
""",
        [3, random(3)],
        [1],
    ),
    "lists of lists": (
        """
fn f(x: f64) -> f64:
    var rows: List<List<f64>> = List()
    for i in 3:
        var row: List<f64> = List()
        for j in i:
            row.push(x * f64(i + j))
        rows.push(row)
    var total: f64 = 0.0
    for row in rows:
        for v in row:
            total += sin(v) * (total + 1.0)
    return total
""",
        [0.3],
        [0],
    ),
    "a sum with payloads": (
        """
type Shape<n>:
    Ball(r: f64)
    Polygon(corners: f64[n])
    Both(first: Shape<n>, second: Shape<n>, weight: f64)

fn area<n>(s: Shape<n>, k: f64) -> f64:
    match s:
        Ball(r):
            return r * r * k
        Polygon(c):
            return sum(exp(c)) * k
        Both(a, b, w):
            return area(a, k * w) * area(b, k) + w

fn f<n>(c: f64[n], r: f64) -> f64:
    let s: Shape<n> = Both(Both(Ball(r), Polygon(c), r), Polygon(c * r), 0.5)
    return area(s, 1.0) + area(s, r)
""",
        [3, random(3), 0.8],
        [1, 2],
    ),
    "a size found at run time": (
        """
fn f<n>(x: f64[n]) -> f64:
    let positive = [v * v for v in x if v > 0.0]
    return sum(exp(positive)) + sum(x)
""",
        [5, random(5) + 0.1],
        [1],
    ),
    "gradients inside": (
        """
fn energy<n>(y: f64[n], a: f64[n]) -> f64:
    return sum((y - a) ** 2 * exp(y)) + sum(y ** 4)

fn curved<n>(y: f64[n], a: f64[n]) -> f64[n]:
    let _, change = jvp(z => grad(energy)(z, a), y, a)
    return change

fn f<n>(a: f64[n]) -> f64:
    var y: f64[n] = zeros(n)
    for _ in 4:
        y = y - 0.05 * grad(energy)(y, a)
    return energy(y, a) + sum(curved(y, a))
""",
        [3, random(3)],
        [1],
    ),
    "checkpoint and stop_gradient": (
        """
fn block<n>(x: f64[n]) -> f64[n]:
    return tanh(x) * exp(x)

fn f<n>(x: f64[n]) -> f64:
    var h = x
    for _ in 3:
        h = checkpoint(block)(h) + x
    return sum(h) * sum(x) + sum(stop_gradient(h * 0.0))
""",
        [3, random(3)],
        [1],
    ),
    "a rule": (
        """
fn soft(x: f64) -> f64:
    return log(1.0 + exp(x))

@derivative(of=soft)
fn soft_rule(x: f64) -> (f64, f64 -> f64):
    return soft(x), g => g * sigmoid(x)

fn f<n>(x: f64[n]) -> f64:
    return sum(soft(v * v) for v in x)
""",
        [3, random(3)],
        [1],
    ),
    "integers and tables": (
        """
import nn

fn f<v, d>(e: f64[v, d], words: int[?n], scale: f64) -> f64:
    var h: f64[d] = zeros(d)
    for w in words:
        h = tanh(h * scale + e[w])
    return sum(h)
""",
        [4, 2, 3, random(4, 2), np.array([1, 3, 1]), 0.7],
        [3, 5],
    ),
    "reductions of every kind": (
        """
fn f<n, m>(w: f64[n, m], x: f64[m]) -> f64:
    let low = min(w[i, j] * x[j] for i, j)
    let middle = mean(w[i, j] ** 2 for i, j)
    let soft = logsumexp(w[i, j] + x[j] for i, j)
    let some = count(v > 0.0 for v in x) if any(v > 0.1 for v in x) and not all(v > 5.0 for v in x) else 1
    let first = argmax(v for v in x)
    let last = argmin(v for v in x)
    let guarded = sum(v * v for v in x if v > -0.2)
    let kept = [v * x[first] for v in x if v < 0.9]
    return low * middle + soft * f64(some) + x[last] * guarded + sum(kept)
""",
        [3, 2, random(3, 2), random(2)],
        [2, 3],
    ),
    "arrays: slices, broadcasts, masks, gathers": (
        """
let shift: f64[2] = [0.5, -1.0]

fn f<n>(x: f64[n + 4], w: f64[2]) -> f64:
    var y: f64[n + 4] = zeros(n + 4)
    y[1:3] = x[0:2] * w
    y[::2] += 0.5
    let ids: idx<n + 4>[3] = [1, 1, 0]
    let m = [x[0:2], x[1:3], w, shift]
    let s = sum(m * w, axis=0)
    return sum(y * x) + sum(x[ids] ** 3) + sum(where(w > 0.0, s, -s)) + m[2, 1] * x[-1]
""",
        [1, random(5), random(2)],
        [1, 2],
    ),
    "tuples, conditions, casts": (
        """
fn pair(x: f64, y: f64) -> (f64, f64):
    return (x * y, x - y) if x > y and x * y < 100.0 or x == y else (y, x * x)

fn f(x: f64, y: f64, k: int) -> f64:
    assert k >= 0
    let p = pair(x, y)
    let a, b = p
    let (c, _), d = (p, a)
    let small = f64(f32(a))
    var total = 0.0 * a
    for i in k:
        if i == 1:
            continue
        total += f64(i) * b
    total += b if p < (b, a) else a
    return total + a * b + (small if false else a) * c * d
""",
        [0.7, -0.4, 4],
        [0, 1],
    ),
    "sizes that are cast, opened and packed": (
        """
record Box:
    xs: f64[?]
    scale: f64

fn positive<n>(x: f64[n]) -> f64[?]:
    return [v * v for v in x if v > -0.3]

fn f<n>(x: f64[n], k: int) -> f64:
    let y = positive(x)
    let w = x as f64[2 * ?m]
    let i = k as idx<n>
    let box = Box(y, x[0])
    var total = box.scale * sum(box.xs)
    if box == Box(y, x[0]):
        total += sum(y) * x[i]
    return total + sum(w * w) * w[k % len(w)]
""",
        [4, random(4), 1],
        [1],
    ),
    "leaves of a structure": (
        """
record Model<n>:
    w: f64[n]
    steps: int
    b: f64

fn smooth<n, L: float>(p: L[n]) -> L[n]:
    return p * p + L(2.0) * sin(p)

fn energy<n, L: float>(total: L, p: L[n], q: L[n]) -> L:
    return total + sum(p * q)

fn f<n>(m: Model<n>, x: f64) -> f64:
    let moved = map_leaves(p => smooth(p), m)
    return fold_leaves((total, p, q) => total + f64(sum(p * q)), 0.0 * x, moved, m) * x
""",
        [2, random(2), 3, 0.4, 0.7],
        [1, 3, 4],
    ),
    "functions in data": (
        """
fn f(x: f64, y: f64, k: int) -> f64:
    let both = [(v: f64) => v * y, (v: f64) => sin(v) + x]
    var later: List<f64 -> f64> = List()
    for i in k:
        let scale = x * f64(i + 1)
        later.push(v => v * scale + y)
    var total = both[0](x) * both[1](y)
    for g in later:
        total = g(total)
    return total
""",
        [0.7, -0.4, 3],
        [0, 1],
    ),
    "nested matches on what was made": (
        """
type Expression:
    Number(value: f64)
    Sum(left: Expression, right: Expression)
    Product(left: Expression, right: Expression)

fn value(e: Expression) -> f64:
    match e:
        Number(v):
            return v
        Sum(Number(a), Number(b)):
            return a + b * b
        Sum(left, right):
            return value(left) + value(right)
        Product(left, right):
            return value(left) * value(right)

fn doubled(e: Expression) -> Expression:
    match e:
        Number(v):
            return Number(2.0 * v)
        Sum(left, right):
            return Sum(doubled(left), right)
        Product(left, right):
            return Product(right, doubled(left))

fn f(x: f64, y: f64) -> f64:
    let shared = Sum(Number(x), Number(y))
    return value(doubled(Product(shared, Sum(shared, Number(x * y)))))
""",
        [0.7, -0.4],
        [0, 1],
    ),
    "a rule that leaves a function as it is": (
        """
record Scaled:
    w: f64
    shift: f64 -> f64

fn apply(s: Scaled, x: f64) -> f64:
    return s.w * x

@derivative(of=apply)
fn apply_rule(s: Scaled, x: f64) -> (f64, f64 -> (Tangent<Scaled>, f64)):
    return s.w * x, ct => (Scaled(w=ct * x), ct * s.w)

fn f(w: f64, x: f64) -> f64:
    return apply(Scaled(w, v => v + 1.0), x) ** 2
""",
        [0.7, -0.4],
        [0, 1],
    ),
}

EXEMPT = {"Format", "MakeLeaves", "Missing"}
"""Text, values made from nothing, and what can't be reached."""
DECLARED = {"Block", "Constant", "Constructor", "Expression", "Function", "Generic", "Parameter", "Program", "Record", "Sum"}
REDUCTIONS = {"array", *["sum", "prod", "max", "min", "mean", "any", "all", "argmax", "argmin", "logsumexp", "count"]}


def test_every_construct_is_in_a_program() -> None:
    """What the typed tree can hold is differentiated above; a construct that is new to it fails here."""
    seen: set[str] = set()
    kinds: set[str] = set()
    for text, _, _ in PROGRAMS.values():
        program = check_source(text)
        for function in program.functions.values():
            for node in nodes(function.body) if function.name.startswith(f"{program.module}.") else ():
                seen.add(type(node).__name__)
                kinds |= {node.kind} if isinstance(node, typed.Comprehension) else set()
    constructs = {name for name, one in vars(typed).items() if isinstance(one, type) and one.__module__ == typed.__name__}
    assert constructs - seen == EXEMPT | DECLARED
    told = (typed.Comprehension.__doc__ or "").partition("a reduction")[2].partition(".")[0]
    assert kinds == {"array", *re.findall("[a-z]+", told)}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str, tmp_path: Path) -> None:
    text, arguments, wrt = PROGRAMS[name]
    module = core_of(tmp_path, text, "f")
    both_orders(module, "f", arguments, wrt)


def test_tree_of_the_program(tmp_path: Path) -> None:
    text = """
type Tree:
    Leaf(x: f64)
    Node(left: Tree, right: Tree)

fn f(t: Tree, w: f64) -> f64:
    match t:
        Leaf(x):
            return sin(x * w)
        Node(l, r):
            return f(l, w) * f(r, w * 0.5) + w
"""
    leaf = [SumValue("Leaf", (x,)) for x in (0.3, -0.2, 0.9)]
    tree = SumValue("Node", (SumValue("Node", (leaf[0], leaf[1])), leaf[2]))
    both_orders(core_of(tmp_path, text, "f"), "f", [tree, 0.8], [0, 1])
