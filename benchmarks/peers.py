"""What benchmarks share: the others of a workload, from the peers' suite, a program that times itself, and both side by side."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any


def peer_rows(folder: Path, python: str, script: str, peer: str) -> list[dict[str, Any]]:
    """What the suite's script measures of one peer; nothing where it can't run."""
    done = subprocess.run([python, script, "--peer", peer], cwd=folder, capture_output=True, text=True,
                          env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, check=False)
    return [json.loads(line.removeprefix("ROW ")) for line in done.stdout.splitlines() if line.startswith("ROW ")]


def run_rounds(program: Path, rounds: int) -> dict[str, list[float]]:
    """What a program that times itself printed, by the first word of the line. Its data lies beside it."""
    command = [program, "--data", program.parent, "--rounds", str(rounds)]
    found: dict[str, list[float]] = {}
    for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
        word, number, *_ = line.split()
        found.setdefault(word, []).append(float(number))
    return found


def print_rows(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    """All rows, then each of ours beside the others that did the same, by the best times in microseconds."""
    for row in theirs + ours:
        print("ROW " + json.dumps(row))
    for row in ours:
        for other in theirs:
            if other.get("what") == row["what"]:
                print(f"{row['peer']} {row['what']}: at best {row['us_min']:.1f} us, {other['peer']} {other['us_min']:.1f}: "
                      f"{other['us_min'] / row['us_min']:.2f} times as fast, error {row['err']:.1e}")
