"""The cost of k-means, and Newton's step in closed form: the centroid less the mean of the points that are nearest to it."""

from __future__ import annotations

import numpy as np

SIZES = {"small": {"k": 3, "n": 20, "d": 2}, "k10 n1000 d8": {"k": 10, "n": 1_000, "d": 8},
         "k100 n10000 d16": {"k": 100, "n": 10_000, "d": 16}, "k1000 n1000 d8": {"k": 1_000, "n": 1_000, "d": 8}}
TOLERANCE = 1e-12
PARTS = ("objective", "by_products", "derivative")


def inputs(*, k: int, n: int, d: int) -> dict[str, np.ndarray]:
    """The last points are the centroids, so each is the nearest of some point."""
    points = np.random.default_rng(31337).random((n, d))
    return {"centroids": points[-k:].copy(), "points": points}


def distances(centroids: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.stack([np.sum((points - c) ** 2, axis=1) for c in centroids])


def objective(centroids: np.ndarray, points: np.ndarray) -> tuple[np.ndarray]:
    return (distances(centroids, points).min(axis=0).sum(),)


def by_products(centroids: np.ndarray, points: np.ndarray) -> tuple[np.ndarray]:
    return objective(centroids, points)


def derivative(centroids: np.ndarray, points: np.ndarray) -> tuple[np.ndarray]:
    owner = distances(centroids, points).argmin(axis=0)
    return (np.stack([c - points[owner == j].mean(axis=0) for j, c in enumerate(centroids)]),)
