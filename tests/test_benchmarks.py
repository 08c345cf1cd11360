"""The benchmarks' own arithmetic, and that their programs are right by type."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

HERE = Path(__file__).resolve().parent.parent / "benchmarks"
PROGRAMS = sorted(path.name for path in HERE.glob("w*.dyn"))


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Any:
    names = ("picture", "run", "workload")
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(HERE))
    return tuple(map(importlib.import_module, names))


def row(peer: str, cost: float, **more: Any) -> dict[str, Any]:
    return {"w": "W0", "peer": peer, "what": "infer", "unit": "input", "us": 10 * cost, "us_min": 9 * cost, "sgemms": cost, **more}


def test_the_middle_round_counts(modules: Any) -> None:
    *_, workload = modules
    found = workload.middle_rounds([row("dyn", 3.0), row("jax", 9.0), row("dyn", 1.0), row("jax", 8.0), row("dyn", 2.0), row("jax", 7.0)])
    assert [(one["peer"], one["sgemms"]) for one in found] == [("dyn", 2.0), ("jax", 8.0)]


def test_dyn_is_compared_with_the_best_peer_that_no_one_wrote_by_hand(modules: Any) -> None:
    picture, run, _ = modules
    rows = [row("dyn", 2.0, limit=5.0), row("c-plain", 1.0), row("jax", 8.0), row("torch", 9.0),
            {"w": "W0", "peer": "ort", "what": "-", "cannot": "missing"}]
    (line,) = run.summary(rows)
    assert (line["peer"], line["times"]) == ("jax", 4.0)
    assert "| W0 infer, per input | 20.0 | jax 80 | 4.00 | 5 |" in run.summary_text([line])
    assert run.summary([row("dyn", 2.0)])[0]["times"] is None
    drawing = ElementTree.fromstring(picture.bars([line, {**line, "times": 0.25}, {**line, "times": None}]))
    assert len(drawing.findall("{http://www.w3.org/2000/svg}rect")) == 2


def test_the_programs_are_right_by_type() -> None:
    done = subprocess.run([sys.executable, "-m", "dynlang", "check", *PROGRAMS], cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
