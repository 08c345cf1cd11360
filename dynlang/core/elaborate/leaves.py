"""Structure-generic code: ``map_leaves``, ``make_leaves`` and ``fold_leaves``, written out leaf by leaf.

Every leaf is handed over as a vector. A table whose tangent is rows is handed over row by touched row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dynlang.check import typed
from dynlang.core.build import integer, text
from dynlang.core.elaborate.comprehensions import again
from dynlang.core.elaborate.expressions import expression, handles
from dynlang.core.elaborate.formats import dense
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.values import Value, is_binder
from dynlang.core.nodes import Atom, For, Variable
from dynlang.core.sizes import expand
from dynlang.diag import InternalError, NotBuilt
from dynlang.types import (
    FLOATS,
    INT,
    ArrayType,
    RecordType,
    RowsType,
    ScalarType,
    Size,
    TangentType,
    Type,
    substitute,
)


@dataclass(frozen=True, slots=True)
class LeafPlace:
    """A place of a layout that holds numbers: its position among the atoms, and its path."""

    position: int
    path: str
    type: Type
    index: int


def leaf_dtype(kind: Type) -> str | None:
    """The dtype of a leaf's numbers; None if it is no leaf."""
    match kind:
        case ScalarType(dtype) | ArrayType(ScalarType(dtype), _):
            return dtype
        case RowsType(dtype, _):
            return dtype
    return None


def is_leaf(kind: Type, wanted: str) -> bool:
    dtype = leaf_dtype(kind)
    if dtype is None:
        return False
    return dtype in FLOATS if wanted == "float" else dtype != "bool" if wanted == "number" else True


def leaves_of(frame: Frame, kind: Type, wanted: str) -> list[LeafPlace]:
    found: list[LeafPlace] = []
    for position, one in enumerate(frame.layouts.data(kind)):
        if is_leaf(one.type, wanted) and not is_binder(one):
            found.append(LeafPlace(position, one.name.lstrip("."), one.type, len(found)))
    return found


# ---------------------------------------------------------------- one leaf


def leaf_shape(kind: Type) -> tuple[Size, ...]:
    match kind:
        case ArrayType(_, shape) | RowsType(_, shape):
            return tuple(size for size in shape if isinstance(size, Size))
    return ()


def product_of(sizes: Sequence[Size]) -> Size:
    total = Size.constant(1)
    for size in sizes:
        total = total * size
    return total


def as_vector(frame: Frame, atom: Atom) -> Atom:
    """The elements in row-major order."""
    if not isinstance(atom.type, ArrayType):
        return frame.builder.operation("fill", atom, sizes=[Size.constant(1)], name="leaf")
    shape = leaf_shape(expand(atom.type, frame.builder.known))
    return atom if len(shape) == 1 else frame.builder.operation("reshape", atom, sizes=[product_of(shape)], name="leaf")


def from_vector(frame: Frame, vector: Atom, kind: Type) -> Atom:
    """The reverse of `as_vector`."""
    if not isinstance(kind, ArrayType):
        return frame.builder.operation("at", vector, integer(0), name="leaf")
    return frame.retyped_atom(vector, kind)


def run_leaf(frame: Frame, function: typed.LeafFunction, vectors: Sequence[Atom], dtype: str, count: Size,
             others: Sequence[Value] = ()) -> Value:
    """The function's body for one leaf: `others` come before the vectors (a state, an info record)."""
    locals, sizes, types = dict(frame.locals), dict(frame.sizes), dict(frame.types)
    frame.types = {**frame.types, function.type_variable.name: ScalarType(dtype)}
    frame.sizes = {**frame.sizes, function.size_variable: count}
    frame.locals = dict(frame.locals)
    vector_type = ArrayType(ScalarType(dtype), (count,))
    values = [*others, *(Value(vector_type, (frame.retyped_atom(one, vector_type),)) for one in vectors)]
    if len(values) != len(function.parameters):
        raise InternalError(f"{len(values)} leaf arguments for {len(function.parameters)} parameters", frame.builder.span)
    for parameter, value in zip(function.parameters, values, strict=True):
        frame.bind(parameter, value)
    result = expression(frame, function.body)
    frame.locals, frame.sizes, frame.types = locals, sizes, types
    return result


def info_record(frame: Frame, leaf: LeafPlace, kind: Type, parameter: typed.Local) -> Value:
    """The `Leaf` that tells the function what it is given, by the names of its fields."""
    record = frame.type(parameter.type)
    assert isinstance(record, RecordType)
    shape = leaf_shape(kind)
    atoms: list[Atom] = []
    for name, _ in frame.layouts.fields(record):
        match name:
            case "path":
                atoms.append(text(leaf.path))
            case "shape":
                atoms += [integer(len(shape)), shape_array(frame, shape)]
            case "index":
                atoms.append(integer(leaf.index))
            case "count":
                atoms.append(frame.builder.size(product_of(shape)))
            case "dtype":
                atoms.append(text(leaf_dtype(kind) or ""))
            case _:
                raise InternalError(f"a leaf has no {name}", frame.builder.span)
    return Value(record, tuple(atoms))


def shape_array(frame: Frame, shape: Sequence[Size]) -> Atom:
    builder = frame.builder
    array = builder.operation("fill", integer(0), sizes=[Size.constant(len(shape))], name="shape")
    for axis, size in enumerate(shape):
        array = builder.operation("update", array, integer(axis), builder.size(size), name="shape")
    return array


def infos(frame: Frame, node_with_info: bool, function: typed.LeafFunction, leaf: LeafPlace, kind: Type, at: int) -> list[Value]:
    return [info_record(frame, leaf, kind, function.parameters[at])] if node_with_info else []


# ---------------------------------------------------------------- the three forms


@handles(typed.MapLeaves)
def map_leaves(frame: Frame, node: typed.MapLeaves) -> Value:
    values = [expression(frame, one) for one in node.arguments]
    first = values[0]
    wanted = node.function.type_variable.kind
    atoms = list(first.atoms)
    for leaf, places in matched_leaves(frame, values, wanted):
        given = [value.atoms[place.position] for value, place in zip(values, places, strict=True)]
        kind = given[0].type
        if any(isinstance(one.type, RowsType) for one in given):
            atoms[leaf.position] = map_rows(frame, node, leaf, given)
            continue
        dtype = leaf_dtype(kind)
        assert dtype is not None
        others = infos(frame, node.with_info, node.function, leaf, kind, 0)
        vectors = [as_vector(frame, one) for one in given]
        result = run_leaf(frame, node.function, vectors, dtype, product_of(leaf_shape(expand(kind, frame.builder.known))), others)
        atoms[leaf.position] = from_vector(frame, result.atom, kind)
    return Value(frame.type(node.type), tuple(atoms), first.functions)


def matched_leaves(frame: Frame, values: Sequence[Value], wanted: str) -> list[tuple[LeafPlace, list[LeafPlace]]]:
    """The leaves of the first value, each with its partner in every value: a tangent has the float leaves alone."""
    first = leaves_of(frame, values[0].type, wanted)
    partners = [leaves_of(frame, value.type, wanted) for value in values]
    found: list[tuple[LeafPlace, list[LeafPlace]]] = []
    for leaf in first:
        row: list[LeafPlace] = []
        for own in partners:
            match_ = next((one for one in own if one.path == leaf.path), None)
            if match_ is None:
                break
            row.append(match_)
        if len(row) == len(values):
            found.append((leaf, row))
        elif wanted != "any":
            raise NotBuilt(f"leaves that don't fit each other: {leaf.path}", frame.builder.span)
    return found


def map_rows(frame: Frame, node: typed.MapLeaves, leaf: LeafPlace, given: Sequence[Atom]) -> Atom:
    """Row by touched row; the rows that aren't touched stay as they are."""
    builder = frame.builder
    rows_at = next(position for position, one in enumerate(given) if isinstance(one.type, RowsType))
    rows = builder.operation("rows_merge", given[rows_at], name="rows")
    assert isinstance(rows.type, RowsType)
    dtype, row_shape = rows.type.dtype, rows.type.shape[1:]
    count = builder.operation("rows_count", rows, name="touched")
    result_kind = given[0].type
    start = given[0]
    if isinstance(result_kind, RowsType):
        start = builder.operation("rows_empty", dtype=dtype, sizes=rows.type.shape, name="rows")
    carried = Variable(builder.names.fresh("table"), expand(result_kind, builder.known))
    index = Variable(builder.names.fresh("k"), INT)
    with frame.inside() as inner:
        row_index = inner.operation("rows_index", rows, index, name="i")
        vectors: list[Atom] = []
        for position, one in enumerate(given):
            if position == rows_at:
                vectors.append(inner.operation("rows_row", rows, index, name="row"))
            elif isinstance(one.type, RowsType):
                raise NotBuilt("leaves of two sets of touched rows", builder.span)
            else:
                source = carried if position == 0 else one
                vectors.append(inner.operation("at", source, row_index, name="row"))
        others = infos(frame, node.with_info, node.function, leaf, given[0].type, 0)
        result = run_leaf(frame, node.function, [as_vector(frame, one) for one in vectors], dtype, product_of(row_shape), others)
        new = from_vector(frame, result.atom, ArrayType(ScalarType(dtype), row_shape))
        op = "accumulate_at" if isinstance(result_kind, RowsType) else "update"
        changed = inner.operation(op, carried, row_index, new, name="table")
        block = inner.block(changed)
    body = For(index, count, (carried,), (start,), block)
    return frame.merge(body, again([carried], builder.names.fresh), node.span)[0]


@handles(typed.MakeLeaves)
def make_leaves(frame: Frame, node: typed.MakeLeaves) -> Value:
    kind = frame.type(node.type)
    atoms: list[Atom] = []
    replace: dict[str, Size] = {}
    for position, place in enumerate(frame.layouts.data(kind)):
        wanted = expand(substitute(place.type, replace), frame.builder.known)
        dtype = leaf_dtype(wanted)
        if dtype is None or is_binder(place):
            raise NotBuilt(f"making a {kind}: {place.name.lstrip('.')} is no array or number of known size", node.span)
        leaf = LeafPlace(position, place.name.lstrip("."), wanted, position)
        others = [info_record(frame, leaf, wanted, node.function.parameters[0])] if node.function.parameters else []
        result = run_leaf(frame, node.function, [], dtype, product_of(leaf_shape(wanted)), others)
        atom = from_vector(frame, result.atom, wanted)
        atoms.append(atom)
        if place.type == INT:
            replace[place.name] = frame.builder.size_of(atom)
    return Value(kind, tuple(atoms))


@handles(typed.FoldLeaves)
def fold_leaves(frame: Frame, node: typed.FoldLeaves) -> Value:
    state = expression(frame, node.initial)
    values = [expression(frame, one) for one in node.arguments]
    kind = frame.type(node.type)
    for leaf, places in matched_leaves(frame, values, node.function.type_variable.kind):
        given = [whole(frame, value.atoms[place.position]) for value, place in zip(values, places, strict=True)]
        dtype = leaf_dtype(given[0].type)
        assert dtype is not None
        others = [state, *infos(frame, node.with_info, node.function, leaf, given[0].type, 1)]
        count = product_of(leaf_shape(expand(given[0].type, frame.builder.known)))
        state = run_leaf(frame, node.function, [as_vector(frame, one) for one in given], dtype, count, others)
    return Value(kind, state.atoms, state.functions)


def whole(frame: Frame, atom: Atom) -> Atom:
    return dense(frame, atom) if isinstance(atom.type, RowsType) else atom


__all__ = ["Callable", "TangentType", "map_leaves"]
