"""Values compared by their structure: ``a == b`` of records, sums, tuples and lists, ``<`` of tuples, ``x in xs``.

Which types have an equality, and which can be keys of a `Map`: what holds functions or derivatives has none, and a key
holds no floats and nothing that grows.
"""

from __future__ import annotations

from dynlang.check import errors, typed
from dynlang.check.context import ERROR, Context
from dynlang.check.declarations.typenames import bindings, put
from dynlang.check.declarations.world import World, show
from dynlang.check.expressions.arithmetic import elementwise
from dynlang.check.expressions.simple import given
from dynlang.check.fitting.fit import article, fitting
from dynlang.diag import Label
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import (
    BOOL,
    INT,
    ArrayType,
    ErrorType,
    FunctionType,
    IndexType,
    ListType,
    RecordType,
    RowsType,
    ScalarType,
    Size,
    StringType,
    SumType,
    TangentType,
    TupleType,
    Type,
    TypeVariable,
    Unknown,
    is_sparse,
)

# ---------------------------------------------------------------- which types


def incomparable(world: World, kind: Type) -> Type | None:
    """The part of a type that has no equality: a function, a derivative. None: all of it has.

    A type parameter may turn out to be anything; the functions are found when its use is compiled."""
    seen: set[Type] = set()
    waiting = [kind]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        match current:
            case FunctionType() | TangentType() | RowsType() | TupleType(()):
                return current
            case ArrayType(element, _):
                waiting.append(element)
            case TupleType(items) | ListType(items):
                waiting += items
            case RecordType() | SumType():
                waiting += members(world, current)
    return None


def members(world: World, kind: RecordType | SumType) -> list[Type]:
    """The types of the fields of a record, of all payloads of a sum."""
    if isinstance(kind, RecordType):
        info = world.records[kind.name]
        return [put(one.type, *bindings(info.generics, kind.arguments)) for one in info.fields]
    chosen = world.sums[kind.name]
    return [put(one.type, *bindings(chosen.generics, kind.arguments)) for each in chosen.constructors for one in each.fields]


def is_key(world: World | None, kind: Type, depth: int = 0) -> bool:
    """Whether values of a type can be keys: ints, indices, bools, strings, and tuples and records of those."""
    match kind:
        case ScalarType(dtype):
            return dtype in ("bool", "i64", "i32", "i16", "i8", "u8")
        case IndexType() | StringType():
            return True
        case TupleType(items):
            return bool(items) and all(is_key(world, one, depth + 1) for one in items)
        case RecordType():
            return world is not None and depth < 20 and all(is_key(world, one, depth + 1) for one in members(world, kind))
        case TypeVariable(_, "key"):
            return True
    return False


def is_ordered(kind: Type) -> bool:
    """Whether `<` orders values of a type: numbers, strings, and tuples of those."""
    match kind:
        case ScalarType(dtype):
            return dtype != "bool"
        case TupleType(items):
            return bool(items) and all(map(is_ordered, items))
        case IndexType() | StringType() | TypeVariable(_, "order" | "number" | "float"):
            return True
    return False


# ---------------------------------------------------------------- equality


def is_structured(kind: Type) -> bool:
    """Whether `==` looks inside of values of a type, and gives one bool."""
    return isinstance(kind, (RecordType, SumType, ListType, TupleType)) or (
        isinstance(kind, TypeVariable) and kind.kind in ("any", "key", "order")
    )


def equal(context: Context, operator: str, left: typed.Expression, right: typed.Expression, span: Span, at: Span) -> typed.Expression:
    """``left == right`` or ``left != right`` by structure: one bool, of values of one type."""
    fitted = fitting(context, right, left.type)
    if fitted is not None:
        right = fitted
    else:
        fitted = fitting(context, left, right.type)
        if fitted is None:
            return context.fail(
                errors.OperandTypes(
                    f"`{operator}` compares values of one type, and these are {article(left.type)} and {article(right.type)}",
                    at,
                    secondary=(Label(left.span, show(left.type)), Label(right.span, show(right.type))),
                )
            )
        left = fitted
    part = incomparable(context.world, left.type)
    if part is not None:
        return context.fail(
            errors.OperandTypes(
                f"`{operator}` compares no functions and no derivatives, and {article(left.type)} holds {article(part)}"
                if part != left.type
                else f"`{operator}` doesn't compare {article(part)}",
                at,
            )
        )
    same = typed.Structural(BOOL, span, "equal", (left, right))
    return same if operator == "==" else typed.Primitive(BOOL, span, "logical_not", (same,))


# ---------------------------------------------------------------- order


def less(operator: str, left: typed.Expression, right: typed.Expression, span: Span) -> typed.Expression:
    """``left < right`` of values of one type parameter that has an order."""
    swapped, negated = operator in (">", "<="), operator in ("<=", ">=")
    found: typed.Expression = typed.Structural(BOOL, span, "less", (right, left) if swapped else (left, right))
    return typed.Primitive(BOOL, span, "logical_not", (found,)) if negated else found


def ordered(
    context: Context, operator: str, left: tuple[typed.Expression, ...], right: tuple[typed.Expression, ...], span: Span, at: Span
) -> typed.Expression:
    """``(a, b) < (c, d)``: the first items that differ decide."""
    from dynlang.check.expressions.logic import compare

    strict = operator[0]
    pairs = list(zip(left, right, strict=True))
    total: typed.Expression | None = None
    for position, (one, other) in reversed(list(enumerate(pairs))):
        last = position == len(pairs) - 1
        decides = compare(context, operator if last else strict, one, other, span, at)
        if isinstance(decides.type, ErrorType):
            return decides
        if decides.type != BOOL:
            title = f"`{operator}` orders tuples of numbers and strings, and item {position} is {article(one.type)}"
            return context.fail(errors.OperandTypes(title, at))
        if total is None:
            total = decides
            continue
        same = compare(context, "==", one, other, span, at)
        total = typed.ShortCircuit(BOOL, span, "or", decides, typed.ShortCircuit(BOOL, span, "and", same, total))
    return total if total is not None else typed.Literal(BOOL, span, operator in ("<=", ">="))


# ---------------------------------------------------------------- membership


def contains(context: Context, node: ast.Compare) -> typed.Expression:
    """``x in xs``, ``part in text``, ``key in map``, ``i in a..b``, and each with ``not in``."""
    (operation,) = node.rest
    found = membership(context, node.first, operation.operand, node.span)
    if operation.operator == "in" or isinstance(found.type, ErrorType):
        return found
    return typed.Primitive(BOOL, node.span, "logical_not", (found,))


def membership(context: Context, item: ast.Expr, holder: ast.Expr, span: Span) -> typed.Expression:
    if isinstance(holder, ast.Range):
        return in_range(context, item, holder, span)
    where = context.infer(holder)
    match where.type:
        case ErrorType():
            context.infer(item)
            return where
        case StringType():
            part = context.expect(item, StringType(), "what is looked for in a `str`")
            return typed.Literal(ERROR, span, 0) if isinstance(part.type, ErrorType) else in_text(part, where, span)
        case RecordType("maps.Map"):
            return context.infer(method(given(where), "has", item, span))
        case RecordType() if is_sparse(where.type):
            from dynlang.check.expressions.sparse import indices_of

            return membership(context, item, indices_of(where), span)
        case ListType((element,)):
            return in_items(context, item, where, element, "contains", span)
        case ArrayType(element, (Size() | Unknown(),)):
            return in_items(context, item, where, element, "array_contains", span)
    context.infer(item)
    return context.fail(
        errors.OperandTypes(
            f"`in` looks into strings, lists, maps, ranges and arrays of one axis, not into {article(where.type)}",
            where.span,
            found=show(where.type),
        )
    )


def in_text(part: typed.Expression, text: typed.Expression, span: Span) -> typed.Expression:
    zero = typed.Literal(INT, span, 0)
    at = typed.Primitive(INT, span, "string_find", (text, part, zero))
    return typed.Primitive(BOOL, span, "greater_equal", (at, zero))


def in_range(context: Context, item: ast.Expr, holder: ast.Range, span: Span) -> typed.Expression:
    """The item is evaluated once."""
    value = context.expect(item, INT, "what is looked for in a range")
    low, high = context.expect(holder.start, INT, "the start of a range"), context.expect(holder.stop, INT, "the end of a range")
    if any(isinstance(one.type, ErrorType) for one in (value, low, high)):
        return typed.Literal(ERROR, span, 0)
    local = context.temporary("item", INT)
    here = typed.LocalReference(INT, value.span, local)
    above, below = elementwise(context, "less_equal", (low, here), span), elementwise(context, "less", (here, high), span)
    inside = typed.ShortCircuit(BOOL, span, "and", above, below)
    return typed.Sequence(BOOL, span, (typed.Binding((local,), value, span),), inside)


def in_items(context: Context, item: ast.Expr, where: typed.Expression, element: Type, function: str, span: Span) -> typed.Expression:
    """An item of a list or an array, found by a loop of the library."""
    from dynlang.check.calls.call import call_signature

    element = INT if isinstance(element, IndexType) else element
    value = context.expect(item, element, "what is looked for")
    if isinstance(value.type, ErrorType):
        return value
    part = incomparable(context.world, element)
    if part is not None:
        return context.fail(errors.OperandTypes(f"`in` compares items, and {article(part)} has no equality", span))
    arguments = tuple(ast.Argument(None, given(one), span=one.span) for one in (where, value))
    return call_signature(context, context.world.signatures[f"lists.{function}"], arguments, span, None)


def method(receiver: ast.Expr, name: str, argument: ast.Expr, span: Span) -> ast.Call:
    """``receiver.name(argument)`` as syntax."""
    function = ast.Attribute(receiver, ast.Identifier(name, span=span), span=span)
    return ast.Call(function, (ast.Argument(None, argument, span=argument.span),), span=span)
