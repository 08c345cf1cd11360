# ruff: noqa: E501
"""Calls with damaged arguments: whatever stands in an .npz file, `dync call` gives results or an error in words.

    python tests/fuzz_calls.py --count 20000 --seed 1
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

from dynlang import diag, pipeline
from dynlang.native import jit
from dynlang.tools import flat
from dynlang.tools.bounds import check_bounds, index_bounds
from dynlang.tools.call import read_arrays, results_of, sizes_given
from dynlang.tools.running import Program
from generate import isolate

PROGRAM = """
type Tree<d>:
    Leaf(word: int, x: f32[d])
    Node(left: Tree<d>, right: Tree<d>)
    Note(pitches: f64[?n], loud: bool)

record Line<n>:
    w: f32[n]
    b: f16
    deep: bool

fn total<d>(t: Tree<d>, k: f32) -> f32:
    match t:
        Leaf(word, x):
            return f32(word) * k + sum(x)
        Node(left, right):
            return total(left, k) + total(right, 0.5 * k)
        Note(pitches, loud):
            return f32(len(pitches)) + f32(sum(pitches)) + f32(loud)

fn all_of<n, d>(
    line: Line<n>, x: f32[n, 2*d], t: Tree<d>, i: idx<n>, p: (int, f64[d]), small: i8[n], xs: List<f32>,
    pairs: List<(int, f32[d])>, name: str, m: inout f32[n, d], mask: bool[n],
) -> (f32, f32[n], Tree<d>, List<f32>, str, f32[?]):
    m[i, 0] = x[i, d]
    let first, _ = p
    let kept = [x[k, 0] for k if mask[k]]
    var more = xs
    more.push(line.w[i] + f32(first))
    let first, _ = p
    return total(t, f32(line.b)), line.w, t, more, name + "!", kept
"""

def fitting(draw: np.random.Generator) -> dict[str, np.ndarray]:
    """Arguments that fit."""
    n, d = int(draw.integers(1, 4)), int(draw.integers(1, 4))
    return {
        "line.w": draw.standard_normal(n).astype("f4"), "line.b": np.array(0.5, "f2"), "line.deep": np.array(True),
        "x": draw.standard_normal((n, 2 * d)).astype("f4"), "t.tag": np.array([1, 0, 2]), "t.Leaf.word": np.array([7]),
        "t.Leaf.x": draw.standard_normal((1, d)).astype("f4"), "t.Note.n": np.array([2]), "t.Note.pitches": draw.standard_normal(2),
        "t.Note.loud": np.array([True]), "i": np.array(int(draw.integers(n))), "p.0": np.array(3), "p.1": draw.standard_normal(d),
        "small": draw.integers(-5, 5, n).astype("i1"),
        "xs": np.ones(2, "f4"), "pairs.0": np.array([1]), "pairs.1": np.ones((1, d), "f4"),
        "name": np.array("text"), "m": np.zeros((n, d), "f4"), "mask": np.ones(n, bool),
    }


ODD: list[Any] = [
    np.array(0), np.array(-1), np.array(2**62), np.array(2**63, "u8"), np.array(1e300), np.array(np.nan), np.array(np.inf), np.array("word"),
    np.array(b"\xff\xfe"), np.array([]), np.zeros((0, 3)), np.zeros((2, 0)), np.array(1 + 2j), np.array([[["a"]]]), np.array("2020-01-01", "M8[D]"),
    np.zeros((1,) * 20), np.zeros(3, "i4,f4"), np.array([1, 2, 3]), np.array([True]), np.ones(7, ">f8"), np.array([-1, 5, 100]), np.array("\ud800"),
    np.array([2**40]), np.array([0] * 50), np.array([1] * 50), np.array([3]), np.array("a\x00b"), np.asfortranarray(np.ones((3, 4))), np.ones((4, 6))[::2, ::3],
]


def damaged(draw: random.Random, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arguments with one to three faults."""
    for _ in range(draw.choice((1, 1, 2, 3))):
        name = draw.choice(sorted(given) or [""])
        array = given.get(name, np.array(0))
        match draw.randrange(8):
            case 0:
                given.pop(name, None)
            case 1:
                given[draw.choice((name + ".x", "v", "", name.upper(), name + ".tag", name + ".count", "n", "\u00e9", "a" * 300))] = array
            case 2:
                given[name] = draw.choice(ODD)
            case 3:
                given[name] = given[draw.choice(sorted(given))] if given else array
            case 4:
                with np.errstate(all="ignore"):
                    made = np.asarray(array).astype(draw.choice(("f8", "f4", "f2", "i8", "i4", "i1", "u8", "?", "c16")), casting="unsafe") if array.dtype.kind in "fiub" else array
                given[name] = made
            case 5:
                given[name] = np.concatenate([np.ravel(array), np.ravel(array)])
            case 6:
                given[name] = np.ravel(array)[:-1] if array.size else array
            case _:
                given[name] = np.expand_dims(array, draw.randrange(array.ndim + 1))
    return given


class Calls:
    """The program, compiled once."""

    def __init__(self, folder: Path) -> None:
        path = folder / "program.dyn"
        path.write_text(PROGRAM, encoding="utf-8")
        request = pipeline.Request(path, entries=("all_of",))
        self.ssa = pipeline.build(request, until="opt")
        self.core = request.keep["grad"]
        checked = request.keep["typed"]
        self.bounds = index_bounds(checked, checked.functions[f"{checked.module}.all_of"])
        self.program = Program(jit.compile_module(self.ssa, 2, ["all_of"]), self.ssa)

    def answer(self, given: dict[str, np.ndarray]) -> str:
        """'ok', or the error; anything else is raised."""
        function = self.core.functions["all_of"]
        try:
            reader = flat.Reader(self.core.sums, given)
            values = reader.arguments(function, function.parameter_labels)
            reader.finish(function.parameter_labels)
            check_bounds(self.bounds, given, sizes_given(function, values))
            results_of(function, self.program.call("all_of", values), self.core.sums)
        except flat.BadArgument as error:
            return str(error)
        except diag.CompileError as error:
            return error.diagnostics[0].title
        return "ok"

    def file(self, data: bytes, folder: Path) -> str:
        """The same for the bytes of an .npz file."""
        path = folder / "given.npz"
        path.write_bytes(data)
        try:
            return self.answer(read_arrays(str(path)))
        except flat.BadArgument as error:
            return str(error)


def damaged_bytes(draw: random.Random, given: dict[str, np.ndarray]) -> bytes:
    made = io.BytesIO()
    (np.savez if draw.random() < 0.7 else np.savez_compressed)(made, **{name or "_": array for name, array in given.items()})  # type: ignore[arg-type]
    data = bytearray(made.getvalue())
    for _ in range(draw.choice((1, 1, 2, 8))):
        match draw.randrange(3):
            case 0:
                data[draw.randrange(len(data))] = draw.randrange(256)
            case 1:
                del data[draw.randrange(len(data)):]
            case _:
                at = draw.randrange(len(data))
                data[at:at] = bytes(draw.randrange(256) for _ in range(4))
        if not data:
            return b""
    return bytes(data)


def fuzz(seed: int, calls: Calls, folder: Path) -> str:
    """The answer to one damaged call."""
    draw = random.Random(seed)
    given = fitting(np.random.default_rng(seed))
    if draw.random() < 0.2:
        return calls.file(damaged_bytes(draw, given), folder)
    return calls.answer(damaged(draw, given))


def batch(seeds: range) -> Any:
    """What is wrong with these calls, in a process of its own: a text; else how many gave results, and the kinds of errors."""

    def work() -> Any:
        with tempfile.TemporaryDirectory() as folder:
            calls = Calls(Path(folder))
            assert calls.answer(fitting(np.random.default_rng(0))) == "ok", calls.answer(fitting(np.random.default_rng(0)))
            fine, kinds = 0, set()
            for seed in seeds:
                try:
                    found = fuzz(seed, calls, Path(folder))
                except Exception as error:
                    last = traceback.extract_tb(error.__traceback__)[-1]
                    return f"seed {seed}: {type(error).__name__}: {str(error)[:200]} ({Path(last.filename).name}:{last.lineno} {last.name})"
                fine += found == "ok"
                kinds.add("".join("_" if one.isdigit() else one for one in found)[:40])
            return fine, len(kinds)

    return isolate(work, 60.0 + 0.1 * len(seeds))


def main() -> int:
    parser = argparse.ArgumentParser(description="call a function with damaged arguments")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    wrong = 0
    for start in range(given.seed, given.seed + given.count, 500):
        found = batch(range(start, min(start + 500, given.seed + given.count)))
        wrong += isinstance(found, str)
        print(found, flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
