"""All workloads beside their peers, in one run: `python benchmarks/run.py SUITE [w1 w3 ..] [--rounds 3] [--picture FILE.svg]`.

Prints for each workload the time of Dyn and of every peer, ratios of cost, errors and the limit of the machine, then one table of Dyn
beside the best peer. Peers whose environment isn't there are told as missing.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import picture
from workload import Row, Workload, measure, options_of, parser, table

NAMES = ("w1", "w2", "w3", "w4", "w7", "w8", "w11")
BY_HAND = "c-"
"""Peers of this name are programs written by hand in C: shown, but not what Dyn is compared with."""


def workload(name: str) -> Workload:
    return importlib.import_module(name).WORKLOAD


def best_peer(rows: list[Row], what: str) -> Row | None:
    """The peer that does the same at the least cost."""
    others = [row for row in rows if row["what"] == what and "us" in row and not row["peer"].startswith(("dyn", BY_HAND))]
    return min(others, key=lambda row: row["sgemms"], default=None)


def summary(rows: list[Row]) -> list[dict[str, Any]]:
    """For each thing that Dyn did: its time, the best peer's, and how many times as fast it is."""
    found = []
    for row in rows:
        if row["peer"] == "dyn":
            other = best_peer([one for one in rows if one["w"] == row["w"]], row["what"])
            found.append({"w": row["w"], "what": row["what"], "unit": row["unit"], "us": row["us"], "limit": row.get("limit"),
                          "peer": other and other["peer"], "peer_us": other and other["us"],
                          "times": other and other["sgemms"] / row["sgemms"]})
    return found


def summary_text(lines: list[dict[str, Any]]) -> str:
    """The table of the summary, as Markdown."""
    text = ["| workload | Dyn, us | best peer, us | times as fast | limit, us |", "| --- | --- | --- | --- | --- |"]
    for one in lines:
        peer = f"{one['peer']} {one['peer_us']:,.0f}" if one["peer"] else "missing"
        times = f"{one['times']:.2f}" if one["peer"] else ""
        limit = f"{one['limit']:,.0f}" if one["limit"] else ""
        text.append(f"| {one['w']} {one['what']}, per {one['unit']} | {one['us']:,.1f} | {peer} | {times} | {limit} |")
    return "\n".join(text)


def main() -> None:
    made = parser(__doc__)
    made.add_argument("workloads", nargs="*", default=NAMES, help=f"of {' '.join(NAMES)}; all unless told")
    made.add_argument("--json", type=Path, help="append every row to this file")
    made.add_argument("--picture", type=Path, help="draw the summary into this file, as SVG")
    read = made.parse_args()
    rows: list[Row] = []
    for name in read.workloads:
        one = workload(name)
        found = [{**row, "w": one.name} for row in measure(one, options_of(read))]
        print(table(one, found) + "\n", flush=True)
        rows += found
    if read.json:
        with read.json.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    lines = summary(rows)
    print(summary_text(lines))
    if read.picture:
        read.picture.write_text(picture.bars(lines))


if __name__ == "__main__":
    main()
