"""Energies (`stdlib/energy.dyn`): the design's program runs as it stands. What is found is tested in `language/energies.dyn`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cost_measure import saved_bytes
from dynlang import pipeline
from dynlang.grad import gradient_program
from marks import LONG

FOLDER = Path(__file__).parent / "programs"
DYNC = (sys.executable, "-m", "dynlang")

BAD = """
from energy import minimize, lbfgs, newton_cg, gradient_descent, implicit, cg, minres

fn energy(case: int, w: f64, y: f64[2]) -> f64:
    if case == 1 or case == 5:
        return (y[0] - w) ** 2 + w * y[1] ** 4
    elif case == 2:
        return -sum(y ** 2) * w
    return sum((y - w) ** 2)

fn loss(case: int, w: f64) -> f64:
    let start: f64[2] = [0.0, 0.0]
    let by = gradient_descent(steps=2, rate=0.001, tol=1e-9) if case == 3 else lbfgs(tol=1e-8)
    let adjoint = implicit(solver=minres if case >= 5 else cg, steps=1 if case == 6 else 200)
    let found = minimize(y => energy(case, w, y) + (y[0] * y[1] if case == 6 else 0.0), from=start, by=by, adjoint=adjoint)
    let shift = log(w - 1.0) if case == 4 else 0.0 * w
    return found.value[0] + (found.value[1] if case == 1 or case == 5 else 0.0 * w) + shift * found.value[0]

proc main(case: int = 0, w: f64 = 1.0):
    print(grad(u => loss(case, u))(w))
"""

ROLLED = """
from energy import minimize, gradient_descent, implicit, unroll

fn energy(w: f64[4], y: f64[4]) -> f64:
    return sum((y - w) ** 2) + 0.1 * sum(y ** 4)

fn loss(w: f64[4], steps: int, rolled: bool) -> f64:
    let adjoint = unroll if rolled else implicit()
    return sum(minimize(y => energy(w, y), from=zeros(4), by=gradient_descent(steps=steps, rate=0.1), adjoint=adjoint).value)
"""

MESSAGES = {"1": "the Hessian of the energy is singular at its minimum", "2": "the energy isn't convex where its minimum should be",
            "3": "an implicit derivative needs a minimum", "4": "a cotangent that isn't finite",
            "5": "the Hessian of the energy is singular where its minimum should be", "6": "in 1 steps: more steps or damping"}


def run(name: str, *arguments: str) -> str:
    command = [*DYNC, "run", str(FOLDER / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout


def test_inference_is_trained_through_the_minimum() -> None:
    found = run("infer.dyn")
    first, second = (float(one) for one in re.findall(r"-?\d+\.\d+", found)[:2])
    assert abs(first - 0.2) < 1e-3 and abs(second + 0.3) < 1e-3
    assert "in 50 steps" in found and "converged: true" in found


@pytest.mark.parametrize(("count", "steps"), [
    ("40", "100"), pytest.param("1000", "100", marks=LONG), pytest.param("1000", "0", marks=LONG)])
def test_searches_end_and_say_how(count: str, steps: str) -> None:
    """NaN, infinite, unbounded, flat and non-smooth energies among them; the program asserts what each status promises."""
    found = run("random_energies.dyn", "--count", count, "--steps", steps)
    endings = [int(one) for one in re.findall(r"\d+", found)]
    assert endings[0] == sum(endings[1:]) == 5 * int(count) and min(endings[1:]) > 0


def test_an_implicit_derivative_that_has_no_meaning_says_so(tmp_path: Path) -> None:
    """No minimum, a singular Hessian, a cotangent that is no number: an error that names itself, in a native program."""
    program = tmp_path / "singular.dyn"
    program.write_text(BAD)
    subprocess.run([*DYNC, "build", str(program)], check=True, timeout=300, cwd=tmp_path)
    for case, message in MESSAGES.items():
        found = subprocess.run([str(tmp_path / "singular"), "--case", case], capture_output=True, text=True, check=False, timeout=60)
        assert found.returncode == 1 and message in found.stderr, found.stderr
    fine = subprocess.run([str(tmp_path / "singular"), "--case", "0"], capture_output=True, text=True, check=True, timeout=60)
    assert abs(float(fine.stdout) - 1.0) < 1e-6


@LONG
def test_derivatives_of_a_thousand_minima_are_their_closed_forms() -> None:
    found = run("minima.dyn", "--count", "1000")
    assert "1000 quadratics" in found and "1000 logistic losses" in found
    assert all(float(one) < 1e-8 for one in re.findall(r"worst ([\d.e-]+)", found))


@LONG
def test_an_implicit_derivative_saves_as_much_for_any_number_of_steps(tmp_path: Path) -> None:
    (tmp_path / "rolled.dyn").write_text(ROLLED)
    made = gradient_program(pipeline.build(pipeline.Request(tmp_path / "rolled.dyn", entries=("loss",)), until="core"), "loss")
    implicit, rolled = ([saved_bytes(made, "loss_grad", [np.ones(4), steps, way], 1) for steps in (20, 40, 80)] for way in (False, True))
    assert len(set(implicit)) == 1 and implicit[0] < 200
    assert rolled[2] - rolled[1] == 2 * (rolled[1] - rolled[0]) > 0
