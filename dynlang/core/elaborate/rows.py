"""Touched rows as leaves: `map_leaves` goes through the rows that were touched, `fold_leaves` is handed them as one array.

    map_leaves((p, g) => p - g, table, gradient)        each touched row of the table changes, at the cost of those alone
    map_leaves((a, b) => a + b, gradient, another)      the rows that either touched; where the other has none, its row is 0
    fold_leaves((s, g) => s + sum(g * g), 0.0, gradient)    one leaf of all touched rows
"""

from __future__ import annotations

from collections.abc import Sequence

from dynlang.check import typed
from dynlang.core.build import integer
from dynlang.core.elaborate.comprehensions import again
from dynlang.core.elaborate.formats import dense
from dynlang.core.elaborate.frame import Frame
from dynlang.core.nodes import Atom, For, Variable
from dynlang.core.sizes import expand
from dynlang.types import INT, ArrayType, RowsType, ScalarType, Size


def whole(frame: Frame, atom: Atom) -> Atom:
    """Touched rows as the whole table that they stand for."""
    return dense(frame, atom) if isinstance(atom.type, RowsType) else atom


def touched(frame: Frame, atom: Atom) -> Atom:
    """The touched rows, one below the other in the order of first touch: what is 0 elsewhere costs nothing."""
    if not isinstance(atom.type, RowsType):
        return atom
    builder = frame.builder
    rows = builder.operation("rows_merge", atom, name="rows")
    assert isinstance(rows.type, RowsType)
    count = builder.operation("rows_count", rows, name="touched")
    start = builder.zeros(ArrayType(ScalarType(rows.type.dtype), (builder.size_of(count), *rows.type.shape[1:])))
    carried, index = Variable(builder.names.fresh("stacked"), start.type), Variable(builder.names.fresh("k"), INT)
    with frame.inside() as inner:
        row = inner.operation("rows_row", rows, index, name="row")
        block = inner.block(inner.operation("update", carried, index, row, name="stacked"))
    return builder.emit(For(index, count, (carried,), (start,), block), ["stacked"])[0]


def map_rows(frame: Frame, node: typed.MapLeaves, path: Atom, given: Sequence[Atom]) -> Atom:
    """Row by touched row; the rows that aren't touched stay as they are."""
    from dynlang.core.elaborate.leaves import as_vector, from_vector, info_record, product_of, run_leaf

    builder = frame.builder
    sets = [one for one in given if isinstance(one.type, RowsType)]
    rows = builder.operation("rows_merge", side_by_side(frame, sets), name="rows")
    kind = sets[0].type
    assert isinstance(kind, RowsType)
    dtype, row_shape = kind.dtype, kind.shape[1:]
    count = builder.operation("rows_count", rows, name="touched")
    start = given[0]
    if isinstance(start.type, RowsType):
        start = builder.operation("rows_empty", dtype=dtype, sizes=kind.shape, name="rows")
    carried = Variable(builder.names.fresh("table"), expand(given[0].type, builder.known))
    index = Variable(builder.names.fresh("k"), INT)
    others = [info_record(frame, path, given[0].type, node.function.parameters[0])] if node.with_info else []
    with frame.inside() as inner:
        row_index = inner.operation("rows_index", rows, index, name="i")
        found = inner.operation("rows_row", rows, index, name="row")
        parts = iter([found] if len(sets) == 1 else [inner.operation("at", found, integer(k), name="row") for k in range(len(sets))])
        tables = [carried, *given[1:]]
        vectors = [next(parts) if isinstance(one.type, RowsType) else inner.operation("at", table, row_index, name="row")
                   for one, table in zip(given, tables, strict=True)]
        result = run_leaf(frame, node.function, [as_vector(frame, one) for one in vectors], dtype, product_of(row_shape), others)
        new = from_vector(frame, result.atom, ArrayType(ScalarType(dtype), row_shape))
        op = "accumulate_at" if isinstance(given[0].type, RowsType) else "update"
        block = inner.block(inner.operation(op, carried, row_index, new, name="table"))
    body = For(index, count, (carried,), (start,), block)
    return frame.merge(body, again([carried], builder.names.fresh), node.span)[0]


def side_by_side(frame: Frame, sets: Sequence[Atom]) -> Atom:
    """The touched rows of several tangents of one table as rows that hold a part for each, 0 where it wasn't touched."""
    if len(sets) == 1:
        return sets[0]
    builder, first = frame.builder, sets[0].type
    assert isinstance(first, RowsType)
    row = (Size.constant(len(sets)), *first.shape[1:])
    parts = ArrayType(ScalarType(first.dtype), row)
    wide = builder.operation("rows_empty", dtype=first.dtype, sizes=(first.shape[0], *row), name="rows")
    for position, one in enumerate(sets):
        carried, index = Variable(builder.names.fresh("rows"), wide.type), Variable(builder.names.fresh("k"), INT)
        with frame.inside() as inner:
            part = inner.operation("update", inner.zeros(parts), integer(position), inner.operation("rows_row", one, index, name="row"))
            block = inner.block(inner.operation("accumulate_at", carried, inner.operation("rows_index", one, index, name="i"), part))
        wide = builder.emit(For(index, builder.operation("rows_count", one, name="touched"), (carried,), (wide,), block), ["rows"])[0]
    return wide
