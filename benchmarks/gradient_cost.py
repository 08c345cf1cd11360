"""What gradients cost, counted: `python benchmarks/gradient_cost.py [--no-copies] [PART OF A NAME ...]`.

For each example (`tests/costs/`): operations of forward and backward over those of the primal at growing sizes, the growth exponents of
both, bytes that a call saves at the largest size, and elements copied by primal and gradient because somebody else held the block, at
the smallest. At the end the median and the largest ratio, and what is over the bounds (6; exponents equal within 0.05).
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from cost_examples import examples
from cost_measure import RATIO, SLACK, Growth


def row(found: Growth, name: str) -> str:
    ratios = " .. ".join(f"{one:.2f}" for one in (found.ratios[0], found.ratios[-1]))
    first, last = found.costs[0], found.costs[-1]
    copied = "-" if first.copied is None else f"{first.copied_by_primal} {first.copied}"
    return (f"{name:<32} {found.plan.scaled:>8} {found.plan.steps[-1]:>5} {last.primal:>10.0f}  {ratios:<13} "
            f"{found.exponent('primal'):>5.2f} {found.exponent('gradient'):>5.2f} {last.saved:>8} {copied:>8}")


def main() -> None:
    parser = argparse.ArgumentParser(description="what gradients cost, counted")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--no-copies", action="store_true")
    chosen = parser.parse_args()
    print(f"{'example':<32} {'scaled':>8} {'to':>5} {'primal':>10}  {'grad / primal':<13} {'exponents':>11} {'saved':>8} {'copied':>8}")
    ratios: list[float] = []
    over: list[str] = []
    for one in examples():
        if chosen.names and not any(part in one.name for part in chosen.names):
            continue
        found = one.measure(copies=not chosen.no_copies)
        print(row(found, one.name), flush=True)
        ratios.append(max(found.ratios))
        if max(found.ratios) > RATIO or found.exponent("gradient") > found.exponent("primal") + SLACK:
            over.append(one.name)
    if ratios:
        print(f"{len(ratios)} examples: median {statistics.median(ratios):.2f}, largest {max(ratios):.2f}")
        print(f"over the bounds: {', '.join(over) or 'none'}")


if __name__ == "__main__":
    main()
