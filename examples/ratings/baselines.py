"""What averages get on the files of prepare.py.

    python examples/ratings/baselines.py [--data DIR]

The mean of the training set; and the mean of each movie and user beside it, as in Koren, Bell and Volinsky (2009): mean + user + movie,
least squares with a penalty that is chosen on the validation set. Needs nothing but NumPy.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np


def read(path: Path, names: list[str]) -> np.ndarray:
    """A row (stars, user, movie) for each rating; user and movie are the numbers of their features."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        stars, *pairs = line.split()
        found = {names[index].split()[0]: index for index in (int(pair.split(":")[0]) for pair in pairs)}
        rows.append((float(stars), found["user"], found["movie"]))
    return np.array(rows)


def fit(rows: np.ndarray, count: int, penalty: float, sweeps: int = 20) -> np.ndarray:
    """The deviations of users and movies, in turns: each is the mean of what is left of its ratings, drawn to 0 by the penalty."""
    stars, user, movie = rows[:, 0] - rows[:, 0].mean(), rows[:, 1].astype(int), rows[:, 2].astype(int)
    off = np.zeros(count)
    for _ in range(sweeps):
        for one, other in ((user, movie), (movie, user)):
            left = np.bincount(one, stars - off[other], count) / (np.bincount(one, minlength=count) + penalty)
            off[one] = left[one]
    return off


def rmse(rows: np.ndarray, mean: float, off: np.ndarray) -> float:
    found = mean + off[rows[:, 1].astype(int)] + off[rows[:, 2].astype(int)]
    return float(np.sqrt(np.mean((found - rows[:, 0]) ** 2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parent / "data")
    data = parser.parse_args().data
    names = (data / "names.txt").read_text(encoding="utf-8").splitlines()
    train, valid, test = (read(data / f"{part}.svm", names) for part in ("train", "valid", "test"))
    mean, count = train[:, 0].mean(), len(names)
    penalty = min([1.0, 2.0, 4.0, 8.0, 16.0], key=lambda penalty: rmse(valid, mean, fit(train, count, penalty)))
    print(f"mean: test RMSE {rmse(test, mean, np.zeros(count)):.4f}")
    print(f"mean + user + movie, penalty {penalty}: test RMSE {rmse(test, mean, fit(train, count, penalty)):.4f}")


if __name__ == "__main__":
    main()
