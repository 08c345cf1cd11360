"""Arrays put together and taken apart along an axis: `concat`, `stack`, `split`; the sizes of the result are in its type."""

from __future__ import annotations

from dynlang.check import errors, typed
from dynlang.check.calls.builtins import array_argument, failed, plain_arguments
from dynlang.check.calls.call import builtin
from dynlang.check.context import Context, is_int
from dynlang.check.declarations.world import show
from dynlang.check.expressions.arithmetic import is_adaptable, scalar_part
from dynlang.check.expressions.gathers import as_known, moved
from dynlang.check.expressions.simple import given
from dynlang.check.fitting.fit import article, fitting
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import F32, INT, ArrayType, ErrorType, Size, TupleType, Type, array_of


def axis_of(context: Context, node: ast.Call, name: str, rank: int) -> int | None:
    """The literal of ``axis=``, by default 0; None after an error."""
    found = next((one.value for one in node.arguments if one.name is not None), None)
    if found is None:
        return 0
    negative = isinstance(found, ast.Negate) and isinstance(found.operand, ast.Integer)
    value = found.value if isinstance(found, ast.Integer) else -found.operand.value if negative else None  # type: ignore[union-attr]
    if value is None or not -rank <= value < rank:
        context.report(errors.OperandTypes(f"the axis of `{name}` is a literal, {-rank} to {rank - 1}", found.span))
        return None
    return value % rank


def to_front(value: typed.Expression, axis: int, span: Span) -> typed.Expression:
    rank = len(value.type.shape) if isinstance(value.type, ArrayType) else 1
    return moved(value, (axis, *(k for k in range(rank) if k != axis)), span)


def from_front(value: typed.Expression, axis: int, span: Span) -> typed.Expression:
    rank = len(value.type.shape) if isinstance(value.type, ArrayType) else 1
    return moved(value, (*range(1, axis + 1), 0, *range(axis + 1, rank)), span)


def plain_values(node: ast.Call) -> list[ast.Expr]:
    return [one.value for one in node.arguments if one.name is None]


# ---------------------------------------------------------------- split


@builtin("split")
def call_split(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``split(x, 3)``: three equal slices of the first axis, or that of ``axis=``, whose size 3 divides by proof."""
    if not plain_arguments(context, node, "split", 2, 2, named=("axis",)):
        return failed(node.span)
    whole, count = plain_values(node)
    value = array_argument(context, whole, "split")
    if value is None:
        return failed(node.span)
    if not isinstance(count, ast.Integer) or not 1 <= count.value <= 64:
        return context.fail(errors.NotASize("`split` takes a literal number of parts, 1 to 64", count.span))
    assert isinstance(value.type, ArrayType)
    axis = axis_of(context, node, "split", len(value.type.shape))
    if axis is None:
        return failed(node.span)
    first = as_known(value.type.shape[axis])
    part = divided(first, count.value)
    if part is None:
        return context.fail(not_divisible(first, count.value, value, node.span))
    return parts_of(context, value, value.type, axis, part, count.value, node.span)


def not_divisible(size: Size, count: int, value: typed.Expression, span: Span) -> errors.NotDivisible:
    hint = f"if it is when the program runs, say so: `... as {show(scalar_part(value.type) or F32)}[{count} * ?k]`"
    return errors.NotDivisible(f"{size} isn't divisible by {count}, by proof", span, found=show(value.type), hint=hint)


def parts_of(
    context: Context, value: typed.Expression, whole: ArrayType, axis: int, part: Size, count: int, span: Span
) -> typed.Expression:
    shape = (*whole.shape[:axis], part, *whole.shape[axis + 1 :])
    kind = array_of(whole.element, shape)
    local = context.temporary("whole", whole)
    reference = typed.LocalReference(whole, value.span, local)
    before = tuple(typed.SliceItem(typed.Literal(INT, span, 0), as_known(size)) for size in whole.shape[:axis])
    slices = tuple(
        typed.Index(kind, span, reference, (*before, typed.SliceItem(typed.SizeValue(INT, span, part * place), part)))
        for place in range(count)
    )
    parts = typed.MakeTuple(TupleType((kind,) * count), span, slices)
    return typed.Sequence(parts.type, span, (typed.Binding((local,), value, value.span),), parts)


def divided(size: Size, count: int) -> Size | None:
    """The size divided by a literal, if every coefficient is a multiple of it."""
    if any(coefficient % count for _, coefficient in size.terms):
        return None
    return Size.from_terms({monomial: coefficient // count for monomial, coefficient in size.terms})


# ---------------------------------------------------------------- concat, stack


@builtin("concat")
def call_concat(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``concat(a, b, ...)``: joined along the first axis, or that of ``axis=``."""
    if not plain_arguments(context, node, "concat", 1, named=("axis",)):
        return failed(node.span)
    values = [array_argument(context, argument, "concat") for argument in plain_values(node)]
    arrays = [value for value in values if value is not None]
    if len(arrays) < len(values):
        return failed(node.span)
    fixed = next((value for value in arrays if not is_adaptable(value)), arrays[0])
    assert isinstance(fixed.type, ArrayType)
    axis = axis_of(context, node, "concat", len(fixed.type.shape))
    if axis is None:
        return failed(node.span)
    fitted = joinable(context, arrays, fixed.type, axis)
    if fitted is None:
        return failed(node.span)
    if len(fitted) == 1:
        return fitted[0]
    fronts = [to_front(value, axis, node.span) for value in fitted]
    total = Size.constant(0)
    for value in fronts:
        assert isinstance(value.type, ArrayType)
        total = total + as_known(value.type.shape[0])
    first = fronts[0].type
    assert isinstance(first, ArrayType)
    kind = ArrayType(first.element, (total, *first.shape[1:]))
    return from_front(typed.Primitive(kind, node.span, "concat", tuple(fronts)), axis, node.span)


def joinable(context: Context, arrays: list[typed.Expression], like: ArrayType, axis: int) -> list[typed.Expression] | None:
    """The arrays with one type of elements, equal in all sizes but that of the axis; None after an error."""
    elements = [value.type.element for value in arrays if isinstance(value.type, ArrayType)]
    indices = all(is_int(one) for one in elements) and len(set(elements)) > 1
    element = INT if indices else like.element
    fitted: list[typed.Expression] = []
    for value in arrays:
        assert isinstance(value.type, ArrayType)
        found = None
        if len(value.type.shape) == len(like.shape):
            shape = (*like.shape[:axis], value.type.shape[axis], *like.shape[axis + 1 :])
            found = fitting(context, value, array_of(element, shape))
        if found is None:
            which = "the first size" if axis == 0 else f"the size of axis {axis}"
            title = f"`concat` joins arrays that agree in all but {which}: {show(like)} and {show(value.type)} don't"
            context.report(errors.SizeMismatch(title, value.span))
            return None
        fitted.append(found)
    return fitted


@builtin("stack")
def call_stack(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``stack(a, b, ...)``: equal arrays along a new first axis, or that of ``axis=``."""
    if not plain_arguments(context, node, "stack", 1, named=("axis",)):
        return failed(node.span)
    named = any(one.name is not None for one in node.arguments)
    stacked = context.infer(ast.List(tuple(plain_values(node)), span=node.span), None if named else hint)
    if isinstance(stacked.type, ErrorType):
        return stacked
    if not isinstance(stacked.type, ArrayType):
        return context.fail(errors.OperandTypes(f"`stack` takes arrays or numbers, not {article(stacked.type)}", node.span))
    axis = axis_of(context, node, "stack", len(stacked.type.shape))
    return failed(node.span) if axis is None else from_front(context.infer(given(stacked)), axis, node.span)
