"""Where errors happen, as one number: the line in the low bits, the file in those above.

File 0 is the program's own, whose lines need no name: "(line 3)"; others are told by their base name: "(line 3 of data.dyn)".
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from dynlang.native.emit import Function
from dynlang.source import Span, in_library
from dynlang.ssa.build import operations_in
from dynlang.ssa.nodes import Module

LINE_BITS = 20
LINE_MASK = (1 << LINE_BITS) - 1
MOST_FILES = 1 << (31 - LINE_BITS)


def files_of(module: Module) -> list[str]:
    """The files that a module's code comes from, that of `main` or of the exports first, the library's last."""
    spans = [one.span for name, one in module.functions.items() if name == "main" or one.export]
    spans += [one.span for one in module.functions.values()]
    spans += [one.span for function in module.functions.values() for one in operations_in(function.body)]
    names = list(dict.fromkeys(span.source.name for span in spans if span is not None and span.source.text))
    return [*names[:1], *sorted(names[1:], key=in_library)][:MOST_FILES]


def library_word(files: Iterable[str]) -> int:
    """The least number of a place in the library, if the program itself is none of its files."""
    return sum(1 for name in files if not in_library(name)) << LINE_BITS


def place_word(span: Span | None, files: dict[str, int]) -> int:
    """The number of a place; 0 where there is none."""
    if span is None or not span.source.text:
        return 0
    return min(span.line, LINE_MASK) | files.get(span.source.name, 0) << LINE_BITS


def split_word(word: int, files: list[str]) -> tuple[int, str]:
    """The line and the file of a place."""
    number = word >> LINE_BITS
    return word & LINE_MASK, files[number] if 0 <= number < len(files) else ""


def emit_file_name(f: Function, word: str, files: list[str]) -> str:
    """The base name of a place's file as a zero-terminated text; null for the program's own."""
    number = f.value(f"lshr i32 {word}, {LINE_BITS}")
    name = "null"
    for place, file in enumerate(files[1:], 1):
        text = f.module.bytes_constant(os.path.basename(file).encode("utf-8", "replace") + b"\0")
        name = f.select(f.icmp("eq", number, place, "i32"), "ptr", text, name)
    return name
