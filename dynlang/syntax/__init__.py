"""Source text to AST and back.

    nodes.py        the AST
    parser.py       parse(source) -> (Module, diagnostics); parse_module, parse_entry, parse_expression
    printer.py      AST -> text
    formatter.py    text -> the same text in the one layout
"""
from __future__ import annotations

from typing import Any

_HOME = {'parse': 'parser', 'parse_module': 'parser', 'parse_entry': 'parser', 'parse_expression': 'parser',
         'print_module': 'printer', 'print_item': 'printer', 'print_node': 'printer', 'format_source': 'formatter'}


def __getattr__(name: str) -> Any:
    """The public functions, each imported when it is first asked for: the printer isn't needed to check a program."""
    if name not in _HOME:
        raise AttributeError(name)
    from importlib import import_module
    return getattr(import_module(f'dynlang.syntax.{_HOME[name]}'), name)
