"""Random programs mean the same everywhere; `python tests/generate.py --count 3000 --seed 1` checks more of them."""

from __future__ import annotations

from pathlib import Path

import pytest

import generated_programs
import program_oracles
from generate import kind_of, shorter_lines, smaller
from marks import LONG
from random_programs import oracle
from random_programs.program import part, program, together
from random_programs.types import match, parse
from random_programs.vocabulary import vocabulary

COUNT = 12
BATCHES = (range(100, 103), range(106, 109), range(209, 213))
"""Seeds of random programs of random types, in files of a few."""

FOUND = ((3, 34, 57), (64, 1006, 1011))
"""Seeds that once failed: in elaboration, in derivatives, as printed programs."""


@pytest.mark.parametrize("seed", range(COUNT))
def test_generated_program(seed: int, tmp_path: Path) -> None:
    """Every program runs natively, in the interpreter and as Core; an eighth is differentiated, a fourth printed and read again."""
    text = generated_programs.program(seed)
    failure = program_oracles.failure_of(text, seed, tmp_path, derivatives=seed % 8 == 0, texts=seed % 4 == 1)
    assert failure is None, f"{failure}\n{text}"


@pytest.mark.parametrize("seeds", [BATCHES[0], *(pytest.param(one, marks=LONG) for one in BATCHES[1:])], ids=str)
def test_programs_of_random_types(seeds: range, tmp_path: Path) -> None:
    count = oracle.Count()
    failure = oracle.failure_of(seeds, tmp_path, count, laws=oracle.ALL if seeds[0] % 2 == 0 else oracle.GRADIENTS)
    assert failure is None, f"{failure}\n{together([part(seed) for seed in seeds])}"
    assert count.programs == len(seeds) and max(count.compared, 10 * count.differences) > 10


@LONG
@pytest.mark.parametrize("seeds", FOUND, ids=str)
def test_programs_that_failed(seeds: tuple[int, ...], tmp_path: Path) -> None:
    failure = oracle.failure_of(seeds, tmp_path, oracle.Count())
    assert failure is None, failure


def test_programs_are_reproducible() -> None:
    assert program(3) == program(3) != program(4)
    assert generated_programs.program(3) == generated_programs.program(3) != generated_programs.program(4)


def test_wrong_programs_are_found(tmp_path: Path) -> None:
    text = generated_programs.program(1)
    assert "check: CompileError" in (
        program_oracles.failure_of(text.replace("return tanh", "return nothing_like_this", 1), 1, tmp_path) or "")
    text = together([part(102, "_102"), part(100, "_100").replace("tanh(total)", "total_")])
    failure = oracle.failure_of([100, 102], tmp_path, oracle.Count(), text)
    assert failure is not None and "typed: CompileError" in failure.text and failure.suspects == (100,)


def test_a_result_that_is_off_is_found() -> None:
    """The bound is one of a few units in the last place, and leaves room where the program's own arithmetic needs it."""
    bound = oracle.Bound(*oracle.flattened([1.0, b"f(2.5)", 3]), room=oracle.np.array([1e-15, 1e-15]))
    bound.hold("it", [1.0 + 4e-16, "f(2.5)", 3], oracle.Count())
    for wrong in ([1.0 + 1e-14, "f(2.5)", 3], [1.0, "f(2.6)", 3], [1.0, "g(2.5)", 3], [1.0, "f(2.5)", 4], [float("nan"), "f(2.5)", 3]):
        with pytest.raises(oracle.Different):
            bound.hold("it", wrong, oracle.Count())


def test_the_vocabulary_is_read_and_checks() -> None:
    from dynlang.check.program import check_program

    path = Path(__file__).parent / "random_programs" / "vocabulary.dyn"
    names = {one.name for one in vocabulary().functions}
    checked = {name.rpartition(".")[2] for name in check_program(path).functions if name.startswith("vocabulary.")}
    assert names == checked - {"Pair", "Dense"}
    assert match(parse("Option<Q[2*p]>"), parse("Option<f64[4*n + 2]>")) is not None
    assert match(parse("Q[2*p]"), parse("f64[3]")) is None


def test_shrinking_drops_statements_and_unwraps_blocks() -> None:
    lines = ["fn f():", "    if x:", "        a(b, c)"]
    assert list(smaller(lines))[:4] == [[], ["if x:", "    a(b, c)"], ["fn f():"], ["fn f():", "    a(b, c)"]]
    assert "a = b" in list(shorter_lines("a = f(b, c)"))
    assert kind_of("check: CompileError: /tmp/1/program.dyn:3:4: error[DYN0301]: `a` is b") == kind_of(
        "check: CompileError: /tmp/2/program.dyn:9:1: error[DYN0301]: `c` is b")
