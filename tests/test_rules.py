"""Each rule of the language has a test that would fail without it.

The rules are numbered; `tests/language/rules/rule_NN.dyn` holds what must work, `tests/cases/errors/rule_NN_*.dyn` what is refused;
rules about what hosts see have a `tests/test_rule_NN.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent
RULES = [*range(1, 28), 36, 37]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_has_tests(rule: int) -> None:
    positive = ROOT / "language" / "rules" / f"rule_{rule:02}.dyn"
    negative = sorted((ROOT / "cases" / "errors").glob(f"rule_{rule:02}_*.dyn"))
    assert positive.is_file() or negative or (ROOT / f"test_rule_{rule:02}.py").is_file()
    if positive.is_file():
        assert positive.read_text(encoding="utf-8").count("\n    assert") >= 1
