"""Comprehensions and reductions.

What is one op becomes one (`lifting.py`): elementwise maps, reductions of arrays, products. All else is a loop: an
array comprehension fills an array element by element; a reduction carries what it has so far.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dynlang.check import typed
from dynlang.core.build import integer, number, truth
from dynlang.core.elaborate.decisions import decide
from dynlang.core.elaborate.expressions import bind, expression, handles, scalar_dtype
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.indexing import unboxed_element
from dynlang.core.elaborate.lifting import divided, in_dtype, lifted_comprehension
from dynlang.core.elaborate.values import Value
from dynlang.core.nodes import Atom, For, If, Let, Literal, Variable
from dynlang.diag import NotBuilt
from dynlang.ops.halves import HALVES
from dynlang.types import (
    BOOL,
    F32,
    FLOATS,
    INT,
    ArrayType,
    IndexType,
    ScalarType,
    Size,
    Type,
    substitute,
    unknowns,
)

INFINITY = float("inf")


@handles(typed.Comprehension)
def comprehension(frame: Frame, node: typed.Comprehension) -> Value:
    found = lifted_comprehension(frame, node)
    if frame.elaborator.decisions is not None:
        frame.elaborator.decisions.append(decide(frame, node, found))
    if found is not None:
        return found
    if node.kind == "array":
        return filtered_array(frame, node) if node.guard is not None else array(frame, node)
    return REDUCTIONS[node.kind](frame, node)


# ---------------------------------------------------------------- loops over axes


def loop(frame: Frame, node: typed.Comprehension, carried: Sequence[Variable], initial: Sequence[Atom],
         body: Callable[[list[Variable], Sequence[Variable]], Sequence[Atom]]) -> tuple[Variable, ...]:
    """A nest of loops over the axes; `body` gets the indices and the carried values, and gives the next ones."""
    return _nest(frame, node, list(node.axes), [], carried, tuple(initial), body)


def _nest(frame: Frame, node: typed.Comprehension, axes: list[typed.Axis], indices: list[Variable],
          carried: Sequence[Variable], initial: tuple[Atom, ...],
          body: Callable[[list[Variable], Sequence[Variable]], Sequence[Atom]]) -> tuple[Variable, ...]:
    axis, rest = axes[0], axes[1:]
    names = frame.builder.names
    count = frame.builder.size(frame.size(axis.count))
    index = Variable(names.fresh(axis.index.name if axis.index.name not in ("", "_") else "i"), INT)
    with frame.inside() as builder:
        frame.bind(axis.index, Value(frame.type(axis.index.type), (index,)))
        for binding in axis.bindings:
            bind(frame, binding)
        if rest:
            inner = again(carried, names.fresh)
            results: Sequence[Atom] = _nest(frame, node, rest, [*indices, index], inner, tuple(carried), body)
        else:
            results = guarded(frame, node, carried, lambda: body([*indices, index], carried))
        block = builder.block(*results)
    return frame.merge(For(index, count, tuple(carried), initial, block), again(carried, names.fresh), node.span)


def again(telescope: Sequence[Variable], fresh: Callable[[str], str]) -> tuple[Variable, ...]:
    """The telescope under new names."""
    sizes: dict[str, Size] = {}
    made: list[Variable] = []
    for one in telescope:
        variable = Variable(fresh(one.name), substitute(one.type, sizes))
        if one.type == INT:
            sizes[one.name] = Size.variable(variable.name)
        made.append(variable)
    return tuple(made)


def guarded(frame: Frame, node: typed.Comprehension, carried: Sequence[Variable], body: Callable[[], Sequence[Atom]]) -> Sequence[Atom]:
    if node.guard is None:
        return body()
    condition = expression(frame, node.guard).atom
    then = frame.block(body)
    otherwise = frame.builder.inside().block(*carried)
    return frame.merge(If(condition, then, otherwise), again(carried, frame.builder.names.fresh), node.span)


def counts(frame: Frame, node: typed.Comprehension) -> list[Size]:
    return [frame.size(axis.count) for axis in node.axes]


# ---------------------------------------------------------------- arrays


def array(frame: Frame, node: typed.Comprehension) -> Value:
    """Arrays of the final sizes, written element by element."""
    kind = frame.type(node.type)
    element = element_type(kind, len(node.axes))
    places = frame.layouts.data(kind)
    carried = [Variable(frame.builder.names.fresh("array"), one.type) for one in places]
    initial = [empty_array(frame, one.type) for one in places]

    def body(indices: list[Variable], current: Sequence[Variable]) -> list[Atom]:
        value = frame.retyped(expression(frame, node.body), element) if not unknowns(element) else expression(frame, node.body)
        parts = unboxed_element(frame, element, value) if isinstance(kind, ArrayType) and element == kind.element else frame.stored(value)
        return [written(frame, old, indices, part) for old, part in zip(current, parts, strict=True)]

    return Value(kind, loop(frame, node, carried, initial, body))


def written(frame: Frame, array: Atom, indices: Sequence[Atom], part: Atom) -> Atom:
    assert isinstance(array.type, ArrayType)
    rest = array.type.shape[len(indices):]
    if isinstance(part.type, ArrayType) and part.type.shape != rest:
        part = frame.retyped_atom(part, ArrayType(part.type.element, rest))
    return frame.builder.operation("update", array, *indices, part, name="array")


def element_type(kind: Type, axes: int) -> Type:
    """The type of what a comprehension with so many axes writes into each place."""
    assert isinstance(kind, ArrayType)
    rest = kind.shape[axes:]
    return ArrayType(kind.element, rest) if rest else kind.element


def empty_array(frame: Frame, kind: Type) -> Atom:
    return frame.placeholder(kind)


def filtered_array(frame: Frame, node: typed.Comprehension) -> Value:
    """One axis with a guard: written at the next free place, then cut to the number that passed."""
    kind = frame.type(node.type)
    assert isinstance(kind, ArrayType)
    names = frame.builder.names
    element = element_type(kind, 1)
    (limit,) = counts(frame, node)
    single = not isinstance(element, ArrayType) or bool(unknowns(element))
    inner = frame.layouts.element_places(element) if single else frame.layouts.data(element)
    from dynlang.core.elaborate.values import lifted

    places = [lifted(one.type, (limit,)) for one in inner]
    carried = [Variable(names.fresh("count"), INT), *(Variable(names.fresh("array"), one) for one in places)]
    initial = [integer(0), *(empty_array(frame, one) for one in places)]

    def body(indices: list[Variable], current: Sequence[Variable]) -> list[Atom]:
        value = expression(frame, node.body)
        parts = unboxed_element(frame, element, value) if not isinstance(element, ArrayType) else frame.stored(value)
        count = frame.builder.operation("add", current[0], integer(1), name="count")
        return [count, *(written(frame, old, [current[0]], part) for old, part in zip(current[1:], parts, strict=True))]

    count, *full = loop(frame, node, carried, initial, body)
    cut: list[Atom] = []
    for one in full:
        assert isinstance(one.type, ArrayType)
        sizes = [Size.variable(count.name), *(size for size in one.type.shape[1:] if isinstance(size, Size))]
        cut.append(frame.builder.operation("slice", one, *(integer(0) for _ in sizes), sizes=sizes, name="array"))
    return Value(kind, (count, *cut))


# ---------------------------------------------------------------- reductions


def fold(op: str, start: Callable[[Type], Literal]) -> Callable[[Frame, typed.Comprehension], Value]:
    """A reduction by a binary op from a start; sums and products of half types are kept in f32 and rounded once (rule 22)."""

    def reduce(frame: Frame, node: typed.Comprehension) -> Value:
        kind = frame.type(node.type)
        wide = widened(kind) if node.kind in ("sum", "prod") else kind
        initial = filled(frame, wide, start)
        carried = [Variable(frame.builder.names.fresh("total"), initial.type)]

        def body(indices: list[Variable], current: Sequence[Variable]) -> list[Atom]:
            return [frame.builder.operation(op, current[0], term(frame, node, kind, wide), name="total")]

        (total,) = loop(frame, node, carried, [initial], body)
        return Value(kind, (in_dtype(frame, total, dtype_of(kind)),))

    return reduce


def dtype_of(kind: Type) -> str:
    """The dtype of a scalar, or of an array's elements."""
    found = scalar_dtype(kind)
    assert found is not None
    return found


def widened(kind: Type) -> Type:
    """The type in which sums and products of a type are kept: f32 for half types."""
    if scalar_dtype(kind) not in HALVES:
        return kind
    return ArrayType(F32, kind.shape) if isinstance(kind, ArrayType) else F32


def term(frame: Frame, node: typed.Comprehension, kind: Type, wide: Type) -> Atom:
    """The value of the body in the wide type. The product of two half numbers that is added isn't rounded before."""
    body = node.body
    if wide != kind and node.kind != "prod" and isinstance(body, typed.Primitive) and body.op == "mul":
        factors = [in_dtype(frame, expression(frame, one).atom, "f32") for one in body.arguments]
        return frame.retyped_atom(frame.builder.operation("mul", *factors, name="term"), wide)
    value = frame.retyped(expression(frame, body), kind).atom
    return in_dtype(frame, value, dtype_of(wide))


def filled(frame: Frame, kind: Type, start: Callable[[Type], Literal]) -> Atom:
    if isinstance(kind, ArrayType):
        sizes = [size for size in kind.shape if isinstance(size, Size)]
        return frame.builder.operation("fill", start(kind.element), sizes=sizes, name="total")
    return start(INT if isinstance(kind, IndexType) else kind)


def same_number(value: float) -> Callable[[Type], Literal]:
    def start(kind: Type) -> Literal:
        assert isinstance(kind, ScalarType)
        return number(value, kind.dtype)

    return start


def count(frame: Frame, node: typed.Comprehension) -> Value:
    kind = frame.type(node.type)
    initial = filled(frame, kind, same_number(0))
    carried = [Variable(frame.builder.names.fresh("count"), initial.type)]

    def body(indices: list[Variable], current: Sequence[Variable]) -> list[Atom]:
        condition = expression(frame, node.body).atom
        one = frame.builder.operation("convert", condition, dtype="i64", name="one")
        return [frame.builder.operation("add", current[0], frame.retyped_atom(one, initial.type), name="count")]

    return Value(kind, loop(frame, node, carried, [initial], body))


def extreme(op: str, start: float) -> Callable[[Frame, typed.Comprehension], Value]:
    """``max`` and ``min``: of no floats an infinity, of no ints an error; of arrays place by place."""

    def reduce(frame: Frame, node: typed.Comprehension) -> Value:
        kind = frame.type(node.type)
        if scalar_dtype(kind) in FLOATS:
            return fold(op, same_number(start))(frame, node)
        names = frame.builder.names
        initial = filled(frame, kind, lambda one: number(0, dtype_of(one)))
        carried = [Variable(names.fresh("best"), initial.type), Variable(names.fresh("some"), BOOL)]

        def body(indices: list[Variable], current: Sequence[Variable]) -> list[Atom]:
            value = frame.retyped_atom(expression(frame, node.body).atom, initial.type)
            better = frame.builder.operation(op, current[0], value, name="better")
            return [frame.builder.operation("select", current[1], better, value, name="best"), truth(True)]

        best, some = loop(frame, node, carried, [initial, truth(False)], body)
        frame.check(some, f"{node.kind} of nothing", node.span)
        return Value(kind, (best,))

    return reduce


def best_index(op: str) -> Callable[[Frame, typed.Comprehension], Value]:
    """``argmax`` and ``argmin``: where the first best is, an index for each axis; NaN is better than any number."""

    def reduce(frame: Frame, node: typed.Comprehension) -> Value:
        kind = frame.type(node.type)
        scalar = frame.core_type(node.body.type)
        assert isinstance(scalar, ScalarType)
        names = frame.builder.names
        places = [Variable(names.fresh("place"), INT) for _ in node.axes]
        carried = [Variable(names.fresh("best"), scalar), Variable(names.fresh("some"), BOOL), *places]

        def body(indices: list[Variable], current: Sequence[Variable]) -> list[Atom]:
            builder = frame.builder
            value = expression(frame, node.body).atom
            better = is_better(frame, op, value, current[0], scalar.dtype in FLOATS)
            first = builder.operation("logical_not", current[1], name="first")
            takes = builder.operation("logical_or", first, better, name="takes")
            chosen = [builder.operation("select", takes, new, old, name="place") for new, old in zip(indices, current[2:], strict=True)]
            return [builder.operation("select", takes, value, current[0], name="best"), truth(True), *chosen]

        initial = [number(0, scalar.dtype), truth(False), *(integer(0) for _ in node.axes)]
        _, some, *found = loop(frame, node, carried, initial, body)
        frame.check(some, f"{node.kind} of nothing", node.span)
        return Value(kind, tuple(found))

    return reduce


def is_better(frame: Frame, op: str, value: Atom, best: Atom, floats: bool) -> Atom:
    builder = frame.builder
    better = builder.operation(op, value, best, name="better")
    if not floats:
        return better
    is_nan = builder.operation("not_equal", value, value, name="is_nan")
    was_number = builder.operation("equal", best, best, name="was_number")
    becomes_nan = builder.operation("logical_and", is_nan, was_number, name="becomes_nan")
    return builder.operation("logical_or", better, becomes_nan, name="better")


def mean(frame: Frame, node: typed.Comprehension) -> Value:
    """The sum divided by the number; of nothing an error."""
    kind = frame.type(node.type)
    wide = widened(kind)
    initial = filled(frame, wide, same_number(0.0))
    names = frame.builder.names
    carried = [Variable(names.fresh("total"), initial.type), Variable(names.fresh("count"), INT)]

    def body(indices: list[Variable], current: Sequence[Variable]) -> list[Atom]:
        return [frame.builder.operation("add", current[0], term(frame, node, kind, wide), name="total"),
                frame.builder.operation("add", current[1], integer(1), name="count")]

    total, many = loop(frame, node, carried, [initial, integer(0)], body)
    some = frame.builder.operation("greater", many, integer(0), name="some")
    frame.check(some, "mean of nothing", node.span)
    return Value(kind, (divided(frame, total, many, dtype_of(kind)),))


def mean_of_array(frame: Frame, node: typed.Primitive) -> Value:
    """``mean(x, axis=1)``: the sum of the elements, of half types in f32, by their number."""
    array, many = (expression(frame, one).atom for one in node.arguments)
    kind = frame.type(node.type)
    dtype = dtype_of(kind)
    wide = in_dtype(frame, array, "f32" if dtype in HALVES else dtype)
    attributes: dict[str, Any] = dict(node.attributes)
    total = frame.builder.operation("reduce_sum", wide, name="total", **attributes)
    return Value(kind, (divided(frame, total, many, dtype),))


def logsumexp(frame: Frame, node: typed.Comprehension) -> Value:
    """Of the array of all terms: its maximum plus the logarithm of the sum of what is left."""
    kind = frame.type(node.type)
    if not isinstance(kind, ScalarType):
        raise NotBuilt("logsumexp over arrays", node.span)
    wide = widened(kind)
    assert isinstance(wide, ScalarType)
    terms = terms_array(frame, node, ArrayType(wide, tuple(counts(frame, node))))
    return Value(kind, (in_dtype(frame, logsumexp_of(frame, terms, wide), kind.dtype),))


def terms_array(frame: Frame, node: typed.Comprehension, kind: ArrayType) -> Atom:
    """All terms; those that a guard keeps out are -inf, which adds nothing."""
    carried = [Variable(frame.builder.names.fresh("terms"), kind)]
    dtype = dtype_of(kind)
    initial = empty_array(frame, kind) if node.guard is None else filled(frame, kind, same_number(-INFINITY))

    def body(indices: list[Variable], current: Sequence[Variable]) -> list[Atom]:
        return [written(frame, current[0], indices, in_dtype(frame, expression(frame, node.body).atom, dtype))]

    return loop(frame, node, carried, [initial], body)[0]


def logsumexp_of(frame: Frame, terms: Atom, kind: ScalarType) -> Atom:
    """log(sum(exp(terms))) without overflow; -inf for no terms and where all are -inf; inf where one is."""
    builder = frame.builder
    largest = builder.operation("stop_gradient", builder.operation("reduce_max", terms, name="largest"), name="largest")
    finite = builder.operation("less", builder.operation("abs", largest, name="size"), Literal(INFINITY, kind), name="finite")
    shift = builder.operation("select", finite, largest, number(0, kind.dtype), name="shift")
    powers = builder.operation("exp", builder.operation("sub", terms, shift, name="shifted"), name="powers")
    total = builder.operation("log", builder.operation("reduce_sum", powers, name="total"), name="log_total")
    return builder.operation("add", total, shift, name="logsumexp")


REDUCTIONS: dict[str, Callable[[Frame, typed.Comprehension], Value]] = {
    "sum": fold("add", same_number(0)),
    "prod": fold("mul", same_number(1)),
    "any": fold("logical_or", lambda kind: truth(False)),
    "all": fold("logical_and", lambda kind: truth(True)),
    "max": extreme("maximum", -INFINITY),
    "min": extreme("minimum", INFINITY),
    "count": count,
    "argmax": best_index("greater"),
    "argmin": best_index("less"),
    "mean": mean,
    "logsumexp": logsumexp,
}

__all__ = ["Let", "comprehension"]
