"""What the checker knows itself, because no signature can say its type: arrays of any rank, `split`, `concat`, `print`, conversions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dynlang.check import errors, typed
from dynlang.check.calls.arguments import infer_all
from dynlang.check.calls.call import builtin, call_signature
from dynlang.check.context import ERROR, Context, is_int
from dynlang.check.declarations.kinds import kind_words
from dynlang.check.declarations.world import show
from dynlang.check.expressions.arithmetic import as_size, is_adaptable, scalar_part, undecided
from dynlang.check.expressions.members import length
from dynlang.check.expressions.simple import STRING, formatted, given, join_text
from dynlang.check.fitting.fit import article, fitting, is_float, number_type, with_numbers
from dynlang.check.fitting.guards import guards
from dynlang.check.statements.effects import effect_used
from dynlang.diag import NotBuilt
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import (
    BOOL,
    F32,
    F64,
    FLOATS,
    INT,
    UNIT,
    ArrayType,
    ErrorType,
    IndexType,
    ListType,
    RowsType,
    ScalarType,
    Size,
    StringType,
    TupleType,
    Type,
    TypeVariable,
    array_of,
    is_sparse,
)

Failed = typed.Literal | None


def plain_arguments(context: Context, node: ast.Call, name: str, least: int, most: int | None = None, named: Sequence[str] = ()) -> bool:
    """Whether the arguments are expressions by place, of the right number; reports if not."""
    for argument in node.arguments:
        if argument.name is not None and argument.name.text not in named:
            context.report(errors.UnknownParameter(f"`{name}` has no parameter `{argument.name.text}`", argument.name.span))
            return False
        if argument.borrow:
            context.report(errors.UnexpectedLend(f"the arguments of `{name}` are passed by value, without `&`", argument.span))
            return False
    count = sum(argument.name is None for argument in node.arguments)
    if count < least or (most is not None and count > most):
        wanted = (
            f"{least} or more arguments"
            if most is None
            else errors.plural(least, "argument")
            if least == most
            else f"{least} to {most} arguments"
        )
        context.report(errors.WrongArity(f"`{name}` takes {wanted}, and {count} given", node.span))
        infer_all(context, node.arguments)
        return False
    return True


def failed(span: Span) -> typed.Expression:
    return typed.Literal(ERROR, span, 0)


# ---------------------------------------------------------------- sizes as arguments


class Sizes:
    """Size arguments; an int that is no polynomial is bound to a name first."""

    def __init__(self, context: Context):
        self.context = context
        self.bindings: list[typed.Binding] = []
        self.found: list[Size] = []

    def read(self, node: ast.Expr) -> bool:
        value = self.context.infer(node, INT)
        if isinstance(value.type, ErrorType):
            return False
        if not is_int(value.type):
            self.context.report(errors.NotASize(f"a size is an `int`, not {article(value.type)}", value.span, found=show(value.type)))
            return False
        size = as_size(self.context, value)
        if size is None:
            local = self.context.temporary("count", INT)
            self.context.fresh_size_of(local, "a size computed here", value.span)
            self.bindings.append(typed.Binding((local,), value, value.span))
            size = Size.variable(local.name)
        elif size.value is not None and size.value < 0:
            self.context.report(errors.NotASize(f"a size is never negative, and this is {size}", value.span))
            return False
        self.found.append(size)
        return True

    def read_all(self, arguments: Sequence[ast.Argument]) -> bool:
        """Reads each, so that each is reported."""
        fine = [self.read(argument.value) for argument in arguments]
        return all(fine)

    def wrap(self, value: typed.Expression) -> typed.Expression:
        before = (*self.bindings, *guards(self.context, self.found, value.span))
        return typed.Sequence(value.type, value.span, before, value) if before else value


def number_hint(hint: Type | None) -> Type:
    """The number type of a new array: what is asked for, else f32."""
    number = number_type(hint) if hint is not None else None
    if isinstance(hint, ArrayType) and isinstance(hint.element, IndexType):
        return F32
    return number if isinstance(number, (ScalarType, TypeVariable)) else F32


def filled(value: typed.Expression, sizes: Sequence[Size], span: Span) -> typed.Expression:
    """An array of equal elements; elements that are arrays or records are repeated."""
    if isinstance(value.type, ScalarType) or (isinstance(value.type, TypeVariable) and isinstance(value, typed.Literal)):
        return typed.Primitive(array_of(value.type, tuple(sizes)), span, "fill", (value,), (), tuple(sizes))
    return typed.Broadcast(array_of(value.type, tuple(sizes)), span, value, tuple(sizes))


@builtin("zeros", "ones")
def call_zeros(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``zeros(n, m)``; without sizes a scalar."""
    name = node.function.span.text or "zeros"
    if not plain_arguments(context, node, name, 0):
        return failed(node.span)
    sizes = Sizes(context)
    if not sizes.read_all(node.arguments):
        return failed(node.span)
    number = number_hint(hint)
    one = isinstance(node.function, ast.Name) and node.function.text == "ones"
    amount: int | float = (1.0 if one else 0.0) if is_float(number) else int(one)
    literal = typed.Literal(number, node.span, amount)
    if not sizes.found:
        return literal
    return sizes.wrap(typed.Primitive(array_of(number, tuple(sizes.found)), node.span, "fill", (literal,), (), tuple(sizes.found)))


@builtin("fill")
def call_fill(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``fill(v, n, m)``: every item v."""
    if not plain_arguments(context, node, "fill", 1):
        return failed(node.span)
    inner = hint.element if isinstance(hint, ArrayType) and len(hint.shape) == len(node.arguments) - 1 else None
    value = context.infer(node.arguments[0].value, inner)
    if inner is not None:
        value = fitting(context, value, inner) or value
    sizes = Sizes(context)
    if not sizes.read_all(node.arguments[1:]) or isinstance(value.type, ErrorType):
        return failed(node.span)
    return sizes.wrap(filled(value, sizes.found, node.span)) if sizes.found else value


@builtin("identity")
def call_identity(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``identity(n)``: ones on the diagonal."""
    if not plain_arguments(context, node, "identity", 1, 1):
        return failed(node.span)
    sizes = Sizes(context)
    if not sizes.read(node.arguments[0].value):
        return failed(node.span)
    number, size, span = number_hint(hint), sizes.found[0], node.span
    row, column = context.temporary("row", IndexType(size)), context.temporary("column", IndexType(size))
    axes = (typed.Axis(row, size), typed.Axis(column, size))
    same = typed.Primitive(
        BOOL, span, "equal", (typed.LocalReference(row.type, span, row), typed.LocalReference(column.type, span, column))
    )
    one, zero = (1.0, 0.0) if is_float(number) else (1, 0)
    body = typed.Conditional(number, span, same, typed.Literal(number, span, one), typed.Literal(number, span, zero))
    return sizes.wrap(typed.Comprehension(array_of(number, (size, size)), span, "array", axes, None, body))


@builtin("normal", "uniform", "uniform_int")
def call_random(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``normal(n, m, &rng)``: a vector from the prelude, reshaped; without sizes a number."""
    assert isinstance(node.function, ast.Name)
    name = node.function.text
    symbol = context.world.lookup(context.module, f"{name}_vector")
    if symbol is None:
        raise NotBuilt(f"`{name}` without the standard library's `{name}_vector`", node.span)
    first = 1 if name == "uniform_int" else 0
    if len(node.arguments) < first + 1 or not node.arguments[-1].borrow or any(one.name for one in node.arguments):
        bound = "bound, " if first else ""
        return context.fail(
            errors.MissingLend(
                f"`{name}` takes {bound}sizes, and last the generator that it draws from", node.span, hint=f"write `{name}({bound}n, &rng)`"
            )
        )
    sizes = Sizes(context)
    if not sizes.read_all(node.arguments[first:-1]):
        return failed(node.span)
    total = Size.constant(1)
    for size in sizes.found:
        total = total * size
    asked = number_hint(hint)
    number = INT if name == "uniform_int" else asked if is_float(asked) else F32
    signature = context.signature_of(symbol.name)
    vector = call_signature(context, signature, (*node.arguments[:first], node.arguments[-1]), node.span, ArrayType(number, (total,)))
    if isinstance(vector.type, ErrorType):
        return vector
    if not sizes.found:
        return typed.Index(number, node.span, vector, (typed.Literal(IndexType(total), node.span, 0),))
    if len(sizes.found) > 1:
        vector = typed.Primitive(ArrayType(number, tuple(sizes.found)), node.span, "reshape", (vector,), (), tuple(sizes.found))
    return sizes.wrap(vector)


# ---------------------------------------------------------------- shaping


def array_argument(context: Context, node: ast.Expr, name: str, hint: Type | None = None) -> typed.Expression | None:
    value = context.infer(node, hint)
    if isinstance(value.type, ArrayType):
        return replace(value, type=replace(value.type, row_sparse=False)) if value.type.row_sparse else value
    if not isinstance(value.type, ErrorType):
        context.report(errors.OperandTypes(f"`{name}` takes an array, not {article(value.type)}", value.span, found=show(value.type)))
    return None


@builtin("reshape")
def call_reshape(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``reshape(x, n, m)``: the same elements under new sizes, whose product is the same by proof."""
    if not plain_arguments(context, node, "reshape", 2):
        return failed(node.span)
    value = array_argument(context, node.arguments[0].value, "reshape")
    sizes = Sizes(context)
    if not sizes.read_all(node.arguments[1:]) or value is None:
        return failed(node.span)
    assert isinstance(value.type, ArrayType)
    before, after = product(value.type.shape), product(sizes.found)
    if before != after:
        return context.fail(
            errors.SizeMismatch(
                f"`reshape` keeps the number of elements, and {before} become {after}",
                node.span,
                found=show(value.type),
                hint="cast the array first, if the numbers are equal when the program runs",
            )
        )
    return sizes.wrap(
        typed.Primitive(array_of(value.type.element, tuple(sizes.found)), node.span, "reshape", (value,), (), tuple(sizes.found))
    )


@builtin("flatten")
def call_flatten(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``flatten(x)``: all elements along one axis, in row-major order."""
    if not plain_arguments(context, node, "flatten", 1, 1):
        return failed(node.span)
    value = array_argument(context, node.arguments[0].value, "flatten")
    if value is None:
        return failed(node.span)
    assert isinstance(value.type, ArrayType)
    sizes = (product(value.type.shape),)
    return typed.Primitive(array_of(value.type.element, sizes), node.span, "reshape", (value,), (), sizes)


def product(sizes: Sequence[object]) -> Size:
    total = Size.constant(1)
    for size in sizes:
        assert isinstance(size, Size)
        total = total * size
    return total


@builtin("transpose")
def call_transpose(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``transpose(x)``: the axes backwards; ``transpose(x, 1, 2, 0)``: in this order."""
    if not plain_arguments(context, node, "transpose", 1):
        return failed(node.span)
    value = context.infer(node.arguments[0].value)
    if is_sparse(value.type) and len(node.arguments) == 1:
        from dynlang.check.expressions.sparse import transposed

        return transposed(context, value, node.span)
    value = array_argument(context, given(value), "transpose")
    if value is None:
        return failed(node.span)
    assert isinstance(value.type, ArrayType)
    rank = len(value.type.shape)
    order = tuple(reversed(range(rank)))
    if len(node.arguments) > 1:
        literals = [argument.value.value if isinstance(argument.value, ast.Integer) else -1 for argument in node.arguments[1:]]
        if sorted(literals) != list(range(rank)):
            return context.fail(errors.OperandTypes(f"the axes of `transpose` are the literals 0 to {rank - 1} in some order", node.span))
        order = tuple(literals)
    kind = ArrayType(value.type.element, tuple(value.type.shape[axis] for axis in order))
    return typed.Primitive(kind, node.span, "transpose", (value,), (("permutation", order),))


@builtin("len")
def call_len(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    if not plain_arguments(context, node, "len", 1, 1):
        return failed(node.span)
    value = context.infer(node.arguments[0].value)
    if isinstance(value.type, ErrorType):
        return value
    if isinstance(value, typed.MakeTuple):
        return typed.Literal(INT, node.span, len(value.items))
    found = length(context, value, node.span)
    if found is None:
        return context.fail(
            errors.OperandTypes(f"`len` takes an array, list, map or string, not {article(value.type)}", value.span, found=show(value.type))
        )
    return found


# ---------------------------------------------------------------- conversions, text, failure


def convert_call(context: Context, node: ast.Call, kind: Type) -> typed.Expression:
    """``f32(e)``: every number of `e` in another type; ``str(e)``: the text of a value."""
    name = show(kind)
    if not plain_arguments(context, node, name, 1, 1):
        return failed(node.span)
    if isinstance(kind, StringType):
        return formatted(context, context.infer(node.arguments[0].value))
    if not isinstance(kind, ScalarType) and not (isinstance(kind, TypeVariable) and kind.is_number):
        return context.fail(errors.NotCallable(f"`{name}` is no type of numbers, and converts nothing", node.span))
    argument = node.arguments[0].value
    is_literal = isinstance(argument.operand if isinstance(argument, ast.Negate) else argument, ast.Float)
    value = context.infer(argument, kind if kind == F64 and is_literal else None)
    if isinstance(value.type, ErrorType):
        return value
    if isinstance(value.type, StringType) and isinstance(kind, ScalarType) and kind.dtype in ("i64", *FLOATS):
        return read_number(context, value, kind, node.span)
    if is_sparse(value.type):
        from dynlang.check.expressions.sparse import converted

        return converted(context, value, kind, node.span)
    if scalar_part(value.type) is None or isinstance(value.type, RowsType):
        return context.fail(
            errors.OperandTypes(f"`{name}` converts numbers and bools, not {article(value.type)}", value.span, found=show(value.type))
        )
    wanted = with_numbers(value.type, kind) if not isinstance(value.type, ArrayType) else array_of(kind, value.type.shape)
    if value.type == wanted:
        # what is written as f32(0.1) is an f32 for good: it takes no other type from its context
        return typed.Convert(wanted, node.span, value) if is_float(kind) and is_adaptable(value) else value
    if isinstance(kind, TypeVariable) and kind.may_be_array and not isinstance(value, typed.Literal):
        return context.fail(undecided(f"`{name}(...)`", kind, node.span))
    of_floats = is_float(kind) and is_float(number_type(value.type)) and is_adaptable(value)
    if of_floats or (isinstance(value, typed.Literal) and not isinstance(value.value, bool)):
        adapted = fitting(context, value, wanted)
        if adapted is not None:
            return adapted if kind == INT else typed.Convert(wanted, node.span, adapted)
    return typed.Convert(wanted, node.span, value)


def read_number(context: Context, value: typed.Expression, kind: ScalarType, span: Span) -> typed.Expression:
    """``int(text)``, ``f32(text)``: the number that a text is, white space around it aside; an error of the program if it is none."""
    whole = kind == INT
    text, fine = context.temporary("text", STRING), context.temporary("fine", BOOL)
    number = context.temporary("number", INT if whole else F64)
    here = typed.LocalReference(STRING, value.span, text)
    stripped = context.infer(ast.Call(ast.Attribute(given(here), ast.Identifier("strip", span=span), span=span), (), span=span))
    parsed = typed.Primitive(TupleType((BOOL, number.type)), span, "string_parse_int" if whole else "string_parse_float", (stripped,))
    shown = context.infer(ast.Call(ast.Attribute(given(here), ast.Identifier("quoted", span=span), span=span), (), span=span))
    message = join_text([shown, typed.Literal(STRING, span, " is no whole number" if whole else " is no number")], span)
    nothing = typed.MakeTuple(UNIT, span, ())
    test = typed.LocalReference(BOOL, span, fine)
    check = typed.Conditional(UNIT, span, test, nothing, typed.Primitive(UNIT, span, "fail", (message,)))
    bindings = (
        typed.Binding((text,), value, value.span),
        typed.Binding((fine, number), parsed, span),
        typed.Binding((None,), check, span),
    )
    result: typed.Expression = typed.LocalReference(number.type, span, number)
    return typed.Sequence(kind, span, bindings, result if number.type == kind else typed.Convert(kind, span, result))


@builtin("print")
def call_print(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``print(a, b)``: the values as text, a space between them, and a newline."""
    if not plain_arguments(context, node, "print", 0):
        return failed(node.span)
    if not context.is_proc:
        context.report(effect_used(context, "print", "writes", node.span))
    pieces: list[typed.Expression] = []
    for argument in node.arguments:
        if pieces:
            pieces.append(typed.Literal(STRING, node.span, " "))
        pieces.append(formatted(context, context.infer(argument.value)))
    return typed.Primitive(UNIT, node.span, "print", (join_text(pieces, node.span),))


@builtin("fail")
def call_fail(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``fail("text")``: an error. A statement, or one branch of ``a if c else fail("text")``."""
    if not plain_arguments(context, node, "fail", 1, 1):
        return failed(node.span)
    text = context.expect(node.arguments[0].value, STRING, "the text of `fail`")
    return typed.Primitive(UNIT, node.span, "fail", (text,))


@builtin("bytes_to_numbers")
def call_bytes_to_numbers(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``bytes_to_numbers(text, start, n)``: n little-endian numbers of the type that is asked for."""
    if not plain_arguments(context, node, "bytes_to_numbers", 3, 3):
        return failed(node.span)
    text = context.expect(node.arguments[0].value, STRING, "the bytes")
    start = context.expect(node.arguments[1].value, INT, "the start")
    sizes = Sizes(context)
    if not sizes.read(node.arguments[2].value) or isinstance(text.type, ErrorType) or isinstance(start.type, ErrorType):
        return failed(node.span)
    number = hint.element if isinstance(hint, ArrayType) and isinstance(hint.element, (ScalarType, TypeVariable)) else None
    if number is None:
        return context.fail(
            errors.CannotInfer(
                "nothing tells the type of these numbers", node.span, hint="give it: `let x: f32[n] = bytes_to_numbers(...)`"
            )
        )
    kind = ArrayType(number, tuple(sizes.found))
    return sizes.wrap(typed.Primitive(kind, node.span, "bytes_to_numbers", (text, start), (("dtype", number),), tuple(sizes.found)))


@builtin("rows_empty")
def call_rows_empty(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``rows_empty(v, d)``: the derivative of a table that was never read."""
    sizes = Sizes(context)
    if not plain_arguments(context, node, "rows_empty", 2) or not sizes.read_all(node.arguments):
        return failed(node.span)
    found = tuple(sizes.found)
    return sizes.wrap(typed.Primitive(RowsType("f32", found), node.span, "rows_empty", (), (("dtype", F32),), found))


@builtin("rows_dense")
def call_rows_dense(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``rows_dense(r)``: touched rows as a whole table."""
    if not plain_arguments(context, node, "rows_dense", 1, 1):
        return failed(node.span)
    value = context.infer(node.arguments[0].value)
    if not isinstance(value.type, RowsType):
        return context.fail(errors.OperandTypes(f"`rows_dense` takes touched rows, not {article(value.type)}", value.span))
    number = ScalarType(value.type.dtype)
    return typed.Primitive(ArrayType(number, value.type.shape), node.span, "rows_dense", (value,), (("dtype", number),), value.type.shape)


@builtin("List")
def call_list(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``List()``: a list without items, of the type that is asked for; ``List(xs)``: the items of an array or list."""
    if not plain_arguments(context, node, "List", 0, 1):
        return failed(node.span)
    if node.arguments:
        return list_of_items(context, node, hint)
    if not isinstance(hint, ListType):
        return context.fail(
            errors.CannotInfer("nothing tells the type of this list's items", node.span, hint="give it: `var xs: List<int> = List()`")
        )
    return typed.Primitive(hint, node.span, "list_empty", (), (("elements", hint.elements),))


def list_of_items(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    from dynlang.check.expressions.comprehensions import as_list

    value = context.infer(node.arguments[0].value, hint if isinstance(hint, ListType) else None)
    if isinstance(value.type, (ListType, ErrorType)):
        return value
    if not isinstance(value.type, ArrayType):
        return context.fail(errors.OperandTypes(f"`List` takes the items of an array, not {article(value.type)}", value.span))
    return as_list(context, value, hint if isinstance(hint, ListType) else None)


@builtin("sorted")
def call_sorted(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``sorted(xs)``, ``sorted(xs, key=x => -x)``: the items of a list or array, smallest first, as a new one."""
    if not plain_arguments(context, node, "sorted", 1, 1, named=("key",)):
        return failed(node.span)
    items = context.infer(next(one.value for one in node.arguments if one.name is None), hint)
    if isinstance(items.type, ErrorType):
        return items
    if not isinstance(items.type, (ListType, ArrayType)):
        return context.fail(errors.OperandTypes(f"`sorted` takes a list or an array, not {article(items.type)}", items.span))
    name = ast.Identifier("x", span=node.span)
    itself = ast.Lambda((ast.Param(name, span=node.span),), ast.Name("x", span=node.span), span=node.span)
    key = next((one.value for one in node.arguments if one.name is not None), itself)
    function = "lists.sorted_by" if isinstance(items.type, ListType) else "lists.sorted_items"
    arguments = (ast.Argument(None, given(items), span=items.span), ast.Argument(None, key, span=key.span))
    return call_signature(context, context.world.signatures[function], arguments, node.span, hint)


@builtin("hash")
def call_hash(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``hash(key)``: an int that depends on all of the key; equal keys have equal ones, in every run."""
    from dynlang.check.expressions.structure import is_key

    if not plain_arguments(context, node, "hash", 1, 1):
        return failed(node.span)
    value = context.infer(node.arguments[0].value)
    if isinstance(value.type, ErrorType):
        return value
    if not is_key(context.world, value.type):
        return context.fail(errors.OperandTypes(f"`hash` takes {kind_words('key')}, not {article(value.type)}", value.span))
    return typed.Structural(INT, node.span, "hash", (value,))


@builtin("range", "zip", "reversed", "enumerate", "progress")
def call_loop_form(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """Forms of loops, no values of their own; `range(n)` alone is the array of its numbers."""
    assert isinstance(node.function, ast.Name)
    name = node.function.text
    if name == "range":
        clause = ast.Clause((ast.Axis(ast.Identifier("i", span=node.span), node, span=node.span),), span=node.span)
        body = ast.List((ast.Comprehension(ast.Name("i", span=node.span), (clause,), span=node.span),), span=node.span)
        return context.infer(body.items[0], hint)
    hint_text = "`reverse(x)` turns an array around" if name == "reversed" else ""
    return context.fail(errors.NotAValue(f"`{name}` stands after `in` only", node.span, hint=hint_text))
