"""How long compiling takes, and how it grows: `python benchmarks/compile_time.py [--quick] [--stages] [real | limits | FAMILY ...]`.

CPU time and peak memory of the stages, each program in a process of its own. The growth exponent compares a program with one of a
quarter of its size: 1 is linear, 2 quadratic.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from scale_measure import Cost, cost
from scale_programs import FAMILIES, LIMITS, realistic

STAGES = ("typed", "core", "cut", "grad", "ssa", "opt", "llvm", "object")


def exponent(small: float, large: float, ratio: float) -> str:
    """The power of the size that two times differ by: `exponent(1.0, 4.0, 4)` is 1."""
    return f"{math.log(large / small) / math.log(ratio):.2f}" if small > 0.02 and large > 0 else "-"


def row(name: str, size: int, text: str, found: Cost, small: Cost | None, ratio: float, stages: bool) -> str:
    growth = [exponent(small.check, found.check, ratio), exponent(small.total, found.total, ratio)] if small else ["-", "-"]
    shown = (f"{name:<18} {size:>7} {text.count(chr(10)):>7} {found.check:>8.2f} {found.total:>8.2f} {found.megabytes:>7.0f} "
             f"{growth[0]:>6} {growth[1]:>6}  {found.error[:90]}")
    if stages:
        before = small.seconds if small else {}
        shown += "\n    " + "  ".join(f"{one} {found.seconds[one]:.2f} ({exponent(before.get(one, 0), found.seconds[one], ratio)})"
                                      for one in STAGES if one in found.seconds)
    return shown


def measure(name: str, size: int, make, stages: bool) -> None:
    text, smaller = make(size), make(size // 4)
    small, found = cost(smaller), cost(text)
    print(row(name, size, text, found, small, 4.0, stages), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="real, limits, or families (default: all)")
    parser.add_argument("--quick", action="store_true", help="a quarter of each size")
    parser.add_argument("--stages", action="store_true", help="each stage, with its growth")
    wanted = parser.parse_args()
    scale = 4 if wanted.quick else 1
    print(f"{'program':<18} {'parts':>7} {'lines':>7} {'check s':>8} {'build s':>8} {'MB':>7} {'growth of both':>13}")
    cost(realistic(50))     # the cache of the library is warm
    for lines in (1_000, 10_000) if not wanted.names or "real" in wanted.names else ():
        measure("realistic", lines // scale, realistic, wanted.stages)
    for name, (make, size) in FAMILIES.items():
        if not wanted.names or name in wanted.names:
            measure(name, size // scale, make, wanted.stages)
    for name, text in LIMITS.items():
        if not wanted.names or "limits" in wanted.names or name in wanted.names:
            print(row(name, 1, text, cost(text), None, 1.0, wanted.stages), flush=True)


if __name__ == "__main__":
    main()
