"""Arrays that have one owner wherever they are written, so that nothing has to ask.

A block is made with a count of one, and only `retain` adds to it, or what keeps or lends a reference: calls, sums, lists, views. So
an array of numbers has one owner as long as everything that its block is called by is only read, written in place and handed
on: through loops that carry it, whose first value and whose next one have one owner, and through branches.

    %y = for %n, %empty (%i, %x) {          %x has one owner in each turn: `fill` made the first,
      %z = update %x, %i, %v                `update` the next one
      yield %z
    }
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from dynlang.ops import OPS
from dynlang.ssa.build import operations_in
from dynlang.ssa.nodes import Array, Operation, Region, Scalar, Value

WRITERS = frozenset({"update", "update_slice", "accumulate", "accumulate_at", "accumulate_slice"})
HANDING_ON = frozenset({"for", "while", "yield", "return", "release"})
OWNING = frozenset({"fill", "update", "accumulate_at"})
"""Operations whose result has one owner, whatever its elements are."""


def alone(body: Region) -> set[Value]:
    """The arrays of a function that have one owner where they are written."""
    operations = list(operations_in(body))
    return written_once_more(operations) | _carried(operations)


def written_once_more(operations: list[Operation]) -> set[Value]:
    """Arrays that are written in place and then used once: nobody has had the time to own them too.

    The second of `y = update x, i, a` and `z = update y, j, b` needn't ask how many owners y has."""
    uses = Counter(value for one in operations for value in one.operands)
    made = [value for one in operations if one.name in OWNING for value in one.results]
    return {value for value in made if uses[value] == 1 and isinstance(value.type, Array)}


def _carried(operations: list[Operation]) -> set[Value]:
    """Arrays of numbers, through loops and branches: the largest set in which every value has what it needs."""
    needs = {value: needed for one in operations for value, needed in _sources(one) if _of_numbers(value)}
    lost = [value for one in operations if not _only_reads(one) for value in one.operands]
    lost += [value for value, needed in needs.items() if any(other not in needs for other in needed)]
    needed_by: dict[Value, list[Value]] = defaultdict(list)
    for value, needed in needs.items():
        for other in needed:
            needed_by[other].append(value)
    gone: set[Value] = set()
    while lost:
        value = lost.pop()
        if value not in gone:
            gone.add(value)
            lost += needed_by[value]
    return needs.keys() - gone


def _of_numbers(value: Value) -> bool:
    return isinstance(value.type, Array) and isinstance(value.type.element, Scalar)


def _only_reads(one: Operation) -> bool:
    """Whether no operand has another owner, or is lent to somebody who could own it, behind the operation."""
    if one.name in HANDING_ON or one.name in WRITERS or one.name in ("fused", "nest", "element"):
        return True
    if one.name == "at":
        return isinstance(one.results[0].type, Scalar)
    row = OPS.get(one.name)
    return row is not None and (row.has("elementwise") or one.name.startswith("reduce_"))


def _sources(one: Operation) -> Iterator[tuple[Value, tuple[Value, ...]]]:
    """Values that an operation makes or binds, each with those that must have one owner for it to have one."""
    row = OPS.get(one.name)
    if one.name in WRITERS or one.name in ("fill", "empty", "fused", "nest") or (row is not None and row.has("elementwise")):
        yield from ((value, ()) for value in one.results)
    elif one.name == "for":
        (body,) = one.regions
        carried = body.parameters[1:]
        yield from zip(carried, zip(one.operands[1:], body.operations[-1].operands, strict=True), strict=True)
        yield from ((result, (value,)) for result, value in zip(one.results, carried, strict=True))
    elif one.name == "while":
        condition, body = one.regions
        yield from zip(condition.parameters, zip(one.operands, body.operations[-1].operands, strict=True), strict=True)
        yield from ((value, (seen,)) for value, seen in zip(body.parameters, condition.parameters, strict=True))
        yield from ((result, (seen, value)) for result, seen, value in zip(one.results, condition.parameters, body.parameters, strict=True))
    elif one.name in ("if", "switch"):
        for place, result in enumerate(one.results):
            yield result, tuple(region.operations[-1].operands[place] for region in one.regions)
