"""Calls through the C interface with wrong arguments: whatever a host hands over, a function gives a result or an error code.

    python tests/fuzz_library.py --count 20000 --seed 1
"""

from __future__ import annotations

import argparse
import ctypes
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

from generate import isolate

PROGRAM = """
type Tree<n>:
    Leaf(at: idx<n>, x: f32[n])
    Node(left: Tree<n>, right: Tree<n>)
    Wide(inner: Tree<2*n>, ids: idx<n>[?], pair: (idx<n>, idx<n + 1>))
    Many(w: f32[n, n], flags: bool[?])
    Empty

type Option<V>:
    None
    Some(value: V)

fn total<n>(t: Tree<n>, x: f32[n]) -> f32:
    match t:
        Leaf(at, y):
            return x[at] * y[at] + sum(y)
        Node(left, right):
            return total(left, x) + total(right, x)
        Wide(inner, ids, pair):
            let a, b = pair
            return sum(x[i] for i in ids) + x[a] + concat(x, [1.0])[b] + total(inner, concat(x, x))
        Many(w, flags):
            return sum(w @ x) + f32(sum([2 for f in flags if f]))
        Empty:
            return 0.0

export fn walk<n>(t: Tree<n>, x: f32[n], ids: idx<n>[2]) -> f32:
    return total(t, x) + x[ids[0]]

export fn change<n>(t: inout Tree<n>, at: inout idx<n>, x: f32[n]) -> f32:
    let kept = t
    at = (n - 1 - at) as idx<n>
    t = Node(kept, Empty)
    return x[at]

export fn picked<n>(o: Option<f32[n]>, i: idx<n>) -> f32:
    match o:
        None:
            return 0.0
        Some(v):
            return v[i]

export fn square(k: int, i: idx<k>, mask: bool[k]) -> f32[k * k]:
    let kept = [f32(j) for j in k if mask[j]]
    return [sum(kept) + f32(i + j) for j in k * k]
"""
SIZES = (0, 1, 2, 3, 3, 3, 3, 4)
ODD = (-1, -(2**63), 2**62, 2**63 - 1, 2**32, 3037000500, 1000)


class Library:
    """The library, loaded; `call` gives the code."""

    def __init__(self, folder: Path) -> None:
        (folder / "fuzzed.dyn").write_text(PROGRAM, encoding="utf-8")
        command = [sys.executable, "-m", "dynlang", "build", "fuzzed.dyn", "--lib", "-o", "out"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        self.lib = ctypes.CDLL(str(folder / "out" / "libfuzzed.so"))
        self.lib.fuzzed_create.restype = ctypes.c_void_p
        self.lib.fuzzed_error.restype = ctypes.c_char_p
        self.lib.fuzzed_live_blocks.restype = ctypes.c_int64
        self.context = ctypes.c_void_p(self.lib.fuzzed_create())

    def call(self, name: str, *arguments: Any) -> int:
        return getattr(self.lib, f"fuzzed_{name}")(self.context, *[ctypes.c_int64(one) if type(one) is int else one for one in arguments])

    @property
    def error(self) -> str:
        return self.lib.fuzzed_error(self.context).decode()


class Case:
    """One call with arguments that are right or, often, wrong."""

    def __init__(self, library: Library, seed: int) -> None:
        self.library = library
        self.draw = random.Random(seed)
        self.kept: list[Any] = []

    def number(self, fine: int) -> int:
        """A number, which may be wrong."""
        return self.draw.choice((*ODD, fine + 1, fine - 1)) if self.draw.random() < 0.06 else fine

    def index(self, size: int) -> int:
        return self.number(self.draw.randrange(size) if size > 0 else 0)

    def array(self, kind: Any, count: int, fill: Any = None) -> Any:
        """A host's array. What it says of its own size is true, for no library could find out; it may be no array at all."""
        if self.draw.random() < 0.02:
            return None
        made = (kind * max(count, 1))()
        for place in range(count):
            made[place] = fill() if fill else self.draw.randrange(2)
        self.kept.append(made)
        return made

    def floats(self, count: int) -> Any:
        return self.array(ctypes.c_float, count)

    def bools(self, count: int) -> Any:
        return self.array(ctypes.c_uint8, count, lambda: self.draw.choice((0, 1, 1, 7, 255)))

    def built(self, name: str, *arguments: Any) -> Any:
        """A handle, or none where its builder refuses."""
        handle = ctypes.c_void_p()
        code = self.library.call(name, *arguments, ctypes.byref(handle))
        assert code in (0, 2, 8, 10), (code, self.library.error)
        return handle if code == 0 else None

    def freed(self, *handles: Any) -> None:
        for one in handles:
            self.library.call("Tree_release", one)

    def tree(self, n: int, depth: int) -> Any:
        draw = self.draw
        if draw.random() < 0.03:
            n = draw.choice(SIZES)
        match draw.randrange(5 if depth else 2) if draw.random() < 0.9 else 5:
            case 0 | 5:
                return self.built("Tree_Empty")
            case 1:
                return self.built("Tree_Leaf", n, self.index(n), self.floats(n))
            case 2 | 3 if draw.random() < 0.7:
                left, right = self.tree(n, depth - 1), self.tree(n, depth - 1)
                made = self.built("Tree_Node", left, right)
                if made is None:
                    self.freed(left, right)
                return made
            case 4:
                return self.built("Tree_Many", n, self.floats(n * n), 3, self.bools(3))
        inner, count = self.tree(2 * n, depth - 1), draw.randrange(3)
        ids = self.array(ctypes.c_int64, count, lambda: self.index(n))
        made = self.built("Tree_Wide", inner, count, ids, self.index(n), self.index(n + 1))
        if made is None:
            self.freed(inner)
        return made

    def run(self) -> int:
        draw, call, n = self.draw, self.library.call, self.draw.choice(SIZES)
        said = n if draw.random() < 0.9 else draw.choice((*SIZES, *(one for one in ODD if one < 0 or one > 2**40)))
        room = max(0, min(said, 8))
        out = self.floats(1)
        match draw.randrange(5):
            case 0 | 1:
                tree = self.tree(n, 3)
                code = call("walk", said, tree, self.floats(room), self.array(ctypes.c_int64, 2, lambda: self.index(said)), out)
                self.freed(tree)
            case 2:
                tree = self.tree(n, 2) or ctypes.c_void_p()
                at = self.array(ctypes.c_int64, 1, lambda: self.index(said))
                code = call("change", said, ctypes.byref(tree), at, self.floats(room), out)
                self.freed(tree)
            case 3:
                some = self.built("Option_Some", n, self.floats(n)) if draw.random() < 0.9 else None
                code = call("picked", said, some, self.index(said), out)
                call("Option_release", some)
            case _:
                code = call("square", said, self.index(said), self.bools(room), self.floats(room * room))
        return code


def fuzz(library: Library, seeds: range) -> dict[int, int]:
    """How often each code came."""
    codes: dict[int, int] = {}
    for seed in seeds:
        code = Case(library, seed).run()
        codes[code] = codes.get(code, 0) + 1
        assert library.lib.fuzzed_live_blocks(library.context) == 0, (seed, library.error)
    return codes


def batch(folder: Path, seeds: range) -> Any:
    """The codes, from a process of its own; a text where something went wrong, a crash too."""
    return isolate(lambda: fuzz(Library(folder), seeds), 120.0 + 0.01 * len(seeds))


def main() -> int:
    parser = argparse.ArgumentParser(description="call a library with wrong arguments")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = batch(Path(folder), range(given.seed, given.seed + given.count))
    print(found)
    return int(isinstance(found, str))


if __name__ == "__main__":
    raise SystemExit(main())
