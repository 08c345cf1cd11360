"""`dync check --copies`: where a program can copy an array, a list or a record, why, and what would avoid it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from dynlang import diag, pipeline
from dynlang.opt.copies import Reason, Site, copies
from dynlang.source import Span
from dynlang.ssa.nodes import Array, Box, List, Rows, String, ValueType
from dynlang.tools.inspect import default_entries

WHY = {
    "again": ("its old value is used again", "the old value is used again here",
              "move the change behind that use, or use the new value there"),
    "trip": ("a loop begins each trip with the old value", "each trip of this loop begins with the old value",
             "let the loop carry the variable on: declare it in front of the loop"),
    "caller": ("it belongs to the caller", "what this function is given isn't its own",
               "take the parameter as `inout`, and lend the argument: `f(&x)`"),
    "part": ("it stays a part of something else", "what it is a part of is used again", "change it where it is: `xs[i][j] = ...`"),
    "kept": ("it was put into something else, too", "here another reference to it is made", "put it there after the last change"),
    "constant": ("it is a constant", "", ""),
}
"""For each kind of reason: why, what to say at the other place, and what avoids the copy."""
DERIVED = re.compile(r"^Cotangents of the arguments|what its backward reads\.$|and its derivative along the tangents\.$")
"""How the functions that differentiation makes describe themselves."""


class MayCopy(diag.Diagnostic):
    """A change of a value that may have several owners: it is copied first."""

    code = "DYN0510"
    severity = "copy"


def copies_of(path: Path) -> list[diag.Diagnostic]:
    """What `--copies` lists for a file: all that main, the exports and the tests reach; of a module, all its functions."""
    request = pipeline.Request(path)
    program = pipeline.build(request, until="typed")
    entries = tuple(default_entries(program))
    sites: list[Site] = []
    if entries or program.main is not None or program.exported:
        sites += copies(pipeline.build(replace(request, entries=entries), until="opt"))
    if program.tests or program.benches:
        sites += copies(pipeline.build(replace(request, tests=True, keep={"typed": program}), until="opt"))
    return described(sites)


def described(sites: Iterable[Site]) -> list[diag.Diagnostic]:
    """One entry for each place in the source, in their order; the user's file first."""
    found: dict[Span, list[Site]] = {}
    for site in sites:
        if site.operation.span is not None:
            found.setdefault(site.operation.span, []).append(site)
    return [describe(span, found[span]) for span in sorted(found, key=lambda one: (one.source.name, one.start, one.end))]


def describe(span: Span, sites: Sequence[Site]) -> MayCopy:
    site = sites[0]
    why, label, hint = WHY[site.reason.kind]
    trips = "in the first trip of its loop at most" if site.reason.once else "this stands in a loop"
    notes = (trips,) if site.in_loop else ()
    if site.operation.name.startswith("accumulate") or DERIVED.search(site.function.documentation):
        notes, hint = (*notes, "what is changed is a value of its derivative"), ""
    kinds = list(dict.fromkeys(spell(one.operation.operands[0].type) for one in sites))
    return MayCopy(
        f"{' and '.join(kinds)} can be copied here: {why}",
        span,
        "changed here",
        secondary=tuple(diag.Label(place, label) for place in elsewhere(site.reason, span)),
        notes=notes,
        hint=hint,
    )


def elsewhere(reason: Reason, span: Span) -> list[Span]:
    """The place that the reason points at, if it is another than that of the change."""
    return [reason.span] if reason.span is not None and reason.span != span and WHY[reason.kind][1] else []


def spell(kind: ValueType) -> str:
    """A block in words, as its sizes may be known when the program runs only.

    >>> from dynlang.ssa.nodes import Scalar
    >>> spell(Array(Scalar("f32"), (2, 3)))
    'an f32[2, 3]'
    """
    match kind:
        case Array(element, shape):
            inside = getattr(element, "dtype", "") or spell(element).partition(" ")[2]
            name = f"{inside}[{', '.join(str(one) if isinstance(one, int) else one.name for one in shape)}]"
            return f"{'an' if name[0] in 'aefio' else 'a'} {name}"
        case List():
            return "a list"
        case Box(name, _):
            return f"a {name.rpartition('.')[2]}"
        case Rows():
            return "a set of rows"
        case String():
            return "a str"
    return "a value"
