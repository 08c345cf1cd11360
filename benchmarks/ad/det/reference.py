"""The determinant by elimination, and its gradient, the matrix of cofactors."""

from __future__ import annotations

import numpy as np

SIZES = {"small": {"n": 4}, "n5": {"n": 5}, "n6": {"n": 6}, "n9": {"n": 9}}
TOLERANCE = 1e-12


def inputs(*, n: int) -> dict[str, np.ndarray]:
    return {"a": np.random.default_rng(31337).random((n, n))}


def objective(a: np.ndarray) -> tuple[np.ndarray]:
    return (np.linalg.det(a),)


def derivative(a: np.ndarray) -> tuple[np.ndarray]:
    return (np.linalg.det(a) * np.linalg.inv(a).T,)
