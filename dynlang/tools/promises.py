"""What the library's records promise of their arrays, beyond their types: it is looked at once, where they come from outside.

The indices of a sparse vector grow, the rows of a sparse matrix lie one after another, and a graph's arcs are indexed by both of their
ends. The library makes them so and relies on it: an entry is found by halving.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product

import numpy as np

from dynlang.check import typed
from dynlang.tools.bounds import given_field
from dynlang.tools.flat import BadArgument
from dynlang.types import ArrayType, RecordType, TupleType, Type

Fields = Mapping[str, np.ndarray]
"""The arrays of one record, by field."""


def check_promises(program: typed.Program, function: typed.Function, arrays: Mapping[str, np.ndarray]) -> None:
    """Raise where a record among the arguments isn't as the library would have made it. What is outside its type is told before."""
    for parameter in function.parameters:
        for label, record, axes in _records(program, parameter.label or parameter.name, parameter.local.type, 0):
            names = [name for name, _ in program.records[record].fields]
            if any(f"{label}.{name}" not in arrays for name in names):
                continue
            fields = {name: np.asarray(arrays[f"{label}.{name}"]) for name in names}
            for place in product(*map(range, next(iter(fields.values())).shape[:axes])):
                broken = PROMISES[record]({name: one[place] for name, one in fields.items()})
                if broken:
                    name, what = broken
                    raise BadArgument(f"`{label}.{name}` {what}")


def _records(program: typed.Program, label: str, kind: Type, axes: int) -> Iterator[tuple[str, str, int]]:
    """The records that promise something, each with its label and how many axes of arrays it is an item of."""
    match kind:
        case ArrayType(element, shape):
            yield from _records(program, label, element, axes + len(shape))
        case TupleType(items):
            for place, item in enumerate(items):
                yield from _records(program, f"{label}.{place}", item, axes)
        case RecordType(name, arguments) if name in program.records:
            if name in PROMISES:
                yield label, name, axes
            record = program.records[name]
            for field, inner in record.fields:
                yield from _records(program, f"{label}.{field}", given_field(record.generics, arguments, inner), axes)


Broken = tuple[str, str] | None
"""The field that isn't as promised, and what is wrong with it."""


def entries(fields: Fields) -> Broken:
    """Of a sparse vector."""
    indices = fields["indices"]
    for k in np.flatnonzero(indices[1:] <= indices[:-1])[:1]:
        return "indices", f"doesn't grow: {indices[k + 1]} comes after {indices[k]}; `sparse(n, entries)` takes them in any order"
    return None


def rows(fields: Fields) -> Broken:
    """Of a sparse matrix, in compressed rows."""
    starts, columns = fields["starts"], fields["columns"]
    if starts[0] != 0 or starts[-1] != len(columns) or (starts[1:] < starts[:-1]).any():
        return "starts", f"doesn't grow from 0 to the number of entries, {len(columns)}"
    row = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    for k in np.flatnonzero((row[1:] == row[:-1]) & (columns[1:] <= columns[:-1]))[:1]:
        what = f"doesn't grow in row {row[k]}: {columns[k + 1]} comes after {columns[k]}"
        return "columns", f"{what}; `sparse.compressed` takes them in any order"
    return None


def arcs(fields: Fields) -> Broken:
    """Of a graph: both indices are those of its arcs."""
    ways = [(way, ends, others, len(fields[f"{way}_start"]) - 1)
            for way, ends, others in (("in", "target", "source"), ("out", "source", "target"))]
    for _, ends, _, nodes in ways:
        for outside in fields[ends][(fields[ends] < 0) | (fields[ends] >= nodes)][:1]:
            return ends, f"holds node {outside}, which is outside 0..{nodes}"
    for way, ends, others, nodes in ways:
        order = np.argsort(fields[ends], kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(fields[ends], minlength=nodes))])
        for name, expected in (("start", starts), ("edge", order), ("node", fields[others][order])):
            if not np.array_equal(fields[f"{way}_{name}"], expected):
                return f"{way}_{name}", "isn't the index of the graph's arcs by where they " + (
                    "run to" if way == "in" else "come from") + "; `graph.from_lists` makes it"
    return None


PROMISES: Mapping[str, Callable[[Fields], Broken]] = {
    "sparse.stored.Entries": entries, "sparse.stored.Rows": rows, "graph.arcs.Graph": arcs, "graph.kinds.Between": arcs,
}
