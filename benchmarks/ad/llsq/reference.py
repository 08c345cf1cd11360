"""The objective of least squares and its gradient in closed form, by a matrix of powers."""

from __future__ import annotations

from typing import Any

import numpy as np

SIZES = {"small": {"n": 33}, "n16": {"n": 16}, "n512": {"n": 512}, "n16392": {"n": 16_392}}
TOLERANCE = 1e-12


def inputs(*, n: int) -> dict[str, Any]:
    return {"x": np.random.default_rng(31337).random(128), "n": np.int64(n)}


def residuals(x: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """sign(t) - V x, and V, whose rows are the powers of t."""
    t = -1.0 + 2.0 * np.arange(n) / (n - 1)
    powers = np.vander(t, len(x), increasing=True)
    return np.sign(t) - powers @ x, powers


def objective(x: np.ndarray, n: int) -> tuple[np.ndarray]:
    error, _ = residuals(x, n)
    return (error @ error / 2.0,)


def derivative(x: np.ndarray, n: int) -> tuple[np.ndarray]:
    error, powers = residuals(x, n)
    return (-powers.T @ error,)
