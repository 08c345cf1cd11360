"""Jacobians and Hessians: one request for each element of the result, or of the argument.

    jacobian(f)(x)      for each element of f(x): its gradient, by a pullback of the cotangent that is 1 there
    hessian(f)(x)       for each element of x: the change of the gradient along the tangent that is 1 there

With respect to several parameters, or a tuple, a Hessian has a block for each two of their places, row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dynlang.core.build import number
from dynlang.core.elaborate.comprehensions import again
from dynlang.core.elaborate.values import Value
from dynlang.core.nodes import Atom, For, Variable
from dynlang.diag import NotBuilt
from dynlang.types import INT, ArrayType, ScalarType, Size, Type, size_variables, substitute

if TYPE_CHECKING:
    from dynlang.core.elaborate.derivatives import Request


def matrix(request: Request) -> Value:
    """The value of a `jacobian` or `hessian`."""
    frame, node = request.frame, request.node
    kind = frame.type(node.type)
    if node.kind == "hessian":
        return Value(kind, tuple(blocks(request)))
    result = substitute(request.instance.results[0].type, request.sizes)
    if result == INT or size_variables(result) & {one.name for one in request.instance.results}:
        raise NotBuilt("the Jacobian of a function whose result has a size of its own", node.span)
    places = [position for parameter in node.wrt for position in request.active_positions(parameter)]
    argument = substitute(request.instance.parameters[places[0]].type, request.sizes)
    if len(places) == 1 and isinstance(argument, ScalarType) and isinstance(result, (ScalarType, ArrayType)):
        return Value(kind, (along(request, number(1.0, argument.dtype)),))
    tangents = [request.tangent_at(position) for position in places]
    if not all(is_numbers(one) for one in tangents) or len(places) != sum(counted(request)):
        raise NotBuilt("the Jacobian with respect to what isn't arrays of numbers of known sizes", node.span, "`vjp` gives one row")
    return Value(kind, tuple(rows(request, result, [one for one in tangents if one is not None], lambda unit: pulled(request, unit))))


def blocks(request: Request) -> list[Atom]:
    """The Hessian, by which places of the parameters and then of the gradient. The latter are the former: it is symmetric."""
    places = [position for parameter in request.node.wrt for position in request.active_positions(parameter)]
    kinds = [substitute(request.instance.parameters[position].type, request.sizes) for position in places]
    return [atom for position, outer in zip(places, kinds, strict=True)
            for atom in rows(request, outer, kinds, lambda unit, at=position: request.changes({at: unit})[1])]


def is_numbers(kind: Type | None) -> bool:
    return isinstance(kind, ScalarType) or (isinstance(kind, ArrayType) and isinstance(kind.element, ScalarType))


def counted(request: Request) -> list[int]:
    """How many places the tangent of each parameter has: more than are active where ints tell the sizes of others."""
    return [len(list(request.frame.layouts.tangent_places(request.values[parameter].type))) for parameter in request.node.wrt]


def along(request: Request, unit: Atom) -> Atom:
    """The change of the first result along a tangent of the one parameter."""
    return request.forward([Value(unit.type, (unit,))])[1][0]


def pulled(request: Request, unit: Atom) -> Sequence[Atom]:
    """The gradients of the parameters for a cotangent of the first result."""
    given: list[Atom | None] = [None] * len(request.instance.results)
    given[0] = unit
    return request.reverse(given)[1]


def rows(request: Request, outer: Type, inner: Sequence[Type], row: Callable[[Atom], Sequence[Atom]]) -> Sequence[Atom]:
    """``row`` of the unit array for each element of an array of type `outer`, written into arrays with those axes in front."""
    if isinstance(outer, ScalarType):
        return row(number(1.0, outer.dtype))
    assert isinstance(outer, ArrayType) and isinstance(outer.element, ScalarType)
    shape, dtype = known(outer.shape), outer.element.dtype
    frame = request.frame

    def nest(axes: Sequence[Size], indices: list[Atom], given: Sequence[Atom]) -> Sequence[Atom]:
        if not axes:
            unit = frame.builder.operation("update", frame.builder.zeros(outer), *indices, number(1.0, dtype), name="unit")
            made = zip(given, row(unit), strict=True)
            return [frame.builder.operation("update", whole, *indices, one, name="rows") for whole, one in made]
        index = Variable(frame.builder.names.fresh("i"), INT)
        carried = tuple(Variable(frame.builder.names.fresh("rows"), one.type) for one in given)
        with frame.inside() as builder:
            block = builder.block(*nest(axes[1:], [*indices, index], carried))
        return frame.builder.bind(For(index, frame.builder.size(axes[0]), carried, tuple(given), block), again(carried, str))

    starts = [frame.builder.zeros(stacked(shape, one), "rows") for one in inner]
    return nest(shape, [], starts)


def stacked(shape: tuple[Size, ...], kind: Type) -> ArrayType:
    if isinstance(kind, ArrayType):
        return ArrayType(kind.element, (*shape, *kind.shape))
    return ArrayType(kind, shape)


def known(shape: Sequence[object]) -> tuple[Size, ...]:
    return tuple(one for one in shape if isinstance(one, Size))
