"""Repairs that change the text around a mistake: the word of a declaration, the head of the function, a case more.

They read the text, not the tree, and may miss: a repair is tried before it is offered (`tools/repairs.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dynlang.diag import Edit, Repair, replacing, wrapping
from dynlang.source import Source, Span

Repairs = tuple[Repair, ...]


def at(source: Source, offset: int, text: str, title: str) -> Repair:
    """The repair that inserts a text."""
    return replacing(title, source.span(offset, offset), text)


# ---------------------------------------------------------------- declarations


def declaring(name: Span) -> Repairs:
    """``let x = ...``, or ``var``, for an assignment to a name that nothing declares."""
    line = name.source.line(name.line).strip()
    if re.match(rf"{re.escape(name.text)}\s*=[^=]", line) is None:
        return ()
    return tuple(at(name.source, name.start, f"{word} ", f"declare it with `{word}`") for word in ("let", "var"))


def as_inout(parameter: Span) -> Repairs:
    """``self: inout`` or ``x: inout T`` for a parameter that is changed, or a copy of it at the top of the body."""
    text = parameter.text
    source = parameter.source
    found: list[Repair] = []
    if text == "self":
        return (at(source, parameter.end, ": inout", "take it as `self: inout`"),)
    name, colon, _ = text.partition(":")
    end = header_end(source, parameter.end)
    if colon and end is not None:
        line = source.text.find("\n", end) + 1
        below = re.match(r"[ \t]*", source.text[line:])
        margin = below[0] if below else "    "
        found.append(at(source, line, f"{margin}var {name.strip()} = {name.strip()}\n", "copy it at the top of the body"))
    if colon:
        found.append(at(source, parameter.start + len(name) + 1, " inout", f"take it as `{name.strip()}: inout ...`"))
    return tuple(found)


# ---------------------------------------------------------------- heads of functions


def head(owner: str, inside: Span) -> re.Match[str] | None:
    """The nearest ``fn owner`` above a place."""
    pattern = re.compile(rf"^[ \t]*(?:export\s+)?(fn|proc)\s+{re.escape(owner)}\b", re.M)
    found = list(pattern.finditer(inside.source.text, 0, inside.start))
    return found[-1] if found else None


def header_end(source: Source, start: int) -> int | None:
    """The colon that ends a head whose text goes on at `start`: behind the last bracket, at the end of a line."""
    found = re.compile(r":[ \t]*(?:#[^\n]*)?\n").search(source.text, start)
    return found.start() if found else None


def as_proc(owner: str, inside: Span) -> Repairs:
    found = head(owner, inside) if owner else None
    if found is None or found[1] == "proc":
        return ()
    return (replacing(f"make `{owner}` a proc", inside.source.span(found.start(1), found.end(1)), "proc"),)


def with_result(owner: str, inside: Span, shown: str) -> Repairs:
    """The result type of a function, declared or replaced."""
    found = head(owner, inside) if owner else None
    end = header_end(inside.source, found.end()) if found else None
    if found is None or end is None:
        return ()
    text = inside.source.text[found.end() : end]
    arrow = text.rfind("->")
    if arrow < 0 or ")" not in text[:arrow] or text[arrow:].count("(") < text[arrow:].count(")"):
        return (at(inside.source, end, f" -> {shown}", f"declare the result `{shown}`"),)
    return (replacing(f"declare the result `{shown}`", inside.source.span(found.end() + arrow, end), f"-> {shown}"),)


# ---------------------------------------------------------------- expressions


def compared(value: Span, other: str) -> Repairs:
    """``n != 0`` for a number that stands as a condition."""
    simple = re.fullmatch(r"[\w.]+(\([^()]*\)|\[[^\[\]]*\])?", value.text) is not None
    edits = wrapping("compare it", value, "" if simple else "(", f" != {other}" if simple else f") != {other}")
    return (edits,)


def formatted(value: Span) -> Repairs:
    """``f"{n}"`` for a value that is added to text."""
    if set('"{}\\\n') & set(value.text):
        return ()
    return (replacing("write it into text", value, f'f"{{{value.text}}}"'),)


def without(span: Span, title: str) -> Repairs:
    return (replacing(title, span, ""),)


def without_lines(span: Span, title: str) -> Repairs:
    """The lines of a span left out."""
    source = span.source
    start = source.line_starts[span.line - 1]
    end = source.text.find("\n", max(span.start, span.end - 1)) + 1
    return (replacing(title, source.span(start, end or len(source.text)), ""),)


def curried(first: Span, second: Span) -> Repairs:
    """``grad(f)(x)`` for ``grad(f, x)``: the comma becomes the end of one bracket and the beginning of the next."""
    return (replacing("give the arguments in brackets of their own", first.source.span(first.end, second.start), ")("),)


def unbracketed(span: Span) -> Repairs:
    """``assert a, "b"`` for ``assert(a, "b")``."""
    source = span.source
    space = "" if source.text[span.start - 1 : span.start].isspace() else " "
    edits = (Edit(source.span(span.start, span.start + 1), space), Edit(source.span(span.end - 1, span.end), ""))
    return (Repair("leave out the brackets", edits),)


# ---------------------------------------------------------------- cases


def with_cases(last: Span, margin: int, patterns: Sequence[str]) -> Repairs:
    """Cases for what a match leaves out, each to be written: ``...`` checks, and fails when it runs."""
    text = last.source.text
    end = text.find("\n", max(last.start, last.end - 1))
    place = len(text) if end < 0 else end
    pad = " " * margin
    lines = "".join(f"\n{pad}{pattern}:\n{pad}    ..." for pattern in patterns)
    names = ", ".join(f"`{one}`" for one in patterns)
    return (Repair(f"add cases for {names}", (Edit(last.source.span(place, place), lines),)),)
