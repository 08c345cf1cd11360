"""Core: elaboration gives what the language means, and what is printed means the same again."""

from __future__ import annotations

import random
import re
from typing import Any

import numpy as np
import pytest

from dynlang.check.program import check_source
from dynlang.core.build import Builder, Scope, integer, number
from dynlang.core.elaborate import elaborate
from dynlang.core.evaluate import Counter, SumValue, evaluate
from dynlang.core.nodes import Block, Call, For, Function, If, Let, Literal, Module, Operation, Variable
from dynlang.core.print import print_module
from dynlang.core.simplify import simplify
from dynlang.core.simplify.order import sink_updates
from dynlang.core.verify import verify
from dynlang.core.walk import Names, bound_in, free_variables, rename_block, statements_in
from dynlang.diag import CompileError, InternalError
from dynlang.grad import differentiate
from dynlang.types import F32, INT, ArrayType, Size

N = Size.variable("n")
VECTOR = ArrayType(F32, (N,))


def core_of(text: str, *entries: str, tests: bool = False) -> Module:
    module = elaborate(check_source(text, "test.dyn"), entries, tests=tests)
    verify(module)
    return module


def plain(value: Any) -> Any:
    """A result as Python data."""
    if isinstance(value, np.ndarray):
        return [plain(one) for one in value] if value.dtype == object else value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, SumValue):
        return (value.constructor, *map(plain, value.fields))
    return [tuple(map(plain, one)) for one in value] if isinstance(value, list) else value


def run(text: str, *arguments: Any, function: str = "f") -> Any:
    """The results of a function: in elaborated Core, and in the Core of its printed source, which must be equal."""
    module = core_of(text, function)
    first = [plain(one) for one in evaluate(module, function, arguments)]
    printed = print_module(module)
    again = core_of(printed, function)
    given = again.functions[function].parameters
    labels = [one.name for one in module.functions[function].parameters]
    chosen = [arguments[labels.index(one.name)] for one in given]
    assert [plain(one) for one in evaluate(again, function, chosen)] == first, printed
    return first[0] if len(first) == 1 else first


# ---------------------------------------------------------------- building and refusing


def small(body_of: Any) -> Module:
    """A module with one function of n and x: f32[n]."""
    n, x = Variable("n", INT), Variable("x", VECTOR)
    functions: dict[str, Function] = {}
    builder = Builder(Names(["n", "x"]), Scope(functions.__getitem__, {}.__getitem__))
    results = body_of(builder, n, x)
    places = tuple(Variable(f"result{i}", one.type) for i, one in enumerate(results))
    functions["f"] = Function("f", (n, x), places, builder.block(*results), 1)
    return Module({}, functions)


def test_sizes_are_computed_once_and_equal_sizes_are_equal():
    def body(b: Builder, n: Variable, x: Variable):
        first, again = b.size(2 * N + 1), b.size(1 + N + N)
        assert first == again
        joined = b.operation("concat", x, x)
        assert joined.type == ArrayType(F32, (2 * N,))
        filled = b.operation("fill", number(1.0, "f32"), sizes=[b.size_of(first) - 1])
        return b.operation("add", joined, filled), first

    module = small(body)
    verify(module)
    result, size = evaluate(module, "f", [2, [1.0, 2.0]])
    assert plain(result) == [2.0, 3.0, 2.0, 3.0] and size == 5


BROKEN = [
    ("not in scope", lambda b, n, x: (Variable("nothing", F32),)),
    ("differ", lambda b, n, x: _mismatch(b, n, x)),
    ("no op is called", lambda b, n, x: b.append(Let((Variable("y", F32),), Operation("frobnicate", (x,))))),
    ("bound twice", lambda b, n, x: b.append(Let((Variable("x", F32),), Operation("reduce_sum", (x,))))),
    ("the right side gives", lambda b, n, x: b.append(Let((Variable("y", VECTOR),), Operation("reduce_sum", (x,))))),
    ("no function is called", lambda b, n, x: b.append(Let((Variable("y", F32),), Call("g", (x,))))),
    ("not a bool", lambda b, n, x: b.append(Let((), If(n, Block((), ()), Block((), ()))))),
    ("carried values", lambda b, n, x: b.append(Let((Variable("r", F32),), For(
        Variable("i", INT), n, (Variable("c", F32),), (number(0, "f32"),), Block((), (n,)))))),
]


def _mismatch(b: Builder, n: Variable, x: Variable):
    other = b.operation("fill", number(0, "f32"), sizes=[N + 1])
    return b.append(Let((Variable("y", VECTOR),), Operation("add", (x, other))))


@pytest.mark.parametrize("reason, body", BROKEN, ids=[one[0] for one in BROKEN])
def test_a_broken_rule_is_named(reason: str, body: Any):
    with pytest.raises(InternalError, match=reason):
        verify(small(body))


def test_renaming_keeps_the_meaning_and_frees_the_names():
    module = core_of("fn f<n>(x: f32[n]) -> f32:\n    var s = 0.0\n    for i in n:\n        s += x[i] * f32(i)\n    return s\n", "f")
    function = module.functions["f"]
    names = Names(one.name for one in (*function.parameters, *bound_in(function.body)))
    renamed = rename_block(function.body, names)
    assert not {one.name for one in bound_in(renamed)} & {one.name for one in bound_in(function.body)}
    assert {one.name for one in free_variables(renamed)} == {"n", "x"}


# ---------------------------------------------------------------- what programs mean

PROGRAMS: list[tuple[str, str, tuple[Any, ...], Any]] = [
    ("a size as a value", "fn f<n>(x: f32[n]) -> int:\n    return 2 * n + 1\n", (3, [0.0] * 3), 7),
    ("carried values", """
fn f(k: int) -> (int, int):
    var a = 0
    var b = 1
    for _ in k:
        a, b = b, a + b
    return a, b
""", (10,), [55, 89]),
    ("return out of a loop", """
fn f<n>(x: f32[n], limit: f32) -> int:
    for i in n:
        if x[i] > limit:
            return i
    return -1
""", (4, [1.0, 5.0, 2.0, 7.0], 4.0), 1),
    ("return out of two loops", """
fn f<n, m>(x: f32[n, m], limit: f32) -> (int, int):
    for i in n:
        for j in m:
            if x[i, j] > limit:
                return i, j
    return -1, -1
""", (2, 2, [[1.0, 2.0], [9.0, 3.0]], 4.0), [1, 0]),
    ("break and continue", """
fn f(k: int) -> int:
    var total = 0
    for i in k:
        if i % 2 == 0:
            continue
        if i > 7:
            break
        total += i
    return total
""", (100,), 16),
    ("while with break", """
fn f(limit: int) -> int:
    var x = 1
    while true:
        x = 3 * x + 1
        if x > limit:
            break
    return x
""", (50,), 121),
    ("a branch that may return before a long rest", """
fn f(x: int) -> int:
    var y = x
    if x > 10:
        y = 1
        if x > 100:
            return 7
    else:
        y = 2
    for i in 3:
        y += i
    while y < 8:
        y += 1
    return y
""", (50,), 8),
    ("inout, fields and elements", """
record Pair:
    x: f32[3]
    n: int
fn bump(p: inout Pair, i: idx<3>):
    p.x[i] = p.x[i] + 1.0
    p.n += 1
fn bump_number(x: inout f32):
    x += 10.0
fn f(k: int) -> (f32[3], int):
    var p = Pair(x=[1.0, 2.0, 3.0], n=k)
    for i in 3:
        bump(&p, i)
    bump_number(&p.x[1])
    return p.x, p.n
""", (4,), [[2.0, 13.0, 4.0], 7]),
    ("rows and slices are places", """
fn f<n>(x: f32[n]) -> f32[2, n]:
    var m = zeros(2, n)
    m[0] = x
    m[1, 1:n] = x[:n - 1]
    return m
""", (3, [1.0, 2.0, 3.0]), [[1.0, 2.0, 3.0], [0.0, 1.0, 2.0]]),
    ("matching in the middle of a block", """
type Shape:
    Circle(r: f32)
    Box(w: f32, h: f32)
    Empty
fn area(s: Shape) -> f32:
    var a = 0.0
    match s:
        Circle(r):
            a = r * r
        Box(w, h):
            a = w * h
        Empty:
            a = 0.0
    return a + 1.0
fn f(r: f32) -> f32:
    return area(Circle(r)) + area(Box(2.0, r)) + area(Empty)
""", (3.0,), 18.0),
    ("recursion over a sum", """
type Tree:
    Leaf(value: int)
    Node(left: Tree, right: Tree)
fn build(depth: int) -> Tree:
    if depth == 0:
        return Leaf(1)
    return Node(build(depth - 1), build(depth - 1))
fn total(t: Tree) -> int:
    match t:
        Leaf(v):
            return v
        Node(l, r):
            return total(l) + total(r)
fn f(k: int) -> int:
    return total(build(k))
""", (5,), 32),
    ("unknown sizes", """
fn evens<n>(x: int[n]) -> int[?]:
    return [v for v in x if v % 2 == 0]
fn f<n>(x: int[n]) -> (int, int):
    let e = evens(x)
    return len(e), sum(e)
""", (5, [1, 2, 3, 4, 6]), [3, 12]),
    ("a var whose size changes", """
fn f(k: int) -> int:
    var x: int[?] = [1]
    for _ in k:
        x = concat(x, x)
    return len(x)
""", (4,), 16),
    ("unknown sizes side by side", """
fn halves<n>(x: f32[n]) -> (int, f32[?], f32[?]):
    let a = [v for v in x if v > 0.0]
    let b = [v for v in x if v <= 0.0]
    return len(a), a, b
fn f<n>(x: f32[n]) -> (int, f32, f32):
    var k = 0
    var a: f32[?] = [0.0]
    var b: f32[?] = [0.0]
    for _ in 2:
        k, a, b = halves(x)
    return k, sum(a), sum(b)
""", (3, [1.0, -2.0, 3.0]), [2, 4.0, -2.0]),
    ("records in arrays", """
record P:
    a: int
    b: f32
fn f<n>(x: f32[n]) -> (int, f32):
    let ps = [P(a=i, b=2.0 * x[i]) for i in n]
    var best = ps[0]
    for p in ps:
        if p.b > best.b:
            best = p
    return best.a, best.b
""", (3, [1.0, 5.0, 2.0]), [1, 10.0]),
    ("lists", """
fn f(k: int) -> (int, int, int):
    var xs: List<int> = List()
    for i in k:
        xs.push(i * i)
    let last = xs.pop()
    xs[0] = 100
    return last, len(xs), xs[0] + xs[1]
""", (4,), [9, 3, 101]),
    ("function parameters and captures", """
fn twice(g: f32 -> f32, x: f32) -> f32:
    return g(g(x))
fn f(a: f32) -> f32:
    let b = a + 1.0
    return twice(x => x * b, 3.0) + twice(y => y - a, 0.0)
""", (1.0,), 10.0),
    ("a function that returns a function", """
fn adder(a: f32) -> (f32 -> f32):
    let twice = 2.0 * a
    return x => x + twice
fn f(a: f32) -> f32:
    let g = adder(a)
    return g(1.0) + g(2.0)
""", (5.0,), 23.0),
    ("a function that is chosen when the program runs", """
fn choose(c: bool, a: f32) -> (f32 -> f32):
    if c:
        return x => x * a
    return x => x + a
fn f(c: bool) -> f32:
    let g = choose(c, 10.0)
    var h = g
    if not c:
        h = x => g(x) * 100.0
    return h(2.0)
""", (False,), 1200.0),
    ("recursion that grows its own lambda", """
fn build(g: f32 -> f32, n: int) -> f32:
    if n == 0:
        return g(1.0)
    return build(x => g(x) * 2.0 + 1.0, n - 1)
fn f(k: int) -> f32:
    return build(x => x, k)
""", (5,), 63.0),
    ("comprehensions and reductions", """
fn f<n>(x: f32[n]) -> (f32, f32, int, bool, f32):
    return sum(v * v for v in x), max(x[i] for i in n if x[i] < 3.0), count(v > 1.0 for v in x), any(v == 2.0 for v in x), mean(x)
""", (4, [1.0, 2.0, 3.0, 4.0]), [30.0, 2.0, 3, True, 2.5]),
    ("reductions of nothing", """
fn f(k: int) -> (f32, f32, bool, bool, int):
    let n = k - k
    let x: f32[n] = zeros(n)
    return sum(x), max(x), all(v > 0.0 for v in x), any(v > 0.0 for v in x), count(v > 0.0 for v in x)
""", (3,), [0.0, float("-inf"), True, False, 0]),
    ("products", """
fn f<n>(w: f32[2, n], x: f32[n]) -> (f32[2], f32):
    return [sum(w[i, j] * x[j] for j) for i], sum(a * b for a, b in zip(x, x))
""", (2, [[1.0, 2.0], [3.0, 4.0]], [1.0, -1.0]), [[-1.0, -1.0], 2.0]),
    ("short circuits", """
fn bad(x: int) -> bool:
    assert x > 0
    return true
fn f(x: int) -> bool:
    return x > 0 and bad(x) or x == -1
""", (-1,), True),
]


@pytest.mark.parametrize("text, arguments, expected", [one[1:] for one in PROGRAMS],
                         ids=[one[0] for one in PROGRAMS])
def test_programs(text: str, arguments: tuple[Any, ...], expected: Any):
    assert run(text, *arguments) == expected


def test_text_of_any_value():
    text = """
type T:
    A(x: f32[2], s: str)
    B
record R:
    t: T
    n: int
fn f(k: int) -> str:
    let r = R(t=A([1.0, 2.5], "hi"), n=k)
    return f"{r} {(1, 2.0)} {[B, B]} {k:>4}|{1.0 / 3.0:.3f} {true}"
"""
    assert run(text, 7) == 'R(t=A(x=[1.0, 2.5], s="hi"), n=7) (1, 2.0) [B, B]    7|0.333 true'


ERRORS = [
    ("index 5 is outside 0..3", "fn f(i: int) -> f32:\n    let x = [1.0, 2.0, 3.0]\n    return x[i]\n", (5,), 3),
    ("integer division by zero", "fn f(i: int) -> int:\n    return 7 // (i - i)\n", (5,), 2),
    ("assertion failed: i > 7", "fn f(i: int) -> int:\n    assert i > 7\n    return i\n", (5,), 2),
    ("the size i is 5, and the cast asks for 3", "fn f(i: int) -> f32[3]:\n    let x = zeros(i)\n    return x as f32[3]\n", (5,), 3),
    ("argmax of nothing", "fn f(i: int) -> int:\n    return argmax(f32(j) for j in 5 if j > i)\n", (5,), 2),
]


@pytest.mark.parametrize("message, text, arguments, line", ERRORS, ids=[one[0] for one in ERRORS])
def test_errors_name_their_line(message: str, text: str, arguments: tuple[Any, ...], line: int):
    module = core_of(text, "f")
    with pytest.raises(CompileError, match=re.escape(message)) as caught:
        evaluate(module, "f", arguments)
    span = caught.value.diagnostics[0].span
    assert span is not None and span.line == line


# ---------------------------------------------------------------- what it becomes


def ops_of(text: str, function: str = "f") -> list[str]:
    module = core_of(text, function)
    return [one.right.op if isinstance(one.right, Operation) else type(one.right).__name__
            for one in statements_in(module.functions[function].body)]


@pytest.mark.parametrize("text, expected", [
    ("fn f<m, n>(w: f32[m, n], x: f32[n]) -> f32[m]:\n    return [sum(w[i, j] * x[j] for j) for i]\n", ["matvec"]),
    ("fn f<m, n>(x: f32[n], w: f32[n, m]) -> f32[m]:\n    return [sum(x[j] * w[j, i] for j) for i]\n", ["vecmat"]),
    ("fn f<m, n, k>(a: f32[m, n], b: f32[n, k]) -> f32[m, k]:\n    return [sum(a[i, l] * b[l, j] for l) for i, j]\n", ["matmul"]),
    ("fn f<n>(x: f32[n], y: f32[n]) -> f32:\n    return sum(a * b for a, b in zip(x, y))\n", ["dot"]),
    ("fn f<n>(x: f32[n]) -> f32[n]:\n    return [tanh(v) for v in x]\n", ["tanh"]),
    ("fn f<n>(x: f32[n]) -> f32:\n    return sum(exp(v) for v in x)\n", ["exp", "reduce_sum"]),
])
def test_comprehensions_that_are_ops(text: str, expected: list[str]):
    assert ops_of(text) == expected


def test_an_instance_is_made_once_for_all_sizes():
    text = "fn g<n>(x: f32[n]) -> f32:\n    var s = 0.0\n" + "".join(f"    s += x[0 as idx<n>] * {i}.0\n" for i in range(20)) + \
           "    return s\nfn f() -> f32:\n    return g([1.0]) + g([1.0, 2.0])\n"
    assert sorted(core_of(text, "f").functions) == ["f", "g"]


def test_deep_recursion_is_evaluated():
    text = "fn f(k: int) -> int:\n    if k == 0:\n        return 0\n    return 1 + f(k - 1)\n"
    assert evaluate(core_of(text, "f"), "f", [20_000]) == [20_000]


def test_counting():
    text = "fn f<n>(w: f32[n, n], x: f32[n]) -> f32[n]:\n    return w @ x\n"
    counter = Counter()
    evaluate(core_of(text, "f"), "f", [8, np.eye(8), np.ones(8)], counter)
    assert counter.operations == 128 and counter.by_op == {"matvec": 1}


# ---------------------------------------------------------------- simplification


def test_errors_are_neither_removed_nor_invented():
    text = "fn f(i: int) -> int:\n    let x = [1, 2, 3][i]\n    let unused = 7 // i\n    return 1\n"
    module = core_of(text, "f")
    assert evaluate(module, "f", [1]) == [1]
    for bad in (0, 3):
        with pytest.raises(CompileError):
            evaluate(module, "f", [bad])


def test_dead_code_goes():
    text = "fn f<n>(x: f32[n]) -> f32:\n    var unused = 0.0\n    for v in x:\n        unused += exp(v)\n    return sum(x)\n"
    assert ops_of(text) == ["reduce_sum"]


def test_small_functions_are_expanded_and_unreachable_ones_dropped():
    module = core_of("fn g(x: f32) -> f32:\n    return 2.0 * x\nfn f(x: f32) -> f32:\n    return g(g(x))\n", "f")
    assert list(module.functions) == ["f"]
    again = simplify(module)
    assert again.functions["f"].body == module.functions["f"].body


WALK = """
type Tree:
    Leaf(value: f32)
    Node(left: Tree, right: Tree)
record M<n>:
    w: f32[n]
    unused: f32[n, n]
fn walk<n>(m: M<n>, t: Tree, depth: int) -> f32:
    match t:
        Leaf(value):
            return value * m.w[0 as idx<n>]
        Node(left, right):
            return walk(m, left, depth + 1) + walk(m, right, depth + 1)
fn f(x: f32) -> f32:
    let m = M(w=[x, x, x], unused=zeros(3, 3))
    return walk(m, Node(Leaf(1.0), Node(Leaf(2.0), Leaf(3.0))), 0)
"""


def test_unread_parameters_and_constant_sizes_go_through_recursion():
    module = core_of(WALK, "f")
    walk = module.functions["walk"]
    assert [str(one.type) for one in walk.parameters] == ["f32[3]", "Tree"]
    assert evaluate(module, "f", [2.0]) == [12.0]
    both = core_of(WALK + "fn g(x: f32) -> f32:\n    return walk(M(w=[x, x], unused=zeros(2, 2)), Leaf(1.0), 0)\n", "f", "g")
    assert [str(one.type) for one in both.functions["walk"].parameters] == ["int", "f32[n]", "Tree"]


def test_updates_sink_below_reads():
    x, y, v = Variable("x", VECTOR), Variable("y", VECTOR), Variable("v", F32)
    write = Let((y,), Operation("update", (x, integer(0), Literal(1.0, F32))))
    read = Let((v,), Operation("at", (x, integer(0))))
    assert sink_updates(Block((write, read), (y, v))).statements == (read, write)
    late = Let((v,), Operation("at", (y, integer(0))))
    assert sink_updates(Block((write, late), (y, v))).statements == (write, late)


# ---------------------------------------------------------------- control flow against Python


class Flow:
    """Random statements that mean the same in Dyn and in Python: loops, branches, and every way to leave them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.fresh = self.loops = 0

    def expression(self) -> str:
        pick = self.random.choice
        return f"({pick('abc')} {pick(['+', '-', '*'])} {pick(['a', 'b', 'c', '1', '2', '3'])}) % {pick(['7', '11', '5'])}"

    def condition(self) -> str:
        pick = self.random.choice
        text = f"{pick('abc')} {pick(['<', '>', '==', '!='])} {pick(['a', 'b', 'c', '2', '4'])}"
        return text if self.random.random() < 0.7 else f"{text} {pick(['and', 'or'])} {pick('abc')} > {pick(['1', '3'])}"

    def block(self, depth: int, in_loop: bool) -> None:
        for _ in range(self.random.randint(1, 4)):
            self.statement(depth, in_loop)

    def write(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def statement(self, depth: int, in_loop: bool) -> None:
        kind = self.random.random()
        if kind < 0.35 or depth > 4:
            self.write(depth, f"{self.random.choice('abc')} = {self.expression()}")
        elif kind < 0.65:
            self.write(depth, f"if {self.condition()}:")
            self.block(depth + 1, in_loop)
            if self.random.random() < 0.5:
                self.write(depth, "else:")
                self.block(depth + 1, in_loop)
        elif kind < 0.86 and self.loops > 1:
            self.write(depth, f"c = {self.expression()}")
        elif kind < 0.78:
            self.fresh += 1
            self.loops += 1
            name = f"i{self.fresh}"
            self.write(depth, f"for {name} in RANGE({self.random.randint(0, 4)}):")
            self.write(depth + 1, f"a = (a + {name}) % 13")
            self.block(depth + 1, True)
            self.loops -= 1
        elif kind < 0.86:
            self.fresh += 1
            self.loops += 1
            name = f"n{self.fresh}"
            self.write(depth, f"VAR {name} = 0")
            self.write(depth, f"while {name} < {self.random.randint(1, 4)} and ({self.condition()}):")
            self.write(depth + 1, f"{name} = {name} + 1")
            self.block(depth + 1, True)
            self.loops -= 1
        elif kind < 0.93 and in_loop:
            self.write(depth, self.random.choice(["break", "continue"]))
        else:
            self.write(depth, f"return {self.expression()}, b")

    def programs(self) -> tuple[str, str]:
        """The function in Dyn and in Python."""
        self.block(1, False)
        body = "\n".join(self.lines)
        start = "".join(f"    VAR {name} = {name}0\n" for name in "abc")
        whole = f"{start}{body}\n    return a, b * 16 + c\n"
        dyn = whole.replace("VAR ", "var ")
        for line in range(5):
            dyn = dyn.replace(f"RANGE({line})", str(line))
        head = "fn f(a0: int, b0: int, c0: int) -> (int, int):\n"
        return head + dyn, "def f(a0, b0, c0):\n" + whole.replace("VAR ", "").replace("RANGE", "range")


@pytest.mark.parametrize("seed", range(16))
def test_control_flow_is_that_of_python(seed: int):
    dyn, python = Flow(seed).programs()
    scope: dict[str, Any] = {}
    exec(python, scope)
    try:
        module = core_of(dyn, "f")
    except CompileError as error:
        assert "DYN05" in str(error) or "unreachable" in str(error), f"{error}\n{dyn}"
        return
    again = core_of(print_module(module), "f")
    for arguments in ((0, 0, 0), (1, 2, 3), (6, 4, 9)):
        expected = list(scope["f"](*arguments))
        assert [plain(one) for one in evaluate(module, "f", arguments)] == expected, dyn
        assert [plain(one) for one in evaluate(again, "f", arguments)] == expected, print_module(module)


def test_entries_keep_their_names_beside_rules() -> None:
    """The rule that is made for f and an entry called `f_rule` are two functions."""
    rule = "@derivative(of=f)\nfn f_rule(x: f32) -> (f32, f32 -> f32):\n    return x, g => 2.0 * g\n"
    module = elaborate(check_source(f"fn f(x: f32) -> f32:\n    return x\n\n{rule}"), ["f", "f_rule"])
    made = module.functions["f"].derivative
    assert made is not None and made.rule != "f_rule" and len(module.functions[made.rule].results) == 1


REQUESTS = """
fn f<n>(x: f64[n], y: f64[n], k: int) -> (f64, int):
    return sum(x * sin(y)) * f64(k), k

fn several<n>(x: f64[n], y: f64[n]) -> f64:
    let (v, k), (a, b) = vjp(f, x, y, 3, 2.0, wrt=(x, y))
    let (w, _), (d, _) = jvp(f, x, y, k, a, b, wrt=(x, y))
    return v + w * d + grad(f, wrt=y)(x, y, 2)[0]

fn entry(x: f64[3], y: f64[3]) -> f64:
    return several(x, y) + sum(hessian(v => sum(v * v * v))(x)) + grad(v => several(v, y))(x)[1]
"""


SLICED = """
fn halves<n>(x: f64[2*n], y: f64[2*n], k: int) -> f64:
    if k == 0:
        return sum(x) + sum(y * y)
    return halves(y, 2.0 * x, k - 1)

fn loss<n>(x: f64[n], s: f64) -> f64:
    let h: f64[2*n + 1] = fill(s, 2*n + 1)
    return halves(h[1:], h[:2*n], 3)

fn slope(x: f64[3], s: f64) -> f64:
    return grad(loss, wrt=s)(x, s)
"""


def test_slices_of_sizes_that_are_given_as_ints_read_back() -> None:
    """Where nothing that has the size is handed on, it is an int: the ends of a slice must still be sizes."""
    module = differentiate(elaborate(check_source(SLICED), ["slope"]))
    text = print_module(module)
    again = elaborate(check_source(text), ["slope"])
    found = [evaluate(one, "slope", [np.zeros(3), 0.5])[0] for one in (module, again)]
    assert "(n: int" in text and found[0] == found[1], text


def test_requests_for_derivatives_read_back() -> None:
    module = elaborate(check_source(REQUESTS), ["entry"])
    text = print_module(module)
    again = elaborate(check_source(text), ["entry"])
    x, y = np.array([0.5, -1.0, 2.0]), np.array([0.1, 0.7, -0.3])
    found = [evaluate(differentiate(one), "entry", [x, y])[0] for one in (module, again)]
    assert "wrt=(0, 1))" in text and found[0] == found[1], text
