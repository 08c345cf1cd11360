"""Comparisons, and what joins them: ``a < b <= c``, `and`, `or`, `not`."""

from __future__ import annotations

from dynlang.check import errors, typed
from dynlang.check.context import ERROR, Context, handles
from dynlang.check.declarations.world import show
from dynlang.check.expressions.arithmetic import condition, elementwise, is_adaptable, respan, scalar_part
from dynlang.check.expressions.simple import given
from dynlang.check.expressions.structure import contains, equal, is_structured, less, ordered
from dynlang.check.fitting.fit import article, is_float, number_type
from dynlang.check.fitting.settle import with_one_number
from dynlang.diag import Label
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import (
    BOOL,
    ArrayType,
    ErrorType,
    FunctionType,
    StringType,
    SumType,
    TupleType,
    Type,
    TypeVariable,
    is_sparse,
)

COMPARISONS = {"<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal", "==": "equal", "!=": "not_equal"}


@handles(ast.Compare)
def infer_compare(context: Context, node: ast.Compare, hint: Type | None) -> typed.Expression:
    """``a < b <= c``: every neighbouring pair holds, each operand evaluated once."""
    if node.rest[0].operator in ("in", "not in"):
        return contains(context, node)
    left = context.infer(node.first)
    bindings: list[typed.Binding] = []
    tests: list[typed.Expression] = []
    for position, operation in enumerate(node.rest):
        right = context.infer(operation.operand, compared_hint(left))
        left, right = with_one_number(context, left, node.first if position == 0 else None, right, operation.operand)
        if position < len(node.rest) - 1 and not isinstance(right, (typed.LocalReference, typed.Literal, typed.SizeValue)):
            local = context.temporary("middle", right.type)
            bindings.append(typed.Binding((local,), right, right.span))
            right = typed.LocalReference(right.type, right.span, local)
        tests.append(compare(context, operation.operator, left, right, node.first.span.to(operation.operand.span), operation.span))
        left = right
    if any(isinstance(test.type, ErrorType) for test in tests):
        return typed.Literal(ERROR, node.span, 0)
    total = tests[0]
    for test in tests[1:]:
        total = both(context, "and", total, test, node.span)
    return typed.Sequence(total.type, node.span, tuple(bindings), total) if bindings else total


def compared_hint(left: typed.Expression) -> Type | None:
    """What the left operand tells the right one: ``xs == [1, 2]`` with a list `xs`, ``x == zeros(3)`` with f64."""
    if is_structured(left.type):
        return left.type
    return None if is_adaptable(left) or not is_float(number_type(left.type)) else left.type


def compare(context: Context, operator: str, left: typed.Expression, right: typed.Expression, span: Span, at: Span) -> typed.Expression:
    if isinstance(left.type, StringType) and isinstance(right.type, StringType):
        return compare_strings(operator, left, right, span)
    if isinstance(left.type, ErrorType) or isinstance(right.type, ErrorType):
        return typed.Literal(ERROR, span, 0)
    if isinstance(left.type, TupleType) and isinstance(right.type, TupleType):
        return compare_tuples(context, operator, left, right, span, at)
    if operator in ("==", "!=") and is_structured(left.type) and is_structured(right.type):
        return equal(context, operator, left, right, span, at)
    if operator not in ("==", "!=") and scalar_part(left.type) == BOOL:
        return context.fail(errors.OperandTypes(f"`{operator}` orders numbers and strings, not `bool`", at))
    if isinstance(left.type, TypeVariable) and left.type.kind == "order" and left.type == right.type:
        return less(operator, left, right, span)
    if scalar_part(left.type) is None or scalar_part(right.type) is None:
        one = left if scalar_part(left.type) is None else right
        other = right if one is left else left
        title = f"`{operator}` compares values of one type, not {article(left.type)} and {article(right.type)}"
        if operator not in ("==", "!="):
            title = f"`{operator}` orders numbers and strings, not {article(one.type)}"
        elif left.type == right.type:
            title = f"`{operator}` doesn't compare {article(one.type)}"
        labels = (Label(other.span, show(other.type)),)
        return context.fail(errors.OperandTypes(title, at, secondary=labels, hint=uncomparable_hint(one.type, other.type)))
    return respan(elementwise(context, COMPARISONS[operator], (left, right), at, operator), span)


def uncomparable_hint(kind: Type, other: Type) -> str:
    if is_sparse(kind):
        return "the stored values are compared: `a.values > 0.0`; `above(x, limit)` and `a.keep(v => v > limit)` keep what is above"
    match kind:
        case StringType():
            return f"turn the number into text, `str(...)`, or the text into a number, `{show(other)}(...)`"
        case SumType():
            return "a sum type is taken apart with `match`"
        case FunctionType():
            return "functions aren't compared: call both, and compare what they give"
        case TypeVariable(name):
            return f"a type parameter that can be ordered says so: `<{name}: order>`, or `<{name}: number>`"
    return ""


def compare_tuples(
    context: Context, operator: str, left: typed.Expression, right: typed.Expression, span: Span, at: Span
) -> typed.Expression:
    """Tuples are equal if their items are; the first items that differ order them."""
    assert isinstance(left.type, TupleType) and isinstance(right.type, TupleType)
    if len(left.type.items) != len(right.type.items):
        return context.fail(
            errors.WrongCount(f"`{operator}` compares tuples of one length, not {show(left.type)} and {show(right.type)}", at)
        )
    bindings: list[typed.Binding] = []
    ours, theirs = tuple_items(context, left, bindings), tuple_items(context, right, bindings)
    if operator in ("==", "!="):
        total = equal_tuples(context, operator, ours, theirs, span, at)
    else:
        total = ordered(context, operator, ours, theirs, span, at)
    return typed.Sequence(total.type, span, tuple(bindings), total) if bindings else total


def equal_tuples(
    context: Context, operator: str, ours: tuple[typed.Expression, ...], theirs: tuple[typed.Expression, ...], span: Span, at: Span
) -> typed.Expression:
    """Item by item, so that literals take the types of what they are compared with; arrays are compared as wholes."""
    total: typed.Expression = typed.Literal(BOOL, span, True)
    for position, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        same = compare(context, "==", one, other, span, at)
        if isinstance(same.type, ErrorType):
            return same
        if isinstance(same.type, ArrayType):
            same = equal(context, "==", one, other, span, at)
        total = same if position == 0 else typed.ShortCircuit(BOOL, span, "and", total, same)
    return typed.Primitive(BOOL, span, "logical_not", (total,)) if operator == "!=" else total


def tuple_items(context: Context, value: typed.Expression, bindings: list[typed.Binding]) -> tuple[typed.Expression, ...]:
    """The items of a tuple, which is evaluated once."""
    if isinstance(value, typed.MakeTuple):
        return value.items
    assert isinstance(value.type, TupleType)
    local = context.temporary("pair", value.type)
    bindings.append(typed.Binding((local,), value, value.span))
    whole = typed.LocalReference(value.type, value.span, local)
    return tuple(typed.TupleItem(kind, value.span, whole, position) for position, kind in enumerate(value.type.items))


def compare_strings(operator: str, left: typed.Expression, right: typed.Expression, span: Span) -> typed.Expression:
    if operator in ("==", "!="):
        equal = typed.Primitive(BOOL, span, "string_equal", (left, right))
        return equal if operator == "==" else typed.Primitive(BOOL, span, "logical_not", (equal,))
    a, b = (left, right) if operator in ("<", ">=") else (right, left)
    less = typed.Primitive(BOOL, span, "string_less", (a, b))
    return less if operator in ("<", ">") else typed.Primitive(BOOL, span, "logical_not", (less,))


@handles(ast.Logical)
def infer_logical(context: Context, node: ast.Logical, hint: Type | None) -> typed.Expression:
    """Long chains become a balanced tree, which is evaluated in the same order."""
    values = [operand_of(context, operand, node.operator) for operand in node.operands]
    if any(isinstance(value.type, ErrorType) for value in values):
        return typed.Literal(ERROR, node.span, 0)
    while len(values) > 1:
        pairs = [
            both(context, node.operator, left, right, left.span.to(right.span))
            for left, right in zip(values[::2], values[1::2], strict=False)
        ]
        values = [*pairs, values[-1]] if len(values) % 2 else pairs
    return values[0]


def operand_of(context: Context, node: ast.Expr, operator: str) -> typed.Expression:
    """A bool, or an array of bools."""
    value = context.infer(node, BOOL)
    if scalar_part(value.type) == BOOL:
        return value
    return condition(context, given(value), f"an operand of `{operator}`")


def both(context: Context, word: str, left: typed.Expression, right: typed.Expression, span: Span) -> typed.Expression:
    """``left and right``: the right side is evaluated only if needed; of arrays element by element, both evaluated."""
    if left.type == BOOL and right.type == BOOL:
        return typed.ShortCircuit(BOOL, span, word, left, right)
    if isinstance(left.type, ErrorType) or isinstance(right.type, ErrorType):
        return typed.Literal(ERROR, span, 0)
    return elementwise(context, f"logical_{word}", (left, right), span, word)


@handles(ast.Not)
def infer_not(context: Context, node: ast.Not, hint: Type | None) -> typed.Expression:
    value = context.infer(node.operand, hint)
    if scalar_part(value.type) == BOOL:
        return typed.Primitive(value.type, node.span, "logical_not", (value,))
    if isinstance(value.type, ErrorType):
        return value
    return context.fail(errors.ConditionNotBool(f"`not` takes a `bool`, not {article(value.type)}", value.span, found=show(value.type)))
