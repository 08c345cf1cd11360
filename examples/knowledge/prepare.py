"""Writes the facts of UMLS and Kinships, which the package `pykeen` carries, as numbers.

    pip install --no-deps pykeen
    python examples/knowledge/prepare.py [--out DIR]

Each data set becomes a folder with train.txt, valid.txt and test.txt, a line `HEAD RELATION TAIL` for each fact, and entities.txt and
relations.txt, where line i (from 0) names the number i. The split is the package's, which is that of Dettmers et al. (2018).
The package is only looked into, not imported, so that nothing it depends on is needed.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

PARTS = ("train", "valid", "test")
Fact = tuple[str, str, str]


def package() -> Path:
    """The folder of data sets of the installed package."""
    found = importlib.util.find_spec("pykeen")
    if found is None or found.origin is None:
        sys.exit("the package `pykeen` isn't installed: pip install --no-deps pykeen")
    return Path(found.origin).parent / "datasets"


def facts(path: Path) -> list[Fact]:
    """The facts of a file of lines HEAD, RELATION, TAIL between tabs."""
    found: list[Fact] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        head, relation, tail = line.split("\t")
        found.append((head, relation, tail))
    return found


def write(source: Path, target: Path) -> None:
    parts = {part: facts(source / f"{part}.txt") for part in PARTS}
    every = [fact for part in parts.values() for fact in part]
    entities = sorted({name for head, _, tail in every for name in (head, tail)})
    relations = sorted({relation for _, relation, _ in every})
    entity = {name: number for number, name in enumerate(entities)}
    relation = {name: number for number, name in enumerate(relations)}
    target.mkdir(parents=True, exist_ok=True)
    for part, found in parts.items():
        lines = [f"{entity[h]} {relation[r]} {entity[t]}\n" for h, r, t in found]
        (target / f"{part}.txt").write_text("".join(lines), encoding="utf-8")
    for name, names in (("entities", entities), ("relations", relations)):
        (target / f"{name}.txt").write_text("".join(f"{one}\n" for one in names), encoding="utf-8")
    counts = ", ".join(f"{len(found)} to {part}" for part, found in parts.items())
    print(f"{target}: {len(entities)} entities, {len(relations)} relations; facts: {counts}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data", help="folder for the files")
    parser.add_argument("--datasets", type=Path, help="the package's folder `datasets`, if it isn't installed")
    options = parser.parse_args()
    source = options.datasets or package()
    for name in ("umls", "kinships"):
        write(source / name, options.out / name)


if __name__ == "__main__":
    main()
