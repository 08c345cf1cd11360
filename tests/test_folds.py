"""Loops that reduce what they make: the bits of the array made first, then reduced, at every size around the blocks of the kernel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dyn_calls import callable_program
from dynlang import pipeline
from dynlang.ssa.build import operations_in

PROGRAM = """
fn one<n>(x: f64[n], y: f64[n]) -> f64:
    return sum(x * y)

fn several<n>(x: f32[n], y: f32[n]) -> (f32, f32, f32[n]):
    let d = x - y
    return sum(d * d), max(d), d

fn long<n>(x: f64[n]) -> f64:
    return sum(exp(x) + 1.0)

fn products<n>(x: f64[n], y: f64[n]) -> (f64, f64):
    return prod(1.0 + 0.1 * x), min(x * y)

fn rows<m, n>(x: f64[m, n], y: f64[n]) -> f64:
    return min(sum((row - y) ** 2) for row in x)

fn known(x: f64[7], y: f64[19], z: f64[3]) -> (f64, f64, f64, f64[3]):
    let w = z * 2.0
    return sum(x * x), sum(exp(y)), max(w * z), w
"""
NAMES = ("one", "several", "long", "products", "rows", "known")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("folds") / "folds.dyn"
    made.write_text(PROGRAM)
    return made


def inputs(name: str, n: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(n)
    if name == "known":
        return {"x": random.standard_normal(7), "y": random.standard_normal(19), "z": random.standard_normal(3)}
    if name == "rows":
        return {"x": random.standard_normal((5, n)), "y": random.standard_normal(n)}
    kind = np.float32 if name == "several" else np.float64
    return {one: random.standard_normal(n).astype(kind) for one in (("x",) if name == "long" else ("x", "y"))}


def test_bits_are_those_without_optimisation(path: Path) -> None:
    with callable_program(path, NAMES, "0") as plain, callable_program(path, NAMES, "2") as folded:
        for n in (0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 63, 64, 65, 1000):
            for name in NAMES:
                given = inputs(name, n)
                before, after = plain(name, **given), folded(name, **given)
                for key, value in before.items():
                    np.testing.assert_array_equal(after[key], value, err_msg=f"{name} {n} {key}")


def test_no_array_is_made_to_be_reduced(path: Path) -> None:
    module = pipeline.build(pipeline.Request(path, entries=NAMES), until="opt")
    for name in ("one", "long", "products", "rows"):
        operations = list(operations_in(module.functions[name].body))
        assert any("folds" in one.attributes for one in operations), name
        assert not any(one.name.startswith("reduce_") for one in operations), name
