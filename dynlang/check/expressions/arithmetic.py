"""Operators: number types that agree (rule 22), shapes that fit (rule 23), bounds of index arithmetic (rule 10)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dynlang.check import errors, typed
from dynlang.check.context import ERROR, Context, handles, is_int
from dynlang.check.declarations.typenames import combine
from dynlang.check.declarations.world import show
from dynlang.check.fitting.fit import adapt, article, is_float, number_type, shape_of, with_numbers
from dynlang.check.fitting.settle import demand, with_one_number
from dynlang.check.messages import rewrites, shapes
from dynlang.check.messages.operands import inner_sizes, shape_error, unaccepted
from dynlang.check.messages.scalars import converting, number_error
from dynlang.ops.table import OPS
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import (
    BOOL,
    F32,
    F64,
    INT,
    INTEGERS,
    ArrayType,
    ErrorType,
    IndexType,
    ListType,
    ScalarType,
    Size,
    StringType,
    Type,
    TypeVariable,
    Unknown,
    array_of,
    is_sparse,
)

BINARY = {"+": "add", "-": "sub", "*": "mul", "/": "div", "//": "floor_division", "%": "floor_modulo"}
CHAIN_LIMIT = 100
"""A longer chain of operators is cut into pieces, each bound to a name, so that later stages never meet a deep tree."""


# ---------------------------------------------------------------- sizes behind values


def as_size(context: Context, value: typed.Expression, depth: int = 0) -> Size | None:
    """The polynomial that an int expression is, if it is one."""
    if depth > CHAIN_LIMIT:
        return None
    match value:
        case typed.Literal(_, _, int() as amount) if not isinstance(amount, bool):
            return Size.constant(amount)
        case typed.SizeValue(_, _, size):
            return size
        case typed.LocalReference(_, _, local):
            return context.local_sizes.get(local.name)
        case typed.Primitive(_, _, "neg", (inner,)):
            size = as_size(context, inner, depth + 1)
            return None if size is None else -size
        case typed.Primitive(_, _, ("add" | "sub" | "mul" | "floor_division") as op, (left, right)):
            word = {"add": "+", "sub": "-", "mul": "*", "floor_division": "//"}[op]
            a, b = as_size(context, left, depth + 1), as_size(context, right, depth + 1)
            return None if a is None or b is None or may_wrap(context, a, word, b) else combine(a, word, b)
    return None


def may_wrap(context: Context, left: Size, operator: str, right: Size) -> bool:
    """Whether what makes ``(4*q + 3) // 4`` a `q` would be wrong: ints wrap around, and only sizes are known to be small."""
    if operator != "//" or right.value is None or not left.leaves_division(right.value):
        return False
    return any(name in context.local_sizes for name in left.variables())


def bound_size(context: Context, value: typed.Expression) -> Size | None:
    """The polynomial that an int expression is where it is evaluated as it stands, with what it binds before."""
    while isinstance(value, typed.Sequence):
        value = value.value
    return as_size(context, value)


def index_bound(context: Context, value: typed.Expression) -> Size | None:
    """One more than the largest value that an int expression can have: idx<n> has n, a literal c has c + 1 (rule 10)."""
    match value:
        case typed.Expression(IndexType(bound)):
            return bound
        case typed.Literal(_, _, int() as amount) if amount >= 0:
            return Size.constant(amount + 1)
    size = as_size(context, value) if is_int(value.type) else None
    if size is not None and size.has_no_negative_coefficient() and isinstance(value, typed.SizeValue):
        return size + 1
    return None


def bound_of(context: Context, op: str, left: typed.Expression, right: typed.Expression) -> Type:
    """The type of int arithmetic: an index where a bound follows from those of the operands, else `int`."""
    if op == "floor_modulo":
        size = as_size(context, right)
        return (
            IndexType(size)
            if size is not None and size.has_no_negative_coefficient() and isinstance(right, (typed.SizeValue, typed.Literal))
            else INT
        )
    if op not in ("add", "mul") or not (isinstance(left.type, IndexType) or isinstance(right.type, IndexType)):
        return INT
    a, b = index_bound(context, left), index_bound(context, right)
    if a is None or b is None:
        return INT
    return IndexType(a + b - 1 if op == "add" else (a - 1) * (b - 1) + 1)


# ---------------------------------------------------------------- elementwise operations


def is_adaptable(value: typed.Expression) -> bool:
    """Whether an expression is a literal, a size or arithmetic of such, whose number type is still open."""
    return number_type(value.type) is not None and adapt(value, with_numbers(value.type, F64)) is not None


def common_number(values: Sequence[typed.Expression]) -> Type | None:
    """The number type that operands meet in: that of those which can't change, else a float if there is one."""
    fixed = [number_type(value.type) for value in values if not is_adaptable(value)]
    if fixed:
        return fixed[0]
    kinds = [number_type(value.type) for value in values]
    if F64 in kinds:
        return F64
    return next((kind for kind in kinds if is_float(kind)), kinds[0] if kinds else None)


def harmonise(values: Sequence[typed.Expression]) -> list[typed.Expression] | None:
    """The operands in one number type; None if they have several."""
    number = common_number(values)
    found: list[typed.Expression] = []
    for value in values:
        own = number_type(value.type)
        if own is None or number is None:
            return None
        if own == number:
            found.append(value)
            continue
        adapted = adapt(value, with_numbers(value.type, number))
        if adapted is None:
            return None
        found.append(adapted)
    return found


def is_scalar(value: typed.Expression) -> bool:
    """Scalars fit any shape. A value of a type parameter may be an array, if it says so; a literal or size is none."""
    if isinstance(value.type, TypeVariable) and value.type.may_be_array:
        return isinstance(value, typed.Literal) or (
            isinstance(value, typed.Convert) and isinstance(value.value, (typed.SizeValue, typed.Literal))
        )
    return not isinstance(value.type, ArrayType)


def align(values: Sequence[typed.Expression]) -> tuple[list[typed.Expression], tuple] | None:
    """The operands with equal shapes or scalar, and the shape; None if two shapes don't fit (rule 23)."""
    shape = max((shape_of(value.type) for value in values), key=len, default=())
    aligned: list[typed.Expression] = []
    for value in values:
        own = shape_of(value.type)
        if is_scalar(value) or own == shape:
            aligned.append(value)
        elif shape[len(shape) - len(own) :] == own:
            leading = shape[: len(shape) - len(own)]
            element = value.type.element if isinstance(value.type, ArrayType) else value.type
            aligned.append(typed.Broadcast(array_of(element, shape), value.span, value, leading))
        else:
            return None
    return aligned, shape


def elementwise(context: Context, op: str, values: Sequence[typed.Expression], span: Span, symbol: str = "") -> typed.Expression:
    """A row of the table applied to each element; `symbol` is how the program writes it."""
    if any(isinstance(value.type, ErrorType) for value in values):
        return typed.Literal(ERROR, span, 0)
    row, word = OPS[op], symbol or op
    if any(is_sparse(value.type) for value in values):
        from dynlang.check.expressions.sparse import no_function

        return context.fail(no_function(word, values, span))
    conditions = [value for value, accepted in zip(values, row.accepts, strict=True) if accepted == "bool"]
    for value in conditions:
        if scalar_part(value.type) != BOOL:
            return context.fail(
                errors.OperandTypes(f"`{word}` takes `bool` here, not {article(value.type)}", value.span, found=show(value.type))
            )
    others = [value for value in values if not any(value is one for one in conditions)]
    if others and not all(scalar_part(value.type) == BOOL for value in others):
        numbers = harmonise(others)
        if numbers is None:
            for one in others:
                for other in others:
                    demand(context, one, other.type)
            return context.fail(number_error(context, word, others, span))
        others = numbers
        if "float" in row.accepts and not is_float(number_type(others[0].type)) and all(map(is_adaptable, others)):
            others = [adapt(value, with_numbers(value.type, F32)) or value for value in others]
    elif others and row.accepts[-1] != "any":
        return context.fail(errors.OperandTypes(f"`{word}` takes numbers, not `bool`", span, found=show(others[0].type)))
    waiting = iter(others)
    values = [value if any(value is one for one in conditions) else next(waiting) for value in values]
    for value, accepted in zip(values, row.accepts, strict=True):
        if not accepts(value.type, accepted):
            if accepted == "float":
                demand(context, value, F32)
            return context.fail(unaccepted(word, values, value, accepted, span))
    if row.has("comparison") and (unclear := may_be_array(values)) is not None:
        return context.fail(undecided(f"`{word}`", unclear, span))
    aligned = align(values)
    if aligned is None:
        return context.fail(shape_error(context, word, values, span))
    operands, shape = aligned
    element = scalar_part(operands[-1].type)
    if row.has("comparison"):
        element = BOOL
    if element is None:
        raise AssertionError(op)
    return typed.Primitive(array_of(element, shape), span, op, tuple(operands))


def may_be_array(values: Sequence[typed.Expression]) -> TypeVariable | None:
    """The type parameter among the numbers of these values that may be an array."""
    found = (number_type(value.type) for value in values)
    return next((one for one in found if isinstance(one, TypeVariable) and one.may_be_array), None)


def undecided(word: str, kind: TypeVariable, span: Span) -> errors.WrongKind:
    """What needs one number isn't done with what may be an array."""
    hint = f"declare it as one number: `<{kind.name}: {kind.kind.rstrip('s')}>`"
    return errors.WrongKind(f"{word} needs numbers one by one, and `{kind.name}` may be an array", span, hint=hint)


def scalar_part(kind: Type) -> Type | None:
    """What one element is: idx counts as int."""
    match kind:
        case ArrayType(element, _):
            return scalar_part(element)
        case IndexType():
            return INT
        case ScalarType() | TypeVariable():
            return kind
    return None


def accepts(kind: Type, word: str) -> bool:
    """Whether an op's operand may have this type; `word` as in the table."""
    number = number_type(kind)
    match word:
        case "any":
            return scalar_part(kind) is not None
        case "bool":
            return scalar_part(kind) == BOOL
        case "number":
            return number is not None
        case "float":
            return is_float(number)
        case "integer":
            return isinstance(number, ScalarType) and number.dtype in INTEGERS
    return True


# ---------------------------------------------------------------- operators


@handles(ast.Binary)
def infer_binary(context: Context, node: ast.Binary, hint: Type | None) -> typed.Expression:
    """A chain of operators of one level, applied from the left in a loop; long chains are cut into named pieces."""
    first: ast.Expr = node.first  # type: ignore[assignment]
    hint = hint if hint is not None and is_float(number_type(hint)) else None
    total = context.infer(first, operand_hint(context, first, hint, node.rest[0].operator == "@"))
    bindings: list[typed.Binding] = []
    for count, operation in enumerate(node.rest, 1):
        among_arrays = operation.operator == "@" or isinstance(total.type, ArrayType)
        wanted = operand_hint(context, operation.operand, hint if hint is not None else told_by(total), among_arrays)
        operand = context.infer(operation.operand, wanted)
        total, operand = with_one_number(context, total, node.first if count == 1 else None, operand, operation.operand)  # type: ignore[arg-type]
        span = Span(node.span.source, node.span.start, operation.operand.span.end)
        total = binary(context, operation.operator, total, operand, span, operation.span)
        if count % CHAIN_LIMIT == 0 and count < len(node.rest) and not isinstance(total.type, ErrorType):
            local = context.temporary("part", total.type)
            bindings.append(typed.Binding((local,), total, span))
            total = typed.LocalReference(total.type, span, local)
    if bindings and not isinstance(total.type, ErrorType):
        return typed.Sequence(total.type, node.span, tuple(bindings), total)
    return total


def told_by(left: typed.Expression) -> Type | None:
    """What the left operand tells the right one, where nothing else does: its float type, or that of its list."""
    if isinstance(left.type, ListType):
        return left.type
    if is_sparse(left.type):
        *_, number = left.type.arguments
        return number if not isinstance(number, (Size, Unknown)) and is_float(number) else None
    number = number_type(left.type)
    return number if is_float(number) and not is_adaptable(left) else None


def operand_hint(context: Context, node: ast.Expr, hint: Type | None, among_arrays: bool = False) -> Type | None:
    """What the wanted type of arithmetic says of an operand: its number type, if it is a float; a list's type.

    The operand's rank may be another one: so beside arrays a type is no hint for the call of a function, which would take all of it."""
    if hint is None or isinstance(hint, ListType):
        return hint
    if not is_float(number_type(hint)) or ((among_arrays or isinstance(hint, ArrayType)) and has_own_type(context, node)):
        return None
    return hint


def has_own_type(context: Context, node: ast.Expr) -> bool:
    """Whether an expression is the call of something declared."""
    match node:
        case ast.IfExpr(_, then, otherwise):
            return has_own_type(context, then) or has_own_type(context, otherwise)
        case ast.Call(ast.Name(text)):
            return context.find(text) is not None or context.symbol(text) is not None
        case ast.Call():
            return True
    return False


def binary(context: Context, operator: str, left: typed.Expression, right: typed.Expression, span: Span, at: Span) -> typed.Expression:
    if isinstance(left.type, ErrorType) or isinstance(right.type, ErrorType):
        return typed.Literal(ERROR, span, 0)
    if is_sparse(left.type) or is_sparse(right.type):
        from dynlang.check.expressions.sparse import operate

        return operate(context, operator, left, right, span, at)
    if operator == "@":
        return contract(context, left, right, span, at)
    if operator == "**":
        return power(context, left, right, span)
    if operator == "+" and isinstance(left.type, StringType) and isinstance(right.type, StringType):
        return typed.Primitive(left.type, span, "string_concat", (left, right))
    if operator == "+" and isinstance(left.type, ListType):
        return join_lists(context, left, right, span)
    op = BINARY[operator]
    if is_int(left.type) and is_int(right.type):
        found = int_arithmetic(context, op, operator, left, right, span)
        if found is not None:
            return found
    if operator in ("//", "%") and any(is_float(number_type(value.type)) for value in (left, right)):
        return respan(floored(context, operator, left, right, at), span)
    result = elementwise(context, op, (left, right), at, operator)
    return respan(result, span)


def join_lists(context: Context, left: typed.Expression, right: typed.Expression, span: Span) -> typed.Expression:
    """``xs + ys``: the items of both."""
    from dynlang.check.calls.call import call_signature
    from dynlang.check.expressions.simple import given

    arguments = tuple(ast.Argument(None, given(one), span=one.span) for one in (left, right))
    return call_signature(context, context.world.signatures["lists.joined"], arguments, span, left.type)


def floored(context: Context, operator: str, left: typed.Expression, right: typed.Expression, at: Span) -> typed.Expression:
    """Of floats: ``x // y`` is floor(x / y), and ``x % y`` is x - y * (x // y)."""
    if operator == "%" and not all(isinstance(value, (typed.LocalReference, typed.Literal)) for value in (left, right)):
        values = harmonise((left, right))
        if values is None:
            return elementwise(context, "div", (left, right), at, operator)
        locals_ = [context.temporary("operand", value.type) for value in values]
        names = [typed.LocalReference(one.type, value.span, one) for one, value in zip(locals_, values, strict=True)]
        found = floored(context, operator, names[0], names[1], at)
        return typed.Sequence(found.type, at, tuple(typed.Binding((a,), b, b.span) for a, b in zip(locals_, values, strict=True)), found)
    quotient = elementwise(context, "div", (left, right), at, operator)
    if isinstance(quotient.type, ErrorType):
        return quotient
    whole = typed.Primitive(quotient.type, at, "floor", (quotient,))
    return whole if operator == "//" else elementwise(context, "sub", (left, elementwise(context, "mul", (right, whole), at)), at)


def respan(value: typed.Expression, span: Span) -> typed.Expression:
    from dataclasses import replace

    return replace(value, span=span)


def int_arithmetic(
    context: Context, op: str, operator: str, left: typed.Expression, right: typed.Expression, span: Span
) -> typed.Expression | None:
    """Arithmetic of sizes is a size; of indices an index where its bound follows."""
    if op == "div":
        return None
    if any(isinstance(one, typed.SizeValue) for one in (left, right)) and all(
        isinstance(one, (typed.SizeValue, typed.Literal)) for one in (left, right)
    ):
        a, b = as_size(context, left), as_size(context, right)
        size = combine(a, operator, b) if a is not None and b is not None and not may_wrap(context, a, operator, b) else None
        if size is not None:
            return typed.SizeValue(INT, span, size)
    return typed.Primitive(bound_of(context, op, left, right), span, op, (left, right))


def contract(context: Context, left: typed.Expression, right: typed.Expression, span: Span, at: Span) -> typed.Expression:
    """``left @ right``: the left's last axis with the right's first (rule 23)."""
    for value in (left, right):
        if not isinstance(value.type, ArrayType) or number_type(value.type) is None:
            return context.fail(
                errors.OperandTypes(
                    f"`@` takes arrays of numbers, not {article(value.type)}",
                    value.span,
                    found=show(value.type),
                    hint="numbers are multiplied with `*`" if number_type(value.type) else "",
                )
            )
    values = harmonise((left, right))
    if values is None:
        return context.fail(number_error(context, "@", (left, right), at))
    left, right = values
    a: tuple[Any, ...] = shape_of(left.type)
    b: tuple[Any, ...] = shape_of(right.type)
    if not 1 <= len(b) <= 2:
        return context.fail(
            errors.OperandTypes(
                f"the right operand of `@` has rank 1 or 2, not {len(b)}",
                right.span,
                found=show(right.type),
                hint="`reshape` it to a matrix, or say what is added: `[sum(x[i, j] * y[j, k, l] for j) for i, k, l]`",
            )
        )
    if a[-1:] != b[:1]:
        return context.fail(inner_sizes(context, left, right, at))
    element = number_type(left.type) or F32
    rest: tuple = (*a[:-1], *b[1:])
    op = {(1, 1): "dot", (2, 1): "matvec", (1, 2): "vecmat", (2, 2): "matmul"}.get((len(a), len(b)))
    if op is not None:
        return typed.Primitive(array_of(element, rest), span, op, (left, right))
    return contract_flattened(left, right, element, a, b, rest, span)


def contract_flattened(
    left: typed.Expression, right: typed.Expression, element: Type, a: tuple, b: tuple, rest: tuple, span: Span
) -> typed.Expression:
    """A left operand of rank 3 or more as one matrix: its leading axes are rows."""
    rows = Size.constant(1)
    for size in a[:-1]:
        rows = rows * size
    flat = typed.Primitive(ArrayType(element, (rows, a[-1])), left.span, "reshape", (left,), (), (rows, a[-1]))
    op = "matvec" if len(b) == 1 else "matmul"
    product = typed.Primitive(ArrayType(element, (rows, *b[1:])), span, op, (flat, right))
    return typed.Primitive(ArrayType(element, rest), span, "reshape", (product,), (), rest)


@handles(ast.Negate)
def infer_negate(context: Context, node: ast.Negate, hint: Type | None) -> typed.Expression:
    value = context.infer(node.operand, hint if hint is not None and is_float(number_type(hint)) else None)
    if isinstance(value, typed.Literal) and not isinstance(value.value, (bool, str)) and not isinstance(value.type, IndexType):
        return typed.Literal(value.type, node.span, -value.value)
    if isinstance(value, typed.SizeValue):
        return typed.SizeValue(INT, node.span, -value.size)
    if is_sparse(value.type):
        from dynlang.check.expressions.sparse import of_one

        return of_one(context, "negate", value, node.span)
    return elementwise(context, "neg", (value,), node.span, "-")


@handles(ast.Power)
def infer_power(context: Context, node: ast.Power, hint: Type | None) -> typed.Expression:
    """``x ** y``; a square is a product, and an int to a variable power is the library's."""
    base = context.infer(node.base, operand_hint(context, node.base, hint))
    exponent = context.infer(node.exponent, operand_hint(context, node.exponent, hint))
    return power(context, base, exponent, node.span)


def power(context: Context, base: typed.Expression, exponent: typed.Expression, span: Span) -> typed.Expression:
    if isinstance(base.type, ErrorType) or isinstance(exponent.type, ErrorType):
        return typed.Literal(ERROR, span, 0)
    amount = exponent.value if isinstance(exponent, typed.Literal) else None
    integral = number_type(base.type) is not None and not is_float(number_type(base.type))
    if isinstance(base, typed.Literal) and integral and not is_int(exponent.type):
        integral = False
    if integral and isinstance(amount, int) and not isinstance(amount, bool) and 0 <= amount <= 64:
        return repeated_product(context, base, amount, span)
    if is_int(base.type) and is_int(exponent.type):
        return int_power(context, base, exponent, span)
    if integral:
        return context.fail(
            errors.OperandTypes(
                f"`**` takes an int exponent here, not {article(exponent.type)}",
                exponent.span,
                hint=f"convert the base: `f32({shapes.clip(base)}) ** {shapes.clip(exponent)}`",
                repairs=(converting([base], F32),),
            )
        )
    if amount == 2 and number_type(base.type) is not None:
        return repeated_product(context, base, 2, span)
    return elementwise(context, "power", (base, exponent), span, "**")


def int_power(context: Context, base: typed.Expression, exponent: typed.Expression, span: Span) -> typed.Expression:
    """``2 ** k``: an error of the program where k is negative."""
    from dynlang.check.calls.call import call_signature
    from dynlang.check.expressions.simple import given

    if isinstance(exponent, typed.Literal) and isinstance(exponent.value, int) and exponent.value < 0:
        hint = "a float base has negative powers: `2.0 ** -1`"
        return context.fail(errors.OperandTypes("an int has no negative powers", exponent.span, hint=hint))
    arguments = tuple(ast.Argument(None, given(one), span=one.span) for one in (base, exponent))
    return call_signature(context, context.world.signatures["numeric.int_power"], arguments, span, None)


def repeated_product(context: Context, base: typed.Expression, amount: int, span: Span) -> typed.Expression:
    if is_int(base.type):
        base = typed.SizeValue(INT, base.span, base.size) if isinstance(base, typed.SizeValue) else base
    if amount == 0 and not is_int(base.type):
        nothing = elementwise(context, "mul", (base, typed.Literal(INT, span, 0)), span, "**")
        return elementwise(context, "add", (nothing, typed.Literal(INT, span, 1)), span, "**")
    if amount == 0:
        return typed.Literal(INT, span, 1)
    if amount == 1:
        return base
    kind: Type = INT if isinstance(base.type, IndexType) else base.type
    if isinstance(base, (typed.LocalReference, typed.Literal, typed.SizeValue)):
        local, bindings = base, ()
    else:
        name = context.temporary("base", base.type)
        local, bindings = typed.LocalReference(base.type, base.span, name), (typed.Binding((name,), base, base.span),)
    product: typed.Expression = local
    for _ in range(amount - 1):
        product = typed.Primitive(kind, span, "mul", (product, local))
    return typed.Sequence(kind, span, bindings, product) if bindings else product


# ---------------------------------------------------------------- conditions


def condition(context: Context, node: ast.Expr, what: str) -> typed.Expression:
    """An expression that decides something: a bool, nothing else counts as true."""
    value = context.infer(node, BOOL)
    if value.type == BOOL or isinstance(value.type, ErrorType):
        return value
    hint, repairs = "", ()
    if number_type(value.type) is not None and not shape_of(value.type):
        zero = "0.0" if is_float(number_type(value.type)) else "0"
        hint, repairs = f"no number counts as true: compare it, `{shapes.clip(value)} != {zero}`", rewrites.compared(value.span, zero)
    elif scalar_part(value.type) == BOOL:
        hint = "an array of bools is reduced first: `all(...)` or `any(...)`"
    elif isinstance(value.type, StringType):
        hint, repairs = 'compare it: `... != ""`', rewrites.compared(value.span, '""')
    elif isinstance(value, typed.MakeTuple) and value.items and value.items[0].type == BOOL:
        hint, repairs = "the condition and the message stand without brackets around both", rewrites.unbracketed(value.span)
    title = f"{what} is a `bool`, not {article(value.type)}"
    return context.fail(errors.ConditionNotBool(title, value.span, found=show(value.type), hint=hint, repairs=repairs))
