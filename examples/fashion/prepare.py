"""Unpacks Fashion-MNIST (Xiao, Rasul and Vollgraf 2017).

    apt-get install dataset-fashion-mnist
    python examples/fashion/prepare.py [--from DIR] [--out DIR]

Writes {train,t10k}-{images-idx3,labels-idx1}-ubyte, which `data.read_images` and `data.read_labels` read: 60,000 images to
train on and 10,000 to test on.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source", type=Path, default=Path("/usr/share/datasets/fashion-mnist"), help="the package's folder")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data", help="folder for the files")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        packed = (options.source / f"{name}.gz").read_bytes()
        (options.out / name).write_bytes(gzip.decompress(packed))
        print(options.out / name)


if __name__ == "__main__":
    main()
