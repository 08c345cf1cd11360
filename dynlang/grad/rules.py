"""Derivatives of ops, by name: those whose shapes change, lists and rows. The others have their derivative as text in their row."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dynlang.core.build import Builder, integer, number
from dynlang.core.nodes import Atom, For, If, Operation, Variable
from dynlang.diag import NotBuilt
from dynlang.grad.activity import operand_names
from dynlang.grad.operations import Expressions, OpReversal, environment_of, mentions, parsed
from dynlang.grad.tangents import array_sizes, dense, is_number
from dynlang.ops import OPS
from dynlang.ops.elementwise import scalar_of
from dynlang.types import FLOATS, INT, ArrayType, RowsType, ScalarType, Size


def reverse_operation(reversal: OpReversal) -> None:
    """The contributions of one op to its operands."""
    name = reversal.operation.op
    row = OPS[name]
    if row.derivative == "rule":
        if name not in RULES:
            raise NotBuilt(f"the derivative of {name}", reversal.builder.span)
        RULES[name](reversal)
        return
    assert isinstance(row.derivative, Mapping)
    environment = {**environment_of(name, reversal.arguments, reversal.results), "g": reversal.g}
    expressions = Expressions(reversal.builder, environment, scalar_of(reversal.g.type) if is_number(reversal.g.type) else "f32")
    for position, operand in enumerate(operand_names(name, len(reversal.arguments))):
        text = row.derivative.get(operand)
        if text is None or not reversal.wants(position):
            continue
        if mentions(text, "d"):
            _update(reversal, position, text, expressions)
        else:
            reversal.give(position, expressions.value(text, reversal.hint(position)))


def _update(reversal: OpReversal, position: int, text: str, expressions: Expressions) -> None:
    """Text ``op(d, ...)``: an op that adds into the operand's destination."""
    call = parsed(text)
    assert isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and isinstance(call.args[0], ast.Name)
    if not is_number(reversal.operand(position).type):
        _update_elements(reversal, position)
        return
    reversal.into(position, call.func.id, *expressions.arguments(call.args[1:]))


def _update_elements(r: OpReversal, position: int) -> None:
    """`at` and `gather` on an array of sums."""
    indices = r.arguments[1:]
    if r.operation.op == "at":
        _into_elements(r, position, (), lambda builder, _: indices)
    elif r.operation.op == "gather" and isinstance(indices[0].type, ArrayType):
        ids = indices[0]
        _into_elements(r, position, array_sizes(indices[0].type), lambda builder, at: [builder.operation("at", ids, *at, name="i")])
    else:
        raise NotBuilt(f"the derivative of {r.operation.op} on arrays of sums", r.builder.span)


def _into_elements(r: OpReversal, position: int, shape: Sequence[Size], place: Callable[[Builder, Sequence[Atom]], Sequence[Atom]]) -> None:
    """Adds all elements of the cotangent to those of an operand that holds sums; `place` says where one comes from. An element is
    taken out, so that it has one owner, merged, and put back."""
    hint = r.hint(position)

    def add(builder: Builder, whole: Atom, indices: Sequence[Atom]) -> Atom:
        g = builder.operation("at", r.g, *indices, name="g") if indices else r.g
        where = place(builder, indices)
        element = builder.operation("at", whole, *where, name="element")
        hole = builder.operation("update", whole, *where, r.adjoints.tangents.zero(builder, element.type), name=hint)
        total = r.adjoints.lazily(builder, r.adjoints.merge(builder, element, g), element.type)
        return builder.operation("update", hole, *where, total, name=hint)

    def along(builder: Builder, whole: Atom, indices: tuple[Variable, ...], rest: Sequence[Size]) -> Atom:
        if not rest:
            return add(builder, whole, indices)
        carried, index = Variable(builder.names.fresh(hint), whole.type), Variable(builder.names.fresh("k"), INT)
        body = builder.inside()
        changed = along(body, carried, (*indices, index), rest[1:])
        return builder.emit(For(index, builder.size(rest[0]), (carried,), (whole,), body.block(changed)), [hint])[0]

    r.set_destination(position, along(r.builder, r.destination(position), (), shape))


def _convert(r: OpReversal) -> None:
    operand = r.operand(0)
    if scalar_of(operand.type) in FLOATS:
        r.give(0, r.builder.operation("convert", r.g, dtype=scalar_of(operand.type), name=r.hint(0)))


def _fill(r: OpReversal) -> None:
    kind = r.operand(0).type
    if isinstance(kind, ScalarType):
        r.give(0, r.builder.operation("reduce_sum", r.g, name=r.hint(0)))
    elif is_number(kind):
        axes = tuple(range(len(r.operation.sizes)))
        r.give(0, r.builder.operation("reduce_sum", r.g, axes=axes, name=r.hint(0)))
    else:
        r.give(0, _sum_of_parts(r))


def _sum_of_parts(r: OpReversal) -> Atom:
    """The adjoint of a sum, or of an array of sums, that is repeated along new axes: those of all parts, merged one after another."""
    kind, new = r.g.type, len(r.operation.sizes)
    assert isinstance(kind, ArrayType)
    part = ArrayType(kind.element, kind.shape[new:]) if kind.shape[new:] else kind.element

    def along(outer: Builder, total: Atom, indices: tuple[Variable, ...], rest: tuple[Size, ...]) -> Atom:
        if not rest:
            return r.adjoints.merge(outer, total, outer.operation("at", r.g, *indices, name="part"))
        carried, index = Variable(outer.names.fresh("total"), part), Variable(outer.names.fresh("k"), INT)
        body = outer.inside()
        block = body.block(along(body, carried, (*indices, index), rest[1:]))
        return outer.emit(For(index, outer.size(rest[0]), (carried,), (total,), block), [r.hint(0)])[0]

    return along(r.builder, r.adjoints.tangents.zero(r.builder, part), (), array_sizes(kind)[:new])


def _reshape(r: OpReversal) -> None:
    kind = r.operand(0).type
    assert isinstance(kind, ArrayType)
    r.give(0, r.builder.operation("reshape", r.g, sizes=array_sizes(kind), name=r.hint(0)))


def _retype(r: OpReversal) -> None:
    r.give(0, r.adjoints.retype(r.builder, r.g, r.adjoints.tangents.of(r.operand(0).type)))


def inverse(permutation: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(range(len(permutation)), key=lambda axis: permutation[axis]))


def _transpose(r: OpReversal) -> None:
    permutation = r.operation.attribute("permutation")
    assert isinstance(permutation, (tuple, list))
    r.give(0, r.builder.operation("transpose", r.g, permutation=inverse(permutation), name=r.hint(0)))


def steps_of(operation: Operation) -> dict[str, Any]:
    steps = operation.attribute("steps")
    return {} if steps is None else {"steps": steps}


def _slice(r: OpReversal) -> None:
    if not is_number(r.operand(0).type):
        _slice_elements(r)
        return
    r.into(0, "accumulate_slice", *r.arguments[1:], r.g, **steps_of(r.operation))


def _slice_elements(r: OpReversal) -> None:
    starts = r.arguments[1:]
    steps = steps_of(r.operation).get("steps", (1,) * len(starts))

    def place(builder: Builder, indices: Sequence[Atom]) -> list[Atom]:
        moved = [builder.operation("mul", one, integer(step)) if step != 1 else one for one, step in zip(indices, steps, strict=True)]
        return [builder.operation("add", start, one, name="i") for start, one in zip(starts, moved, strict=True)]

    if r.wants(0):
        _into_elements(r, 0, r.operation.sizes, place)


def _concat(r: OpReversal) -> None:
    start: Size = Size.constant(0)
    for position, operand in enumerate(r.operation.arguments):
        assert isinstance(operand.type, ArrayType)
        shape = array_sizes(operand.type)
        if r.wants(position):
            starts = (r.builder.size(start), *(integer(0) for _ in shape[1:]))
            r.give(position, r.builder.operation("slice", r.g, *starts, sizes=shape, name=r.hint(position)))
        start = start + shape[0]


def _update_rule(r: OpReversal) -> None:
    """``m2 = update(m, i.., v)``: v' += m2'[i]; m' is m2' with zeros there, in place."""
    indices = r.arguments[1:-1]
    last = len(r.arguments) - 1
    builder = r.builder
    part = builder.operation("at", r.g, *indices, name=r.hint(last)) if r.wants(last) else None
    if r.wants(0):
        kind = r.adjoints.tangents.element(r.operand(last).type)
        r.give(0, builder.operation("update", r.g, *indices, r.adjoints.tangents.zero(builder, kind), name=r.hint(0)))
    if part is not None:
        r.give(last, part)


def _update_slice_rule(r: OpReversal) -> None:
    starts, last = r.arguments[1:-1], len(r.arguments) - 1
    value = r.operand(last)
    assert isinstance(value.type, ArrayType)
    builder, shape, steps = r.builder, array_sizes(value.type), steps_of(r.operation)
    part = builder.operation("slice", r.g, *starts, sizes=shape, name=r.hint(last), **steps) if r.wants(last) else None
    if r.wants(0):
        zeros = r.adjoints.tangents.zero(builder, r.adjoints.tangents.of(dense(value.type)))
        r.give(0, builder.operation("update_slice", r.g, *starts, zeros, name=r.hint(0), **steps))
    if part is not None:
        r.give(last, part)


def _accumulate_at(r: OpReversal) -> None:
    """``d2 = d + v at i``: v' += d2'[i], d' = d2'."""
    last = len(r.arguments) - 1
    if r.wants(last):
        if isinstance(r.operand(0).type, RowsType):
            r.give(last, rows_at(r.builder, r.g, r.arguments[1], r.hint(last)))
        else:
            r.give(last, r.builder.operation("at", r.g, *r.arguments[1:-1], name=r.hint(last)))
    r.give(0, r.g)


def _scatter_add(r: OpReversal) -> None:
    if r.wants(2):
        g = r.builder.operation("rows_dense", r.g, **rows_shape(r.g)) if isinstance(r.g.type, RowsType) else r.g
        r.give(2, r.builder.operation("gather", g, r.arguments[1], name=r.hint(2)))
    r.give(0, r.g)


def rows_shape(rows: Atom) -> dict[str, Any]:
    assert isinstance(rows.type, RowsType)
    return {"sizes": rows.type.shape, "dtype": rows.type.dtype}


def rows_at(builder: Builder, rows: Atom, index: Atom, hint: str = "row") -> Atom:
    """The row of a table given as touched rows: the sum of the contributions under this index."""
    assert isinstance(rows.type, RowsType)
    kind = ArrayType(ScalarType(rows.type.dtype), rows.type.shape[1:])
    count = builder.operation("rows_count", rows, name="count")
    position, carried = Variable(builder.names.fresh("k"), INT), Variable(builder.names.fresh("row"), kind)
    body = builder.inside()
    same = body.operation("equal", body.operation("rows_index", rows, position), index)
    yes, no = body.inside(), body.inside()
    total = yes.operation("accumulate", carried, yes.operation("rows_row", rows, position))
    result = body.bind(If(same, yes.block(total), no.block(carried)), [Variable("row", kind)])[0]
    zeros = builder.zeros(kind)
    return builder.emit(For(position, count, (carried,), (zeros,), body.block(result)), [hint])[0]


def _accumulate_slice(r: OpReversal) -> None:
    last = len(r.arguments) - 1
    kind = r.operand(last).type
    assert isinstance(kind, ArrayType)
    if r.wants(last):
        r.give(
            last, r.builder.operation("slice", r.g, *r.arguments[1:-1], sizes=array_sizes(kind), name=r.hint(last), **steps_of(r.operation))
        )
    r.give(0, r.g)


def axes_of(operation: Operation, kind: ArrayType) -> tuple[int, ...]:
    axes = operation.attribute("axes")
    return tuple(range(len(kind.shape))) if axes is None else tuple(axes)  # type: ignore[arg-type]


def spread(builder: Builder, value: Atom, kind: ArrayType, axes: Sequence[int], hint: str = "t") -> Atom:
    """The transpose of a sum over `axes` of an array of this type: the value repeated along them."""
    sizes = array_sizes(kind)
    if not isinstance(value.type, ArrayType):
        return builder.operation("fill", value, sizes=sizes, name=hint)
    wide = builder.operation("broadcast", value, sizes=tuple(sizes[axis] for axis in axes), name=hint)
    order = [*axes, *(axis for axis in range(len(sizes)) if axis not in axes)]
    permutation = inverse(order)
    return wide if permutation == tuple(range(len(sizes))) else builder.operation("transpose", wide, permutation=permutation, name=hint)


def _reduce_sum(r: OpReversal) -> None:
    kind = r.operand(0).type
    assert isinstance(kind, ArrayType)
    r.give(0, spread(r.builder, r.g, kind, axes_of(r.operation, kind), r.hint(0)))


def rows_last(builder: Builder, value: Atom, kind: ArrayType, axes: Sequence[int]) -> tuple[Atom, Size, Size, tuple[int, ...]]:
    """An array as rows x items, where the items run over `axes`: value, row count, item count, permutation used."""
    sizes = array_sizes(kind)
    order = (*(axis for axis in range(len(sizes)) if axis not in axes), *axes)
    moved = value if order == tuple(range(len(sizes))) else builder.operation("transpose", value, permutation=order)
    rows, items = Size.constant(1), Size.constant(1)
    for axis, size in enumerate(sizes):
        if axis in axes:
            items = items * size
        else:
            rows = rows * size
    return builder.operation("reshape", moved, sizes=(rows, items)), rows, items, order


def rows_back(builder: Builder, value: Atom, kind: ArrayType, order: Sequence[int], hint: str) -> Atom:
    sizes = array_sizes(kind)
    shaped = builder.operation("reshape", value, sizes=tuple(sizes[axis] for axis in order), name=hint)
    return (
        shaped
        if tuple(order) == tuple(range(len(sizes)))
        else builder.operation("transpose", shaped, permutation=inverse(order), name=hint)
    )


def each_row(builder: Builder, rows: Size, items: Size, initial: Atom, change: Callable[[Builder, Atom, Atom], Atom]) -> Atom:
    """``for i in rows: value = change(i, value)``, no trip where the rows are empty."""
    count = builder.size(rows)
    if items.value is None:
        some = builder.operation("greater", builder.size(items), integer(0))
        count = builder.operation("select", some, count, integer(0), name="count")
    elif items.value == 0:
        count = integer(0)
    index, carried = Variable(builder.names.fresh("i"), INT), Variable(builder.names.fresh("d"), initial.type)
    body = builder.inside()
    return builder.emit(For(index, count, (carried,), (initial,), body.block(change(body, index, carried))), ["d"])[0]


def _extreme(word: str) -> Callable[[OpReversal], None]:
    def rule(r: OpReversal) -> None:
        """The first extreme element of each row takes the cotangent (rule 33)."""
        kind = r.operand(0).type
        assert isinstance(kind, ArrayType)
        builder = r.builder
        x, rows, items, order = rows_last(builder, r.arguments[0], kind, axes_of(r.operation, kind))
        g = builder.operation("reshape", r.g, sizes=(rows,)) if isinstance(r.g.type, ArrayType) else r.g
        zeros = builder.zeros(x.type)

        def change(body: Builder, i: Atom, d: Atom) -> Atom:
            where = body.operation(word, body.operation("at", x, i), name="where")
            return body.operation(
                "accumulate_at", d, i, where, body.operation("at", g, i) if isinstance(g.type, ArrayType) else g, name="d"
            )

        r.give(0, rows_back(builder, each_row(builder, rows, items, zeros, change), kind, order, r.hint(0)))

    return rule


def other_products(builder: Builder, x: Atom, count: Atom) -> Atom:
    """For each element of a vector, the product of all others: exact where there are zeros."""
    kind = x.type
    assert isinstance(kind, ArrayType) and isinstance(kind.element, ScalarType)
    one = number(1.0, kind.element.dtype)

    def sweep(start: Atom, backwards: bool) -> Atom:
        index, whole, product = (
            Variable(builder.names.fresh(name), type_) for name, type_ in (("k", INT), ("others", kind), ("product", kind.element))
        )
        body = builder.inside()
        place = body.operation("sub", body.operation("sub", count, integer(1)), index) if backwards else index
        value = body.operation("mul", body.operation("at", whole, place), product)
        changed = body.operation("update", whole, place, value, name="others")
        next_product = body.operation("mul", product, body.operation("at", x, place), name="product")
        return builder.emit(For(index, count, (whole, product), (start, one), body.block(changed, next_product)), ["others", "product"])[0]

    return sweep(sweep(builder.operation("fill", one, sizes=array_sizes(kind)), False), True)


def _reduce_prod(r: OpReversal) -> None:
    kind = r.operand(0).type
    assert isinstance(kind, ArrayType)
    builder = r.builder
    x, rows, items, order = rows_last(builder, r.arguments[0], kind, axes_of(r.operation, kind))
    g = builder.operation("reshape", r.g, sizes=(rows,)) if isinstance(r.g.type, ArrayType) else r.g

    def change(body: Builder, i: Atom, d: Atom) -> Atom:
        others = other_products(body, body.operation("at", x, i), body.size(items))
        mine = body.operation("at", g, i) if isinstance(g.type, ArrayType) else g
        return body.operation("accumulate_at", d, i, body.operation("mul", mine, others), name="d")

    r.give(0, rows_back(builder, each_row(builder, rows, items, builder.zeros(x.type), change), kind, order, r.hint(0)))


def _rows_row(r: OpReversal) -> None:
    index = r.builder.operation("rows_index", r.arguments[0], r.arguments[1], name="index")
    r.into(0, "accumulate_at", index, r.g)


def _rows_dense(r: OpReversal) -> None:
    """g restricted to the rows touched would do; every row is right as well."""
    operand = r.operand(0)
    assert isinstance(operand.type, RowsType)
    table = Variable("table", ArrayType(ScalarType(operand.type.dtype), operand.type.shape))
    r.give(0, r.rows(table, r.g))


def _list_push(r: OpReversal) -> None:
    builder = r.builder
    rest, *parts = builder.operations("list_pop", r.g, names=[r.hint(0), *(r.hint(k) for k in range(1, len(r.arguments)))])
    carrying = [k for k in range(1, len(r.arguments)) if r.adjoints.tangents.carries(r.operand(k).type)]
    for position, part in zip(carrying, parts, strict=True):
        r.give(position, part)
    r.give(0, rest)


def _element_cotangents(r: OpReversal, cotangents: Sequence[Atom | None], outputs: Sequence[Variable]) -> list[Atom]:
    """Cotangents of a list's element, zeros where there is none; only of the values that carry derivatives."""
    found: list[Atom] = []
    for value, output in zip(cotangents, outputs, strict=True):
        if r.adjoints.tangents.carries(output.type):
            found.append(element_tangent(r, value, output))
    return found


def element_tangent(r: OpReversal, value: Atom | None, like: Atom) -> Atom:
    """A cotangent, or zero, as an element of a list of tangents."""
    tangents = r.adjoints.tangents
    wanted = tangents.element(like.type)
    return tangents.zero(r.builder, wanted) if value is None else r.adjoints.lazily(r.builder, value, wanted)


def _list_pop(r: OpReversal) -> None:
    if not r.wants(0):
        return
    rest = r.cotangents[0]
    if rest is None:
        rest = r.adjoints.zeros_like(r.region, r.outputs[0])
    parts = _element_cotangents(r, r.cotangents[1:], r.outputs[1:])
    r.give(0, r.builder.operation("list_push", rest, *parts, name=r.hint(0)))


def _list_get(r: OpReversal) -> None:
    if not r.wants(0):
        return
    builder, index = r.builder, r.arguments[1]
    whole = r.destination(0)
    parts = _element_cotangents(r, r.cotangents, r.outputs)
    held = builder.operations("list_get", whole, index, names=["element"] * len(parts))
    sums = [r.adjoints.merge(builder, mine, part) for mine, part in zip(held, parts, strict=True)]
    r.set_destination(0, builder.operation("list_set", whole, index, *sums, name=r.hint(0)))


def _list_set(r: OpReversal) -> None:
    builder, index = r.builder, r.arguments[1]
    carrying = [k for k in range(2, len(r.arguments)) if r.adjoints.tangents.carries(r.operand(k).type)]
    parts = builder.operations("list_get", r.g, index, names=[r.hint(k) for k in carrying])
    if r.wants(0):
        zeros = [element_tangent(r, None, r.operand(k)) for k in carrying]
        r.give(0, builder.operation("list_set", r.g, index, *zeros, name=r.hint(0)))
    for position, part in zip(carrying, parts, strict=True):
        r.give(position, part)


RULES: dict[str, Callable[[OpReversal], None]] = {
    "convert": _convert,
    "fill": _fill,
    "broadcast": _fill,
    "reshape": _reshape,
    "retype": _retype,
    "transpose": _transpose,
    "slice": _slice,
    "concat": _concat,
    "update": _update_rule,
    "update_slice": _update_slice_rule,
    "accumulate_at": _accumulate_at,
    "accumulate_slice": _accumulate_slice,
    "scatter_add": _scatter_add,
    "reduce_sum": _reduce_sum,
    "reduce_max": _extreme("argmax"),
    "reduce_min": _extreme("argmin"),
    "reduce_prod": _reduce_prod,
    "rows_row": _rows_row,
    "rows_dense": _rows_dense,
    "list_push": _list_push,
    "list_pop": _list_pop,
    "list_get": _list_get,
    "list_set": _list_set,
    "list_empty": lambda r: None,
}
