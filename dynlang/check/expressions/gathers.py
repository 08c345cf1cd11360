"""Indices that move items about: arrays of indices beside other indices, masks, and steps below 0.

Each is said in terms of simpler ones: the other indices first, then the special one along the first axis.

    x[1:, ids]        x[1:, :], its second axis brought to the front, [ids], and back
    x[mask]           [x[i] for i in n if mask[i]]
    x[a:b:-2]         x[b + 1:a + 1], backwards, every second item
"""

from __future__ import annotations

from collections.abc import Sequence

from dynlang.check import errors, typed
from dynlang.check.context import ERROR, Context, is_int
from dynlang.check.declarations.world import show
from dynlang.check.expressions.simple import given
from dynlang.check.fitting.fit import size_labels
from dynlang.diag import Label
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import BOOL, INT, ArrayType, ErrorType, Size, Type, array_of

Index = ast.Expr | ast.Slice


def evaluated_indices(context: Context, indices: Sequence[Index]) -> tuple[Index, ...]:
    """The indices checked once, as syntax; slices stay as they are."""
    return tuple(one if isinstance(one, ast.Slice) else given(context.infer(one)) for one in indices)


def type_of(index: Index) -> Type | None:
    from dynlang.check.expressions.simple import Given

    return index.expression.type if isinstance(index, Given) else None


def is_mask(index: Index) -> bool:
    kind = type_of(index)
    return isinstance(kind, ArrayType) and kind.element == BOOL


def picks_many(index: Index) -> bool:
    """Whether an index is an array of indices or a mask."""
    kind = type_of(index)
    return is_mask(index) or (isinstance(kind, ArrayType) and is_int(kind.element))


def steps_back(index: Index) -> int:
    """The literal step of a slice that goes backwards; 0 of any other index."""
    if isinstance(index, ast.Slice) and isinstance(index.step, ast.Negate) and isinstance(index.step.operand, ast.Integer):
        return index.step.operand.value
    return 0


def special_index(
    context: Context, value: typed.Expression, indices: tuple[Index, ...], span: Span
) -> typed.Expression | None:
    """The index in simpler terms, or None if it is a simple one."""
    assert isinstance(value.type, ArrayType)
    if len(indices) > len(value.type.shape) or any(isinstance(type_of(one), ErrorType) for one in indices):
        return None
    for axis, one in enumerate(indices):
        if steps_back(one) and isinstance(one, ast.Slice):
            return backwards(context, value, indices, axis, one, span)
    many = [axis for axis, one in enumerate(indices) if picks_many(one)]
    if not many or (len(indices) == 1 and not is_mask(indices[0])):
        return None
    if len(many) > 1:
        hint = "a comprehension says which: `[x[i, j] for i, j in zip(a, b)]`, or `[x[i, j] for i in a, j in b]`"
        return context.fail(errors.NotIndexable("two arrays of indices in one index: their pairs, or each with each?", span, hint=hint))
    return picked(context, value, indices, many[0], span)


# ---------------------------------------------------------------- arrays of indices, masks


def picked(context: Context, value: typed.Expression, indices: tuple[Index, ...], axis: int, span: Span) -> typed.Expression:
    """The other indices, then the one along `axis`, brought to the front and back."""
    from dynlang.check.expressions.indexing import index_array

    special = indices[axis]
    if is_mask(special) and len(type_of(special).shape) > 1:  # type: ignore[union-attr]
        return masked_whole(context, value, indices, special, span)
    others = (*indices[:axis], ast.Slice(span=span), *indices[axis + 1 :])
    whole = value if len(others) == 1 else context.open(index_array(context, value, others, span))
    if not isinstance(whole.type, ArrayType):
        return whole
    position = sum(isinstance(one, ast.Slice) for one in indices[:axis])
    rank = len(whole.type.shape)
    front = moved(whole, (position, *(k for k in range(rank) if k != position)), span)
    if is_mask(special):
        found, count = masked(context, front, special, span), 1
    else:
        found, count = context.open(index_array(context, front, (special,), span)), len(type_of(special).shape)  # type: ignore[union-attr]
    if isinstance(found.type, ErrorType):
        return found
    order = (*range(count, count + position), *range(count), *range(count + position, count + rank - 1))
    return moved(found, order, span)


def moved(value: typed.Expression, order: tuple[int, ...], span: Span) -> typed.Expression:
    """The axes in another order."""
    assert isinstance(value.type, ArrayType)
    if order == tuple(range(len(order))):
        return value
    kind = ArrayType(value.type.element, tuple(value.type.shape[axis] for axis in order))
    return typed.Primitive(kind, span, "transpose", (value,), (("permutation", order),))


def masked(context: Context, value: typed.Expression, mask: Index, span: Span) -> typed.Expression:
    """The items of the first axis where the mask is true; how many there are is known when it runs."""
    from dynlang.check.expressions.indexing import once

    flags = context.infer(mask)  # type: ignore[arg-type]
    assert isinstance(value.type, ArrayType) and isinstance(flags.type, ArrayType)
    size, count = value.type.shape[0], flags.type.shape[0]
    if size != count:
        labels = [label for one in (size, count) if isinstance(one, Size) for label in size_labels(context, one)]
        title = f"the mask has {count} items, and the axis {size}"
        secondary = (Label(value.span, show(value.type)), *labels)
        return context.fail(errors.SizeMismatch(title, flags.span, secondary=secondary))
    bindings: list[typed.Binding] = []
    items, chosen = once(context, value, "items", bindings), once(context, flags, "mask", bindings)
    position = ast.Name("position", span=span)
    axis = ast.Axis(ast.Identifier("position", span=span), given(typed.SizeValue(INT, span, as_known(size))), span=span)
    clause = ast.Clause((axis,), ast.Index(given(chosen), (position,), span=span), span=span)
    found = context.infer_packed(ast.Comprehension(ast.Index(given(items), (position,), span=span), (clause,), span=span))
    if isinstance(found.type, ErrorType):
        return found
    found = typed.Sequence(found.type, span, tuple(bindings), found)
    return context.open(found, "the items that the mask picks")


def masked_whole(
    context: Context, value: typed.Expression, indices: tuple[Index, ...], mask: Index, span: Span
) -> typed.Expression:
    """A mask over several axes, the first ones: the items in row-major order."""
    flags = context.infer(mask)  # type: ignore[arg-type]
    assert isinstance(value.type, ArrayType) and isinstance(flags.type, ArrayType)
    rank = len(flags.type.shape)
    if len(indices) > 1 or value.type.shape[:rank] != flags.type.shape:
        title = f"a mask `{show(flags.type)}` over several axes has the sizes of the first axes of `{show(value.type)}`, and stands alone"
        return context.fail(errors.SizeMismatch(title, flags.span))
    flat, rest = merged(value, rank, span), merged(flags, rank, span)
    return masked(context, flat, given(rest), span)


def merged(value: typed.Expression, rank: int, span: Span) -> typed.Expression:
    """The first axes as one."""
    assert isinstance(value.type, ArrayType)
    total = Size.constant(1)
    for size in value.type.shape[:rank]:
        total = total * as_known(size)
    shape = (total, *map(as_known, value.type.shape[rank:]))
    return typed.Primitive(array_of(value.type.element, shape), span, "reshape", (value,), (), shape)


def as_known(size: object) -> Size:
    assert isinstance(size, Size)
    return size


# ---------------------------------------------------------------- backwards


def backwards(
    context: Context, value: typed.Expression, indices: tuple[Index, ...], axis: int, node: ast.Slice, span: Span
) -> typed.Expression:
    """``x[a:b:-s]``: from a down to above b, every s-th."""
    from dynlang.check.expressions.indexing import index_array

    step = steps_back(node)
    if step == 0:
        return typed.Literal(ERROR, span, 0)
    assert isinstance(value.type, ArrayType)
    count = given(typed.SizeValue(INT, span, as_known(value.type.shape[axis])))
    low = None if node.stop is None else after(node.stop, count)
    high = None if node.start is None else after(node.start, count)
    window = tuple(ast.Slice(span=span) for _ in range(axis))
    forward = context.open(index_array(context, value, (*window, ast.Slice(low, high, span=node.span)), span))
    if not isinstance(forward.type, ArrayType):
        return forward
    rank = len(forward.type.shape)
    order = (axis, *(k for k in range(rank) if k != axis))
    front = moved(forward, order, span)
    turned = typed.Primitive(front.type, span, "reverse", (front,))
    back = moved(turned, tuple(order.index(k) for k in range(rank)), span)
    rest = ast.Slice(step=ast.Integer(step, span=span), span=span) if step > 1 else ast.Slice(span=span)
    return index_array(context, back, (*indices[:axis], rest, *indices[axis + 1 :]), span)


def after(node: ast.Expr, count: ast.Expr) -> ast.Expr:
    """One more than an end; one more than the last item, -1, is the count of items."""
    if isinstance(node, ast.Negate) and isinstance(node.operand, ast.Integer):
        left = node.operand.value - 1
        return count if left == 0 else ast.Negate(ast.Integer(left, span=node.span), span=node.span)
    one = ast.Integer(1, span=node.span)
    return ast.Binary(node, (ast.Operation("+", one, span=node.span),), span=node.span)
