"""What the tree structure is worth: two baselines on the files of prepare.py.

    python examples/treelstm/baselines.py [--data DIR]

The majority class, and multinomial logistic regression on the bag of a tree's leaves, which sees the same words as
the TreeLSTM but not their places. Its feature scale and regularisation are chosen on a fifth of the training trees.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np


def read(path: Path, words: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels, and a row of leaf counts for each tree."""
    lines = path.read_text(encoding="utf-8").splitlines()
    labels = np.array([int(line.split(" ", 1)[0]) for line in lines])
    counts = np.zeros((len(lines), words))
    for row, line in zip(counts, lines, strict=True):
        np.add.at(row, [int(word) for word in line.split(" ", 1)[1].replace("(", " ").replace(")", " ").split()], 1)
    return labels, counts


def scaled(counts: np.ndarray, scale: str) -> np.ndarray:
    if scale == "present":
        return (counts > 0).astype(float)
    if scale == "logarithm":
        return np.log1p(counts)
    return np.sqrt(counts / counts.sum(1, keepdims=True))


def probabilities(scores: np.ndarray) -> np.ndarray:
    e = np.exp(scores - scores.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def fit(x: np.ndarray, y: np.ndarray, classes: int, penalty: float, steps: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Weights and bias that minimise mean cross entropy + penalty/2 * |w|^2, by Adam on the whole set."""
    n, d = x.shape
    parameters = np.zeros((d + 1, classes))
    first, second = np.zeros_like(parameters), np.zeros_like(parameters)
    target = np.eye(classes)[y]
    for step in range(1, steps + 1):
        error = (probabilities(x @ parameters[:d] + parameters[d]) - target) / n
        gradient = np.vstack([x.T @ error + penalty * parameters[:d], error.sum(0)])
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        rate = 0.1 * (1 - step / (steps + 1))
        parameters -= rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return parameters[:d], parameters[d]


def accuracy(x: np.ndarray, y: np.ndarray, model: tuple[np.ndarray, np.ndarray]) -> float:
    return float(np.mean(np.argmax(x @ model[0] + model[1], 1) == y))


def bag_of_nodes(train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], classes: int) -> float:
    """Test accuracy of the setting that is best on a fifth of the training set, fitted again on all of it."""
    labels, counts = train
    held = np.random.default_rng(0).permutation(len(labels)) < len(labels) // 5
    best = (0.0, "", 0.0)
    for scale in ("present", "logarithm", "frequency"):
        x = scaled(counts, scale)
        for penalty in (1e-4, 3e-4, 1e-3, 3e-3):
            model = fit(x[~held], labels[~held], classes, penalty)
            best = max(best, (accuracy(x[held], labels[held], model), scale, penalty))
    _, scale, penalty = best
    print(f"  chosen on held-out training trees: {scale}, penalty {penalty}")
    model = fit(scaled(counts, scale), labels, classes, penalty)
    return accuracy(scaled(test[1], scale), test[0], model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parent / "data")
    data = parser.parse_args().data
    words = len((data / "vocabulary.txt").read_text(encoding="utf-8").splitlines())
    names = (data / "labels.txt").read_text(encoding="utf-8").splitlines()
    train, test = read(data / "train.txt", words), read(data / "test.txt", words)

    most = int(np.argmax(np.bincount(train[0])))
    print(f"majority class ({names[most]}): test accuracy {100 * float(np.mean(test[0] == most)):.1f} %")
    print(f"bag-of-nodes logistic regression: test accuracy {100 * bag_of_nodes(train, test, len(names)):.1f} %")


if __name__ == "__main__":
    main()
