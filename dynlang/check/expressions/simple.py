"""Simple expressions: literals, names, tuples, arrays, conditionals, text, lambdas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from dynlang.check import errors, typed
from dynlang.check.context import ERROR, Context, LocalEntry, NestedEntry, SizeEntry, TypeEntry, handles
from dynlang.check.declarations.world import Symbol, show
from dynlang.check.expressions.arithmetic import condition
from dynlang.check.fitting.fit import (
    adapt,
    article,
    differing_sizes,
    fit,
    fits_float,
    fitting,
    is_float,
    number_type,
    size_labels,
    unique_labels,
)
from dynlang.check.fitting.opening import closed_over, declare_parameter
from dynlang.check.fitting.solve import HOLE, has_hole, has_open
from dynlang.check.messages import words
from dynlang.diag import Diagnostic, Label
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import (
    BOOL,
    F32,
    F64,
    INT,
    UNIT,
    ArrayType,
    ErrorType,
    FunctionType,
    IndexType,
    ListType,
    ScalarType,
    Size,
    StringType,
    TupleType,
    Type,
    array_of,
    unknowns,
)

STRING = StringType()


@dataclass(frozen=True, slots=True)
class Given(ast.Node):
    """An expression that is checked already, where the checker builds syntax of its own."""

    expression: typed.Expression


def given(value: typed.Expression) -> ast.Expr:
    """A checked expression as syntax."""
    return cast(ast.Expr, Given(value, span=value.span))


@handles(Given)
def infer_given(context: Context, node: Given, hint: Type | None) -> typed.Expression:
    return node.expression


# ---------------------------------------------------------------- literals


@handles(ast.Integer)
def infer_integer(context: Context, node: ast.Integer, hint: Type | None) -> typed.Expression:
    literal = typed.Literal(INT, node.span, node.value)
    if not -(1 << 63) <= node.value < 1 << 64:
        return context.fail(errors.LiteralRange(f"the number {node.span.text[:40]} is too large for an `int` (64 bits)", node.span))
    if isinstance(hint, ScalarType) and hint.dtype != "bool" and adapt(literal, hint) is None:
        return context.fail(errors.LiteralRange(f"the number {node.value} is outside `{hint}`", node.span))
    return literal


@handles(ast.Float)
def infer_float(context: Context, node: ast.Float, hint: Type | None) -> typed.Expression:
    """A number with a decimal point has the type that is asked for, else f32; one that f32 can't hold is an f64."""
    number = number_type(hint) if hint is not None else None
    if number is not None and is_float(number):
        if not fits_float(node.value, number):
            return context.fail(errors.LiteralRange(f"the number {node.span.text[:40]} is outside `{show(number)}`", node.span))
        return typed.Literal(number, node.span, node.value)
    return typed.Literal(F32 if fits_float(node.value, F32) else F64, node.span, node.value)


@handles(ast.Boolean)
def infer_boolean(context: Context, node: ast.Boolean, hint: Type | None) -> typed.Expression:
    return typed.Literal(BOOL, node.span, node.value)


@handles(ast.String)
def infer_string(context: Context, node: ast.String, hint: Type | None) -> typed.Expression:
    return typed.Literal(STRING, node.span, node.value)


@handles(ast.FString)
def infer_fstring(context: Context, node: ast.FString, hint: Type | None) -> typed.Expression:
    """Pieces of text and formatted values, joined from the left."""
    pieces: list[typed.Expression] = []
    for part in node.parts:
        if isinstance(part, str):
            pieces.append(typed.Literal(STRING, node.span, part))
        else:
            pieces.append(formatted(context, context.infer(part.value), part.format))
    return join_text(pieces, node.span)


def join_text(pieces: list[typed.Expression], span: Span) -> typed.Expression:
    total = pieces[0] if pieces else typed.Literal(STRING, span, "")
    for piece in pieces[1:]:
        total = typed.Primitive(STRING, span, "string_concat", (total, piece))
    return total


def formatted(context: Context, value: typed.Expression, specification: str = "") -> typed.Expression:
    """A value as text; strings as they are."""
    if isinstance(value.type, ErrorType):
        return typed.Literal(STRING, value.span, "")
    wrong = wrong_format(value.type, specification) if specification else None
    if wrong is not None:
        return context.fail(errors.BadFormat(wrong, value.span, hint="as in Python: `8.3f`, `>10`, `05d`, `.1%`, `e`, `g`, `x`"))
    if isinstance(value.type, StringType) and not specification:
        return value
    return typed.Format(STRING, value.span, value, specification)


def wrong_format(kind: Type, specification: str) -> str | None:
    """What is wrong with a format for values of a type; inside of arrays, records and the like it is meant for the numbers."""
    from dynlang.ops.specification import parse_specification

    try:
        word = parse_specification(specification).kind
    except ValueError as problem:
        return str(problem)
    match kind:
        case StringType() | ScalarType("bool"):
            fine, wanted = word in ("", "s"), "numbers"
        case ScalarType() if is_float(kind):
            fine, wanted = word == "" or word in "eEfFgG%", "strings" if word == "s" else "ints"
        case ScalarType() | IndexType():
            fine, wanted = word != "s", "strings"
        case _:
            return None
    return None if fine else f"the format `{specification}` is for {wanted}, not for {article(kind)}"


# ---------------------------------------------------------------- names


@handles(ast.Name)
def infer_name(context: Context, node: ast.Name, hint: Type | None) -> typed.Expression:
    entry = context.find(node.text)
    match entry:
        case LocalEntry(local):
            return reference(context, local, node.span)
        case SizeEntry(size):
            return typed.SizeValue(INT, node.span, size)
        case TypeEntry():
            return context.fail(
                errors.NotAValue(f"`{node.text}` is a type, not a value", node.span, hint=f"`{node.text}(e)` converts a number")
            )
        case NestedEntry(signature):
            from dynlang.check.calls.functions import function_value

            return function_value(context, signature, node, hint)
    symbol = context.symbol(node.text)
    if symbol is not None:
        return infer_symbol(context, symbol, node, node.text, hint)
    from dynlang.check.calls.call import builtin_value

    found = builtin_value(context, node, hint)
    return found if found is not None else context.fail(unknown_name(context, node.text, node.span))


def reference(context: Context, local: typed.Local, span: Span) -> typed.Expression:
    """A read of a variable; an immutable int that is a polynomial of sizes is that size (rule 2)."""
    size = context.local_sizes.get(local.name)
    if size is not None and size.single_variable != local.name and local.type == INT and size.variables():
        return typed.SizeValue(INT, span, size)
    local = context.snapshots.get(local.name, local)
    return typed.LocalReference(local.type, span, local)


def unknown_name(context: Context, name: str, span: Span) -> Diagnostic:
    from dynlang.check.calls.call import builtin_names

    return words.unknown_name(name, span, context.names() | builtin_names(), words.library_modules())


def infer_symbol(context: Context, symbol: Symbol, node: ast.Expr, name: str, hint: Type | None) -> typed.Expression:
    """A name of the top of a module as a value."""
    from dynlang.check.calls.functions import constructor_value, function_value

    if context.world.is_doubtful(symbol.name):
        return typed.Literal(ERROR, node.span, 0)
    match symbol.kind:
        case "function":
            return function_value(context, context.signature_of(symbol.name), node, hint)
        case "constant":
            return constant(context, symbol, node.span)
        case "constructor":
            return constructor_value(context, symbol, node, hint)
        case "module":
            return context.fail(errors.NotAValue(f"`{name}` is a module, not a value", node.span, hint=f"its members are named `{name}.…`"))
        case "ambiguous":
            from dynlang.check.declarations.typenames import ambiguous

            return context.fail(ambiguous(name, symbol, "", node.span))
    return context.fail(
        errors.NotAValue(f"`{name}` is a type, not a value", node.span, hint=f"`{name}(...)` makes one" if symbol.kind == "record" else "")
    )


def constant(context: Context, symbol: Symbol, span: Span) -> typed.Expression:
    """A top-level `let`; one that is a literal stands for the literal, which takes the type asked for."""
    info = context.world.constants.get(symbol.name)
    if info is None:
        return context.fail(
            errors.CannotInfer(
                f"`{symbol.name.rpartition('.')[2]}` is used before its value is known",
                span,
                hint="a top-level `let` uses those above it; or give it a type: `let x: f32 = ...`",
            )
        )
    if info.literal is not None:
        return typed.Literal(info.type, span, info.literal)
    return typed.ConstantReference(info.type, span, info.name)


# ---------------------------------------------------------------- tuples, arrays


@handles(ast.Tuple)
def infer_tuple(context: Context, node: ast.Tuple, hint: Type | None) -> typed.Expression:
    hints: list[Type | None] = [None] * len(node.items)
    if isinstance(hint, TupleType) and len(hint.items) == len(node.items):
        hints = [None if one == HOLE else one for one in hint.items]
    items = [context.infer(item, wanted) for item, wanted in zip(node.items, hints, strict=True)]
    fitted = [
        fitting(context, item, wanted) or item if wanted is not None and not unknowns(wanted) else item
        for item, wanted in zip(items, hints, strict=True)
    ]
    if any(isinstance(item.type, ErrorType) for item in fitted):
        return typed.Literal(ERROR, node.span, 0)
    return typed.MakeTuple(TupleType(tuple(item.type for item in fitted)), node.span, tuple(fitted))


@handles(ast.List)
def infer_array(context: Context, node: ast.List, hint: Type | None) -> typed.Expression:
    """``[a, b, c]``: items of one type. Literals take the type of the others."""
    if isinstance(hint, ListType) and not has_hole(hint):
        values = tuple(context.expect(item, hint.elements[0], "an item of the list") for item in node.items)
        bad = any(isinstance(value.type, ErrorType) for value in values)
        return typed.Literal(ERROR, node.span, 0) if bad else typed.MakeArray(hint, node.span, values)
    if isinstance(hint, ListType) and node.items:
        array = infer_array(context, node, None)
        if isinstance(array, typed.MakeArray):
            return typed.MakeArray(ListType((array.items[0].type,)), node.span, array.items)
        return array
    inner = element_hint(hint)
    items = infer_alike(context, node.items, inner)
    if any(isinstance(item.type, ErrorType) for item in items):
        return typed.Literal(ERROR, node.span, 0)
    if not items:
        if isinstance(hint, ArrayType) and not has_hole(hint):
            return typed.MakeArray(array_of(inner or hint.element, (Size.constant(0),)), node.span, ())
        return context.fail(
            errors.EmptyArray(
                "nothing tells the type of an empty array", node.span, hint="give its type, `let x: f32[0] = []`, or use a growing `List()`"
            )
        )
    own = isinstance(hint, ArrayType) and len(hint.shape) > 1 and bool(unknowns(inner)) if inner is not None else False
    if inner is not None and not own and not has_hole(inner) and all(fitting(context, item, inner) is not None for item in items):
        kind = inner
    else:
        kind = common_type(context, items)
    fitted: list[typed.Expression] = []
    for item in items:
        found = fitting(context, item, kind)
        if found is None:
            return context.fail(items_differ(context, item, next((one for one in items if one.type == kind), items[0])))
        fitted.append(found)
    return typed.MakeArray(array_of(kind, (Size.constant(len(fitted)),)), node.span, tuple(fitted))


def infer_alike(context: Context, nodes: Sequence[ast.Expr], hint: Type | None) -> list[typed.Expression]:
    """Expressions that are to have one type: those that have no type by themselves are told that of the others."""
    first = next((node for node in nodes if not is_open(context, node)), None)
    if first is None or not any(is_open(context, node) for node in nodes):
        return [context.infer(node, hint) for node in nodes]
    from dynlang.check.fitting.fit import fitting

    known = context.infer(first, hint)
    asked = hint is not None and not has_hole(hint) and fitting(context, known, hint) is not None
    told = hint if asked else known.type
    return [known if node is first else context.infer(node, told if is_open(context, node) else hint) for node in nodes]


def is_open(context: Context, node: ast.Expr, depth: int = 3) -> bool:
    """Whether an expression may have no type by itself: a lambda, ``Nothing``, ``Some(Nothing)``, ``List()``, ``[]``, ``sin`` as a value.

    Constructions are looked into a few deep only, so that long ones are not read again at each level."""
    match node:
        case ast.Lambda(params):
            return any(one.type is None for one in params)
        case ast.List(items):
            return all(is_open(context, item) for item in items)
        case ast.Call(ast.Name("List"), ()):
            return True
        case ast.Name(text) if context.find(text) is None:
            symbol = context.symbol(text)
            if symbol is None or symbol.kind == "constructor":
                return True
            return symbol.kind == "function" and bool(context.signature_of(symbol.name).generics)
        case ast.Call(ast.Name(text), arguments) if depth and arguments and context.find(text) is None:
            symbol = context.symbol(text)
            constructs = symbol is not None and symbol.kind in ("constructor", "record")
            return constructs and any(is_open(context, one.value, depth - 1) for one in arguments)
    return False


def element_hint(hint: Type | None) -> Type | None:
    """What the items of an array should be, if the array should have the hinted type."""
    if isinstance(hint, ArrayType) and isinstance(hint.element, FunctionType) and not any(map(has_hole, hint.element.parameters)):
        return hint.element
    if not isinstance(hint, ArrayType) or has_hole(hint):
        return None
    return array_of(hint.element, hint.shape[1:]) if hint.shape[1:] else hint.element


def common_type(context: Context, items: list[typed.Expression]) -> Type:
    """The type that all items can have: the first that isn't only a literal's, else the widest literal's."""
    from dynlang.check.expressions.arithmetic import is_adaptable

    fixed = [item.type for item in items if not is_adaptable(item)]
    if not fixed:
        return next((item.type for item in items if is_float(number_type(item.type))), items[0].type)
    if any(isinstance(kind, IndexType) and kind != fixed[0] for kind in fixed) or (
        isinstance(fixed[0], IndexType) and len(fixed) < len(items)
    ):
        bounds = [kind for kind in fixed if all(fitting(context, item, kind) is not None for item in items)]
        return bounds[0] if bounds else INT
    return fixed[0]


def items_differ(context: Context, one: typed.Expression, other: typed.Expression) -> errors.BranchesDiffer:
    """The later one of two items is the news."""
    first, second = sorted((one, other), key=lambda item: item.span.start)
    pair = differing_sizes(second.type, first.type)
    labels = [Label(first.span, show(first.type)), *(label for size in pair or () for label in size_labels(context, size))]
    return errors.BranchesDiffer(
        f"the items of an array have one type, and these differ: {show(first.type)} and {show(second.type)}",
        second.span,
        show(second.type),
        secondary=unique_labels(tuple(labels)),
        hint="arrays of different lengths go into a `List`" if pair else "",
    )


# ---------------------------------------------------------------- conditional


@handles(ast.IfExpr)
def infer_conditional(context: Context, node: ast.IfExpr, hint: Type | None) -> typed.Expression:
    test = condition(context, node.condition, "the condition of `if`")
    then, otherwise = infer_alike(context, (node.then, node.orelse), hint)
    if is_failure(then) != is_failure(otherwise) and not isinstance(test.type, ErrorType):
        return failing_branch(test, then, otherwise, node.span)
    joined = join_branches(context, then, otherwise, hint)
    if joined is None:
        return context.fail(branches_differ(context, then, otherwise, node.span))
    kind, left, right = joined
    if isinstance(kind, ErrorType) or isinstance(test.type, ErrorType):
        return typed.Literal(ERROR, node.span, 0)
    return typed.Conditional(kind, node.span, test, left, right)


def is_failure(value: typed.Expression) -> bool:
    return isinstance(value, typed.Primitive) and value.op == "fail"


def failing_branch(test: typed.Expression, then: typed.Expression, otherwise: typed.Expression, span: Span) -> typed.Expression:
    """``a if c else fail(...)``: the check, then a."""
    nothing = typed.MakeTuple(UNIT, span, ())
    if is_failure(then):
        check, value = typed.Conditional(UNIT, span, test, then, nothing), otherwise
    else:
        check, value = typed.Conditional(UNIT, span, test, nothing, otherwise), then
    return typed.Sequence(value.type, span, (typed.Binding((None,), check, span),), value)


def join_branches(
    context: Context, then: typed.Expression, otherwise: typed.Expression, hint: Type | None
) -> tuple[Type, typed.Expression, typed.Expression] | None:
    """Both branches as values of one type."""
    if isinstance(then.type, ErrorType) or isinstance(otherwise.type, ErrorType):
        return ERROR, then, otherwise
    wanted = [hint] if hint is not None and not has_hole(hint) and not has_open(hint) else []
    if then.type == otherwise.type and any(unknowns(kind) for kind in wanted):
        return then.type, then, otherwise  # whoever asks for a type that forgets sizes forgets them itself
    if number_type(then.type) is not None and number_type(otherwise.type) is not None:
        wanted.append(common_type(context, [then, otherwise]))
    for kind in (*wanted, then.type, otherwise.type, INT):
        left, right = fitting(context, then, kind), fitting(context, otherwise, kind)
        if left is not None and right is not None:
            return kind, left, right
    return None


def branches_differ(context: Context, then: typed.Expression, otherwise: typed.Expression, span: Span) -> errors.BranchesDiffer:
    labels = [Label(then.span, show(then.type)), Label(otherwise.span, show(otherwise.type))]
    pair = differing_sizes(then.type, otherwise.type)
    for size in pair or ():
        labels += size_labels(context, size)
    hint = "an annotation with `?` allows another size: `let x: f32[?] = ...`" if pair else ""
    return errors.BranchesDiffer(
        f"the two branches differ: {show(then.type)} and {show(otherwise.type)}", span, secondary=unique_labels(tuple(labels)), hint=hint
    )


# ---------------------------------------------------------------- lambdas


@handles(ast.Lambda)
def infer_lambda(context: Context, node: ast.Lambda, hint: Type | None) -> typed.Expression:
    """``(x, y) => e``: parameter types from annotations, else from what is asked for (rule 20)."""
    wanted = hint if isinstance(hint, FunctionType) else None
    if wanted is not None and len(wanted.parameters) != len(node.params):
        return context.fail(
            errors.WrongArity(
                f"this function takes {errors.plural(len(node.params), 'argument')}, and one of {len(wanted.parameters)} is needed",
                node.span,
                expected=show(wanted),
            )
        )
    known = frozenset(context.taken)
    with context.inside("a lambda"):
        parameters: list[typed.Local] = []
        opened: list[typed.Binding] = []
        for position, parameter in enumerate(node.params):
            kind = lambda_parameter(context, parameter, wanted.parameters[position] if wanted else None)
            lent = wanted is not None and position < len(wanted.modes) and wanted.modes[position] == "inout"
            parameters.append(declare_parameter(context, parameter, kind, lent, opened))
        returns = wanted.result if wanted is not None and wanted.result != HOLE and not has_hole(wanted.result) else None
        body = context.infer_packed(node.body, returns)
        if returns is not None and not isinstance(body.type, ErrorType):
            body = fit(context, context.open(body), returns, "the result of the lambda")
        body = closed_over(body, known)
        if opened and not isinstance(body.type, ErrorType):
            body = typed.Sequence(body.type, body.span, tuple(opened), body)
    if any(isinstance(one.type, ErrorType) for one in parameters) or isinstance(body.type, ErrorType):
        return typed.Literal(ERROR, node.span, 0)
    modes = wanted.modes if wanted is not None else ()
    return typed.Lambda(FunctionType(tuple(one.type for one in parameters), body.type, modes), node.span, tuple(parameters), body)


def lambda_parameter(context: Context, node: ast.Param, wanted: Type | None) -> Type:
    from dynlang.check.declarations.typenames import read_type

    if node.type is not None:
        return read_type(context, node.type)
    if wanted is None or has_hole(wanted):
        context.report(
            errors.CannotInfer(
                f"the type of the parameter `{node.name.text}` can't be inferred",
                node.span,
                hint=f"write its type: `({node.name.text}: f32) => ...`",
            )
        )
        return ERROR
    return wanted
