"""What `dync grad` prints is a program: it checks, and gives the bits of the derivative; `printed_derivatives.py` tries more."""

from __future__ import annotations

from pathlib import Path

import pytest

import printed_derivatives
from dynlang import pipeline
from dynlang.core.nodes import Module
from marks import LONG
from printed_derivatives import derivatives, failures, hold

ROOT = Path(__file__).parent.parent
DERIVATIVES = ROOT / "tests" / "language" / "_derivatives.dyn"
SOME = ("lstm", "tree_lstm", "early_return", "active_payloads", "chosen_closure", "lent_rows", "list_of_arrays", "jvp_of_vjp", "own_rule",
        "masked")


def core_of(path: Path, function: str) -> Module:
    return pipeline.build(pipeline.Request(path, entries=(function,)), until="core")


@pytest.mark.parametrize("name", SOME)
def test_printed(name: str, tmp_path: Path) -> None:
    """By the first parameter and by all, in reverse and in forward mode."""
    found = list(derivatives(core_of(DERIVATIVES, name), name))
    assert len(found) >= 2
    for _, made in found:
        assert hold(made, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("file", [pytest.param("tests/language/_derivatives.dyn", marks=LONG), "examples/treelstm/model.dyn",
                                  *(pytest.param(f"stdlib/{name}.dyn", marks=LONG) for name in ("nn", "numeric"))])
def test_whole_files(file: str, tmp_path: Path) -> None:
    count: dict[str, int] = {}
    assert not list(failures(ROOT / file, tmp_path, count))
    assert count["derivatives"] >= 5


def test_a_difference_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test sees another sign, and a program that doesn't check."""
    path = tmp_path / "f.dyn"
    path.write_text("fn f(x: f64) -> f64:\n    return x * x + sin(x)\n", encoding="utf-8")
    [(_, made), *_] = derivatives(core_of(path, "f"), "f")
    assert hold(made, tmp_path)
    printed = pipeline.text_of("grad", made)
    for wrong in (printed.replace("cos(", "sin("), printed.replace("x: f64", "x: f32", 1)):
        assert wrong != printed
        monkeypatch.setattr(printed_derivatives.pipeline, "text_of", lambda *_, wrong=wrong: wrong)
        with pytest.raises((printed_derivatives.Different, printed_derivatives.diag.CompileError)):
            hold(made, tmp_path)
