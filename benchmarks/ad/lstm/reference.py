"""The diagonal LSTM in NumPy; its derivative by differences along the imaginary axis, exact to rounding, all directions side by side."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

SIZES = {"small": {"l": 2, "c": 6, "b": 3}, "l2 c1024": {"l": 2, "c": 1024, "b": 14}, "l4 c4096": {"l": 4, "c": 4096, "b": 14}}
TOLERANCE = 1e-11
STEP = 1e-100


def inputs(*, l: int, c: int, b: int, seed: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {"main": rng.uniform(-1, 1, (2 * l, 4 * b)), "extra": rng.uniform(-1, 1, (3, b)), "state": rng.uniform(-1, 1, (2 * l, b)),
            "sequence": rng.integers(0, 2, (c, b)).astype(float)}


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def loss(main: np.ndarray, extra: np.ndarray, state: np.ndarray, sequence: np.ndarray) -> Any:
    """`main[..., 2l, 4b]` and `extra[..., 3, b]` may have leading axes, one for each of many directions."""
    c, b = sequence.shape
    layers = [(main[..., 2 * i, :], main[..., 2 * i + 1, :]) for i in range(len(state) // 2)]
    states = [(state[2 * i] + 0 * weight[..., :b], state[2 * i + 1] + 0 * weight[..., :b]) for i, (weight, _) in enumerate(layers)]
    total = 0.0
    for now, following in pairwise(sequence):
        x = now * extra[..., 0, :]
        for i, (weight, bias) in enumerate(layers):
            hidden, cell = states[i]
            forget, leave = (sigmoid(x * weight[..., at:at + b] + bias[..., at:at + b]) for at in (0, 2 * b))
            enter = sigmoid(hidden * weight[..., b:2 * b] + bias[..., b:2 * b])
            cell = cell * forget + enter * np.tanh(hidden * weight[..., 3 * b:] + bias[..., 3 * b:])
            x = leave * np.tanh(cell)
            states[i] = x, cell
        y = x * extra[..., 1, :] + extra[..., 2, :]
        total = total + np.sum(following * (y - np.log(2 + np.sum(np.exp(y), axis=-1, keepdims=True))), axis=-1)
    return -total / ((c - 1) * b)


def objective(*, main: np.ndarray, extra: np.ndarray, state: np.ndarray, sequence: np.ndarray) -> tuple[Any, ...]:
    return (loss(main, extra, state, sequence),)


def derivative(*, main: np.ndarray, extra: np.ndarray, state: np.ndarray, sequence: np.ndarray) -> tuple[Any, ...]:
    count = main.size + extra.size
    steps = 1j * STEP * np.eye(count)
    moved = main + steps[:, :main.size].reshape(count, *main.shape), extra + steps[:, main.size:].reshape(count, *extra.shape)
    slope = loss(*moved, state, sequence).imag / STEP
    return slope[:main.size].reshape(main.shape), slope[main.size:].reshape(extra.shape)
