"""Seeded faults: each takes a program that is right and makes one mistake in it, at a line that is known.

    python tests/faults.py                       300 faults: how many are rejected, how many at their line, how many alone
    python tests/faults.py --seed 7 --show 12    the twelfth fault of another run: its place and what is reported
    python tests/faults.py --area shape          those of one area

`fault_injectors.py` has the mistakes.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

from dynlang.check.program import check
from dynlang.diag import CompileError, Diagnostic
from dynlang.source import Source
from fault_injectors import INJECTORS, View

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Fault:
    """A wrong program. `line`: where the mistake is; `what`: the injector that made it."""

    area: str
    what: str
    name: str
    text: str
    line: int


# ---------------------------------------------------------------- drawing and judging


@lru_cache
def programs(generated: int = 40) -> tuple[View, ...]:
    """Programs that are right: those of the tests and examples, of the library, and generated ones."""
    from generated_programs import program

    views = []
    files = [*sorted((ROOT / "tests" / "programs").glob("*.dyn")), *sorted((ROOT / "examples").rglob("*.dyn")),
             *sorted((ROOT / "stdlib").glob("*.dyn"))]
    for name, text in [*((str(file), file.read_text(encoding="utf-8")) for file in files if file.stem != "prelude"),
                       *((f"generated-{seed}", program(seed)) for seed in range(generated))]:
        try:
            view = View(name, text)
            assert view.program
        except CompileError:
            continue  # a program of the tests that needs what isn't built yet
        views.append(view)
    return tuple(views)


def faults(seed: int, count: int, areas: tuple[str, ...] = (), generated: int = 40) -> Iterator[Fault]:
    """Faults drawn evenly over the areas, then over the injectors of the area, then over the programs."""
    draw = random.Random(seed)
    views = programs(generated)
    chosen = areas or tuple(INJECTORS)
    for number in range(count):
        area = chosen[number % len(chosen)]
        while True:
            injector, view = draw.choice(INJECTORS[area]), draw.choice(views)
            made = list(injector(view))
            if made:
                text, line = draw.choice(made)
                yield Fault(area, injector.__name__, view.name, text, line)
                break


def reported(fault: Fault) -> list[Diagnostic]:
    """The errors that the checker reports for a wrong program."""
    path = Path(fault.name)
    try:
        check(Source(fault.name, fault.text), path if path.is_file() else None, False)
    except CompileError as problem:
        return [one for one in problem.diagnostics if one.severity == "error"]
    return []


@dataclass
class Tally:
    """How the checker did on some faults."""

    count: int = 0
    rejected: int = 0
    placed: int = 0
    alone: int = 0
    misses: list[tuple[int, Fault, list[Diagnostic]]] = field(default_factory=list)

    def add(self, number: int, fault: Fault) -> None:
        found = reported(fault)
        placed = bool(found) and found[0].span is not None and found[0].span.line == fault.line
        self.count += 1
        self.rejected += bool(found)
        self.placed += placed
        self.alone += len(found) <= 2
        if not placed or len(found) > 2:
            self.misses.append((number, fault, found))

    def __str__(self) -> str:
        return (f"{self.count} faults: {self.rejected} rejected, {self.placed} with the first error on the faulty line, "
                f"{self.alone} with at most two errors")


def main() -> int:
    parser = argparse.ArgumentParser(description="inject faults into programs that are right, and see what the checker says")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--area", action="append", choices=list(INJECTORS))
    parser.add_argument("--show", type=int, help="print one fault and its messages")
    given = parser.parse_args()
    tally, areas = Tally(), Counter()
    for number, fault in enumerate(faults(given.seed, given.count, tuple(given.area or ()))):
        if given.show is not None:
            if number == given.show:
                from dynlang.diag import render_all

                lines = fault.text.split("\n")
                print(f"{fault.what} in {fault.name}:{fault.line}\n{lines[fault.line - 1]}\n\n{render_all(reported(fault))}")
            continue
        areas[fault.area] += 1
        tally.add(number, fault)
    if given.show is None:
        for number, fault, found in tally.misses:
            where = ", ".join(f"{one.span.line if one.span else '?'} {one.code} {one.title}" for one in found[:3])
            print(f"{number:4} {fault.area}: {fault.what} at {Path(fault.name).name}:{fault.line}: {where or 'ACCEPTED'}")
        print(tally, f"({', '.join(f'{count} {area}' for area, count in areas.items())})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
