"""`dync check --copies`: a program copies nothing at an operation that isn't listed, and what is listed really copies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dynlang import pipeline
from dynlang.opt import optimise
from dynlang.opt.copies import copies
from dynlang.ssa.interpret import interpret
from dynlang.ssa.nodes import Operation
from dynlang.tools.copies import copies_of
from generated_programs import program
from program_oracles import arguments_of
from ssa_programs import Programs

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("level", [0, 2])
@pytest.mark.parametrize("seed", range(300, 340))
def test_what_isnt_listed_never_copies(seed: int, level: int) -> None:
    programs = Programs(seed, exact=False)
    module = optimise(programs.module(), level)
    name = list(module.functions)[-1]
    copied: list[Operation] = []
    interpret(module, name, programs.arguments(module.functions[name]), count=True, copied=copied)
    listed = {site.operation for site in copies(module)}
    assert not [one.name for one in copied if one not in listed]


@pytest.mark.parametrize("seed", range(12))
def test_what_isnt_listed_of_a_program_never_copies(seed: int, tmp_path: Path) -> None:
    """Gradients, too: they take apart and rewind what the program made."""
    text = program(seed)
    dtype = "f64" if "x: f64[n]" in text else "f32"
    entry = "slopes" if dtype == "f64" else "all_of"
    path = tmp_path / "program.dyn"
    path.write_text(text if entry == "slopes" else text.partition("\nfn slopes")[0] + "\n")
    module = pipeline.build(pipeline.Request(path, entries=(entry,)), until="opt")
    copied: list[Operation] = []
    interpret(module, entry, arguments_of(seed, dtype), count=True, copied=copied)
    listed = {site.operation for site in copies(module)}
    assert not [one.span for one in copied if one not in listed]


# Each program copies at the line of `# copies`, as often as it says; a program without such a line copies nothing.
PROGRAMS = {
    "the old value is used again": """
        var a = made()
        let b = a
        a[1] = 2.0                      # copies 1
        print(a, b)
    """,
    "the old value isn't used again": """
        var a = made()
        let b = a
        print(b)
        a[1] = 2.0
        print(a)
    """,
    "a loop that begins each trip with the old value": """
        let a = made()
        for i in 4:
            var b = a
            b[i] = 1.0                  # copies 4
            print(b)
    """,
    "a loop that carries the variable": """
        var a = made()
        for i in 4:
            a[i] = 1.0
        print(a)
    """,
    "a loop that begins with a value that is used again": """
        let a = made()
        var b = a
        for i in 4:
            b[i] += 1.0                 # copies 1
        print(b, a)
    """,
    "a list keeps the element": """
        var rows: List<f32[40]> = List()
        var a = made()
        for i in 4:
            rows.push(a)
            a[i] = 1.0                  # copies 4
        print(rows, a)
    """,
    "an element of a list, in place": """
        var rows: List<f32[40]> = [made(), made()]
        for i in 2:
            for j in 4:
                rows[i][j] += 1.0
        print(rows)
    """,
    "an element of a list of lists, in place": """
        var rows: List<List<int>> = List()
        for i in 3:
            let row: List<int> = List()
            rows.push(row)
        for i in 3:
            rows[i].push(1)
            rows[i][0] += 1
        print(rows)
    """,
    "an element of unknown size, in place": """
        var rows: List<f32[?]> = [zeros(2), zeros(3)]
        for i in 2:
            rows[i][1] = 4.0
        print(rows)
    """,
    "an element that is taken out": """
        var rows: List<f32[40]> = [made(), made()]
        var row = rows[0]
        row[1] = 5.0                    # copies 1
        print(rows, row)
    """,
    "a captured value": """
        var w = made()
        var fs: List<int -> f32> = List()
        fs.push(i => w[i])
        w[0] = 4.0                      # copies 1
        print(fs[0](0), w)
    """,
    "a record": """
        var b = Pair(made(), 1)
        let c = b
        b.move(2)                       # copies 0
        b.xs[0] = 2.0                   # copies 1
        print(b, c)
    """,
    "a tree is taken apart": """
        var t = Node(Leaf(made()), Leaf(made()))
        t = touched(t)
        print(t)
    """,
    "a tree that is used again": """
        var t = Node(Leaf(made()), Leaf(made()))
        let u = touched(t)              # copies 0
        print(t, u)
    """,
    "a parameter that is lent": """
        var a = made()
        first(&a)
        print(a)
    """,
    "a list that is kept": """
        var xs: List<int> = [1, 2]
        let ys = xs
        xs.push(3)                      # copies 1
        print(xs, ys)
    """,
    "payloads of a tree, in place": """
        var t = Node(Leaf(made()), Node(Leaf(made()), Leaf(made())))
        bump(&t, 1.0)
        bump(&t, 2.0)
        print(t)
    """,
    "payloads deep in a pattern": """
        var t = Node(Leaf(made()), Leaf(made()))
        match &t:
            Node(Leaf(a), Leaf(b)):
                a[0], b[1] = b[1], a[0]
                b *= 2.0
            _:
                pass
        print(t)
    """,
    "payloads in a list of sums": """
        var ts: List<Tree> = [Leaf(made()), Node(Leaf(made()), Leaf(made()))]
        for i in 2:
            bump(&ts[i], 1.0)
            match &ts[i]:
                Leaf(xs):
                    xs[i] = 9.0
                _:
                    continue
        print(ts)
    """,
    "payloads of a tree that is used again": """
        var t = Leaf(made())
        let u = t
        match &t:
            Leaf(xs):
                xs[0] = 5.0             # copies 1
            _:
                pass
        print(t, u)
    """,
    "values of a map, in place": """
        var m: Map<str, f32[40]> = Map()
        m["a"] = made()
        for i in 4:
            m["a"][i] += 1.0
        first(&m["a"])
        print(m)
    """,
    "a part of unknown size, lent": """
        var xs: List<f32[?]> = [made(), made()]
        for i in 2:
            filled(&xs[i], 2.0)
        print(xs)
    """,
    "nested paths": """
        var m = Stack([Pair(made(), 0), Pair(made(), 1)])
        for i in 2:
            for j in 4:
                m.pairs[i].xs[j] += 1.0
            m.pairs[i].xs[1:3] *= 2.0
        first(&m.pairs[1].xs)
        m.pairs[0].move(3)
        print(m)
    """,
}
BEFORE = """
record Pair<n>:
    xs: f32[n]
    k: int

    fn move(self: inout, by: int):
        self.k += by

record Stack:
    pairs: Pair<40>[2]

type Tree:
    Leaf(xs: f32[40])
    Node(left: Tree, right: Tree)

fn touched(t: Tree) -> Tree:
    match t:
        Leaf(xs):
            var ys = xs
            ys[0] = 1.0
            return Leaf(ys)
        Node(left, right):
            return Node(touched(left), touched(right))

fn filled<n>(x: inout f32[n], v: f32):
    for i in n:
        x[i] = v

fn bump(t: inout Tree, by: f32):
    match &t:
        Leaf(xs):
            for i in 4:
                xs[i] += by
        Node(left, right):
            bump(&left, by)
            bump(&right, by)

fn made() -> f32[40]:
    var x = zeros(40)
    for i in 4:
        x[i] = exp(f32(i))
    return x

fn first(x: inout f32[40]):
    x[0] = 7.0

proc main():
"""


def source(name: str) -> str:
    body = "\n".join(line[4:] for line in PROGRAMS[name].strip("\n").splitlines())
    return BEFORE.lstrip("\n") + body.rstrip() + "\n"


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_listed_copies(name: str, tmp_path: Path) -> None:
    path = tmp_path / "program.dyn"
    text = source(name)
    path.write_text(text)
    counts = {number: int(line.partition("# copies ")[2]) for number, line in enumerate(text.splitlines(), 1) if "# copies" in line}
    listed = {one.span.line for one in copies_of(path) if one.span is not None}
    module = pipeline.build(pipeline.Request(path), until="opt")
    copied: list[Operation] = []
    interpret(module, "main", [], count=True, copied=copied)
    lines = [one.span.line for one in copied if one.span is not None]
    inside = {number for number, line in enumerate(text.splitlines(), 1) if "ys[0] = 1.0" in line}
    assert {line for line in lines if line not in inside} <= {line for line, count in counts.items() if count}
    for line, count in counts.items():
        assert lines.count(line) == count
    assert set(lines) == listed, "what is listed copies here, and nothing else does"


def test_native_code_counts_its_copies(tmp_path: Path) -> None:
    path = tmp_path / "program.dyn"
    path.write_text(source("a list keeps the element"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DYN_COPIES": "1", "DYN_LIVE_BLOCKS": "1"}
    subprocess.run([sys.executable, "-m", "dynlang", "build", path.name], cwd=tmp_path, env=environment, check=True)
    done = subprocess.run([tmp_path / "program"], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == "live blocks: 0\ncopies: 4\n"


def test_json(tmp_path: Path) -> None:
    path = tmp_path / "program.dyn"
    path.write_text(source("the old value is used again"))
    command = [sys.executable, "-m", "dynlang", "check", "--copies", "--json", str(path)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True)
    (found,) = map(json.loads, done.stdout.splitlines())
    assert found["code"] == "DYN0510" and "its old value is used again" in found["message"]
    assert found["relatedInformation"][0]["location"]["range"]["start"]["line"] == found["range"]["start"]["line"] + 1


def test_a_copy_in_the_first_trip_alone(tmp_path: Path) -> None:
    path = tmp_path / "program.dyn"
    path.write_text(source("a loop that begins with a value that is used again"))
    (found,) = copies_of(path)
    assert found.notes == ("in the first trip of its loop at most",)
    path.write_text(source("a loop that begins each trip with the old value"))
    (found,) = copies_of(path)
    assert found.notes == ("this stands in a loop",)
