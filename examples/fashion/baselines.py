"""What a linear classifier gets from the pixels of Fashion-MNIST, on the images that spectral.dyn sees.

    python examples/fashion/baselines.py [--data DIR] [--most 10000]

Multinomial logistic regression by Adam on batches of 32; its penalty is chosen on a tenth of the training images.
Needs nothing but NumPy.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np


def read(data: Path, part: str, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The first images of a part as rows of numbers in 0..1, and their labels."""
    pixels = np.fromfile(data / f"{part}-images-idx3-ubyte", dtype=np.uint8, offset=16).reshape(-1, 784)[:most]
    labels = np.fromfile(data / f"{part}-labels-idx1-ubyte", dtype=np.uint8, offset=8)[:most]
    return pixels.astype(np.float32) / 255.0, labels.astype(int)


def fit(x: np.ndarray, y: np.ndarray, penalty: float, epochs: int = 10) -> np.ndarray:
    """Weights that make mean cross entropy + penalty/2 * |w|^2 small; the last column of x is 1."""
    rng = np.random.default_rng(0)
    weights = np.zeros((x.shape[1], 10), dtype=np.float32)
    first, second, step = np.zeros_like(weights), np.zeros_like(weights), 0
    for epoch in range(epochs):
        for batch in np.array_split(rng.permutation(len(x)), max(1, len(x) // 32)):
            scores = x[batch] @ weights
            shares = np.exp(scores - scores.max(1, keepdims=True))
            error = shares / shares.sum(1, keepdims=True) - np.eye(10, dtype=np.float32)[y[batch]]
            gradient = x[batch].T @ error / len(batch) + penalty * weights
            step += 1
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            rate = 0.002 * (1 - epoch / epochs)
            weights -= rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return weights


def accuracy(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    return float(np.mean(np.argmax(x @ weights, 1) == y))


def with_one(x: np.ndarray) -> np.ndarray:
    return np.hstack([x, np.ones((len(x), 1), dtype=x.dtype)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parent / "data")
    parser.add_argument("--most", type=int, default=10000, help="how many images of each part")
    options = parser.parse_args()
    x, y = read(options.data, "train", options.most)
    test, labels = read(options.data, "t10k", options.most)
    x, test, held = with_one(x), with_one(test), len(x) // 10
    penalty = max([0.0, 1e-4, 1e-3, 1e-2], key=lambda penalty: accuracy(x[:held], y[:held], fit(x[held:], y[held:], penalty)))
    print(f"logistic regression, penalty {penalty}: test {100 * accuracy(test, labels, fit(x, y, penalty)):.2f} %")


if __name__ == "__main__":
    main()
