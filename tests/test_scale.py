"""Compiling stays quick: realistic programs grow in proportion, families of odd ones stay linear, huge meanings end in words.

Seconds are of CPU time on a machine that other work slows down, so they are generous; the growth of time with size is what counts.
`python benchmarks/compile_time.py` prints the figures; `DYN_LONG=1 python -m pytest tests/test_scale.py` runs the full sizes, too.
"""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from marks import LONG
from scale_measure import GIB, cost
from scale_programs import FAMILIES, LIMITS, modules, realistic

SECONDS = 40
QUADRATIC = {"arm gradient"}
"""Two tangents of a sum of k alternatives are added by k * k arms; above 160 alternatives the compiler says so."""
FLAT = 0.25
"""Time that doesn't depend on the program: the library's modules, the runtime."""


@pytest.mark.parametrize("name", [*LIMITS])
def test_what_means_something_huge_ends(name: str) -> None:
    found = cost(LIMITS[name], seconds=SECONDS, memory=4 * GIB)
    assert not found.error.startswith("killed"), found
    assert found.megabytes < 2000
    assert "DYN0001" not in found.error and "DYN0002" not in found.error, found


@pytest.mark.parametrize("name", [*FAMILIES])
def test_families_grow_in_proportion(name: str) -> None:
    """At an eighth of its full size a family takes at most about four times of what a thirty-second takes."""
    make, parts = FAMILIES[name]
    small, large = cost(make(max(1, parts // 32)), seconds=SECONDS), cost(make(max(2, parts // 8)), seconds=SECONDS)
    assert not large.error or "limit reached" in large.error, large
    exponent = math.log(max(large.total - FLAT, 0.3) / max(small.total - FLAT, 0.3)) / math.log(4)
    assert exponent < (2.2 if name in QUADRATIC else 1.5), (small, large)


@LONG
@pytest.mark.parametrize("name", [*FAMILIES])
def test_families_at_their_full_size(name: str) -> None:
    make, parts = FAMILIES[name]
    found = cost(make(parts), seconds=2 * SECONDS, memory=6 * GIB)
    assert not found.error or "limit reached" in found.error, found
    assert found.megabytes < 2000


def test_a_realistic_program_checks_and_builds() -> None:
    cost(realistic(50), until="typed")      # the library is in the cache
    small, large = cost(realistic(250)), cost(realistic(1000))
    assert not large.error and large.check < 4, large
    assert math.log(large.total / small.total) / math.log(4) < 1.2, (small, large)


@LONG
def test_ten_thousand_lines() -> None:
    found = cost(realistic(10_000), seconds=200, memory=8 * GIB)
    assert not found.error and found.check < 40 and found.megabytes < 2000, found


def test_programs_of_the_measure_run(tmp_path) -> None:
    """They are programs, not only text: one of each kind of section, and one of several modules."""
    (tmp_path / "program.dyn").write_text(realistic(280), encoding="utf-8")
    for name, text in modules(3, 60).items():
        (tmp_path / f"{name}.dyn").write_text(text, encoding="utf-8")
    for name in ("program", "main"):
        done = subprocess.run([sys.executable, "-m", "dynlang", "run", f"{name}.dyn"], cwd=tmp_path, capture_output=True, text=True,
                              timeout=300, check=False)
        assert done.returncode == 0 and math.isfinite(float(done.stdout)), done
