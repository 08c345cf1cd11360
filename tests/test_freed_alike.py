"""Blocks of types that look alike are freed by the same code, and everything is freed, of few kinds and of many."""

from __future__ import annotations

import itertools
import os
import subprocess
from pathlib import Path

import pytest

from dynlang import pipeline
from dynlang.core.nodes import Constructor, SumDeclaration, Variable
from dynlang.native.lower import counting
from dynlang.native.lower.alike import ROUNDS, alike_kinds
from dynlang.ssa.nodes import Array, Box, List, Scalar
from dynlang.tools.cli import main
from dynlang.types import BOOL, F32, StringType, SumType, Type


def declared(name: str, *fields: Type) -> SumDeclaration:
    """A sum of an empty constructor and one with these fields."""
    node = Constructor(f"{name}Node", tuple(Variable(f"f{place}", one) for place, one in enumerate(fields)))
    return SumDeclaration(name, (), (Constructor(f"{name}End", ()), node))


def classes(sums: list[SumDeclaration]) -> list[list[str]]:
    found: dict[str, list[str]] = {}
    for kind, first in alike_kinds([Box(one.name) for one in sums], {one.name: one for one in sums}).items():
        assert isinstance(kind, Box) and isinstance(first, Box)
        found.setdefault(first.sum, []).append(kind.sum)
    return list(found.values())


def test_types_that_lead_to_each_other_may_be_alike() -> None:
    even, odd = declared("Even", F32, SumType("Odd", ())), declared("Odd", BOOL, SumType("Even", ()))
    swapped = declared("Swapped", SumType("Swapped", ()), F32)
    assert classes([even, odd, swapped]) == [["Even", "Odd"], ["Swapped"]]


def test_types_that_lead_to_other_types_are_not() -> None:
    words, numbers = declared("Words", StringType(), SumType("Words", ())), declared("Numbers", F32, SumType("Numbers", ()))
    to_words, to_numbers = declared("ToWords", F32, SumType("Words", ())), declared("ToNumbers", F32, SumType("Numbers", ()))
    assert classes([words, numbers, to_words, to_numbers]) == [["Words"], ["Numbers", "ToNumbers"], ["ToWords"]]


def test_a_long_chain_of_types_ends() -> None:
    """Each is told apart from the next by the end of the chain alone."""
    names = [f"T{i}" for i in range(3 * ROUNDS)]
    sums = [declared(one, SumType(after, ())) for one, after in itertools.pairwise(names)] + [declared(names[-1])]
    assert classes(sums) == [[one] for one in names]


def test_lists_and_arrays_are_told_apart() -> None:
    text = Array(Array(Scalar("f32"), ()), ())
    lists = [List((Scalar("f32"), text)), List((Scalar("i64"), text)), List((text, Scalar("f32"))), text]
    assert list(alike_kinds(lists, {}).values()) == [lists[0], lists[0], lists[2], text]


PROGRAM = """
fn grow(x: f64, k: int) -> f64:
    if k <= 0:
        return x
    let words = [x, 2.0]
    return sin(turn(x * words[k % 2], k - 1)) + grow(x, k - 2)

fn turn(x: f64, k: int) -> f64:
    return cos(x) if k <= 0 else exp(sin(grow(x, k - 1))) * x

proc main(x: f64 = 0.5):
    let difference = (grow(x + 1e-6, 9) - grow(x - 1e-6, 9)) / 2e-6
    print(grad(grow)(x, 9) / difference)
"""


@pytest.mark.parametrize("in_place", [0, 32])
def test_everything_is_freed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_place: int) -> None:
    """By code of each kind's own, and by calls, as where kinds are many."""
    monkeypatch.setattr(counting, "KINDS_IN_PLACE", in_place)
    path = tmp_path / "many.dyn"
    path.write_text(PROGRAM)
    assert ("call void @let_go(" in pipeline.build(pipeline.Request(path))) == (in_place == 0)
    assert main(["build", str(path), "-o", str(tmp_path / "many")]) == 0
    done = subprocess.run([tmp_path / "many"], env={**os.environ, "DYN_LIVE_BLOCKS": "1"}, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "live blocks: 0"
    assert abs(float(done.stdout) - 1) < 1e-4
