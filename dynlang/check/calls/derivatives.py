"""``grad(f)(x)``, ``value_and_grad``, ``vjp(f, x, ct)``, ``jvp(f, x, dx)``, applied or as function values."""

from __future__ import annotations

from collections.abc import Sequence

from dynlang.check import errors, typed
from dynlang.check.calls.arguments import check_overlap, is_bad, is_literal, pass_argument
from dynlang.check.calls.call import builtin, call_signature
from dynlang.check.calls.functions import eta
from dynlang.check.calls.told import declared, parameter_numbers
from dynlang.check.context import ERROR, Context
from dynlang.check.declarations.world import Signature, show
from dynlang.check.expressions.arithmetic import bound_size
from dynlang.check.expressions.simple import given
from dynlang.check.fitting.fit import article, fit, in_f64
from dynlang.check.fitting.solve import HOLE
from dynlang.check.messages import rewrites
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import (
    FLOATS,
    UNIT,
    ErrorType,
    FunctionType,
    ListType,
    RecordType,
    ScalarType,
    Size,
    TupleType,
    Type,
    TypeVariable,
    substitute,
    tangent,
)

DERIVATIVES = ("grad", "value_and_grad", "jacobian", "hessian")
GRADIENTS = ("grad", "value_and_grad")


def differentiated(context: Context, kind: str, inner: Sequence[ast.Argument], span: Span) -> tuple[ast.Expr, tuple[int, ...]] | None:
    """The function of ``grad(f, wrt=...)`` and the positions of the parameters that it names (default the first)."""
    plain = [one for one in inner if one.name is None]
    named = [one for one in inner if one.name is not None]
    if len(plain) != 1 or any(one.name is not None and one.name.text != "wrt" for one in named) or any(one.borrow for one in inner):
        context.report(
            errors.BadDerivative(
                f"`{kind}` takes a function, and `wrt=` to name other parameters than its first",
                span,
                hint=f"its arguments stand in brackets of their own: `{kind}(f)(x)`",
                repairs=rewrites.curried(plain[0].span, plain[1].span) if len(plain) > 1 else (),
            )
        )
        return None
    wrt = read_wrt(context, plain[0].value, named[0].value) if named else (0,)
    return None if wrt is None else (plain[0].value, wrt)


def read_wrt(context: Context, function: ast.Expr, node: ast.Expr) -> tuple[int, ...] | None:
    """The parameters that ``wrt=m``, ``wrt=(m, x)`` or ``wrt=(0, 2)`` speak of, as positions."""
    items = node.items if isinstance(node, ast.Tuple) else (node,)
    found: list[int] = []
    for item in items:
        position = item.value if isinstance(item, ast.Integer) else named_parameter(context, function, item)
        if position is None:
            return None
        if position in found:
            context.report(errors.BadDerivative(f"`wrt=` names the parameter `{item.span.text}` twice", item.span))
            return None
        found.append(position)
    return tuple(found)


def named_parameter(context: Context, function: ast.Expr, node: ast.Expr) -> int | None:
    """The position of the parameter that an item of `wrt=` names."""
    if not isinstance(node, ast.Name):
        context.report(errors.BadDerivative("`wrt=` takes a parameter's name or position, or several in brackets", node.span))
        return None
    names = parameter_names(context, function)
    if names is None:
        title = f"`wrt={node.text}`: the parameters of a function value have no names"
        context.report(errors.BadDerivative(title, node.span, hint="give the position, from 0: `wrt=0`"))
        return None
    if node.text not in names:
        hint = errors.suggest(node.text, names) or f"its parameters are {', '.join(f'`{one}`' for one in names)}"
        context.report(errors.UnknownParameter(f"`wrt={node.text}`: the function has no parameter `{node.text}`", node.span, hint=hint))
        return None
    return names.index(node.text)


def parameter_names(context: Context, node: ast.Expr) -> list[str] | None:
    """The names of a function's parameters, where its expression tells: a lambda, a declared function, a method, a callable."""
    if isinstance(node, ast.Lambda):
        return [one.name.text for one in node.params]
    signature = declared_function(context, node)
    if signature is not None:
        return [one.name for one in signature.parameters]
    if isinstance(node, (ast.Name, ast.Attribute)):
        with context.trial() as problems:
            kind = context.infer(node.value if isinstance(node, ast.Attribute) else node).type
        methods = context.world.methods(kind) if not problems.errors else {}
        method = methods.get(node.name.text if isinstance(node, ast.Attribute) else "call")
        if method is not None:
            return [one.name for one in context.world.signatures[method].parameters[1:]]
    return None


def infer_derivative(
    context: Context, kind: str, inner: Sequence[ast.Argument], arguments: Sequence[ast.Argument], span: Span, hint: Type | None
) -> typed.Expression:
    """``grad(f)(x)``: the arguments first, then the function (rule 20)."""
    if kind in ("jacobian", "hessian"):
        from dynlang.check.calls.jacobians import infer_matrix

        return infer_matrix(context, kind, inner, arguments, span)
    read = differentiated(context, kind, inner, span)
    if read is None:
        return typed.Literal(ERROR, span, 0)
    node, wrt = read
    applied = apply_function(context, node, arguments, span)
    if applied is None:
        return typed.Literal(ERROR, span, 0)
    function, passed = applied
    return derivative(context, kind, function, wrt, passed, (), span)


def apply_function(
    context: Context, node: ast.Expr, arguments: Sequence[ast.Argument], span: Span
) -> tuple[typed.Expression, tuple[typed.Passed, ...]] | None:
    """The function and its arguments, each helping to find the other's type."""
    signature = declared_function(context, node)
    if signature is not None and not signature.captures:
        call = call_signature(context, signature, arguments, span, None)
        if not isinstance(call, typed.Call):
            return None
        sizes = dict(zip((one.name for one in signature.generics if one.is_size), call.sizes, strict=True))
        types = dict(zip((one.name for one in signature.generics if not one.is_size), call.types, strict=True))
        for parameter, one in zip(signature.parameters, call.arguments, strict=True):
            if parameter.size and isinstance(one, typed.Expression):
                sizes[parameter.size] = bound_size(context, one) or Size(())
        kind = substitute(signature.type, sizes, types)
        return typed.FunctionReference(kind, node.span, signature.name, call.types, call.sizes), call.arguments
    if isinstance(node, ast.Lambda) or any(one.borrow for one in arguments):
        return apply_lambda(context, node, arguments, span)
    wanted = dict(enumerate(parameter_numbers(context, node)))
    values = [context.infer(one.value, wanted.get(place) if is_literal(one.value) else None) for place, one in enumerate(arguments)]
    if any(isinstance(value.type, ErrorType) for value in values):
        return None
    function = context.infer(node, FunctionType(tuple(value.type for value in values), HOLE))
    return fit_arguments(context, function, [ast.Argument(None, given(value), span=value.span) for value in values], span)


def declared_function(context: Context, node: ast.Expr) -> Signature | None:
    """The signature, if the expression is the name of a declared function; a proc is reported."""
    signature = declared(context, node)
    if signature is None:
        return None
    if signature.is_proc:
        context.report(errors.BadDerivative(f"`{signature.short}` is a proc, and only a `fn` has a derivative", node.span))
    return signature


def annotated(context: Context, node: ast.Expr, position: int, argument: ast.Expr) -> Type | None:
    """The type of a lambda's parameter, where it is written and the argument takes its own from what is asked for."""
    from dynlang.check.calls.told import is_closed, written

    if not isinstance(node, ast.Lambda) or not isinstance(argument, (ast.List, ast.Tuple, ast.Lambda)) or position >= len(node.params):
        return None
    kind = node.params[position].type
    found = written(context, kind) if kind is not None else None
    return found if isinstance(found, (ListType, TupleType, FunctionType)) and is_closed(found) else None


def apply_lambda(
    context: Context, node: ast.Expr, arguments: Sequence[ast.Argument], span: Span
) -> tuple[typed.Expression, tuple[typed.Passed, ...]] | None:
    """A lambda takes the types of the arguments; lent ones are `inout` parameters."""
    from dynlang.check.statements.places import lend

    passed: list[typed.Passed] = []
    kinds: list[Type] = []
    for position, one in enumerate(arguments):
        value = lend(context, one, None) if one.borrow else context.infer(one.value, annotated(context, node, position, one.value))
        if is_bad(value):
            return None
        passed.append(value)
        kinds.append(value.place.type if isinstance(value, typed.Lend) else value.type)
    modes = tuple("inout" if one.borrow else "value" for one in arguments)
    fitting = literals_fitted(context, node, arguments, kinds, modes)
    if fitting != kinds:
        passed = [context.expect(one.value, kind, "the argument") if kind != had else value
                  for one, value, kind, had in zip(arguments, passed, fitting, kinds, strict=True)]
        kinds = fitting
    function = context.infer(node, FunctionType(tuple(kinds), HOLE, modes if "inout" in modes else ()))
    if isinstance(function.type, ErrorType):
        return None
    if isinstance(function.type, FunctionType) and len(function.type.parameters) == len(passed):
        fitted = [
            fit(context, one, kind, "the argument") if isinstance(one, typed.Expression) else one
            for one, kind in zip(passed, function.type.parameters, strict=True)
        ]
        return (function, tuple(fitted)) if not any(is_bad(one) for one in fitted) else None
    return fit_arguments(context, function, arguments, span)


def literals_fitted(
    context: Context, node: ast.Expr, arguments: Sequence[ast.Argument], kinds: list[Type], modes: tuple[str, ...]
) -> list[Type]:
    """The arguments' types; literals are f64 where the lambda fits them only so: ``grad(x => f(x))(1.0)`` for an f of f64."""
    double = [in_f64(kind) if is_literal(one.value) else kind for one, kind in zip(arguments, kinds, strict=True)]
    if double == kinds:
        return kinds
    for tried in (kinds, double):
        with context.trial() as problems:
            context.infer(node, FunctionType(tuple(tried), HOLE, modes if "inout" in modes else ()))
        if not problems.errors:
            return tried
    return kinds


def fit_arguments(
    context: Context, function: typed.Expression, arguments: Sequence[ast.Argument], span: Span
) -> tuple[typed.Expression, tuple[typed.Passed, ...]] | None:
    if isinstance(function.type, ErrorType):
        return None
    if not isinstance(function.type, FunctionType):
        function = callable_as_function(context, function)
        if not isinstance(function.type, FunctionType):
            return None
    kind = function.type
    if len(arguments) != len(kind.parameters):
        context.report(
            errors.WrongArity(
                f"this function takes {errors.plural(len(kind.parameters), 'argument')}, and {len(arguments)} given",
                span,
                expected=show(kind),
            )
        )
        return None
    modes = kind.modes or ("value",) * len(kind.parameters)
    passed = [
        pass_argument(context, one, wanted, mode == "inout", "the argument")
        for one, wanted, mode in zip(arguments, kind.parameters, modes, strict=True)
    ]
    if any(is_bad(one) for one in passed):
        return None
    check_overlap(context, passed)
    return function, tuple(passed)


def callable_as_function(context: Context, value: typed.Expression) -> typed.Expression:
    from dynlang.check.calls.functions import callable_type

    kind = callable_type(context, value)
    if kind is not None:
        return eta(context, given(value), kind, value.span)
    return context.fail(
        errors.BadDerivative(f"a derivative is of a function, not of {article(value.type)}", value.span, found=show(value.type))
    )


# ---------------------------------------------------------------- the typed node


def derivative(
    context: Context,
    kind: str,
    function: typed.Expression,
    wrt: tuple[int, ...],
    passed: tuple[typed.Passed, ...],
    extra: tuple[typed.Expression, ...],
    span: Span,
    first: bool = False,
) -> typed.Expression:
    """The derivative applied: checks that there is one, and gives its type. `first` of several results, which a gradient always is of."""
    assert isinstance(function.type, FunctionType)
    if not is_differentiable(context, kind, function, wrt, span, first):
        return typed.Literal(ERROR, span, 0)
    result, gradient = function.type.result, gradient_type(function.type, wrt)
    shape: Type
    match kind:
        case "grad":
            shape = gradient
        case "hvp":
            shape = tangent(result)
        case "jvp":
            shape = TupleType((result, tangent(result)))
        case _:
            shape = TupleType((result, gradient))
    return typed.Derivative(shape, span, kind, function, wrt, passed, extra, first or kind in GRADIENTS)


def first_result(result: Type) -> Type:
    """The first of several results: the one that a gradient is of, the others are carried along."""
    return result.items[0] if isinstance(result, TupleType) and result.items else result


def carries(kind: Type) -> bool:
    """Whether a type has a derivative, as far as it can be told without looking into records and sums."""
    return any(map(carries, kind.items)) if isinstance(kind, TupleType) else tangent(kind) != UNIT


def gradient_type(kind: FunctionType, wrt: tuple[int, ...]) -> Type:
    found = tuple(tangent(kind.parameters[position]) for position in wrt)
    return found[0] if len(found) == 1 else TupleType(found)


def is_differentiable(
    context: Context, kind: str, function: typed.Expression, wrt: tuple[int, ...], span: Span, only_first: bool = False
) -> bool:
    """Parameters and result are floats, or hold some (rule 33); a gradient needs one number as the result."""
    assert isinstance(function.type, FunctionType)
    for position in wrt:
        if position >= len(function.type.parameters):
            context.report(
                errors.BadDerivative(
                    f"`wrt={position}`: the function has {errors.plural(len(function.type.parameters), 'parameter')}",
                    span,
                    hint="positions count from 0",
                )
            )
            return False
        parameter = function.type.parameters[position]
        if not has_gradient(context, parameter):
            context.report(
                errors.GradientOfInteger(
                    f"there is no gradient with respect to {article(parameter)}: no float in it",
                    function.span,
                    found=show(parameter),
                    hint="`wrt=` names another parameter" if len(function.type.parameters) > 1 else "convert it outside: `f32(...)`",
                )
            )
            return False
    result = function.type.result
    first = first_result(result) if only_first or kind in GRADIENTS else result
    if kind in GRADIENTS and not is_number(first):
        hint = (
            "its integer result has no derivative"
            if isinstance(first, ScalarType)
            else "reduce it first: `sum(...)`, or use `vjp` with a cotangent"
        )
        error = errors.GradientOfInteger if isinstance(first, ScalarType) else errors.BadDerivative
        context.report(
            error(
                f"a gradient is of one float, and this function gives {article(first)}", function.span, found=show(function.type), hint=hint
            )
        )
        return False
    if not carries(first):
        context.report(errors.GradientOfInteger(f"the result {article(first)} has no derivative", function.span, found=show(function.type)))
        return False
    return True


def has_gradient(context: Context, kind: Type) -> bool:
    """Whether a type holds a float anywhere; looks into records and sums, once each."""
    from dynlang.check.declarations.typenames import bindings, put
    from dynlang.check.expressions.members import field_type
    from dynlang.types import ArrayType, ListType, SumType, TangentType

    seen: set[str] = set()

    def search(one: Type) -> bool:
        match one:
            case ScalarType(dtype):
                return dtype in FLOATS
            case TypeVariable():
                return True
            case ArrayType(element, _):
                return search(element)
            case TupleType(items) | ListType(items):
                return any(map(search, items))
            case FunctionType() | TangentType():
                return True
            case RecordType(name):
                if name in seen:
                    return False
                seen.add(name)
                fields = [field_type(context, one, field.name) for field in context.world.records[name].fields]
                return any(search(field) for field in fields if field is not None)
            case SumType(name, given):
                if name in seen:
                    return False
                seen.add(name)
                info = context.world.sums[name]
                return any(search(put(field.type, *bindings(info.generics, given))) for c in info.constructors for field in c.fields)
            case ErrorType():
                return True
        return tangent(one) != UNIT

    return search(kind)


def is_number(kind: Type) -> bool:
    return (
        (isinstance(kind, ScalarType) and kind.dtype in FLOATS)
        or (isinstance(kind, TypeVariable) and kind.kind == "float")
        or isinstance(kind, ErrorType)
    )


# ---------------------------------------------------------------- unapplied, vjp, jvp


@builtin(*DERIVATIVES)
def call_gradient(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``grad(f)`` as a value: a lambda around the applied form, of the type asked for, else of f's own."""
    assert isinstance(node.function, ast.Name)
    read = differentiated(context, node.function.text, node.arguments, node.span)
    if read is None:
        return typed.Literal(ERROR, node.span, 0)
    wanted: Type | None = FunctionType(hint.parameters, HOLE, hint.modes) if isinstance(hint, FunctionType) else None
    if wanted is None:
        function = context.infer(read[0])
        if isinstance(function.type, ErrorType):
            return function
        if not isinstance(function.type, FunctionType):
            function = callable_as_function(context, function)
        wanted = function.type
        if not isinstance(wanted, FunctionType):
            return typed.Literal(ERROR, node.span, 0)
        wanted = FunctionType(wanted.parameters, HOLE, wanted.modes)
    return eta(context, node, wanted, node.span)


@builtin("vjp")
def call_vjp(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``vjp(f, x, ct)``: the result of f, and the cotangent pulled back to x."""
    read = split_arguments(context, "vjp", node, 1)
    if read is None:
        return typed.Literal(ERROR, node.span, 0)
    function, wrt, arguments, extra = read
    applied = apply_function(context, function, arguments, node.span)
    if applied is None:
        return typed.Literal(ERROR, node.span, 0)
    value, passed = applied
    assert isinstance(value.type, FunctionType)
    first = is_of_the_first(context, value.type.result, extra[0].value)
    cotangent = context.expect(extra[0].value, tangent(first_result(value.type.result) if first else value.type.result), "the cotangent")
    if isinstance(cotangent.type, ErrorType):
        return cotangent
    return derivative(context, "vjp", value, wrt, passed, (cotangent,), node.span, first)


def is_of_the_first(context: Context, result: Type, cotangent: ast.Expr) -> bool:
    """Whether a cotangent is that of the first of several results alone, which makes the others auxiliary: only where it can't be
    that of all of them."""
    if first_result(result) == result:
        return False
    for kind in (result, first_result(result)):
        with context.trial() as problems:
            context.expect(cotangent, tangent(kind), "the cotangent")
        if not problems.errors:
            return kind != result
    return False


@builtin("jvp")
def call_jvp(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``jvp(f, x, dx)``: the result of f, and its change along dx."""
    count = 1
    for one in node.arguments:
        if one.name is not None and one.name.text == "wrt":
            count = len(one.value.items) if isinstance(one.value, ast.Tuple) else 1
    read = split_arguments(context, "jvp", node, count)
    if read is None:
        return typed.Literal(ERROR, node.span, 0)
    function, wrt, arguments, extra = read
    applied = apply_function(context, function, arguments, node.span)
    if applied is None:
        return typed.Literal(ERROR, node.span, 0)
    value, passed = applied
    assert isinstance(value.type, FunctionType)
    if any(position >= len(value.type.parameters) for position in wrt):
        return derivative(context, "jvp", value, wrt, passed, (), node.span)
    tangents = tuple(
        context.expect(one.value, tangent(value.type.parameters[position]), "the tangent") for one, position in zip(extra, wrt, strict=True)
    )
    if any(isinstance(one.type, ErrorType) for one in tangents):
        return typed.Literal(ERROR, node.span, 0)
    return derivative(context, "jvp", value, wrt, passed, tangents, node.span)


def split_arguments(
    context: Context, kind: str, node: ast.Call, last: int
) -> tuple[ast.Expr, tuple[int, ...], list[ast.Argument], list[ast.Argument]] | None:
    """``kind(f, arguments..., extra..., wrt=...)``"""
    plain = [one for one in node.arguments if one.name is None or one.name.text != "wrt"]
    named = [one for one in node.arguments if one.name is not None and one.name.text == "wrt"]
    word, example = {"vjp": ("cotangent", "ct"), "jvp": ("tangent", "dx"), "hvp": ("tangent", "v")}[kind]
    if len(plain) < last + 2:
        context.report(
            errors.WrongArity(
                f"`{kind}` takes a function, its arguments, and a {word}",
                node.span,
                hint=f"`{kind}(f, x, {example})`",
            )
        )
        return None
    wrt = read_wrt(context, plain[0].value, named[0].value) if named else (0,)
    if wrt is None:
        return None
    return plain[0].value, wrt, plain[1:-last], plain[-last:]
