"""What the friendships alone tell, without learning: label propagation (Zhu, Ghahramani and Lafferty 2003).

    python examples/karate/baselines.py [--data DIR]

The two members whose club is known keep it; all others take the mean of their friends until nothing changes.
Needs nothing but NumPy.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np


def propagate(edges: np.ndarray, known: dict[int, float], members: int) -> np.ndarray:
    """Of each member the share of the second club: the harmonic function with the known values."""
    friends = np.zeros((members, members))
    friends[edges[:, 0], edges[:, 1]] = 1.0
    friends += friends.T
    steps = friends / friends.sum(1, keepdims=True)
    free = [v for v in range(members) if v not in known]
    fixed = steps[:, list(known)] @ np.array(list(known.values()))
    share = np.array([known.get(v, 0.5) for v in range(members)])
    share[free] = np.linalg.solve(np.eye(len(free)) - steps[np.ix_(free, free)], fixed[free])
    return share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parent / "data")
    data = parser.parse_args().data
    edges = np.loadtxt(data / "edges.csv", delimiter=",", skiprows=1, dtype=int)
    clubs = np.loadtxt(data / "clubs.csv", skiprows=1, dtype=int)
    found = propagate(edges, {0: 0.0, len(clubs) - 1: 1.0}, len(clubs)) > 0.5
    asked = slice(1, -1)
    print(f"label propagation: {np.sum(found[asked] == clubs[asked])} of {len(clubs) - 2} members")


if __name__ == "__main__":
    main()
