"""Names, types and sizes: from the AST to the typed tree (`typed.py`).

program.py      check_program(path), check_source(text): the entries
modules.py      which file an import means
world.py        what is declared
declare.py      declarations: names, types, signatures
typenames.py    types and sizes as they are written
context.py      what is known while a body is read
solve.py        type and size parameters of one use
fit.py          whether a value fits a type, and how it is made to
expressions.py  arithmetic.py  members.py  indexing.py  comprehensions.py  iteration.py
calls.py        functions.py  builtins.py  primitives.py  derivatives.py  leaves.py
statements.py   patterns.py  places.py  nested.py  bodies.py
errors.py       what can be wrong
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dynlang.check.program import check_program, check_source

__all__ = ["check_program", "check_source"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from dynlang.check import program

        return getattr(program, name)
    raise AttributeError(name)
