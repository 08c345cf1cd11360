"""Loops run in constant memory: a tree, a list, a closure and an array of changing size, carried through many iterations."""

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

proc main(kind: str, n: int):
    if kind == "tree":
        trees(n)
    elif kind == "list":
        lists(n)
    elif kind == "closure":
        closures(n)
    else:
        arrays(n)
'''


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("memory")
    (folder / "memory.dyn").write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "dynlang", "build", "memory.dyn"], cwd=folder, env=environment, check=True)
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
@pytest.mark.parametrize("kind", ["tree", "list", "closure", "array"])
def test_a_million_iterations_take_no_more_memory_than_a_thousand(program: Path, kind: str) -> None:
    few, many = kilobytes(program, kind, 1_000), kilobytes(program, kind, 1_000_000)
    assert many <= 1.05 * few + 256
