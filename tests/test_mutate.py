"""Damaged programs get answers in words; `python tests/mutate.py --count 50000 --seed 1` checks more of them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import mutate
from dynlang import diag
from dynlang.source import Source

COUNT = 250


@pytest.fixture(scope="module")
def source() -> mutate.Pool:
    return mutate.pool(random_programs=4)


def test_damaged_programs(source: mutate.Pool, tmp_path: Path) -> None:
    count = mutate.Count()
    for seed in range(COUNT):
        found = mutate.fuzz(seed, source, count, tmp_path)
        assert found is None, f"seed {seed}: {found[1]}\n{found[0]}"
    assert count.programs == COUNT and 10 < count.clean < COUNT / 2 and len(count.codes) > 20


def test_pieces_stand_alone(source: mutate.Pool) -> None:
    """Most pieces check as they are: so a fault in them is met by the stage that it is for."""
    draw = random.Random(1)
    pieces = draw.sample(source.pieces, 30)
    checked = [mutate.wrong_with(piece, lambda piece=piece: mutate.hold_check(piece, mutate.Count())) for piece in pieces]
    assert not any(checked)
    clean = mutate.Count()
    for piece in pieces:
        mutate.hold_check(piece, clean)
    assert clean.clean > len(pieces) / 3


@pytest.mark.parametrize("wrong", [[], [diag.CompilerBug("oh")], [diag.NotBuiltYet("no place")],
                                   [diag.NotBuiltYet("outside", Source("a", "abc").span(2, 9))]])
def test_answers_that_are_none_are_found(wrong: list[diag.Diagnostic]) -> None:
    with pytest.raises(mutate.Wrong):
        mutate.hold_diagnostics(wrong)


def test_a_hang_is_found() -> None:
    with pytest.raises(mutate.Hang), mutate.in_time(0.05):
        while True:
            pass


@pytest.mark.parametrize("text", [
    "fn g(x: int) -> idx<5>:\n    return " + "1 if true else " * 150 + "x\n",
    "fn g(x: f64) -> List<f64>:\n    return " + "1 if true else " * 150 + "1\n",
    "fn g(x: f64) -> bool:\n    return " + "sum(x for x in " * 14 + "1" + ")" * 14 + " < x\n",
])
def test_deep_expressions_of_a_wrong_type(text: str) -> None:
    """An expression that doesn't fit is asked a few times for each of its levels, not once more for each way through them."""
    mutate.hold_check("fn g(x: f64) -> f64:\n    return x\n", mutate.Count())
    count = mutate.Count()
    assert mutate.hold_check(text, count) is None and count.seconds < 20


def test_what_is_not_built_has_a_place(tmp_path: Path) -> None:
    assert mutate.wrong_with("", lambda: mutate.hold_stages("fn f(x: f64, g: f64 -> f64) -> f64:\n    return g(x)\n", tmp_path)) is None
