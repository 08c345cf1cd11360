"""What fails when a program runs is an error at its line, the same in every way of running it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dynlang import diag, pipeline
from dynlang.ssa import interpret
from dynlang.tools.execute import compiled
from dynlang.tools.running import failure

CASES = {
    "div": (r"""
fn f(a: int, b: int) -> int:
    return a // b  # !
test "x":
    let y = f(1, 0)
    assert y == 0
""", "division"),
    "mod": (r"""
fn f(a: int, b: int) -> int:
    return a % b  # !
test "x":
    let y = f(1, 0)
    assert y == 0
""", "division"),
    "divarr": (r"""
fn f<n>(a: int[n], b: int[n]) -> int[n]:
    return a // b  # !
test "x":
    let y = f([1, 2], [1, 0])
    assert y[0] == 0
""", "division"),
    "index": (r"""
fn f<n>(x: f32[n], i: int) -> f32:
    return x[i]  # !
test "x":
    assert f([1.0], 1) == 0.0
""", "index"),
    "neg": (r"""
fn f<n>(x: f32[n], i: int) -> f32:
    return x[i]  # !
test "x":
    assert f([1.0], -1) == 0.0
""", "index"),
    "store": (r"""
fn f<n>(x: f32[n], i: int) -> f32[n]:
    var y = x
    y[i] = 1.0  # !
    return y
test "x":
    assert f([1.0], 1)[0] == 0.0
""", "index"),
    "cast": (r"""
fn f(x: f32[?]) -> f32[3]:
    return x as f32[3]  # !
test "x":
    assert sum(f([1.0])) == 0.0
""", ""),
    "madeidx": (r"""
record Chosen:
    ids: idx<3>[2]

fn sevens<n, L: number>(leaf: Leaf) -> L[n]:
    return [L(7) for _ in n]
test "x":
    let chosen: Chosen = make_leaves(leaf => sevens(leaf))  # !
    assert chosen.ids[0] == 0
""", "index 7 is outside 0..3"),
    "castidx": (r"""
fn f(i: int) -> idx<3>:
    return i as idx<3>  # !
test "x":
    assert f(3) == 0
""", ""),
    "castdiv": (r"""
fn f(x: f32[?]) -> int:
    let y = x as f32[2 * ?k]  # !
    return k
test "x":
    assert f([1.0]) == 0
""", ""),
    "castids": (r"""
fn f(x: int[3]) -> idx<3>[3]:
    return x as idx<3>[3]  # !
test "x":
    assert f([0, 1, 5])[0] == 0
""", ""),
    "assert": (r"""
test "x":
    let a = 1
    assert a == 2, f"a is {a}"  # !
""", "a is 1"),
    "fail": (r"""
fn f(x: int) -> int:
    if x > 0:
        return 1
    fail("no such thing")  # !
test "x":
    assert f(0) == 0
""", "no such thing"),
    "pop": (r"""
test "x":
    var l: List<int> = List()
    let x = l.pop()  # !
    assert x == 0
""", ""),
    "listget": (r"""
test "x":
    var l: List<int> = List()
    l.push(1)
    assert l[1] == 0  # !
""", "index"),
    "listset": (r"""
test "x":
    var l: List<int> = List()
    l[0] = 1  # !
    assert len(l) == 0
""", "index"),
    "argmax0": (r"""
fn f(n: int) -> int:
    let x = zeros(n)
    return argmax(x)  # !
test "x":
    assert f(0) == 0
""", ""),
    "mean0": (r"""
fn f(n: int) -> f32:
    let x = zeros(n)
    return mean(x)  # !
test "x":
    assert f(0) == 0.0
""", ""),
    "imax0": (r"""
fn f(n: int) -> int:
    let x = fill(1, n)
    return max(x)  # !
test "x":
    assert f(0) == 0
""", ""),
    "imin0": (r"""
fn f(n: int) -> int:
    return min(i for i in n)  # !
test "x":
    assert f(0) == 0
""", ""),
    "guardargmax": (r"""
fn f<n>(x: f32[n]) -> int:
    return argmax(x[i] for i if x[i] > 0.0)  # !
test "x":
    assert f([-1.0]) == 0
""", ""),
    "negsize": (r"""
fn f(n: int) -> f32:
    let x = zeros(n - 3)  # !
    return sum(x)
test "x":
    assert f(1) == 0.0
""", "negative"),
    "negconv": (r"""
fn f<h>(x: f32[h]) -> f32[h - 2]:
    return [x[i] + x[i + 2] for i in h - 2]  # !
test "x":
    assert sum(f([1.0])) == 0.0
""", ""),
    "slice": (r"""
fn f<n>(x: f32[n], a: int, b: int) -> f32:
    return sum(x[a:b])  # !
test "x":
    assert f([1.0, 2.0], 1, 3) == 0.0
""", ""),
    "slice2": (r"""
fn f<n>(x: f32[n], a: int, b: int) -> f32:
    return sum(x[a:b])  # !
test "x":
    assert f([1.0, 2.0], 2, 1) == 0.0
""", ""),
    "gather": (r"""
fn f<n>(x: f32[n], i: int[2]) -> f32[2]:
    return x[i]  # !
test "x":
    assert f([1.0, 2.0], [0, 2])[0] == 0.0
""", "index"),
    "recursion": (r"""
fn f(n: int) -> int:  # !
    return 1 + f(n + 1)
test "x":
    assert f(0) == 0
""", ""),
    "scatter": (r"""
fn f(i: int[2]) -> f32[3]:
    return scatter_add(zeros(3), i as idx<3>[2], ones(2))  # !
test "x":
    assert f([0, 3])[0] == 0.0
""", ""),
    "inloop": (r"""
fn f<n>(x: int[n]) -> int:
    var t = 0
    for i in n:
        t += 10 // x[i]  # !
    return t
test "x":
    assert f([1, 0, 2]) == 0
""", "division"),
    "incomp": (r"""
fn f<n>(x: int[n]) -> int[n]:
    return [10 // v for v in x]  # !
test "x":
    assert f([1, 0, 2])[0] == 0
""", "division"),
    "inlambda": (r"""
fn apply(f: int -> int, x: int) -> int:
    return f(x)
test "x":
    assert apply(x => 1 // x, 0) == 0  # !
""", "division"),
    "dropped": (r"""
fn f(x: int) -> int:
    let unused = 1 // x  # !
    return 3
test "x":
    assert f(0) == 3
""", "division"),
    "match": (r"""
type T:
    A(x: int)
    B
fn f(t: T) -> int:
    match t:
        A(x):
            return 6 // x  # !
        B:
            return 0
test "x":
    assert f(B) == 0
    assert f(A(0)) == 0
""", "division"),
    "second": (r"""
test "x":
    let a = [1, 2, 3]
    var i = 0
    while true:
        assert a[i] < 10  # !
        i += 1
""", "index"),
    "power": (r"""
fn f(n: int) -> f32:
    var x = zeros(2)
    x[n // 2] = 1.0
    return x[n] + x[n + 1]  # !
test "x":
    assert f(1) == 0.0
""", "index"),
    "strindex": (r"""
fn f(s: str, a: int) -> int:
    return s[a]  # !
test "x":
    assert f("abc", 3) == 0
""", ""),
    "shape": (r"""
fn f(a: f32[?n], b: f32[?m]) -> f32:
    let c = b as f32[n]  # !
    return a @ c
test "x":
    assert f([1.0], [1.0, 2.0]) == 0.0
""", ""),
    "zip": (r"""
fn f(a: f32[?n], b: f32[?m]) -> f32:
    return sum(x * y for x, y in zip(a, b as f32[n]))  # !
test "x":
    assert f([1.0], [1.0, 2.0]) == 0.0
""", ""),
    "intmin": (r"""
fn f(a: int, b: int) -> int:
    return a // b
test "x":
    assert f(-9223372036854775808, -1) == -9223372036854775808
    assert false  # !
""", ""),
    "library": (r"""
fn f(x: f32[3]) -> f32:
    let y = x + 1.0
    return quantile(y, 2.0)  # !
test "x":
    assert f([1.0, 2.0, 3.0]) == 0.0
""", "quantile"),
    "libraryrecursion": (r"""
fn f(xs: List<int>) -> int:
    var ys = xs
    ys.remove(5)  # !
    return len(ys)
test "x":
    assert f([3, 4]) == 0
""", "no item 5"),
    "calledback": (r"""
fn f(k: int) -> int:
    let zero = k - k
    return k // zero  # !
test "x":
    assert checkpoint((x: f32) => x * f32(f(3)))(1.0) == 1.0
""", "division"),
    "i8div": (r"""
fn f(a: i8, b: i8) -> i8:
    return a // b  # !
test "x":
    assert f(1, 0) == 0
""", "division"),
}
"""The line that fails has the mark ``# !``; the second item is a part of the message."""


def outcome(path: Path, way: str) -> diag.Diagnostic | None:
    """How the test in a file fails: in the interpreter, or natively at a level of optimisation."""
    level = 2 if way == "interp" else int(way)
    ssa = pipeline.build(pipeline.Request(path, tests=True, level=level), until="opt")
    try:
        if way != "interp":
            with compiled(ssa, ["test.0"], level) as code:
                code.call("test.0")
            return None
        try:
            interpret.interpret(ssa, "test.0", [])
        except interpret.RunTimeError as error:
            raise failure(ssa, error.message, error.line, error.file) from None
    except diag.CompileError as error:
        return error.diagnostics[0]
    return None


@pytest.mark.parametrize("way", ["0", "2", "interp"])
@pytest.mark.parametrize("name", CASES)
def test_the_line_is_named(name: str, way: str, tmp_path: Path) -> None:
    source, part = CASES[name]
    path = tmp_path / f"{name}.dyn"
    path.write_text(source)
    found = outcome(path, way)
    assert found is not None and found.span is not None, "nothing failed"
    marked = next(line for line, text in enumerate(source.split("\n"), 1) if "# !" in text)
    assert found.span.line == marked, found
    assert part in str(found.title)
