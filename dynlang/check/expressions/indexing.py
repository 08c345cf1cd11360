"""Items and slices: ``x[i]``, ``x[i, a:b]``, ``list[i]``, ``text[i]``, and `as` casts of sizes and indices."""

from __future__ import annotations

from collections.abc import Sequence

from dynlang.check import errors, typed
from dynlang.check.context import ERROR, Context, handles, is_int
from dynlang.check.declarations.world import show
from dynlang.check.expressions.arithmetic import as_size
from dynlang.check.expressions.gathers import evaluated_indices, special_index
from dynlang.check.fitting.fit import article, is_float, is_subtype, number_type
from dynlang.check.fitting.guards import guards, ints_of
from dynlang.diag import Diagnostic, NotBuilt, replacing, wrapping
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import (
    INT,
    ArrayType,
    ErrorType,
    IndexType,
    ListType,
    RecordType,
    Size,
    SizeArgument,
    StringType,
    TupleType,
    Type,
    array_of,
    is_sparse,
)

Item = typed.Expression | typed.SliceItem


@handles(ast.Index)
def infer_index(context: Context, node: ast.Index, hint: Type | None) -> typed.Expression:
    from dynlang.check.expressions.maps import is_map, map_item

    value = context.infer(node.value)
    match value.type:
        case ErrorType():
            return value
        case ListType(elements):
            if len(node.indices) != 1:
                return context.fail(errors.NotIndexable("a list takes one index", node.span))
            if isinstance(node.indices[0], ast.Slice):
                return slice_list(context, value, node.indices[0], node.span)
            index = item_index(context, node.indices[0])
            return typed.Literal(ERROR, node.span, 0) if index is None else typed.ListItem(elements[0], node.span, value, index)
        case RecordType() if is_map(value.type):
            return map_item(context, value, node)
        case RecordType() if is_sparse(value.type):
            from dynlang.check.expressions.sparse import item

            return item(context, value, node)
        case StringType():
            return index_string(context, value, node)
        case ArrayType():
            return index_array(context, value, evaluated_indices(context, node.indices), node.span)
        case TupleType():
            return context.fail(tuple_index(value, node))
    hint_text = "a function is called with round brackets" if "Function" in type(value.type).__name__ else ""
    return context.fail(errors.NotIndexable(f"{article(value.type)} has no items", node.span, hint=hint_text))


def index_array(context: Context, value: typed.Expression, indices: tuple[ast.Expr | ast.Slice, ...], span: Span) -> typed.Expression:
    """``x[i, a:b]``, ``x[ids]``, ``x[mask]``; what stands for the indices was checked."""
    special = special_index(context, value, indices, span)
    if special is not None:
        return special
    assert isinstance(value.type, ArrayType)
    ends: list[typed.Binding] = []
    found = array_items(context, value.type, indices, span, ends)
    if found is None:
        return typed.Literal(ERROR, span, 0)
    items, kind = found
    if not ends:
        return typed.Index(kind, span, value, tuple(items))
    before: list[typed.Binding] = []
    whole = once(context, value, "whole", before)
    return typed.Sequence(kind, span, (*before, *ends), typed.Index(kind, span, whole, tuple(items)))


def index_string(context: Context, value: typed.Expression, node: ast.Index) -> typed.Expression:
    """``text[i]`` is a byte, ``text[a:b]`` a string."""
    if len(node.indices) != 1:
        return context.fail(errors.NotIndexable("a string takes one index", node.span))
    index = node.indices[0]
    if not isinstance(index, ast.Slice):
        position = item_index(context, index)
        return typed.Literal(ERROR, node.span, 0) if position is None else string_code(context, value, position, node.span)
    if index.step is not None:
        raise NotBuilt("steps in slices of strings", node.span)
    bindings: list[typed.Binding] = []
    text = once(context, value, "text", bindings)
    length = typed.Primitive(INT, node.span, "string_length", (text,))
    start, stop = slice_ends(context, index, length, node.span)
    if isinstance(start.type, ErrorType) or isinstance(stop.type, ErrorType):
        return typed.Literal(ERROR, node.span, 0)
    part = typed.Primitive(value.type, node.span, "string_slice", (text, start, stop))
    return typed.Sequence(part.type, node.span, tuple(bindings), part)


def once(context: Context, value: typed.Expression, name: str, bindings: list[typed.Binding]) -> typed.Expression:
    """The value under a name, so that it is evaluated once."""
    local = context.temporary(name, value.type)
    bindings.append(typed.Binding((local,), value, value.span))
    return typed.LocalReference(value.type, value.span, local)


def slice_ends(context: Context, index: ast.Slice, length: typed.Expression, span: Span) -> tuple[typed.Expression, typed.Expression]:
    """Start and end of a slice of a string or list; negative literals count from the end."""

    def end(node: ast.Expr | None, otherwise: typed.Expression, role: str) -> typed.Expression:
        if node is None:
            return otherwise
        value = context.expect(node, INT, role)
        if isinstance(value, typed.Literal) and isinstance(value.value, int) and value.value < 0:
            return typed.Primitive(INT, span, "add", (length, value))
        return value

    return end(index.start, typed.Literal(INT, span, 0), "the start"), end(index.stop, length, "the end")


def slice_list(context: Context, value: typed.Expression, index: ast.Slice, span: Span) -> typed.Expression:
    """``xs[a:b]``: the items there, as far as there are any."""
    from dynlang.check.calls.call import call_signature
    from dynlang.check.expressions.simple import given

    if index.step is not None:
        raise NotBuilt("steps in slices of lists", span)
    bindings: list[typed.Binding] = []
    whole = once(context, value, "whole", bindings)
    start, stop = slice_ends(context, index, typed.Primitive(INT, span, "list_length", (whole,)), span)
    arguments = tuple(ast.Argument(None, given(one), span=one.span) for one in (whole, start, stop))
    result = call_signature(context, context.world.signatures["lists.slice"], arguments, span, value.type)
    return typed.Sequence(result.type, span, tuple(bindings), result)


def string_code(context: Context, value: typed.Expression, position: typed.Expression, span: Span) -> typed.Expression:
    """A byte of a string; the position is checked, and counts from the end if it is a negative literal."""
    local = context.temporary("text", value.type)
    text = typed.LocalReference(value.type, value.span, local)
    length = typed.Primitive(INT, span, "string_length", (text,))
    if isinstance(position, typed.Literal) and isinstance(position.value, int) and position.value < 0:
        position = typed.Primitive(INT, span, "add", (length, position))
    checked = typed.Primitive(INT, span, "check_index", (position, length), (("code", "DYN0902"),))
    code = typed.Primitive(INT, span, "string_code", (text, checked))
    return typed.Sequence(INT, span, (typed.Binding((local,), value, value.span),), code)


def item_index(context: Context, node: ast.Expr) -> typed.Expression | None:
    """An int that picks an item; None after an error."""
    value = context.infer(node)
    if is_int(value.type):
        return value
    if not isinstance(value.type, ErrorType):
        context.report(no_index(value))
    return None


def tuple_index(value: typed.Expression, node: ast.Index) -> Diagnostic:
    """An index into a tuple; into a shape it is a size, which has a name or a number already."""
    title = "the items of a tuple have types of their own, and no index"
    place = node.indices[0]
    if isinstance(value, typed.MakeTuple) and isinstance(place, ast.Integer) and place.value < len(value.items):
        size, first = value.items[place.value], place.value == 0
        if isinstance(size, typed.SizeValue):
            array = value.span.text.removesuffix(".shape")
            texts = ([f"len({array})"] if first else []) + [str(size.size)]
            repairs = tuple(replacing(f"write `{one}`", node.span, one) for one in texts)
            hint = f"this size is `{size.size}`" + (f", or `len({array})`" if first else "")
            return errors.NotIndexable("a shape is a tuple, and has no index", node.span, hint=hint, repairs=repairs)
    return errors.NotIndexable(title, node.span, hint="take it apart: `let a, b = ...`")


def no_index(value: typed.Expression) -> Diagnostic:
    title = f"an index is an `int`, not {article(value.type)}"
    if not is_float(number_type(value.type)):
        return errors.NotIndexable(title, value.span, found=show(value.type))
    convert = wrapping("convert it", value.span, "int(", ")")
    hint = "`int(...)` rounds towards zero"
    return errors.NotIndexable(title, value.span, found=show(value.type), hint=hint, repairs=(convert,))


def array_items(
    context: Context,
    kind: ArrayType,
    indices: Sequence[ast.Expr | ast.Slice],
    span: Span,
    ends: list[typed.Binding] | None = None,
) -> tuple[list[Item], Type] | None:
    """The items of an index on an array of this type, and the type of what they pick; `ends` takes what must be computed before."""
    if len(indices) > len(kind.shape):
        if isinstance(kind.element, (ArrayType, ListType)):
            raise NotBuilt("an index through a jagged array in one step", span, hint="index twice: `x[i][j]`")
        context.report(
            errors.NotIndexable(
                f"{article(kind)} has {errors.plural(len(kind.shape), 'axis').replace('axiss', 'axes')}, and {len(indices)} indices given",
                span,
            )
        )
        return None
    items: list[Item] = []
    shape: list[SizeArgument] = []
    for axis, index in enumerate(indices):
        size = kind.shape[axis]
        assert isinstance(size, Size)
        if isinstance(index, ast.Slice):
            item = slice_item(context, index, size, span, ends)
            if item is None:
                return None
            items.append(item)
            shape.append(item.count)
            continue
        value = context.infer(index)
        if isinstance(value.type, ErrorType):
            return None
        if isinstance(value.type, ArrayType) and (value.type.element == INT or isinstance(value.type.element, IndexType)):
            if axis or len(indices) > 1:
                raise NotBuilt("an array of indices beside other indices", span)
            shape += value.type.shape
        elif not is_int(value.type):
            context.report(no_index(value))
            return None
        elif not check_literal(context, value, size):
            return None
        items.append(proven_index(context, value, size))
    rest = (*shape, *kind.shape[len(indices) :])
    return items, array_of(kind.element, rest) if rest else kind.element


def proven_index(context: Context, value: typed.Expression, size: Size) -> typed.Expression:
    """An index that is inside by proof has the index type of its axis; others stay as they are and are checked."""
    from dataclasses import replace

    if isinstance(value.type, IndexType) and is_subtype(value.type, IndexType(size)):
        return value
    known = as_size(context, value)
    if known is not None and known.has_no_negative_coefficient() and (size - known - 1).has_no_negative_coefficient():
        return replace(value, type=IndexType(size))
    if isinstance(value.type, ArrayType) and not is_subtype(value.type.element, IndexType(size)):
        return replace(value, type=ArrayType(INT, value.type.shape))
    return replace(value, type=INT) if isinstance(value.type, IndexType) else value


def check_literal(context: Context, value: typed.Expression, size: Size) -> bool:
    """A literal index outside a constant size is an error now."""
    if (
        isinstance(value, typed.Literal)
        and isinstance(value.value, int)
        and size.value is not None
        and not -size.value <= value.value < size.value
    ):
        hint = f"the items are 0..{size.value}" if size.value else "the array is empty"
        context.report(errors.OutOfRange(f"the index {value.value} is outside 0..{size.value}", value.span, hint=hint))
        return False
    return True


def slice_item(
    context: Context, node: ast.Slice, size: Size, span: Span, ends: list[typed.Binding] | None = None
) -> typed.SliceItem | None:
    """``a:b`` of an axis; negative literals count from the end. An end that is no polynomial is bound to a name first."""
    start = slice_bound(context, node.start, Size.constant(0), size, node.span)
    stop = slice_bound(context, node.stop, size, size, node.span)
    if start is None or stop is None:
        return None
    step = 1
    if node.step is not None:
        if not isinstance(node.step, ast.Integer) or node.step.value < 1:
            context.report(
                errors.NotIndexable("the step of a slice is a literal above 0", node.step.span, hint="`reverse(x)` turns an axis around")
            )
            return None
        step = node.step.value
    (start_value, start_size), (stop_value, stop_size) = start, stop
    extent = window(start_value, stop_value) if start_size is None or stop_size is None else None
    bindings: list[typed.Binding] = []
    start_size = start_size if start_size is not None else named_end(context, start_value, bindings)
    if extent is not None:
        stop_size = start_size + extent
    stop_size = stop_size if stop_size is not None else named_end(context, stop_value, bindings)
    sizes_named = {start_size, stop_size, *ints_of(context, size)}  # what the axis has in its size is a size already
    if any(one not in sizes_named for one in ints_of(context, stop_size - start_size)):
        start_size = opaque_end(context, start_size, node.span, bindings)
        stop_size = opaque_end(context, stop_size, node.span, bindings) if node.stop is not None else stop_size  # an axis has its size
    count = stop_size - start_size if step == 1 else (stop_size - start_size + (step - 1)) // step
    inside = (start_size, stop_size - start_size, size - stop_size) if node.start is not None or node.stop is not None else ()
    text = node.span.text if "{" not in node.span.text else ""
    if any(one.value is not None and one.value < 0 for one in inside):
        context.report(errors.OutOfRange(f"the slice {text or 'a:b'} is outside 0..{size}", span))
        return None
    message, numbers = f"the slice {text or 'a:b'} is {{}}:{{}}, outside 0..{{}}", (start_size, stop_size, size)
    proven = isinstance(stop_value.type, IndexType) and is_subtype(stop_value.type, IndexType(size + 1))
    bindings += guards(context, inside[:2] if proven else inside, node.span, message, numbers)
    if not bindings:
        return typed.SliceItem(start_value, count, step)
    begin = typed.SizeValue(INT, node.span, start_size)
    if ends is None:
        return typed.SliceItem(typed.Sequence(INT, node.span, tuple(bindings), begin), count, step)
    ends += bindings
    return typed.SliceItem(begin, count, step)


def opaque_end(context: Context, size: Size, span: Span, bindings: list[typed.Binding]) -> Size:
    """An end that is computed from ints of the program, as a size of its own: ``k + 2`` may be inside where k is -1."""
    if size.single_variable is not None or not ints_of(context, size):
        return size
    local = context.slice_ends.get(size) or new_end(context, span)
    context.slice_ends[size] = local
    bindings.append(typed.Binding((local,), typed.SizeValue(INT, span, size), span))
    return Size.variable(local.name)


def named_end(context: Context, value: typed.Expression, bindings: list[typed.Binding]) -> Size:
    """An int of the program as a size of its own."""
    local = new_end(context, value.span)
    bindings.append(typed.Binding((local,), value, value.span))
    return Size.variable(local.name)


def new_end(context: Context, span: Span) -> typed.Local:
    local = context.temporary("end", INT)
    context.fresh_size_of(local, "the end of a slice", span)
    return local


def slice_bound(
    context: Context, node: ast.Expr | None, default: Size, size: Size, span: Span
) -> tuple[typed.Expression, Size | None] | None:
    """One end of a slice, as an int and, if it is one, as a size."""
    if node is None:
        return typed.SizeValue(INT, span, default), default
    value = context.infer(node)
    if isinstance(value.type, ErrorType):
        return None
    if not is_int(value.type):
        context.report(
            errors.NotIndexable(f"the end of a slice is an `int`, not {article(value.type)}", value.span, found=show(value.type))
        )
        return None
    if isinstance(value, typed.Literal) and isinstance(value.value, int) and value.value < 0:
        return typed.SizeValue(INT, value.span, size + value.value), size + value.value
    return value, as_size(context, value)


def window(start: typed.Expression, stop: typed.Expression) -> Size | None:
    """The count of ``a : a + k``: the same start, a size added."""
    match stop:
        case typed.Primitive(_, _, "add", (left, right)):
            for base, extra in ((left, right), (right, left)):
                if same_value(base, start) and isinstance(extra, (typed.SizeValue, typed.Literal)):
                    return extra.size if isinstance(extra, typed.SizeValue) else Size.constant(int(extra.value))
    return None


def same_value(left: typed.Expression, right: typed.Expression) -> bool:
    return (
        isinstance(left, typed.LocalReference)
        and isinstance(right, typed.LocalReference)
        and left.local == right.local
        and not left.local.mutable
    )
