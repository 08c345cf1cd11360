"""Writes the genes of yeast with their 14 functions (Elisseeff and Weston 2001), which the package `river` carries.

    pip download --no-deps river==0.26.1 && unzip river-*.whl 'river/datasets/yeast*'
    python examples/yeast/prepare.py [--from river/datasets/yeast.csv.gz] [--out DIR]

genes.npz has `features` (103 for each of 2,417 genes, each of mean 0 and variance 1 on the first 1,500) and `functions`
(14 zeros and ones). Needs NumPy.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source", type=Path, default=Path("river/datasets/yeast.csv.gz"), help="the file in the package")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data", help="folder for the file")
    options = parser.parse_args()
    with gzip.open(options.source, "rt") as lines:
        rows = np.loadtxt(lines, delimiter=",", skiprows=1)
    features, functions = rows[:, :103], rows[:, 103:]
    train = features[:1500]
    options.out.mkdir(parents=True, exist_ok=True)
    scaled = (features - train.mean(0)) / train.std(0)
    np.savez(options.out / "genes.npz", features=scaled.astype(np.float32), functions=functions.astype(np.float32))
    print(f"{options.out / 'genes.npz'}: {len(rows)} genes, {functions.sum(1).mean():.2f} functions each")


if __name__ == "__main__":
    main()
