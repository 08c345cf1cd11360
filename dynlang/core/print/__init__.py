"""Core as Dyn source that parses, checks and runs: so a derivative is a program too.

    sizes          generics where the parameters' types determine them, else plain ints
    carried        a `var` before the loop, assigned at the end of each trip
    case           `match`; where its results are needed in the middle of a block, in a nested `fn`
    unknown sizes  ``?`` in the declared type; a cast gives the size its name again

Values that are used once are written where they are used.
"""

from __future__ import annotations

from dynlang.core.nodes import Module


def print_module(module: Module) -> str:
    """The module as source."""
    from dynlang.core.print.module import ModulePrinter

    return ModulePrinter(module).text()
