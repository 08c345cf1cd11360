"""Log-sum-exp and its gradient, the softmax, in NumPy."""

from __future__ import annotations

import numpy as np

SIZES = {"small": {"n": 50}, "n2500": {"n": 2_500}, "n80000": {"n": 80_000}, "n1280000": {"n": 1_280_000}}
TOLERANCE = 1e-10  # where x is largest, the gradient is what is left of 1 - 1 after a sum over all


def inputs(*, n: int) -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(31337).random(n)}


def objective(x: np.ndarray) -> tuple[np.ndarray]:
    return (np.log(np.sum(np.exp(x - x.max()))) + x.max(),)


def derivative(x: np.ndarray) -> tuple[np.ndarray]:
    weights = np.exp(x - x.max())
    return (weights / weights.sum(),)
