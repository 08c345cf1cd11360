"""Writes Zachary's karate club (1977) as two small tables.

    pip install networkx
    python examples/karate/prepare.py [--out DIR]

edges.csv has a line `A,B` for each pair of members who met outside of the club; clubs.csv a line for each member: the number of
the club he joined when theirs broke apart, 0 for that of the instructor (member 0), 1 for that of the administrator (member 33).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import networkx


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data", help="folder for the files")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    club = networkx.karate_club_graph()
    (out / "edges.csv").write_text("a,b\n" + "".join(f"{a},{b}\n" for a, b in club.edges), encoding="utf-8")
    sides = [("Mr. Hi", "Officer").index(club.nodes[member]["club"]) for member in club]
    (out / "clubs.csv").write_text("club\n" + "".join(f"{side}\n" for side in sides), encoding="utf-8")
    print(f"{out}: {len(club)} members, {club.number_of_edges()} friendships")


if __name__ == "__main__":
    main()
