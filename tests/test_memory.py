"""Rule 37: loops run in constant memory, and nothing is alive at the end: a tree, a list, a closure, an array of changing size, a map, a
record and others, carried through many iterations of every form of loop."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PROGRAM = '''
type Tree:
    Leaf(word: int)
    Node(left: Tree, right: Tree)

type Shape:
    Circle(radius: f32)
    Polygon(points: f32[?])

record Layers<n>:
    w: f32[n, n]
    b: f32[n]
    names: List<str>

    fn shift(self: inout, by: f32):
        self.b += by

fn insert(t: Tree, word: int) -> Tree:
    match t:
        Leaf(other):
            return Node(Leaf(other), Leaf(word))
        Node(left, right):
            if word % 2 == 0:
                return Node(insert(left, word // 2), right)
            return Node(left, insert(right, word // 2))

fn size(t: Tree) -> int:
    match t:
        Leaf(_):
            return 1
        Node(left, right):
            return size(left) + size(right)

fn bump(t: inout Tree, by: int):
    match &t:
        Leaf(word):
            word += by
        Node(left, right):
            bump(&left, by)
            bump(&right, by)

proc trees(n: int):
    var t = Leaf(0)
    for i in n:
        t = insert(t, i % 97)
        if i % 50 == 49:
            t = Leaf(i)
    print("tree", size(t))

proc lists(n: int):
    var xs: List<int> = List()
    for i in n:
        xs.push(i)
        if len(xs) > 100:
            xs = List()
    print("list", len(xs))

proc closures(n: int):
    var f: f32 -> f32 = x => x
    for i in n:
        let k = f32(i % 7)
        f = x => x + k
    print("closure", f(1.0))

proc arrays(n: int):
    var x: f32[?] = zeros(3)
    for i in n:
        x = concat(x, ones(2))
        if len(x) > 100:
            x = zeros(i % 5)
    print("array", len(x))

proc trees_while(n: int):
    var t = Leaf(0)
    var i = 0
    while i < n:
        i += 1
        t = insert(t, i % 97) if i % 50 > 0 else Leaf(i)
        if size(t) > 1000:
            break
        bump(&t, 1)
    print("tree", size(t))

proc lists_while(n: int):
    var xs: List<List<int>> = List()
    var left = n
    while left > 0 or len(xs) > 3:
        left -= 1
        let row: List<int> = [left, left + 1]
        xs.push(row)
        xs[0].push(left)
        xs[-1][0] += 1
        if len(xs) > 3:
            let dropped = xs.pop()
            if len(xs[0]) > 20:
                xs = List()
            continue
    print("list", len(xs))

proc closures_while(n: int):
    var fs: List<f32 -> f32> = List()
    var i = 0
    while true:
        i += 1
        let w = ones(3) * f32(i % 5)
        fs.push(x => x + sum(w))
        if len(fs) > 5:
            fs = List()
        if i >= n:
            break
    print("closure", len(fs))

proc arrays_while(n: int):
    var x: f32[?] = zeros(3)
    var i = 0
    while len(x) > 0 and i < n:
        i += 1
        x[0] += 1.0
        x = concat(x, x[0:1]) if len(x) < 50 else x[1:4]
    print("array", len(x))

proc maps(n: int):
    var m: Map<str, f32[3]> = Map()
    var i = 0
    while i < n:
        i += 1
        m[f"key {i % 40}"] = ones(3) * f32(i % 7)
        if i % 1000 == 0:
            m = Map()
    print("map", len(m))

proc records(n: int):
    var layers: List<Layers<3>> = [Layers(zeros(3, 3), zeros(3), ["a"]), Layers(ones(3, 3), ones(3), [])]
    for i in n:
        layers[i % 2].w[1] += [1.0, 2.0, 3.0]
        layers[i % 2].shift(0.5)
        layers[0].names.push(f"name {i}")
        if len(layers[0].names) > 10:
            var other = layers[0]
            other.names = List()
            layers[1] = other
            layers[0].names = List()
        layers[0], layers[1] = layers[1], layers[0]
    print("record", len(layers))

proc shapes(n: int):
    var all: List<Shape> = [Circle(1.0), Polygon([1.0, 2.0])]
    for i in n:
        match &all[i % 2]:
            Circle(radius):
                radius = radius * 0.5 + 1.0
                if radius > 1.99:
                    continue
            Polygon(points):
                points[0] += 1.0
                if points[0] > 1000.0:
                    points[0] = 0.0
        if i % 10 == 0:
            all[1] = Polygon(zeros(1 + i % 3))
    print("shape", len(all))

fn loss(w: f32[4], x: f32[4]) -> f32:
    var h = w
    for i in 3:
        h[i] = tanh(h[i] + x[i])
    return sum(h * h)

proc gradients(n: int):
    var w = ones(4)
    let x = [0.1, 0.2, 0.3, 0.4]
    for i in n:
        let l, g = value_and_grad(loss)(w, x)
        w -= 0.01 * g
    print("gradient", len(w))

proc texts(n: int):
    var line = ""
    var i = 0
    while i < n:
        i += 1
        line = f"{line}{i % 10}"
        if len(line) > 60:
            line = string_slice(line, 50, 60)
    print("text", len(line) > 0)

proc nested(n: int):
    var t = Leaf(0)
    for i in n:
        proc step(k: int) -> Tree:
            return insert(t, k)
        t = step(i % 31)
        for j in 3:
            if j == 2:
                t = Leaf(j)
                break
    print("nested", size(t))

proc main(kind: str, n: int):
    match kind:
        "tree":
            trees(n)
        "list":
            lists(n)
        "closure":
            closures(n)
        "array":
            arrays(n)
        "tree-while":
            trees_while(n)
        "list-while":
            lists_while(n)
        "closure-while":
            closures_while(n)
        "array-while":
            arrays_while(n)
        "map":
            maps(n)
        "record":
            records(n)
        "shape":
            shapes(n)
        "gradient":
            gradients(n)
        "text":
            texts(n)
        "nested":
            nested(n)
        _:
            fail(kind)
'''

KINDS = [
    "tree", "list", "closure", "array", "tree-while", "list-while", "closure-while", "array-while",
    "map", "record", "shape", "gradient", "text", "nested",
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("memory"), 2)


def built(folder: Path, level: int) -> Path:
    (folder / "memory.dyn").write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "dynlang", "build", "memory.dyn", f"-O{level}"], cwd=folder, env=environment, check=True)
    return folder / "memory"


def kilobytes(program: Path, kind: str, iterations: int) -> int:
    """The largest resident size of a run that must leave no block alive."""
    code = ("import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], capture_output=True, text=True);"
            "print(done.returncode, done.stderr.strip(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, sep='|')")
    command = [sys.executable, "-c", code, program, "--kind", kind, "--n", str(iterations)]
    done = subprocess.run(command, env={**os.environ, "DYN_LIVE_BLOCKS": "1"}, capture_output=True, text=True, timeout=120, check=True)
    status, errors, size = done.stdout.strip().split("|")
    assert (status, errors) == ("0", "live blocks: 0"), done.stdout
    return int(size)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_million_iterations_take_no_more_memory_than_a_thousand(program: Path, kind: str) -> None:
    few, many = kilobytes(program, kind, 1_000), kilobytes(program, kind, 1_000_000)
    assert many <= 1.05 * few + 256


def test_nothing_is_alive_at_the_end_without_optimisation(tmp_path: Path) -> None:
    program = built(tmp_path, 0)
    for kind in KINDS:
        kilobytes(program, kind, 200)
