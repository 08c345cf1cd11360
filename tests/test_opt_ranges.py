"""Checks of indices that conditions around them make needless are gone; the others stay, and report what they reported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dyn_calls import WAYS, callable_program
from dynlang import pipeline
from dynlang.ssa.build import operations_in

BODIES = {
    "x[i] if i == 0 else x[i] * x[i - 1]": 0,
    "x[i - 1] + x[i + 1] if i > 0 and i < n - 1 else x[i]": 0,
    "x[i] if i == 0 or i == n - 1 else x[i - 1] - x[i + 1]": 0,
    "x[i - 2] if i >= 2 else x[i]": 0,
    "x[i + 1] if not i + 1 == n else x[i]": 1,
    "x[i + 1] if n - 1 > i else x[i]": 0,
    "x[i - 2] if i > 0 else x[i]": 1,
    "x[i + 1] if i > 0 else x[i]": 1,
    "x[i - 1] if i < n - 1 else x[i]": 1,
    "x[i] if i == 1 else x[i - 1]": 1,
}


def program(body: str) -> str:
    return f"fn f<n>(x: f64[n]) -> f64[n]:\n    return [{body} for i in n]\n"


@pytest.mark.parametrize("body", BODIES)
def test_checks_that_stay(body: str, tmp_path: Path) -> None:
    path = tmp_path / "stencil.dyn"
    path.write_text(program(body))
    module = pipeline.build(pipeline.Request(path, entries=("f",)), until="opt")
    assert sum(one.name == "check_index" for one in operations_in(module.functions["f"].body)) == BODIES[body]


@pytest.mark.parametrize("way", WAYS)
def test_what_is_read(way: str, tmp_path: Path) -> None:
    path = tmp_path / "stencil.dyn"
    path.write_text(program("x[i - 1] + x[i + 1] if i > 0 and i < n - 1 else x[i]"))
    with callable_program(path, ("f",), way) as call:
        for n in (0, 1, 2, 3, 20):
            x = np.arange(n) ** 2.0
            expected = x.copy()
            expected[1:-1] = x[:-2] + x[2:]
            np.testing.assert_array_equal(call("f", x=x)["result"], expected)
