"""Every `test` block of tests/language/ and of the library holds natively, with and without optimisation, and in the interpreter."""

from __future__ import annotations

from pathlib import Path

import pytest

from dynlang import diag, pipeline
from dynlang.source import resource
from dynlang.ssa import interpret
from dynlang.tools.execute import compiled
from dynlang.tools.running import failure
from marks import LONG

FOLDER = Path(__file__).parent / "language"
LIBRARY = [path for path in sorted(resource("stdlib").glob("*.dyn")) if "\ntest " in path.read_text()]
FILES = [*sorted([*FOLDER.glob("[!_]*.dyn"), *FOLDER.glob("rules/*.dyn")]), *LIBRARY]


def ways(path: Path, way: str) -> list[str]:
    """What fails of the tests in a file, in one way of running them: 'interp', or a level of optimisation."""
    level = 2 if way == "interp" else int(way)
    request = pipeline.Request(path, level=level, tests=True, verify=way == "interp")
    titles = [block.title for block in pipeline.build(request, until="typed").tests]
    assert titles, f"{path.name} has no tests"
    ssa = pipeline.build(request, until="opt")
    names = [f"test.{place}" for place in range(len(titles))]
    failed: list[str] = []
    if way == "interp":
        for name, title in zip(names, titles, strict=True):
            try:
                interpret.interpret(ssa, name, [])
            except interpret.RunTimeError as error:
                failed.append(f"{title}: {failure(ssa, error.message, error.line)}")
        return failed
    with compiled(ssa, names, level) as code:
        for name, title in zip(names, titles, strict=True):
            before = code.compiled.live_blocks()
            try:
                code.call(name)
                if code.compiled.live_blocks() != before:
                    failed.append(f"{title}: memory is left over")
            except diag.CompileError as error:
                failed.append(f"{title}: {error}")
    return failed


HEAVY = {"every_precision", "function_gradients", "layers", "rule_19", "rule_31", "stdlib_gradients", "stdlib_gradients_nn",
         "stdlib_gradients_optim", "tangents"}
"""Files that take many seconds each way: CI runs them as programs run, with optimisation; DYN_LONG=1 the other ways, too."""

RUNS = [pytest.param(path, way, id=f"{path.stem}-{way}", marks=[LONG] if path.stem in HEAVY and way != "2" else [])
        for path in FILES for way in ("0", "2", "interp")]


@pytest.mark.parametrize(("path", "way"), RUNS)
def test_language(path: Path, way: str) -> None:
    failed = ways(path, way)
    assert not failed, "\n".join(failed)
