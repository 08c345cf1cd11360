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
