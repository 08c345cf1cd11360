"""A workload of the peers' suite as Dyn runs it: inputs written to a folder, a program that times itself, what it must print, and how
fast the machine could be. `run.py` runs all of them; a workload's own file runs that one.

The peers' suite is a folder of modules `wN_NAME.py`: `gen()` makes seeded inputs, `reference` computes the answers in f64, and
`--peer NAME` measures one peer and prints rows of JSON. The environments of the peers are folders `VENVS/NAME` with a `bin/python`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
Row = dict[str, Any]
"""What was measured of one peer: `peer`, `what`, microseconds a unit (`us`, `us_min`), `sgemms`, `err`, or `cannot` with a reason."""


@dataclass(frozen=True, slots=True)
class Work:
    """Floating point operations, bytes that are moved, and the size in bytes of the memory in which they lie."""

    operations: float
    moved: float = 0.0
    within: float = 0.0


@dataclass(frozen=True, slots=True)
class Timed:
    """One thing that is timed. `word` begins the program's lines with seconds; `checked` those with numbers that must agree with the
    reference. A line's seconds are for `units(inputs)` units. `work(inputs)` is what one unit takes at least."""

    what: str
    word: str
    checked: str
    units: Callable[[Any], float]
    work: Callable[[Any], Work] | None = None
    peer: str = "dyn"


@dataclass(frozen=True, slots=True)
class Workload:
    """`write(folder, inputs)` writes what the program reads; `expected(module, inputs)` gives by word what it must print."""

    name: str
    module: str
    program: str
    unit: str
    about: str
    write: Callable[[Path, Any], None]
    expected: Callable[[Any, Any], Mapping[str, Any]]
    timed: tuple[Timed, ...]
    rounds: int
    peers: tuple[str, ...]


def once(_: Any) -> float:
    """Units of a line whose seconds are already those of one."""
    return 1.0


def write_safetensors(path: Path, tensors: Mapping[str, Any]) -> None:
    """Floats as f32, integers as i64."""
    header, data = {}, b""
    for name, array in tensors.items():
        start = len(data)
        kind, stored = ("I64", "<i8") if array.dtype.kind in "iu" else ("F32", "<f4")
        data += array.astype(stored).tobytes()
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [start, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


# ---------------------------------------------------------------- Dyn


def build(workload: Workload, folder: Path) -> Path:
    """The executable, in the folder of its inputs."""
    program = folder / "program"
    subprocess.run([sys.executable, "-m", "dynlang", "build", HERE / workload.program, "-o", program], check=True)
    return program


def printed(program: Path, rounds: int) -> dict[str, list[float]]:
    """What a program that times itself printed, by the first word of the line. Its data lies beside it."""
    command = [program, "--data", program.parent, "--rounds", str(rounds)]
    found: dict[str, list[float]] = {}
    for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
        word, number, *_ = line.split()
        found.setdefault(word, []).append(float(number))
    return found


def own_rows(workload: Workload, program: Path, inputs: Any, expected: Mapping[str, Any]) -> list[Row]:
    """One run of the program, between two looks at how fast the machine is."""
    from common import calibrate, err  # type: ignore[import-not-found]

    before = calibrate()
    found = printed(program, workload.rounds)
    after = calibrate()
    gflops, copy = (before[0] + after[0]) / 2, (before[1] + after[1]) / 2
    made = []
    for one in workload.timed:
        micros = sorted(1e6 * seconds / one.units(inputs) for seconds in found[one.word])
        product = 1e6 * 2 * 1024**3 / (gflops * 1e9)
        made.append({"w": workload.name, "peer": one.peer, "what": one.what, "unit": workload.unit, "us": median(micros),
                     "us_min": micros[0], "us_p90": micros[int(0.9 * len(micros))], "n": len(micros), "threads": 1, "sgemm": gflops,
                     "copy": copy, "sgemms": median(micros) / product, "err": err(found[one.checked], expected[one.checked])})
    return made


# ---------------------------------------------------------------- peers


def peer_rows(folder: Path, python: Path | str, script: str, peer: str, seconds: float = 900) -> list[Row]:
    """What the suite's script measures of one peer; a row that says why where it can't run."""
    command = [str(python), script, "--peer", peer]
    if not Path(python).exists():
        return [{"peer": peer, "what": "-", "cannot": "missing"}]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds, check=False,
                              env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    except subprocess.TimeoutExpired:
        return [{"peer": peer, "what": "-", "cannot": f"over {seconds:.0f} s"}]
    rows = [json.loads(line.removeprefix("ROW ")) for line in done.stdout.splitlines() if line.startswith("ROW ")]
    return rows or [{"peer": peer, "what": "-", "cannot": (done.stderr.strip().splitlines() or ["no output"])[-1][:200]}]


# ---------------------------------------------------------------- the limit of the machine


def bandwidth(size: float) -> float:
    """Bytes a second that one core reads from `size` bytes again and again: the best of several scalar products of their halves."""
    import numpy as np

    half = np.ones(max(1024, int(size) // 8), np.float32)
    other = np.ones_like(half)
    best = float("inf")
    for _ in range(7):
        start = time.process_time()
        repeated = max(1, int(2e7 / half.size))
        for _ in range(repeated):
            np.dot(half, other)
        best = min(best, (time.process_time() - start) / repeated)
    return 2 * half.nbytes / best


def limit(one: Timed, inputs: Any, gflops: float) -> float | None:
    """Microseconds that a unit takes at least: its operations at the speed of a large matrix product, or its bytes at the speed at which
    so many are read."""
    if one.work is None:
        return None
    work = one.work(inputs)
    return 1e6 * max(work.operations / (gflops * 1e9), work.moved / bandwidth(work.within) if work.moved else 0.0)


# ---------------------------------------------------------------- side by side


@dataclass(frozen=True, slots=True)
class Options:
    """`suite`: the folder of the peers' suite. `venvs`: the folder of their environments. `peers`: which, all that are told if None."""

    suite: Path
    venvs: Path
    rounds: int
    peers: tuple[str, ...] | None


def measure(workload: Workload, options: Options) -> list[Row]:
    """Dyn and its peers, round by round, so that a slow minute meets all of them alike; of each the median round."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(options.suite))
    module = importlib.import_module(workload.module)
    inputs = module.gen()
    expected = workload.expected(module, inputs)
    chosen = [name for name in workload.peers if options.peers is None or name in options.peers]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        workload.write(Path(folder), inputs)
        program = build(workload, Path(folder))
        for _ in range(options.rounds):
            rows += own_rows(workload, program, inputs, expected)
            for name in chosen:
                python = options.venvs / module.PEERS[name][0] / "bin" / "python"
                rows += peer_rows(options.suite, python, f"{workload.module}.py", name)
    rows = middle_rounds(rows)
    for row in rows:
        for one in workload.timed:
            if (row["peer"], row["what"]) == (one.peer, one.what):
                row["limit"] = limit(one, inputs, row["sgemm"])
    return rows


def middle_rounds(rows: Iterable[Row]) -> list[Row]:
    """Of each peer and thing the round whose cost is in the middle."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["peer"], row["what"]), []).append(row)
    return [sorted(found, key=lambda row: row.get("sgemms") or 0.0)[len(found) // 2] for found in groups.values()]


def table(workload: Workload, rows: Sequence[Row]) -> str:
    """One line for each peer and thing: time, how many times as long as Dyn's by cost in matrix products, error, and the limit."""
    lines = [f"{workload.name}: {workload.about}"]
    for what in dict.fromkeys(one.what for one in workload.timed):
        timed = [row for row in rows if row["what"] == what and "us" in row]
        ours = next(row for row in timed if row["peer"] == "dyn")
        lines.append(f"  {what}, us a {workload.unit}" + limit_text(ours))
        for row in sorted(timed, key=lambda row: row["sgemms"]):
            share = f"{row['sgemms'] / ours['sgemms']:6.2f} x" if row is not ours else "        "
            lines.append(f"    {row['peer']:22} {row['us']:10.1f} {share}   least {row['us_min']:10.1f}   error {row['err']:.0e}")
    lines += [f"    {row['peer']:22} {row['cannot']}" for row in rows if "cannot" in row]
    return "\n".join(lines)


def limit_text(ours: Row) -> str:
    found = ours.get("limit")
    return f" (limit {found:.1f}, Dyn is at {found / ours['us']:.0%} of it)" if found else ""


def parser(about: str | None) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("suite", type=Path, help="the folder of the peers' suite")
    folder = Path(tempfile.gettempdir()) / "peers-venv"
    made.add_argument("--venvs", type=Path, default=folder, help="the folder of the peers' environments")
    made.add_argument("--peers", help="only these, separated by commas; `none` for Dyn alone")
    made.add_argument("--rounds", type=int, default=1, help="how often each is measured; the one in the middle counts")
    return made


def options_of(read: argparse.Namespace) -> Options:
    names = None if read.peers is None else tuple(read.peers.split(","))
    return Options(read.suite.resolve(), read.venvs, read.rounds, names)


def main(workload: Workload, about: str | None) -> None:
    """The command line of one workload."""
    print(table(workload, measure(workload, options_of(parser(about).parse_args()))))
