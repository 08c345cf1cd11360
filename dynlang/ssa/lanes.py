"""What the operation `nest` says: which rows it writes, and which of its scalars differ from element to element.

    %y: f32[%n, %b] = nest %x, %at sizes [%b] {into = ["set"]} {
      %s: f32 = for %count, %zero (%k: i64, %total: f32) {
        %u: i64 = at %ids, %k                     the same for all elements
        %from: i64 = mul %u, %b
        %r: f32 = element %w, %from               a lane: one number for each element
        %t: f32 = add %total, %r
        yield %t
      }
      yield %s
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from dynlang.ops import OPS
from dynlang.ssa.nodes import Operation, Region, Scalar, Value

UNIFORM = frozenset({"at", "check", "check_index"})
"""Rows of the op table, besides elementwise ones, that may stand in a nest: their operands are the same for all elements."""


def rows_written(one: Operation) -> Iterator[tuple[int, str | None, int]]:
    """For each result of a nest its place, the word that says how it is written (None: a new array), and the operand that it is
    written into, behind which stands the element where the row begins."""
    words = one.attributes.get("into")
    operand = 0
    for place in range(len(one.results)):
        word = words[place] if isinstance(words, tuple) else None
        yield place, word, operand
        operand += 2 if word is not None else 0


def written_into(one: Operation) -> tuple[int, ...]:
    """The operands whose blocks a nest takes over."""
    return tuple(operand for _, word, operand in rows_written(one) if word is not None)


def rows_before(one: Operation) -> Iterator[tuple[Value, int]]:
    """Parameters of a nest's region, each with the place of the result whose row it is before the nest."""
    return zip(one.regions[0].parameters, (place for place, word, _ in rows_written(one) if word is not None), strict=False)


def may_stand_in_a_nest(one: Operation) -> bool:
    """Operations of a nest's region make and read numbers only."""
    row = OPS.get(one.name)
    scalar = all(isinstance(value.type, Scalar) for value in one.results)
    known = one.name in ("constant", "element", "for", "if", "yield") or one.name in UNIFORM or (row is not None and row.has("elementwise"))
    return known and scalar


def lanes_of(region: Region) -> set[Value]:
    """The values of a nest's region that differ from element to element."""
    found = set(region.parameters)
    while True:
        before = len(found)
        _mark(region, found)
        if len(found) == before:
            return found


def _mark(region: Region, found: set[Value]) -> None:
    for one in region.operations:
        match one.name:
            case "element":
                found.update(one.results)
            case "for":
                (body,) = one.regions
                _mark(body, found)
                carried = zip(one.operands[1:], body.parameters[1:], body.operations[-1].operands, one.results, strict=True)
                for first, parameter, following, result in carried:
                    if first in found or following in found:
                        found.update((parameter, result))
            case "if":
                for inner in one.regions:
                    _mark(inner, found)
                    found.update(result for result, value in zip(one.results, inner.operations[-1].operands, strict=True) if value in found)
            case _ if one.name not in UNIFORM and not found.isdisjoint(one.operands):
                found.update(one.results)
