"""Bundle adjustment in NumPy, all observations side by side; the Jacobian by steps along the imaginary axis, exact to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np

SIZES = {"small": {"n": 3, "m": 7, "p": 12}, "n49 p31843": {"n": 49, "m": 7776, "p": 31843}}
TOLERANCE = 1e-10
STEP = 1e-100


def inputs(*, n: int, m: int, p: int, seed: int = 1) -> dict[str, Any]:
    """Cameras around (35, 40, 54) that look at points near the origin, as in the published problems; observations go round and round."""
    rng = np.random.default_rng(seed)
    cameras = np.array([-0.76, -1.1, -0.85, 34.5, 39.7, 53.9, 419.2, 5.9, -8.5, 0.088, 0.0027]) * rng.uniform(0.9, 1.1, (n, 11))
    return {"cameras": cameras, "points": np.array([7.2, 0.1, 3.0]) * rng.uniform(0.5, 1.5, (m, 3)), "weights": rng.uniform(0, 1, p),
            "features": rng.uniform(-500, 500, (p, 2)), "camera_of": np.arange(p) % n, "point_of": np.arange(p) % m}


def reprojections(v: np.ndarray, features: np.ndarray) -> Any:
    """v[..., p, 15]: camera, point and weight of each observation."""
    axis, centre, focal, middle, radial, x, w = np.split(v, (3, 6, 7, 9, 11, 14), axis=-1)
    angle = np.sqrt(np.sum(axis * axis, axis=-1, keepdims=True))
    unit, away = axis / angle, x - centre
    along = unit * np.sum(unit * away, axis=-1, keepdims=True)
    turned = along + np.cos(angle) * (away - along) + np.sin(angle) * np.cross(unit, away)
    flat = turned[..., :2] / turned[..., 2:]
    square = np.sum(flat * flat, axis=-1, keepdims=True)
    return w * (flat * (1 + radial[..., :1] * square + radial[..., 1:] * square**2) * focal + middle - features)


def observed(cameras: np.ndarray, points: np.ndarray, weights: np.ndarray, camera_of: np.ndarray, point_of: np.ndarray) -> np.ndarray:
    return np.concatenate((cameras[camera_of], points[point_of], weights[:, None]), axis=1)


def objective(*, features: np.ndarray, weights: np.ndarray, **rest: np.ndarray) -> tuple[Any, ...]:
    return reprojections(observed(weights=weights, **rest), features), 1 - weights**2


def derivative(*, features: np.ndarray, weights: np.ndarray, **rest: np.ndarray) -> tuple[Any, ...]:
    v = observed(weights=weights, **rest)
    columns = [reprojections(v + 1j * STEP * direction, features).imag / STEP for direction in np.eye(15)]
    return np.stack(columns, axis=-1), -2 * weights
