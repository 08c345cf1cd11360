"""The control of a charged particle, with the force in closed form and its derivative by the complex step."""

from __future__ import annotations

import numpy as np

SIZES = {"small": {}, "published": {}}
PARTS = ("ff", "fr", "rf", "rr")
TOLERANCE = 1e-14
PUBLISHED = 0.2071918746486116  # from 0


def inputs(*, w: float = 0.0) -> dict[str, np.ndarray]:
    return {"w": np.asarray(w)}


def miss(w: complex) -> complex:
    """The squared distance from the origin where the particle crosses the axis; its path is that of the real part of w."""
    charges = np.array([[10.0, 10.0 - w], [10.0, 0.0]])
    x, v, dt = np.array([0.0, 8.0 + 0 * w]), np.array([0.75, 0.0]), 0.1
    while True:
        away = x - charges
        force = (away / np.sum(away**2, axis=1, keepdims=True) ** 1.5).sum(axis=0)
        then = x + dt * v
        if then[1].real <= 0:
            return (then[0] - then[1] / v[1] * v[0]) ** 2
        x, v = then, v + dt * force


def particle(w: np.ndarray) -> tuple[np.ndarray]:
    """Gradient descent; the rate doubles after ten successes and halves after a failure."""
    at, rate, successes, step = float(w), 1e-5, 0, 1e-30
    lowest, slope = miss(at).real, miss(at + step * 1j).imag / step
    while abs(slope) > 1e-5:
        if successes == 10:
            rate, successes = 2 * rate, 0
            continue
        then = at - rate * slope
        if abs(then - at) <= 1e-5:
            break
        value = miss(then).real
        if value < lowest:
            at, lowest, slope, successes = then, value, miss(then + step * 1j).imag / step, successes + 1
        else:
            rate, successes = rate / 2, 0
    return (np.array(at),)


ff = fr = rf = rr = particle
