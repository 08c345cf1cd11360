"""The programs of benchmarks/ad: right against their independent references on small inputs, and against differences."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks" / "ad"
sys.path.insert(0, str(FOLDER))

import run  # type: ignore[import-not-found]  # noqa: E402


@pytest.mark.parametrize("name", run.programs())
def test_a_program_is_right(name: str) -> None:
    """Objective and derivative agree with the reference, nothing leaks, and the program's own tests (`gradcheck`) pass."""
    found = run.one_system(name, "dyn", "small", seconds=0)
    for part in run.parts(run.module(name, "reference")):
        assert found[f"{part}_error"] <= found["tolerance"], part
    program = FOLDER / name / f"{name}.dyn"
    assert "gradcheck" in program.read_text(encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "dynlang", "test", str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["saddle", "particle"])
def test_the_reference_has_the_published_digits(name: str) -> None:
    """The program is held to 1e-14 of its reference, and that to the numbers of the public definition."""
    reference = run.module(name, "reference")
    (found,) = reference.rr(**reference.inputs())
    np.testing.assert_allclose(found, reference.PUBLISHED, rtol=4e-15)
    assert reference.TOLERANCE <= 1e-14
