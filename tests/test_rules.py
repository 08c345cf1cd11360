"""Each rule of the language has a test that would fail without it.

The rules are numbered; `tests/language/rules/rule_NN.dyn` holds what must work, `tests/cases/errors/rule_NN_*.dyn` what is refused;
rules about what hosts see have a `tests/test_rule_NN.py`, that about memory is `tests/test_memory.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent
RULES = [*range(1, 34), 36, 37]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_has_tests(rule: int) -> None:
    positive = ROOT / "language" / "rules" / f"rule_{rule:02}.dyn"
    negative = sorted((ROOT / "cases" / "errors").glob(f"rule_{rule:02}_*.dyn"))
    program = ROOT / ("test_memory.py" if rule == 37 else f"test_rule_{rule:02}.py")
    assert positive.is_file() or negative or (program.is_file() and f"Rule {rule}:" in program.read_text(encoding="utf-8"))
    if positive.is_file():
        assert positive.read_text(encoding="utf-8").count("\n    assert") >= 1
