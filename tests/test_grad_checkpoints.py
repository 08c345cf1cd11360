"""Loops that keep a few states: how often a trip is run again, what is held, and that nothing else changes."""

from __future__ import annotations

import re
from math import comb
from pathlib import Path

import numpy as np
import pytest

from cost_measure import saved_bytes
from dynlang import pipeline
from dynlang.core.evaluate import Counter, evaluate
from dynlang.core.nodes import Module
from dynlang.core.simplify import simplify
from dynlang.grad import gradient_program
from dynlang.opt import optimise
from dynlang.ssa.interpret import interpret
from dynlang.ssa.lower import lower
from marks import LONG
from test_derivative_programs import CASES, PROGRAM, callable_of

LOOPS = {
    "for": """
fn f<d>(w: f64[d, d], x: f64[d], n: int) -> f64:
    var h = x
    for i in HEAD:
        h = tanh(w @ h + x)
    return h @ h
""",
    "while": """
fn f<d>(w: f64[d, d], x: f64[d], n: int) -> f64:
    var h = x
    var i = 0
    while HEAD:
        h = tanh(w @ h + x)
        i += 1
    return h @ h
""",
}
PLAIN = {"for": "n", "while": "i < n"}


def gradient(folder: Path, kind: str, slots: int | None) -> Module:
    head = PLAIN[kind] if slots is None else f"checkpoint({PLAIN[kind]}, slots={slots})"
    path = folder / "program.dyn"
    path.write_text(LOOPS[kind].replace("HEAD", head), encoding="utf-8")
    core = pipeline.build(pipeline.Request(path, entries=("f",)), until="core")
    return gradient_program(core, "f", [1, 2])


def arguments(trips: int) -> list:
    random = np.random.default_rng(1)
    return [np.int64(3), random.standard_normal((3, 3)), random.standard_normal(3), np.int64(trips)]


def repetitions(trips: int, slots: int) -> int:
    """The least t with trips <= binomial(slots + t, t)."""
    t = 0
    while comb(slots + t, t) < trips:
        t += 1
    return t


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("slots", [3, 5, 8, 16])
def test_trips_that_are_run_again(kind: str, slots: int, tmp_path: Path) -> None:
    """Every trip is run once by the forward, once beside its backward, and at most t times on the way to a later one: t is the
    least number of repetitions that any schedule with so many states needs, and one more where the number of trips isn't known
    beforehand. Altogether little more than the best schedule that knows it."""
    made = gradient(tmp_path, kind, slots)
    for trips in (0, 1, slots, 3 * slots, 100, 400):
        counter = Counter()
        evaluate(made, "f_grad", arguments(trips), counter)
        t = repetitions(trips, slots)
        best = 2 * trips + (t - 1) * trips - comb(slots + t, t - 1) if t else trips
        run = counter.by_op.get("tanh", 0)
        assert run <= (t + 3) * trips, (trips, run)
        assert run <= 1.65 * best + slots + trips * (slots < 8), (trips, run, best)


@pytest.mark.parametrize("kind", LOOPS)
def test_the_bits_are_those_of_the_loop_without(kind: str, tmp_path: Path) -> None:
    plain, kept = gradient(tmp_path, kind, None), gradient(tmp_path, kind, 4)
    for trips in (0, 1, 2, 5, 33):
        expected, found = (evaluate(one, "f_grad", arguments(trips)) for one in (plain, kept))
        assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))


@pytest.mark.parametrize("kind", LOOPS)
def test_memory_does_not_grow_with_the_trips(kind: str, tmp_path: Path) -> None:
    plain, kept = gradient(tmp_path, kind, None), gradient(tmp_path, kind, 6)
    assert saved_bytes(kept, "f_grad", arguments(60), 1) == saved_bytes(kept, "f_grad", arguments(240), 1)
    assert saved_bytes(plain, "f_grad", arguments(240), 1) > 3.9 * saved_bytes(plain, "f_grad", arguments(60), 1)
    alive = {}
    for name, module in (("plain", plain), ("kept", kept)):
        compiled = optimise(lower(simplify(module, ("f_grad",))), 2)
        alive[name] = []
        for trips in (60, 240):
            interpret(compiled, "f_grad", arguments(trips), count=True, peak=alive[name])
    assert alive["kept"][0] == alive["kept"][1] < 40
    assert alive["plain"][1] > 3 * alive["plain"][0] > 150


@LONG
def test_every_loop_of_every_construct_with_a_schedule(tmp_path: Path) -> None:
    """The programs of the constructs with `checkpoint(.., slots=3)` around the head of every loop: the same bits."""
    text = PROGRAM.read_text(encoding="utf-8")
    kept = re.sub(r"^( +)for (.+?) in (.+):$", r"\1for \2 in checkpoint(\3, slots=3):", text, flags=re.M)
    kept = re.sub(r"^( +)while (.+):$", r"\1while checkpoint(\2, slots=3):", kept, flags=re.M)
    assert kept.count("checkpoint(") > text.count("checkpoint(") + 30
    names = tuple(name for case in CASES for name in (case.name, f"{case.name}_slope"))
    ways = []
    for name, program in (("plain", text), ("kept", kept)):
        path = tmp_path / f"{name}.dyn"
        path.write_text(program + "".join(case.wrapper for case in CASES), encoding="utf-8")
        ways.append(callable_of(path, names, "2"))
    for case in CASES:
        expected, found = (way(f"{case.name}_slope", case.arguments) for way in ways)
        assert all(np.array_equal(expected[one], found[one], equal_nan=True) for one in expected), case.name
