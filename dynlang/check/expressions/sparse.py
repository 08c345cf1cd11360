"""What the language writes for sparse values, ``w @ a``, ``a + b``, ``a[i]``, in terms of the library's module `sparse`.

One table says which function an operator is; records and functions are Dyn, so derivatives need no rule of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dynlang.check import errors, typed
from dynlang.check.calls.builtins import failed, plain_arguments
from dynlang.check.calls.call import builtin, call_signature
from dynlang.check.context import ERROR, Context, is_int
from dynlang.check.declarations.world import show
from dynlang.check.expressions.indexing import array_items
from dynlang.check.expressions.simple import given
from dynlang.check.fitting.fit import adapt, article, fit, is_float, number_type, size_labels, with_numbers
from dynlang.diag import Label
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import (
    F32,
    INT,
    ArrayType,
    ErrorType,
    IndexType,
    ListType,
    RecordType,
    Size,
    SizeArgument,
    TupleType,
    Type,
    Unknown,
    is_sparse,
    sparse_type,
)

VECTOR, MATRIX = "sparse vector", "sparse matrix"
NUMBER, DENSE_VECTOR, DENSE_MATRIX = "number", "vector", "matrix"

OPERATORS: Mapping[tuple[str, str, str], str] = {
    ("@", VECTOR, DENSE_VECTOR): "vector_dot",
    ("@", DENSE_VECTOR, VECTOR): "dot_vector",
    ("@", VECTOR, DENSE_MATRIX): "vector_times_dense",
    ("@", DENSE_MATRIX, VECTOR): "dense_times_vector",
    ("@", MATRIX, DENSE_VECTOR): "matrix_times_dense_vector",
    ("@", MATRIX, DENSE_MATRIX): "matrix_times_dense",
    ("@", DENSE_VECTOR, MATRIX): "dense_vector_times_matrix",
    ("@", DENSE_MATRIX, MATRIX): "dense_times_matrix",
    ("@", VECTOR, VECTOR): "vector_dot_vector",
    ("@", VECTOR, MATRIX): "vector_times_matrix",
    ("@", MATRIX, VECTOR): "matrix_times_vector",
    ("@", MATRIX, MATRIX): "matrix_times",
    ("+", VECTOR, VECTOR): "add_vectors",
    ("+", MATRIX, MATRIX): "add_matrices",
    ("+", DENSE_VECTOR, VECTOR): "add_to_dense_vector",
    ("+", VECTOR, DENSE_VECTOR): "add_dense_vector",
    ("+", DENSE_MATRIX, MATRIX): "add_to_dense_matrix",
    ("+", MATRIX, DENSE_MATRIX): "add_dense_matrix",
    ("-", VECTOR, VECTOR): "subtract_vectors",
    ("-", MATRIX, MATRIX): "subtract_matrices",
    ("-", DENSE_VECTOR, VECTOR): "subtract_from_dense_vector",
    ("-", VECTOR, DENSE_VECTOR): "subtract_dense_vector",
    ("-", DENSE_MATRIX, MATRIX): "subtract_from_dense_matrix",
    ("-", MATRIX, DENSE_MATRIX): "subtract_dense_matrix",
    ("*", VECTOR, NUMBER): "scale_vector",
    ("*", NUMBER, VECTOR): "scaled_vector",
    ("*", MATRIX, NUMBER): "scale_matrix",
    ("*", NUMBER, MATRIX): "scaled_matrix",
    ("*", VECTOR, DENSE_VECTOR): "gate_vector",
    ("*", DENSE_VECTOR, VECTOR): "gated_vector",
    ("*", MATRIX, DENSE_MATRIX): "gate_matrix",
    ("*", DENSE_MATRIX, MATRIX): "gated_matrix",
    ("*", VECTOR, VECTOR): "multiply_vectors",
    ("*", MATRIX, MATRIX): "multiply_matrices",
    ("/", VECTOR, NUMBER): "divide_vector",
    ("/", MATRIX, NUMBER): "divide_matrix",
}  # fmt: skip
"""The operator and what its operands are: the function of the library's module."""

OF_ONE = {
    "negate": ("negate_vector", "negate_matrix"),
    "sum": ("vector_sum", "matrix_sum"),
    "dense": ("dense_vector", "dense_matrix"),
    "sparse": ("vector_of_dense", "matrix_of_dense"),
    "convert": ("vector_as", "matrix_as"),
    "tangent": ("vector_tangent", "matrix_tangent"),
}  # fmt: skip
"""Functions of one value: of a vector, of a matrix."""

MEMBERS = {1: ("indices", "values"), 2: ("starts", "columns", "values")}
"""What is read of the stored entries by a dot, by the rank."""


# ---------------------------------------------------------------- what a value is


def shape(kind: Type) -> tuple[SizeArgument, ...]:
    """The sizes of an array, dense or sparse."""
    if isinstance(kind, ArrayType):
        return kind.shape
    return tuple(one for one in kind.arguments if isinstance(one, (Size, Unknown))) if is_sparse(kind) else ()


def element(kind: Type) -> Type | None:
    """The number type of a number or an array, dense or sparse."""
    if is_sparse(kind):
        (*_, number) = kind.arguments
        assert not isinstance(number, (Size, Unknown))
        return number
    return number_type(kind)


def form(kind: Type) -> str:
    """What the table calls a value of this type; "" if it knows none."""
    rank = len(shape(kind))
    if is_sparse(kind):
        return (VECTOR, MATRIX)[rank - 1]
    if number_type(kind) is None or rank > 2:
        return ""
    return (NUMBER, DENSE_VECTOR, DENSE_MATRIX)[rank]


def library(context: Context, name: str, values: Sequence[typed.Expression], span: Span, hint: Type | None = None) -> typed.Expression:
    """A call of the library's module."""
    arguments = tuple(ast.Argument(None, given(one), span=one.span) for one in values)
    signature = context.world.signatures[context.world.interfaces["sparse"].exported[name].name]
    return replace(call_signature(context, signature, arguments, span, hint), span=span)


# ---------------------------------------------------------------- operators


def operate(
    context: Context, operator: str, left: typed.Expression, right: typed.Expression, span: Span, at: Span
) -> typed.Expression:
    """``left operator right`` where one of them is sparse."""
    function = OPERATORS.get((operator, form(left.type), form(right.type)))
    if function is None:
        return context.fail(no_operator(operator, left, right, at))
    numbers = element(left.type), element(right.type)
    if form(left.type) == NUMBER and numbers[1] is not None:
        return library(context, function, (fit(context, left, numbers[1], f"the operand of `{operator}`"), right), span)
    if form(right.type) == NUMBER and numbers[0] is not None:
        return library(context, function, (left, fit(context, right, numbers[0], f"the operand of `{operator}`")), span)
    if numbers[0] != numbers[1] and numbers[0] is not None and numbers[1] is not None:
        left, right = adapted(left, numbers[1]), adapted(right, numbers[0])
        numbers = element(left.type), element(right.type)
    if numbers[0] != numbers[1]:
        title = f"`{operator}` takes numbers of one type, not `{show(numbers[0] or ERROR)}` and `{show(numbers[1] or ERROR)}`"
        hint = f"nothing is converted silently: write `{show(numbers[0] or ERROR)}({describe_value(right)})`"
        return context.fail(errors.OperandTypes(title, at, secondary=labels_of(left, right), hint=hint))
    a, b = shape(left.type), shape(right.type)
    if operator == "@" and a[-1] != b[0]:
        title = f"the inner sizes of `@` differ: {a[-1]} and {b[0]}"
        return context.fail(errors.InnerSizes(title, at, secondary=(*labels_of(left, right), *came_from(context, a[-1], b[0]))))
    if operator != "@" and a and b and a != b:
        title = f"`{operator}` takes equal sizes, not {listed(a)} and {listed(b)}"
        return context.fail(errors.SizeMismatch(title, at, secondary=(*labels_of(left, right), *came_from(context, *a, *b))))
    return library(context, function, (left, right), span)


def adapted(value: typed.Expression, number: Type) -> typed.Expression:
    """An array that is written down takes the number type of what is beside it."""
    if is_sparse(value.type):
        return value
    return adapt(value, with_numbers(value.type, number)) or value


def came_from(context: Context, *sizes: SizeArgument) -> tuple[Label, ...]:
    return tuple(dict.fromkeys(label for size in sizes if isinstance(size, Size) for label in size_labels(context, size)))


def labels_of(*values: typed.Expression) -> tuple[Label, ...]:
    return tuple(Label(one.span, show(one.type)) for one in values)


def listed(sizes: Sequence[SizeArgument]) -> str:
    return " x ".join(map(str, sizes))


def describe_value(value: typed.Expression) -> str:
    text = value.span.text
    return text if len(text) < 30 and "\n" not in text else "..."


def no_operator(operator: str, left: typed.Expression, right: typed.Expression, at: Span) -> errors.OperandTypes:
    """An operator that these operands don't have, with what could be meant."""
    hint = "`dense(a)` is the array with its zeros"
    if operator in ("+", "-") and NUMBER in (form(left.type), form(right.type)):
        hint = "a number added to every entry makes all of them dense: `dense(a) + x`, or `a.map(v => v + x)` for the stored ones"
    elif operator in ("/", "//", "%"):
        hint = "of the stored values: `a.map(v => ...)`"
    title = f"`{operator}` doesn't take {article(left.type)} and {article(right.type)}"
    return errors.OperandTypes(title, at, secondary=labels_of(left, right), hint=hint)


def of_one(context: Context, what: str, value: typed.Expression, span: Span, hint: Type | None = None) -> typed.Expression:
    """``-a``, ``sum(a)``, ``dense(a)``: a function of one value."""
    return library(context, of_one_name(what, value.type), (value,), span, hint)


def of_one_name(what: str, kind: Type) -> str:
    """The function of the library for a sparse value of this type."""
    return OF_ONE[what][len(shape(kind)) - 1]


def converted(context: Context, value: typed.Expression, number: Type, span: Span) -> typed.Expression:
    """``f64(a)``: the stored values in another type."""
    return of_one(context, "convert", value, span, RecordType(value.type.name, (*shape(value.type), number)))  # type: ignore[union-attr]


def transposed(context: Context, value: typed.Expression, span: Span) -> typed.Expression:
    """``transpose(a)``; a vector's is itself."""
    return library(context, "transposed", (value,), span) if len(shape(value.type)) == 2 else value


def reduced(context: Context, name: str, value: typed.Expression, along_axis: bool, span: Span) -> typed.Expression:
    """``sum(a)``; what other reductions mean, the zeros between the entries decide, so they are asked for."""
    if name == "sum" and not along_axis:
        return of_one(context, "sum", value, span)
    if name == "sum":
        hint = "along an axis: `a @ ones(n)` adds each row, `ones(m) @ a` each column"
        return context.fail(errors.OperandTypes(f"`sum` adds all of {article(value.type)}", span, found=show(value.type), hint=hint))
    text = describe_value(value)
    hint = f"of the stored values: `{name}({text}.values)`; with the zeros: `{name}(dense({text}))`"
    title = f"`{name}` takes an array or comprehension, not {article(value.type)}"
    return context.fail(errors.OperandTypes(title, span, found=show(value.type), hint=hint))


def no_function(name: str, values: Sequence[typed.Expression], span: Span) -> errors.OperandTypes:
    """A function of numbers, element by element, that is given a sparse value."""
    value = next(one for one in values if is_sparse(one.type))
    text = describe_value(value)
    hint = f"of the stored values: `{text}.values`"
    if len(values) == 1 and name.isidentifier():
        hint = f"of the stored values: `{text}.map({name})`"
    return errors.OperandTypes(f"`{name}` takes numbers and arrays, not {article(value.type)}", span, found=show(value.type), hint=hint)


# ---------------------------------------------------------------- items, members


def item(context: Context, value: typed.Expression, node: ast.Index) -> typed.Expression:
    """``a[i]`` of a vector, ``a[i, j]`` and the row ``a[i]`` of a matrix."""
    sizes = tuple(size for size in shape(value.type) if isinstance(size, Size))
    inner = element(value.type)
    assert inner is not None
    if any(isinstance(one, ast.Slice) for one in node.indices):
        hint = "`dense(a)` is the array with its zeros; `a.keep(...)` and `a[i]` take entries and rows"
        return context.fail(errors.NotIndexable(f"{article(value.type)} has no slices", node.span, hint=hint))
    if len(node.indices) > len(sizes):
        axes = errors.plural(len(sizes), "index") if len(sizes) == 1 else "one or two indices"
        return context.fail(errors.NotIndexable(f"{article(value.type)} takes {axes}, and {len(node.indices)} given", node.span))
    found = array_items(context, ArrayType(inner, sizes), node.indices, node.span)
    if found is None:
        return failed(node.span)
    indices: list[typed.Expression] = []
    for one, size in zip(found[0], sizes, strict=False):
        if not isinstance(one, typed.Expression) or not is_int(one.type):
            hint = "an entry is `a[i]`; several are `[a[i] for i in ids]`"
            return context.fail(errors.NotIndexable(f"{article(value.type)} takes one index for each axis", node.span, hint=hint))
        indices.append(inside(one, size))
    name = "vector_item" if len(sizes) == 1 else "matrix_item" if len(indices) == 2 else "matrix_row"
    return library(context, name, (value, *indices), node.span)


def inside(value: typed.Expression, size: Size) -> typed.Expression:
    """An index as ``idx<size>``, checked where that isn't proven; a negative literal counts from the end."""
    if isinstance(value.type, IndexType):
        return value
    if isinstance(value, typed.Literal) and isinstance(value.value, int) and value.value < 0:
        value = typed.SizeValue(INT, value.span, size + value.value)
    return typed.CheckIndex(IndexType(size), value.span, value, size)


def member(context: Context, value: typed.Expression, kind: RecordType, name: ast.Identifier, span: Span) -> typed.Expression | None:
    """``a.indices``, ``a.values``, of the tangent, too; ``a.count`` and ``a.shape``. None if it is none of these."""
    sizes = shape(kind)
    if name.text == "shape":
        items = tuple(typed.SizeValue(INT, span, size) for size in sizes if isinstance(size, Size))
        return typed.MakeTuple(TupleType((INT,) * len(items)), span, items)
    if name.text == "count":
        values = context.infer(stored(value, "values", span))
        assert isinstance(values.type, ArrayType) and isinstance(values.type.shape[0], Size)
        return typed.Sequence(INT, span, (typed.Binding((None,), values, span),), typed.SizeValue(INT, span, values.type.shape[0]))
    if name.text not in MEMBERS[len(sizes)]:
        return None
    return context.infer(stored(value, name.text, span))


def stored(value: typed.Expression, name: str, span: Span) -> ast.Expr:
    """``value.stored.name`` as syntax."""
    inner = ast.Attribute(given(value), ast.Identifier("stored", span=span), span=span)
    return ast.Attribute(inner, ast.Identifier(name, span=span), span=span)


def indices_of(value: typed.Expression) -> ast.Expr:
    """What ``for i in a`` runs over: the stored indices, pairs of them for a matrix."""
    if len(shape(value.type)) == 1:
        return stored(value, "indices", value.span)
    return ast.Call(ast.Attribute(given(value), ast.Identifier("pairs", span=value.span), span=value.span), (), span=value.span)


# ---------------------------------------------------------------- making them


@builtin("dense")
def call_dense(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``dense(a)``: a sparse value as an array with its zeros."""
    if not plain_arguments(context, node, "dense", 1, 1):
        return failed(node.span)
    value = context.infer(node.arguments[0].value)
    if isinstance(value.type, (ArrayType, ErrorType)):
        return value
    if not is_sparse(value.type):
        return context.fail(errors.OperandTypes(f"`dense` takes a sparse value, not {article(value.type)}", value.span))
    return of_one(context, "dense", value, node.span)


@builtin("sparse")
def call_sparse(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``sparse(x)`` of an array, ``sparse(n, entries)``, ``sparse(m, n, entries)``; ``sparse(n)``, ``sparse(m, n)``: without entries."""
    if not plain_arguments(context, node, "sparse", 1, 3):
        return failed(node.span)
    if hint is not None and is_sparse(hint):
        number = element(hint)
    else:
        number = hint if is_float(hint) else None
    *leading, last = (one.value for one in node.arguments)
    sizes = [context.expect(one, INT, "a size of `sparse`") for one in leading]
    value = context.infer(last, asked_for(number, len(sizes)))
    if any(isinstance(one.type, ErrorType) for one in (*sizes, value)):
        return failed(node.span)
    if is_int(value.type) and len(sizes) < 2:
        kind = TupleType((*(INT,) * (len(sizes) + 1), number or F32))
        nothing = typed.Primitive(ListType((kind,)), node.span, "list_empty", (), (("elements", (kind,)),))
        return of_entries(context, [*sizes, value], nothing, node.span, hint)
    if not sizes:
        return of_array(context, adapted(value, number) if number is not None else value, node.span)
    return of_entries(context, sizes, value, node.span, hint)


def asked_for(number: Type | None, sizes: int) -> Type | None:
    """What the type that is asked for says of the entries."""
    if number is None or not sizes:
        return number
    return ArrayType(TupleType((*(INT,) * sizes, number)), (Unknown(),))


def of_array(context: Context, value: typed.Expression, span: Span) -> typed.Expression:
    if is_sparse(value.type):
        return value
    if not isinstance(value.type, ArrayType) or sparse_type(value.type) is None or number_type(value.type) is None:
        hint = "`sparse(n, [(index, value), ...])` is made of entries"
        title = f"`sparse` takes a vector or a matrix of numbers, not {article(value.type)}"
        return context.fail(errors.OperandTypes(title, value.span, found=show(value.type), hint=hint))
    return of_one(context, "sparse", value, span)


def of_entries(
    context: Context, sizes: Sequence[typed.Expression], value: typed.Expression, span: Span, hint: Type | None
) -> typed.Expression:
    """From an array or a list of tuples: indices, and last the value."""
    kind = value.type.element if isinstance(value.type, ArrayType) else value.type.elements[0] if isinstance(value.type, ListType) else None
    fine = isinstance(kind, TupleType) and len(kind.items) == len(sizes) + 1 and all(is_int(one) for one in kind.items[:-1])
    if not fine or not isinstance(kind, TupleType) or number_type(kind.items[-1]) is None or shape(kind.items[-1]):
        wanted = "(index, value)" if len(sizes) == 1 else "(row, column, value)"
        title = f"`sparse` takes entries `{wanted}`, not {article(value.type)}"
        return context.fail(errors.OperandTypes(title, value.span, found=show(value.type)))
    name = "vector_of" if len(sizes) == 1 else "matrix_of"
    suffix = "_list" if isinstance(value.type, ListType) else "_pairs" if len(sizes) == 1 else "_triples"
    return library(context, name + suffix, (*sizes, value), span, hint)
