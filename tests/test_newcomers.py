"""What newcomers from Python and PyTorch write, and what they are told: `tests/cases/errors/newcomers.txt`.

A case is a title, a program, a line of dashes and the messages; the last line says how many repairs `dync fix` makes and how
many errors are left after them. `python -m pytest tests/test_newcomers.py --bless` writes what stands below the dashes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from dynlang.check.program import check
from dynlang.diag import CODES, CompileError, render_all
from dynlang.source import Source
from dynlang.tools.repairs import repaired, with_fixes

FILE = Path(__file__).parent / "cases" / "errors" / "newcomers.txt"
BETWEEN, BELOW = "\n====\n", "\n----\n"

REPAIRED = {
    "DYN0101", "DYN0102", "DYN0103", "DYN0105", "DYN0106", "DYN0107", "DYN0109", "DYN0110", "DYN0111", "DYN0113", "DYN0121",
    "DYN0201", "DYN0202", "DYN0203", "DYN0207", "DYN0209", "DYN0301", "DYN0303", "DYN0304", "DYN0306", "DYN0308", "DYN0309",
    "DYN0314", "DYN0319", "DYN0325", "DYN0327", "DYN0401", "DYN0402", "DYN0501", "DYN0502", "DYN0505", "DYN0506", "DYN0507", "DYN0604",
}
"""The codes that offer a repair: a case shows each, and what is repaired checks."""


@dataclass(frozen=True)
class Case:
    title: str
    program: str
    expected: str

    @staticmethod
    def read(text: str) -> Case:
        head, _, expected = text.partition(BELOW)
        title, _, program = head.partition("\n")
        return Case(title, program + "\n", expected)

    def write(self, expected: str) -> str:
        return f"{self.title}\n{self.program.rstrip(chr(10))}{BELOW}{expected}"


CASES = [Case.read(text) for text in FILE.read_text(encoding="utf-8").rstrip("\n").split(BETWEEN)]


def told(case: Case) -> str:
    """The messages about a program, and what its repairs come to."""
    source = Source("case.dyn", case.program)
    try:
        check(source, None, False)
    except CompileError as problem:
        text, left, count = repaired(source, Path("case.dyn"))
        fixes = with_fixes(problem, None)
        assert count == 0 or text != case.program
        return f"{render_all(fixes)}\n{count} repaired, {len(left)} left".replace("\t", "    ")
    return "no error"


@pytest.mark.parametrize("case", CASES, ids=[case.title.replace(" ", "_") for case in CASES])
def test_message(case: Case, request: pytest.FixtureRequest) -> None:
    found = told(case)
    assert found != "no error"
    if request.config.getoption("--bless"):
        BLESSED[case.title] = found
    else:
        assert found == case.expected


BLESSED: dict[str, str] = {}


def test_blessed_messages_are_written(request: pytest.FixtureRequest) -> None:
    """Runs last: with `--bless` it puts what was found into the file."""
    if request.config.getoption("--bless"):
        texts = [case.write(BLESSED.get(case.title, case.expected)) for case in CASES]
        FILE.write_text(BETWEEN.join(texts) + "\n", encoding="utf-8")
    assert len({case.title for case in CASES}) == len(CASES) >= 60


def test_messages_are_short() -> None:
    for case in CASES:
        for message in case.expected.split("\n\n"):
            assert message.count("\n") <= 12, case.title


def test_each_code_that_offers_a_repair_has_one_that_works() -> None:
    """In a case whose program checks after its repairs, each error that was repaired had its code."""
    shown: set[str] = set()
    for case in CASES:
        if case.expected.endswith(" 0 left"):
            shown |= {re.findall(r"\[(DYN\d+)\]", part)[0] for part in case.expected.split("\n\n") if "dync fix:" in part}
    assert shown == REPAIRED
    assert shown <= set(CODES)
