"""Random programs mean the same everywhere; `python tests/generate.py --count 2000 --seed 7` checks more of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from generate import kind_of, shorter_lines, smaller
from generated_programs import program
from program_oracles import failure_of

COUNT = 40


@pytest.mark.parametrize("seed", range(COUNT))
def test_generated_program(seed: int, tmp_path: Path) -> None:
    """Every program runs natively, in the interpreter and as Core; an eighth is differentiated, a fourth printed and read again."""
    text = program(seed)
    failure = failure_of(text, seed, tmp_path, derivatives=seed % 8 == 0, texts=seed % 4 == 1)
    assert failure is None, f"{failure}\n{text}"


def test_programs_are_reproducible() -> None:
    assert program(3) == program(3) != program(4)


def test_wrong_programs_are_found(tmp_path: Path) -> None:
    text = program(1)
    assert "check: CompileError" in (failure_of(text.replace("return tanh", "return nothing_like_this", 1), 1, tmp_path) or "")


def test_shrinking_drops_statements_and_unwraps_blocks() -> None:
    lines = ["fn f():", "    if x:", "        a(b, c)"]
    assert list(smaller(lines))[:4] == [[], ["if x:", "    a(b, c)"], ["fn f():"], ["fn f():", "    a(b, c)"]]
    assert "a = b" in list(shorter_lines("a = f(b, c)"))
    assert kind_of("check: CompileError: /tmp/1/program.dyn:3:4: error[DYN0301]: `a` is b") == kind_of(
        "check: CompileError: /tmp/2/program.dyn:9:1: error[DYN0301]: `c` is b")
