"""``jacobian(f)(x, ...)``, ``hessian(f)(x, ...)``, ``hvp(f, x, ..., v)``: all first, and second, derivatives as arrays.

    f: f64[n] -> f64[m]             jacobian(f)(x): f64[m, n]         the axes of the result, then those of the argument
    f: f64[n, k] -> f64             jacobian(f)(x): f64[n, k]         the gradient
    f: Model<n> -> f64[m]           jacobian(f)(x): Tangent<Model<n>>[m]
    f: f64[n] -> f64                hessian(f)(x): f64[n, n]          forward over reverse, as `hvp`
    f: (f64[n], f64) -> f64         hessian(f, wrt=(0, 1))(x, y): ((f64[n, n], f64[n]), (f64[n], f64))
"""

from __future__ import annotations

from collections.abc import Sequence

from dynlang.check import errors, typed
from dynlang.check.calls.call import builtin
from dynlang.check.calls.derivatives import (
    apply_function,
    carries,
    derivative,
    differentiated,
    first_result,
    gradient_type,
    is_differentiable,
    is_number,
    split_arguments,
)
from dynlang.check.context import ERROR, Context
from dynlang.check.declarations.world import show
from dynlang.check.fitting.fit import article
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import ArrayType, ErrorType, FunctionType, Size, TupleType, Type, tangent


def infer_matrix(
    context: Context, kind: str, inner: Sequence[ast.Argument], arguments: Sequence[ast.Argument], span: Span
) -> typed.Expression:
    """``jacobian(f)(x)`` and ``hessian(f)(x)``, which is the Jacobian of the gradient, column by column."""
    read = differentiated(context, kind, inner, span)
    if read is None:
        return typed.Literal(ERROR, span, 0)
    node, wrt = read
    if kind == "hessian":
        node = gradient_of(inner, span)
    applied = apply_function(context, node, arguments, span)
    if applied is None:
        return typed.Literal(ERROR, span, 0)
    function, passed = applied
    if not is_differentiable(context, kind, function, wrt, span, kind == "jacobian") or not has_matrix(context, kind, function, wrt):
        return typed.Literal(ERROR, span, 0)
    assert isinstance(function.type, FunctionType)
    inner_type = gradient_type(function.type, wrt)
    outer = inner_type if kind == "hessian" else first_result(function.type.result)
    return typed.Derivative(stacked(outer, inner_type), span, kind, function, wrt, passed, first=kind == "jacobian")


def gradient_of(inner: Sequence[ast.Argument], span: Span) -> ast.Call:
    return ast.Call(ast.Name("grad", span=span), tuple(inner), span=span)


def is_single(context: Context, kind: str, wrt: tuple[int, ...], span: Span) -> bool:
    if len(wrt) > 1:
        context.report(errors.BadDerivative(f"`{kind}` is with respect to one parameter", span, hint="`wrt=` names one"))
    return len(wrt) == 1


def is_numbers(kind: Type) -> bool:
    return is_number(kind) or (isinstance(kind, ArrayType) and is_number(kind.element) and all(isinstance(one, Size) for one in kind.shape))


def is_numbers_in_tuples(kind: Type) -> bool:
    """Numbers, arrays of them, tuples of those; what has no derivative doesn't matter."""
    return all(map(is_numbers_in_tuples, kind.items)) if isinstance(kind, TupleType) else is_numbers(kind) or not carries(kind)


def has_matrix(context: Context, kind: str, function: typed.Expression, wrt: tuple[int, ...]) -> bool:
    """Whether the derivatives can stand in arrays: of floats, or of tangents."""
    assert isinstance(function.type, FunctionType)
    first = first_result(function.type.result)
    if kind == "hessian":
        others = [one for one in (function.type.parameters[position] for position in wrt) if not is_numbers_in_tuples(one)]
        if others:
            hint = ("`hvp(f, x, v)` gives the product with a tangent `v`, of whatever type; the parts of a record can be parameters: "
                    "`hessian((w, b) => f(Model(w, b)), wrt=(0, 1))`")
            title = f"a Hessian is with respect to floats, and not {article(others[0])}"
            context.report(errors.BadDerivative(title, function.span, hint=hint))
        return not others
    if not is_numbers(first):
        hint = "`vjp` and `jvp` take results of any type"
        title = f"a Jacobian is of a float or of an array of floats, and this function gives {article(first)}"
        context.report(errors.BadDerivative(title, function.span, hint=hint, found=show(function.type)))
        return False
    return True


def stacked(outer: Type, inner: Type) -> Type:
    """A derivative for each number of `outer`; tuples stay tuples, on either side."""
    if isinstance(outer, TupleType):
        return TupleType(tuple(stacked(one, inner) if carries(one) else one for one in outer.items))
    if isinstance(inner, TupleType):
        return TupleType(tuple(stacked(outer, one) if carries(one) else one for one in inner.items))
    shape = outer.shape if isinstance(outer, ArrayType) else ()
    if isinstance(inner, ArrayType) and not inner.row_sparse:
        return ArrayType(inner.element, (*shape, *inner.shape))
    return ArrayType(inner, tuple(shape)) if shape else inner


@builtin("hvp")
def call_hvp(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``hvp(f, x, v)``: the second derivative of f at x times v, forward over reverse."""
    read = split_arguments(context, "hvp", node, 1)
    if read is None or not is_single(context, "hvp", read[1], node.span):
        return typed.Literal(ERROR, node.span, 0)
    function, wrt, arguments, extra = read
    named = [one for one in node.arguments if one.name is not None]
    gradient = gradient_of([ast.Argument(None, function, span=function.span), *named], node.span)
    applied = apply_function(context, gradient, arguments, node.span)
    if applied is None:
        return typed.Literal(ERROR, node.span, 0)
    value, passed = applied
    assert isinstance(value.type, FunctionType)
    if wrt[0] >= len(value.type.parameters):
        return derivative(context, "hvp", value, wrt, passed, (), node.span)
    along = context.expect(extra[0].value, tangent(value.type.parameters[wrt[0]]), "the tangent")
    return along if isinstance(along.type, ErrorType) else derivative(context, "hvp", value, wrt, passed, (along,), node.span)
