"""Every `test` block of tests/language/ and of the library holds natively, with and without optimisation, and in the interpreter."""

from __future__ import annotations

from pathlib import Path

import pytest

from dynlang import diag, pipeline
from dynlang.source import resource
from dynlang.ssa import interpret
from dynlang.ssa.nodes import Module
from dynlang.tools.execute import compiled
from dynlang.tools.running import failure
from marks import ASKED, LONG

FOLDER = Path(__file__).parent / "language"
LIBRARY = [path for path in sorted(resource("stdlib").glob("*.dyn")) if "\ntest " in path.read_text()]
FILES = [*sorted([*FOLDER.glob("[!_]*.dyn"), *FOLDER.glob("rules/*.dyn")]), *LIBRARY]


def wrong(path: Path, level: int, oracle: bool) -> list[str]:
    """What fails of the tests in a file: natively at a level, and with `oracle` the same SSA in the interpreter, too."""
    request = pipeline.Request(path, level=level, tests=True, verify=oracle)
    titles = [block.title for block in pipeline.build(request, until="typed").tests]
    assert titles, f"{path.name} has no tests"
    ssa = pipeline.build(request, until="opt")
    names = {f"test.{place}": title for place, title in enumerate(titles)}
    return [*native(ssa, names, level), *(interpreted(ssa, names) if oracle else [])]


def interpreted(ssa: Module, names: dict[str, str]) -> list[str]:
    failed: list[str] = []
    for name, title in names.items():
        try:
            interpret.interpret(ssa, name, [])
        except interpret.RunTimeError as error:
            failed.append(f"{title} (interpreter): {failure(ssa, error.message, error.line)}")
    return failed


def native(ssa: Module, names: dict[str, str], level: int) -> list[str]:
    failed: list[str] = []
    with compiled(ssa, list(names), level) as code:
        for name, title in names.items():
            before = code.compiled.live_blocks()
            try:
                code.call(name)
                if code.compiled.live_blocks() != before:
                    failed.append(f"{title}: memory is left over")
            except diag.CompileError as error:
                failed.append(f"{title}: {error}")
    return failed


HEAVY = {"arrays_of_sums", "checkpoints", "embeddings", "energies", "every_precision", "everyday_gradients", "function_gradients",
         "graph_layers", "halves_gradients", "layers", "list_methods", "maps", "neighbours", "rule_19", "rule_27", "rule_30", "rule_31",
         "rule_32", "rule_35", "searches", "small_arrays", "sparse_values", "tables_as_arrays", "tangents", "text",
         *(path.stem for path in FOLDER.glob("stdlib_gradients*.dyn"))}
"""Files that take many seconds each way: CI runs them natively alone, DYN_LONG=1 in the interpreter, too."""

LONGEST = {"adjoints", "fixed_points", "proximal_descent", "rule_35", "tangents",
           *(f"stdlib_gradients_{name}" for name in ("embedding", "energy", "graph", "learning", "nn", "proximal", "search"))}
"""What CI leaves to DYN_LONG=1: `energies.dyn`, `searches.dyn` and the pages of docs/ go the same ways, and NumPy holds the values."""

RUNS = [pytest.param(path, level, id=f"{path.stem}-{level}", marks=[LONG] if level == 0 or path.stem in LONGEST else [])
        for path in FILES for level in (0, 2)]
"""CI runs what programs run, with optimisation; random programs (`test_generated.py`) run without it, too."""


@pytest.mark.parametrize(("path", "level"), RUNS)
def test_language(path: Path, level: int) -> None:
    failed = wrong(path, level, oracle=level == 2 and (path.stem not in HEAVY or ASKED))
    assert not failed, "\n".join(failed)
