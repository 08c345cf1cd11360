"""Making a gradient takes work in proportion to the program: counted, not timed.

The work is the number of Python functions that the compiler calls to differentiate and simplify; the result is the number of
statements of Core. `python benchmarks/compile_time.py --stages` gives the seconds.
"""

from __future__ import annotations

import cProfile
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from dynlang import pipeline
from dynlang.core.walk import statements_in
from scale_programs import calls_gradient, elif_gradient, loops_gradient, matches_gradient, mutual, straight_gradient

SMALL, LARGE = 40, 240
FAMILIES: dict[str, tuple[Callable[[int], str], int]] = {
    "straight": (straight_gradient, 2),
    "loops": (loops_gradient, 1),
    "matches": (matches_gradient, 1),
    "calls": (calls_gradient, 1),
    "elifs": (elif_gradient, 1),
    "mutual": (mutual, 1),
}
"""Each with how many times the parts are as many as for the others."""


def work(text: str, path: Path) -> tuple[int, int]:
    """Calls made for a gradient, and statements that came out."""
    path.write_text(text, encoding="utf-8")
    request = pipeline.Request(path)
    pipeline.build(request, until="core")
    profile = cProfile.Profile(builtins=False)
    profile.enable()
    module = pipeline.build(request, until="grad")
    profile.disable()
    made = sum(1 for function in module.functions.values() for _ in statements_in(function.body))
    return sum(one.callcount for one in profile.getstats()), made


@pytest.mark.parametrize("name", [*FAMILIES])
def test_the_work_for_a_gradient_is_linear(name: str, tmp_path: Path) -> None:
    make, times = FAMILIES[name]
    work(make(3), tmp_path / "first.dyn")   # what is imported once isn't counted
    small, large = work(make(SMALL * times), tmp_path / "small.dyn"), work(make(LARGE * times), tmp_path / "large.dyn")
    for before, after in zip(small, large, strict=True):
        assert math.log(after / before) / math.log(LARGE / SMALL) <= 1.1, (small, large)
