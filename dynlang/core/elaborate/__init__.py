"""Typed tree -> Core: see `nodes` for what is gone afterwards, and `module` for how instances are made."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from dynlang.check import typed
from dynlang.core.elaborate import (
    casts,
    comprehensions,
    derivatives,
    formats,
    functions,
    leaves,
    made,
    structure,
)
from dynlang.core.elaborate.decisions import Decision
from dynlang.core.elaborate.module import Elaborator, block_function
from dynlang.core.nodes import Module
from dynlang.core.simplify import simplify
from dynlang.diag import CompileError, Diagnostic

HANDLER_MODULES = (casts, comprehensions, derivatives, formats, functions, leaves, made, structure)
"""Imported for the handlers that they register."""


RECURSION = 60_000
"""A chain of `elif` is deep, though it isn't nested in the source; blocks are refused at a depth well below this."""


class UnknownEntry(Diagnostic):
    """A function that was asked for by name and isn't there."""

    code = "DYN0015"


def elaborate(program: typed.Program, entries: Sequence[str] = (), tests: bool = False,
              decisions: list[Decision] | None = None) -> Module:
    """The Core of a program, as far as its entries reach; `decisions` takes up what becomes of comprehensions.

    `entries` are qualified names, or names of the main module; none means ``main`` and the exports. With `tests`, the
    blocks of the main module are functions ``test.0``, ``test.1`` .. and ``bench.0`` .., in order. These are the
    module's roots; what they don't reach isn't in it.
    """
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION))
    elaborator = Elaborator(program)
    elaborator.decisions = decisions
    exported = program.exported
    elaborator.function_names.take([*entries, *(one.name.rpartition(".")[2] for one in exported)])
    for name in entries:
        function = program.functions.get(name) or program.functions.get(f"{program.module}.{name}")
        if function is None:
            raise CompileError(UnknownEntry(f"{program.module} has no function {name}"))
        elaborator.root(function, name)
    if not entries and not tests:
        if program.main is not None:
            elaborator.root(program.functions[program.main], "main")
        for function in exported:
            short = function.name.rpartition(".")[2]
            elaborator.root(function, short, export=short)
    if tests:
        for kind, blocks in (("test", program.tests), ("bench", program.benches)):
            for number, block in enumerate(blocks):
                elaborator.root(block_function(f"{kind}.{number}", block), f"{kind}.{number}")
    elaborator.run()
    return simplify(elaborator.module())
