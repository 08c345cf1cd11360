"""What counting gets: two baselines on the files of prepare.py.

    python examples/molecules/baselines.py [--data DIR]

The mean of the training set, and ridge regression on how often each symbol stands in the SMILES: atoms (aromatic ones apart),
bonds, branches, rings. Its penalty is chosen on the validation set. Needs nothing but NumPy.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections import Counter
from pathlib import Path

import numpy as np

SYMBOL = re.compile(r"\[[^]]*\]|Br|Cl|%\d\d|.")


def read(path: Path) -> tuple[list[Counter[str]], np.ndarray]:
    """How often each symbol stands in each molecule, and what was measured."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [Counter(SYMBOL.findall(row["smiles"])) for row in rows], np.array([float(row["target"]) for row in rows])


def ridge(x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    """The weights that minimise |x w - y|^2 + penalty |w|^2; the last column of x is 1 and its weight is free."""
    punished = penalty * np.eye(x.shape[1])
    punished[-1, -1] = 0.0
    return np.linalg.solve(x.T @ x + punished, x.T @ y)


def rmse(found: np.ndarray, y: np.ndarray) -> float:
    return float(np.sqrt(np.mean((found - y) ** 2)))


def compare(data: Path, name: str) -> None:
    counts, targets = zip(*(read(data / f"{name}-{part}.csv") for part in ("train", "valid", "test")), strict=True)
    symbols = sorted(set().union(*counts[0]))
    train, valid, test = (np.array([[*(one[symbol] for symbol in symbols), 1.0] for one in part]) for part in counts)
    penalties = [0.01, 0.1, 1.0, 10.0, 100.0]
    best = min(penalties, key=lambda penalty: rmse(valid @ ridge(train, targets[0], penalty), targets[1]))
    print(f"{name}, {len(train)} to train on, {len(test)} to test on")
    print(f"  mean of the training set: test RMSE {rmse(np.full(len(test), targets[0].mean()), targets[2]):.3f}")
    found = test @ ridge(train, targets[0], best)
    print(f"  ridge regression on counts of symbols (penalty {best}): test RMSE {rmse(found, targets[2]):.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parent / "data")
    data = parser.parse_args().data
    for name in ("freesolv", "lipophilicity"):
        compare(data, name)


if __name__ == "__main__":
    main()
