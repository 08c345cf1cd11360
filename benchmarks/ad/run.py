"""Derivatives beside those of JAX and PyTorch, on the programs of the public ADBench and GradBench definitions.

    python benchmarks/ad/run.py                                    all programs, without peers
    python benchmarks/ad/run.py gmm ba --jax PYTHON --torch PYTHON     two of them, beside the peers that these interpreters have
    python benchmarks/ad/run.py --size small --rounds 3 --json rows.jsonl

A folder is one program: `NAME.dyn` exports `objective` and `derivative`; `reference.py` makes seeded inputs of a size and evaluates
both independently; `jax_peer.py` and `torch_peer.py`, where there are such, do the same as their users would. Every system runs in a
process of its own on one core, is checked against the reference first, and then timed (`measure.py`). A peer that isn't there is
reported as missing.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import measure  # noqa: E402

Calls = tuple[Callable[[], Any] | None, ...]
"""What is timed of a program, in the order of its parts; None is what a system can't do."""


def programs() -> list[str]:
    return sorted(path.parent.name for path in HERE.glob("*/reference.py"))


def module(name: str, file: str) -> ModuleType:
    """A Python file of a program's folder."""
    path = HERE / name / f"{file}.py"
    specification = importlib.util.spec_from_file_location(f"{name}_{file}", path)
    assert specification is not None and specification.loader is not None
    made = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(made)
    return made


def parts(reference: ModuleType) -> tuple[str, ...]:
    """The functions that a program exports and its reference evaluates."""
    return getattr(reference, "PARTS", ("objective", "derivative"))


def error(found: Any, expected: Any) -> float:
    """The largest difference of any result, relative to the largest number that it should have."""
    import numpy as np

    pairs = [(np.asarray(a, np.float64).ravel(), np.asarray(b, np.float64).ravel()) for a, b in zip(found, expected, strict=True)]
    worst = 0.0
    for a, b in pairs:
        if a.shape != b.shape:
            raise ValueError(f"{a.size} numbers, and {b.size} are expected")
        difference = float(np.max(np.abs(a - b), initial=0.0) / (np.max(np.abs(b), initial=0.0) + 1e-300))
        worst = difference if difference != difference else max(worst, difference)
    return worst


def row(name: str, system: str, size: str, calls: Calls, seconds: float) -> dict[str, Any]:
    """Check the calls, then time them."""
    reference = module(name, "reference")
    inputs = reference.inputs(**reference.SIZES[size])
    made: dict[str, Any] = {"program": name, "system": system, "size": size, "tolerance": reference.TOLERANCE}
    for part, call in zip(parts(reference), calls, strict=True):
        if call is None:
            continue
        made[f"{part}_error"] = error(call(), getattr(reference, part)(**inputs))
        if seconds:
            taken = measure.timed(call, seconds)
            made |= {f"{part}_us": 1e6 * taken.cpu, f"{part}_units": taken.units}
    return made


def one_system(name: str, system: str, size: str, seconds: float) -> dict[str, Any]:
    """The row of a system, in the process that has it."""
    reference = module(name, "reference")
    inputs = reference.inputs(**reference.SIZES[size])
    if system != "dyn":
        return row(name, system, size, module(name, f"{system}_peer").programs(inputs), seconds)
    from library import open_library

    with tempfile.TemporaryDirectory() as folder, open_library(HERE / name / f"{name}.dyn", Path(folder)) as library:
        made = row(name, system, size, tuple(library.function(part).on(inputs) for part in parts(reference)), seconds)
        if library.live_blocks():
            raise RuntimeError(f"{library.live_blocks()} blocks are left")
        return made


def in_process(name: str, system: str, python: str, size: str, seconds: float, environment: dict[str, str]) -> dict[str, Any]:
    """The row of a system from a process of its own; what went wrong, where something did."""
    bare = {"program": name, "system": system, "size": size}
    if system != "dyn" and not (HERE / name / f"{system}_peer.py").exists():
        return {**bare, "missing": "not written for it"}
    command = [python, str(HERE / "run.py"), name, "--only", system, "--size", size, "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    rows = [line for line in done.stdout.splitlines() if line.startswith("ROW ")]
    if done.returncode == 0 and rows:
        return json.loads(rows[-1].removeprefix("ROW "))
    return {**bare, "missing": (done.stderr.strip().splitlines() or ["it failed"])[-1]}


def middle(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of several rounds of one system: the median of each figure."""
    whole = [one for one in rows if "missing" not in one]
    if not whole:
        return rows[0]
    return {key: median(one[key] for one in whole) if key.endswith(("_us", "_units")) else value for key, value in whole[0].items()}


def lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The table of one program and size; `x dyn` compares in units of the matrix product, part by part."""
    ours = rows[0]
    names = parts(module(ours["program"], "reference"))
    yield (f"{ours['program']} ({ours['size']})".ljust(24) + "".join(f"{name} us".rjust(15) for name in names)
           + "ratio".rjust(8) + "error".rjust(10) + "   x dyn, each")
    for one in rows:
        if "missing" in one:
            yield f"  {one['system']:<22}missing: {one['missing']}"
            continue
        times = [one.get(f"{name}_us") for name in names]
        ratio = f"{times[-1] / times[0]:8.2f}" if times[0] and times[-1] else " " * 8
        worst = max(one.get(f"{name}_error", 0.0) for name in names)
        yield (f"  {one['system']:<22}" + "".join("-".rjust(15) if time is None else f"{time:15.1f}" for time in times) + ratio
               + f"{worst:10.1e}" + slower(one, ours, names) + ("" if worst <= one["tolerance"] else "  WRONG"))


def slower(one: dict[str, Any], ours: dict[str, Any], names: tuple[str, ...]) -> str:
    """How many times as long as Dyn a system takes for each part."""
    keys = [f"{name}_units" for name in names]
    return "" if "missing" in ours else "".join(f"{one[key] / ours[key]:7.2f}" if key in one else "-".rjust(7) for key in keys)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="programs; all unless told")
    parser.add_argument("--jax", help="an interpreter that has JAX")
    parser.add_argument("--torch", help="an interpreter that has PyTorch")
    parser.add_argument("--size", help="a key of the reference's SIZES; all unless told")
    parser.add_argument("--rounds", type=int, default=1, help="how often each system runs, one after the other; the medians are shown")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each call is timed")
    parser.add_argument("--json", type=Path, help="append the rows to this file")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = options.names or programs()
    if options.only:
        print("ROW " + json.dumps(one_system(names[0], options.only, options.size, options.seconds)))
        return 0
    systems = {"dyn": sys.executable} | {name: python for name in ("jax", "torch") if (python := getattr(options, name))}
    environment = measure.one_core()
    fine = True
    for name in names:
        for size in [options.size] if options.size else module(name, "reference").SIZES:
            rounds = [[in_process(name, system, python, size, options.seconds, environment) for system, python in systems.items()]
                      for _ in range(options.rounds)]
            rows = [middle(list(one)) for one in zip(*rounds, strict=True)]
            print("\n".join(lines(rows)), flush=True)
            fine = fine and "missing" not in rows[0]
            if options.json:
                with options.json.open("a", encoding="utf-8") as file:
                    file.writelines(json.dumps(one) + "\n" for one in rows)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
