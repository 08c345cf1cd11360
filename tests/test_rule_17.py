"""Rule 17: no optimisation removes, moves or invents an error. Which error, which line, and what was written before it, are the same
in native code with and without optimisation and in the interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dynlang import diag, pipeline
from dynlang.ssa import interpret
from dynlang.tools.execute import compiled
from failing_programs import Failing

Outcome = tuple[str, str, int]
"""What was written, the error, its line."""


def outcomes(path: Path, arguments: list[int], capfd: pytest.CaptureFixture[str]) -> dict[str, list[Outcome]]:
    """For each way of running main, what comes of each argument."""
    found: dict[str, list[Outcome]] = {}
    for level in (0, 2):
        ssa = pipeline.build(pipeline.Request(path, level=level), until="opt")
        found[f"interp {level}"] = [outcome(lambda ssa=ssa, k=k: interpret.interpret(ssa, "main", [k]), capfd) for k in arguments]
        with compiled(ssa, ["main"], level) as code:
            found[f"native {level}"] = [outcome(lambda code=code, k=k: code.call("main", [k]), capfd) for k in arguments]
    return found


def outcome(run, capfd: pytest.CaptureFixture[str]) -> Outcome:
    capfd.readouterr()
    try:
        run()
        error, line = "", 0
    except interpret.RunTimeError as failed:
        error, line = failed.message, failed.line
    except diag.CompileError as failed:
        (one,) = failed.diagnostics
        error, line = one.title, one.span.line if one.span is not None else 0
    return capfd.readouterr().out, error, line


def same_everywhere(text: str, folder: Path, arguments: list[int], capfd: pytest.CaptureFixture[str]) -> list[Outcome]:
    path = folder / "program.dyn"
    path.write_text(text)
    found = outcomes(path, arguments, capfd)
    reference = found["interp 0"]
    for way, results in found.items():
        assert results == reference, f"{way}\n{text}"
    return reference


@pytest.mark.parametrize("seed", [*range(10), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(10, 60))])
def test_random_programs_fail_alike(seed: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    same_everywhere(Failing(seed).program(), tmp_path, list(range(12)), capfd)


def test_random_programs_do_fail(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The generator makes programs of which some runs fail, in several ways, and some don't."""
    titles: set[str] = set()
    for seed in range(6):
        path = tmp_path / "program.dyn"
        path.write_text(Failing(seed).program())
        ssa = pipeline.build(pipeline.Request(path, level=0), until="opt")
        titles |= {outcome(lambda ssa=ssa, k=k: interpret.interpret(ssa, "main", [k]), capfd)[1].partition(" ")[0] for k in range(12)}
    assert {"", "index", "integer", "assertion"} <= titles


# The line with `# N` is where main(N) fails; what isn't named ends well. `out` is what main(3) writes.
PROGRAMS = {
    "a value that nobody reads": """
proc main(k: int):
    let xs = [1, 2, 3]
    let y = xs[k]  # 3
    print(k)
""",
    "the left operand first": """
fn at(xs: int[3], i: int) -> int:
    return xs[i]  # 3
fn under(a: int, b: int) -> int:
    return a // b  # 0
proc main(k: int):
    let xs = [1, 2, 3]
    print(at(xs, k) + under(1, k) if k != 1 else under(1, k))
""",
    "behind what was printed": """
proc main(k: int):
    for i in 3:
        print(i)
        print(12 // (2 * k - 2 * i))  # 0 1 2
""",
    "a loop that doesn't run": """
proc main(k: int):
    let xs = [1, 2, 3]
    var t = 0
    for i in k:
        t += xs[k]  # 3
        t += 7 // (k - 1)  # 1
    print(t)
""",
    "a branch that isn't taken": """
proc main(k: int):
    let xs = [1, 2, 3]
    var t = 0
    if k < 3:
        t = xs[k]
    elif k == 3:
        t = 10 // (k - 3)  # 3
    print(t)
""",
    "the first index of a comprehension": """
fn inverse(k: int, i: int) -> int:
    assert i != k, f"{i} is k"  # 0 1 2 3
    return 12 // (k - i)
proc main(k: int):
    print(sum([inverse(k, i) for i in 5]))
""",
    "indices, then the value": """
proc main(k: int):
    var xs = [1, 2, 3]
    let ys = [1, 2]
    xs[k] = ys[k] + 1  # 2 3
    print(xs)
""",
    "swaps": """
proc main(k: int):
    var xs = [1, 2, 3]
    xs[k], xs[0] = xs[0], xs[k]  # 3
    let ys = [0, 1]
    print(xs, ys[k])  # 2
""",
    "the same check twice": """
proc main(k: int):
    let xs = [1, 2, 3]
    print("one")
    let a = xs[k]  # 3
    let b = xs[k]
    print(a + b)
""",
    "a dead call": """
fn walk(k: int) -> int:
    if k == 0:
        return 0
    return 12 // (k - 3) + walk(k - 1)  # 3
proc main(k: int):
    let _ = walk(k)
    print("done")
""",
    "vectors": """
proc main(k: int):
    let xs = [12, 12, 12, 12]
    let ys = [k, k - 1, k - 2, k - 3]
    print("before")
    let q = xs // ys  # 0 1 2 3
    print(q)
""",
    "an assertion between divisions": """
proc main(k: int):
    let a = 5 // (k - 1)  # 1
    assert k != 2, "two"  # 2
    let b = 5 // (k - 3)  # 3
    print(a + b)
""",
    "a record that is taken apart": """
record Pair:
    a: int
    b: int
fn made(k: int) -> Pair:
    return Pair(10 // k, 10 // (k - 1))  # 0 1
proc main(k: int):
    print(made(k).a)
""",
    "a match": """
type Choice:
    One(a: int)
    Two(a: int, b: int)
fn chosen(k: int) -> Choice:
    return One(10 // k) if k < 2 else Two(k, 10 // (k - 3))  # 0 3
proc main(k: int):
    match chosen(k):
        One(a):
            print("one")
        Two(_, _):
            print("two")
""",
    "checked casts": """
fn first<n>(xs: f32[n], k: int) -> f32:
    let i = k as idx<n>  # 2 3
    return xs[i]
proc main(k: int):
    print(first([1.0, 2.0], k))
""",
    "sizes": """
proc main(k: int):
    print("size")
    let xs = ones(k - 2)  # 0 1
    print(len(xs))
""",
    "an empty maximum": """
proc main(k: int):
    let xs: int[?] = [i for i in 3 if i > k]
    print(max(xs))  # 2 3
""",
    "short circuits": """
proc main(k: int):
    let xs = [1, 2]
    if k < 2 and xs[k] > 1:
        print("yes")
    if k == 3 or 10 // (k - 3) > -4:
        print("three")
    print(k != 1 or 1 // (k - 1) > 0)  # 1
""",
    "a loop that is left early": """
proc main(k: int):
    for i in 4:
        if i == k:
            break
        print(6 // (i - 2))  # 3
    print("left")
""",
    "lists": """
proc main(k: int):
    var xs: List<int> = [1, 2]
    xs.push(3)
    let a = xs.pop()
    xs[k] += 1  # 2 3
    print(xs)
""",
    "an argument that isn't used": """
fn second(a: int, b: int) -> int:
    return b
proc main(k: int):
    print(second(10 // k, 10 // (k - 2)))  # 0 2
""",
    "lent": """
fn bump(x: inout int, by: int) -> int:
    x += 10 // by  # 0
    return x
proc main(k: int):
    var xs = [1, 2]
    print(bump(&xs[k], k) if k < 2 else bump(&xs[k - 2], 1))
""",
}


def wanted(text: str) -> dict[int, int]:
    """The line at which main(k) fails."""
    found: dict[int, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        for k in line.partition("  # ")[2].split():
            found[int(k)] = number
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_fail_at_their_line(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = PROGRAMS[name].lstrip("\n")
    results = same_everywhere(text, tmp_path, [0, 1, 2, 3], capfd)
    assert {k: line for k, (_, error, line) in enumerate(results) if error} == wanted(text)


DERIVATIVE = """
fn loss(x: f32[3], k: int) -> f32:
    var y = tanh(x)
    let unread = 10 // (k - 1)  # 1
    y[k] = 2.0 * x[0]  # 3
    assert k != 2, "two"  # 2
    return sum(y * y)

proc main(k: int):
    print(sum(grad(loss)([0.1, 0.2, 0.3], k)) > -100.0)
"""


def test_a_derivative_fails_as_its_function_does(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = DERIVATIVE.lstrip("\n")
    results = same_everywhere(text, tmp_path, [0, 1, 2, 3], capfd)
    assert {k: line for k, (_, error, line) in enumerate(results) if error} == wanted(text)


def test_the_built_program_says_the_same(tmp_path: Path) -> None:
    text = PROGRAMS["behind what was printed"].lstrip("\n")
    (tmp_path / "program.dyn").write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    subprocess.run([sys.executable, "-m", "dynlang", "build", "program.dyn"], cwd=tmp_path, env=environment, check=True)
    done = subprocess.run([tmp_path / "program", "--k", "1"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "0\n6\n1\n", "error: integer division by zero (line 4)\n")
