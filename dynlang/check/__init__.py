"""Names, types and sizes: from the AST to the typed tree (`typed.py`).

program.py     check_program(path), check_source(text): the entries
modules.py     which file an import means; cache.py: checked modules of the standard library are kept
declarations/  what is declared: names, types, signatures
context.py     what is known while a body is read
fitting/       whether a value fits a type, and what that tells of open sizes and types
expressions/   calls/  statements/: the language, construct by construct
errors.py      what can be wrong; messages/: how it is explained, and the repair
typed.py       the typed tree; walk.py: walking it
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
