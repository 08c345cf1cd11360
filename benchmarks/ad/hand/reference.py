"""Hand tracking in NumPy, homogeneous coordinates throughout; the Jacobian by steps along the imaginary axis, exact to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np

SIZES = {"small": {"v": 30, "c": 5}, "v544 c100": {"v": 544, "c": 100}, "v544 c1600": {"v": 544, "c": 1600}}
TOLERANCE = 1e-11
STEP = 1e-100
PARENTS = np.array([0] + [0 if joint == 1 else 4 * finger + joint - 1 for finger in range(5) for joint in range(1, 5)] + [0])
"""The wrist, five fingers of four bones, the forearm."""


def inputs(*, v: int, c: int, seed: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    b = len(PARENTS)
    weights = rng.uniform(size=(v, b)) * (rng.uniform(size=(v, b)) < 3 / b)
    weights[:, 0] += 0.1
    frames = np.tile(np.eye(4), (2, b, 1, 1))
    frames[:, :, :3] += 0.3 * rng.normal(size=(2, b, 3, 4))
    positions = np.append(rng.normal(size=(v, 3)), np.ones((v, 1)), axis=1)
    return {"parents": PARENTS, "relative": frames[0], "inverse": frames[1], "positions": positions,
            "weights": weights / weights.sum(axis=1, keepdims=True), "corners": rng.integers(0, v, (c, 3)),
            "points": rng.normal(size=(c, 3)), "us": rng.uniform(0, 0.5, (c, 2)), "theta": 0.5 * rng.normal(size=26)}


def turned(first: int, second: int, angle: Any) -> np.ndarray:
    """The rotation by an angle from one axis to another, homogeneous."""
    made = np.eye(4) + 0 * angle
    made[first, first] = made[second, second] = np.cos(angle)
    made[second, first] = np.sin(angle)
    made[first, second] = -made[second, first]
    return made


def errors(parents: np.ndarray, relative: np.ndarray, inverse: np.ndarray, positions: np.ndarray, weights: np.ndarray, corners: np.ndarray,
           points: np.ndarray, us: np.ndarray, theta: np.ndarray) -> Any:
    own = list(relative)
    for finger in range(5):
        bend, spread, second, third = theta[6 + 4 * finger:10 + 4 * finger]
        first = 4 * finger + 2
        own[first] = own[first] @ turned(0, 1, spread) @ turned(1, 2, bend)
        own[first + 1] = own[first + 1] @ turned(1, 2, second)
        own[first + 2] = own[first + 2] @ turned(1, 2, third)
    frames: list[np.ndarray] = []
    for i, parent in enumerate(parents):
        frames.append(own[i] if parent == i else frames[parent] @ own[i])
    transforms = np.array(frames) @ inverse
    skin = np.einsum("vb,bij,vj->vi", weights, transforms, positions)[:, :3]
    angle = np.sqrt(np.sum(theta[:3] ** 2))
    x, y, z = theta[:3] / angle
    across = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    skin = skin @ (np.eye(3) + np.sin(angle) * across + (1 - np.cos(angle)) * across @ across).T + theta[3:6]
    shares = np.concatenate((us, 1 - us.sum(axis=1, keepdims=True)), axis=1)
    return points - np.einsum("ck,cki->ci", shares, skin[corners])


def objective(**inputs: np.ndarray) -> tuple[Any, ...]:
    return (errors(**inputs),)


def derivative(*, us: np.ndarray, theta: np.ndarray, **rest: np.ndarray) -> tuple[Any, ...]:
    steps = 1j * STEP * np.eye(28)
    columns = [errors(us=us + step[:2], theta=theta + step[2:], **rest).imag / STEP for step in steps]
    return (np.stack(columns, axis=-1),)
