"""The classical Runge-Kutta method for y' = x * (1, y[0], ..., y[n - 2]), and its adjoint by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

SIZES = {"small": {"n": 12, "steps": 10}, "n1000 s10": {"n": 1_000, "steps": 10}, "n1000 s100": {"n": 1_000, "steps": 100},
         "n10000 s100": {"n": 10_000, "steps": 100}}
TOLERANCE = 1e-12


def inputs(*, n: int, steps: int) -> dict[str, Any]:
    return {"x": np.random.default_rng(31337).random(n), "steps": np.int64(steps)}


def before(y: np.ndarray) -> np.ndarray:
    """What each component is multiplied by: 1 for the first, else the one before it."""
    return np.concatenate([[1.0], y[:-1]])


def after(z: np.ndarray) -> np.ndarray:
    """The transpose of `before`, but for its constant."""
    return np.concatenate([z[1:], [0.0]])


def stages(x: np.ndarray, y: np.ndarray, h: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Where the slope is taken, and the four slopes."""
    points, slopes = [y], [x * before(y)]
    for part in (h / 2, h / 2, h):
        points.append(y + part * slopes[-1])
        slopes.append(x * before(points[-1]))
    return points, slopes


def trajectory(x: np.ndarray, steps: int) -> list[np.ndarray]:
    h = 2.0 / steps
    ys = [np.zeros_like(x)]
    for _ in range(steps):
        k1, k2, k3, k4 = stages(x, ys[-1], h)[1]
        ys.append(ys[-1] + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4))
    return ys


def objective(x: np.ndarray, steps: int) -> tuple[np.ndarray]:
    return (trajectory(x, steps)[-1],)


def derivative(x: np.ndarray, steps: int) -> tuple[np.ndarray]:
    h = 2.0 / steps
    y_adjoint, x_adjoint = np.zeros_like(x), np.zeros_like(x)
    y_adjoint[-1] = 1.0
    for y in reversed(trajectory(x, steps)[:-1]):
        points, _ = stages(x, y, h)
        from_next = np.zeros_like(x)
        found = y_adjoint.copy()
        for point, weight, part in zip(reversed(points), (1, 2, 2, 1), (0.0, h, h / 2, h / 2), strict=True):
            k_adjoint = h / 6 * weight * y_adjoint + part * from_next
            x_adjoint += k_adjoint * before(point)
            from_next = after(x * k_adjoint)
            found += from_next
        y_adjoint = found
    return (x_adjoint,)
