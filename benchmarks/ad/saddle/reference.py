"""The saddle point of |x|^2 - |y|^2 by gradient descent through gradient descent, gradients in closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

SIZES = {"small": {}, "published": {}}
PARTS = ("ff", "fr", "rf", "rr")
TOLERANCE = 1e-14
PUBLISHED = 8.246324826140356e-06  # each of the four coordinates, from (1, 1)


def inputs(*, start: float = 1.0) -> dict[str, np.ndarray]:
    return {"start": np.array([start, start])}


def descent(f: Callable[[np.ndarray], Any], gradient: Callable[[np.ndarray], np.ndarray], start: np.ndarray) -> np.ndarray:
    x, rate, successes = start, 1e-5, 0
    lowest, slope = f(x), gradient(x)
    while np.linalg.norm(slope) > 1e-5:
        if successes == 10:
            rate, successes = 2 * rate, 0
            continue
        then = x - rate * slope
        if np.linalg.norm(then - x) <= 1e-5:
            break
        value = f(then)
        if value < lowest:
            x, lowest, slope, successes = then, value, gradient(then), successes + 1
        else:
            rate, successes = rate / 2, 0
    return x


def saddle(start: np.ndarray) -> tuple[np.ndarray]:
    """The highest value over y has the gradient 2x, for where it is doesn't depend on x."""
    def highest(x: np.ndarray) -> Any:
        y = descent(lambda y: y @ y - x @ x, lambda y: 2 * y, start)
        return x @ x - y @ y

    x = descent(highest, lambda x: 2 * x, start)
    return (np.concatenate([x, descent(lambda y: y @ y - x @ x, lambda y: 2 * y, start)]),)


ff = fr = rf = rr = saddle
