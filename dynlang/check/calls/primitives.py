"""Calls of rows of the op table by their surface names: the row says what its operands may be and what it gives."""

from __future__ import annotations

from dynlang.check import errors, typed
from dynlang.check.context import ERROR, Context, is_int
from dynlang.check.declarations.world import show
from dynlang.check.expressions.arithmetic import as_size, common_number, elementwise, operand_hint, undecided
from dynlang.check.fitting.fit import adapt, article, fit, is_float, is_subtype, number_type, with_numbers
from dynlang.check.statements.effects import effect_used
from dynlang.ops.table import Op
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import (
    F64,
    INT,
    UNIT,
    ArrayType,
    ErrorType,
    IndexType,
    ListType,
    ScalarType,
    Size,
    StringType,
    TupleType,
    Type,
    TypeVariable,
    array_of,
    map_type,
)

WORDS: dict[str, Type] = {"int": INT, "str": StringType(), "f64": F64}
SIZED = {"random_bits": 1}
"""Rows whose result has sizes that no operand gives: so many further arguments are sizes."""


MOVING = frozenset({"update", "update_slice", "gather", "reverse"})
"""Rows that move elements about: these stay what they are, records and indices too."""


def call_row(context: Context, row: Op, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``exp(x)``, ``char(c)``, ``read_file(path)``."""
    name = row.surface or row.name
    values = row_arguments(context, row, node, name, hint)
    if values is None:
        return typed.Literal(ERROR, node.span, 0)
    if row.has("effect") and not row.has("debug") and not context.is_proc:
        context.report(effect_used(context, name, "does input or output", node.span))
    if row.has("elementwise"):
        return elementwise(context, row.name, values, node.span, name)
    return plain(context, row, values, node.span, name)


def row_arguments(context: Context, row: Op, node: ast.Call, name: str, hint: Type | None) -> list[typed.Expression] | None:
    for argument in node.arguments:
        if argument.name is not None or argument.borrow:
            context.report(errors.UnknownParameter(f"`{name}` takes plain arguments, by their place", argument.span))
            return None
    many = any(one.startswith("*") for one in row.operands)
    needed = len(row.operands) + SIZED.get(row.name, 0)
    if len(node.arguments) < needed - (1 if many else 0) or (len(node.arguments) > needed and not many):
        count = errors.plural(needed, "argument")
        context.report(errors.WrongArity(f"`{name}` takes {count}, and {len(node.arguments)} given", node.span, hint=row.documentation))
        return None
    wanted = hint if row.has("elementwise") and not row.has("comparison") else None
    alone = len(node.arguments) == 1
    values = []
    for argument, accepted in zip(node.arguments, spread(row, len(node.arguments)), strict=True):
        asked = None if accepted == "bool" else wanted if alone else operand_hint(context, argument.value, wanted)
        values.append(context.infer(argument.value, WORDS.get(accepted, asked)))
    if any(isinstance(value.type, ErrorType) for value in values):
        return None
    number = number_type(wanted) if wanted is not None else None
    if number is not None and is_float(number):
        values = [adapt(one, with_numbers(one.type, number)) or one if number_type(one.type) == INT else one for one in values]
    return values


def spread(row: Op, count: int) -> list[str]:
    """The words of `accepts`, the one of a starred operand repeated, sizes as ints."""
    words: list[str] = []
    extra = count - len(row.operands)
    for operand, word in zip(row.operands, row.accepts, strict=True):
        words += [word] * (1 + max(0, extra) if operand.startswith("*") else 1)
    return (words + ["int"] * (count - len(words)))[:count]


def plain(context: Context, row: Op, values: list[typed.Expression], span: Span, name: str) -> typed.Expression:
    """A row that isn't elementwise: operands by their words, the result by the row's rule."""
    fixed: list[typed.Expression] = []
    for value, word in zip(values, spread(row, len(values)), strict=True):
        if word in WORDS:
            value = fit(context, value, WORDS[word], f"the argument of `{name}`")
        elif word in ("array", "vector", "matrix") and not isinstance(value.type, ArrayType):
            return context.fail(
                errors.OperandTypes(f"`{name}` takes an array, not {article(value.type)}", value.span, found=show(value.type))
            )
        elif word == "list" and not isinstance(value.type, ListType):
            return context.fail(
                errors.OperandTypes(f"`{name}` takes a list, not {article(value.type)}", value.span, found=show(value.type))
            )
        if isinstance(value.type, ErrorType):
            return value
        fixed.append(value)
    if row.has("accumulates"):
        fixed = one_number(fixed)
    fixed = inside(context, row, fixed)
    sizes: list[Size] = []
    for value in fixed[len(row.operands) :] if row.name in SIZED else []:
        size = as_size(context, value)
        if size is None:
            return context.fail(errors.NotASize(f"the last argument of `{name}` is a size", value.span, hint="name it with `let` first"))
        sizes.append(size)
    fixed = fixed[: len(row.operands)] if row.name in SIZED else fixed
    return apply_row(context, row, fixed, tuple(sizes), span, name)


def inside(context: Context, row: Op, values: list[typed.Expression]) -> list[typed.Expression]:
    """Operands that are indices of the first one, checked where they aren't inside by proof."""
    from dynlang.check.expressions.indexing import proven_index

    first = values[0].type if values else None
    if row.name == "accumulate_slice":
        return inside_window(values)
    places = {"gather": (1,), "scatter_add": (1,), "update": range(1, len(values) - 1), "accumulate_at": range(1, len(values) - 1)}
    if row.name not in places or not isinstance(first, ArrayType):
        return values
    found = list(values)
    for axis, place in enumerate(places[row.name]):
        size = first.shape[axis] if axis < len(first.shape) else None
        value = values[place]
        element = value.type.element if isinstance(value.type, ArrayType) else value.type
        if not isinstance(size, Size) or not is_int(element):
            continue
        kind = array_of(IndexType(size), value.type.shape) if isinstance(value.type, ArrayType) else IndexType(size)
        if not isinstance(value.type, ArrayType):
            value = proven_index(context, value, size)
        found[place] = value if is_subtype(value.type, kind) else typed.CheckIndex(kind, value.span, value, size)
    return found


def inside_window(values: list[typed.Expression]) -> list[typed.Expression]:
    """The starts of a window, checked: the part fits behind each."""
    whole, part = values[0].type, values[-1].type
    if not isinstance(whole, ArrayType) or not isinstance(part, ArrayType) or len(whole.shape) != len(values) - 2:
        return values
    found = list(values)
    for axis, (size, count) in enumerate(zip(whole.shape, part.shape, strict=False)):
        start = values[axis + 1]
        if isinstance(size, Size) and isinstance(count, Size) and is_int(start.type):
            bound = size - count + 1
            found[axis + 1] = typed.CheckIndex(IndexType(bound), start.span, start, bound)
    return found


def one_number(values: list[typed.Expression]) -> list[typed.Expression]:
    """Literals, and arrays of them, take the number type of the floats beside them."""
    floats = [value for value in values if is_float(number_type(value.type))]
    common = common_number(floats)
    found: list[typed.Expression] = []
    for value in values:
        adapted = adapt(value, with_numbers(value.type, common)) if common is not None and any(value is one for one in floats) else None
        found.append(adapted or value)
    return found


def apply_row(
    context: Context, row: Op, values: list[typed.Expression], sizes: tuple[Size, ...], span: Span, name: str
) -> typed.Expression:
    """The row's own rule decides; type parameters stand in as numbers of their own, indices as ints."""
    variables = {one for value in values for one in numbers_of(value.type)}
    variable = next(iter(variables), None)
    if variable is not None and variable.may_be_array and row.name not in MOVING:
        return context.fail(undecided(f"`{name}`", variable, span))
    try:
        results = row.result(tuple(concrete(value.type, variable) for value in values), {}, sizes)
    except TypeError as problem:
        return context.fail(errors.OperandTypes(f"`{name}`: {problem}", span))
    kinds = tuple(restore(kind, variable) for kind in results)
    kind = UNIT if not kinds else kinds[0] if len(kinds) == 1 else TupleType(kinds)
    if row.name in MOVING and values:
        kind = element_kept(kind, values[0].type)
    return typed.Primitive(kind, span, row.name, tuple(values), (), sizes)


def element_kept(kind: Type, first: Type) -> Type:
    """Moving elements about keeps what they are: records, indices."""
    if isinstance(kind, ArrayType) and isinstance(first, ArrayType):
        return ArrayType(first.element, kind.shape)
    return first.element if isinstance(first, ArrayType) and not isinstance(kind, ArrayType) else kind


def numbers_of(kind: Type) -> set[TypeVariable]:
    found: set[TypeVariable] = set()

    def on_type(one: Type) -> None:
        if isinstance(one, TypeVariable):
            found.add(one)

    map_type(kind, lambda size: size, on_type)
    return found


def concrete(kind: Type, variable: TypeVariable | None) -> Type:
    def on_type(one: Type) -> Type | None:
        if variable is not None and one == variable:
            return ScalarType("f16")
        return INT if isinstance(one, IndexType) else None

    return map_type(kind, lambda size: size, on_type)


def restore(kind: Type, variable: TypeVariable | None) -> Type:
    if variable is None:
        return kind
    return map_type(kind, lambda size: size, lambda one: variable if one == ScalarType("f16") else None)
