"""The programs of benchmarks/ad: right against their independent references on small inputs, and against differences."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks" / "ad"
sys.path.insert(0, str(FOLDER))

import run  # type: ignore[import-not-found]  # noqa: E402


@pytest.mark.parametrize("name", run.programs())
def test_a_program_is_right(name: str) -> None:
    """Objective and derivative agree with the reference, nothing leaks, and the program's own tests (`gradcheck`) pass."""
    found = run.one_system(name, "dyn", "small", seconds=0)
    for part in run.PARTS:
        assert found[f"{part}_error"] <= found["tolerance"], part
    program = FOLDER / name / f"{name}.dyn"
    assert "gradcheck" in program.read_text(encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "dynlang", "test", str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
