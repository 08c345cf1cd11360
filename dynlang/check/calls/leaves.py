"""Structure-generic code: ``map_leaves``, ``fold_leaves`` and ``make_leaves`` over the leaves of any value (rule 21).

The function sees each leaf as a vector ``L[n]``, L its number type and n its number of elements. ``kind=`` says which
leaves are meant: `float` (the default), `number` or `any`; `make_leaves` makes them all.
"""

from __future__ import annotations

from dataclasses import replace

from dynlang.check import errors, typed
from dynlang.check.calls.builtins import failed
from dynlang.check.calls.call import builtin
from dynlang.check.context import Context
from dynlang.check.declarations.world import show
from dynlang.check.fitting.fit import fit, is_float
from dynlang.check.fitting.solve import HOLE, has_hole
from dynlang.syntax import nodes as ast
from dynlang.types import (
    INT,
    Argument,
    ArrayType,
    ErrorType,
    FunctionType,
    ListType,
    RecordType,
    ScalarType,
    Size,
    StringType,
    SumType,
    TupleType,
    Type,
    TypeVariable,
    tangent,
)

KINDS = ("float", "number", "any")


def read_arguments(context: Context, node: ast.Call, name: str, least: int) -> tuple[list[ast.Expr], str | None] | None:
    """The plain arguments, and the kind of leaves if it is given."""
    plain = [one.value for one in node.arguments if one.name is None and not one.borrow]
    named = [one for one in node.arguments if one.name is not None]
    if len(plain) + len(named) < len(node.arguments) or len(plain) < least:
        context.report(errors.WrongArity(f"`{name}` takes a function and {least - 1} or more values", node.span))
        return None
    kind = None
    for one in named:
        text = one.value.text if isinstance(one.value, ast.Name) else ""
        if one.name is None or one.name.text != "kind" or text not in KINDS:
            context.report(errors.UnknownParameter(f"`{name}` knows `kind=float`, `kind=number` and `kind=any`", one.span))
            return None
        kind = text
    return plain, kind


def leaf_record(context: Context) -> RecordType | None:
    symbol = context.world.prelude_type("Leaf")
    return RecordType(symbol.name) if symbol is not None else None


def leaf_function(
    context: Context, node: ast.Expr, before: list[Type], count: int, kind: str, result: Type | None, with_info: bool
) -> typed.LeafFunction | None:
    """The function of leaves: what comes before (a state, the leaf's description), then `count` vectors.

    `result` None: it gives a vector like those it is given."""
    variable = TypeVariable(context.unique("L"), kind)
    size = context.fresh_size("elements", "the number of elements of a leaf", node.span)
    vector = ArrayType(variable, (Size.variable(size),))
    info = leaf_record(context) if with_info else None
    parameters = (*before, *((info,) if info is not None else ()), *((vector,) * count))
    function = context.infer(node, FunctionType(parameters, result if result is not None else vector))
    if isinstance(function.type, ErrorType) or not isinstance(function.type, FunctionType):
        return None
    if isinstance(function, typed.Lambda):
        return typed.LeafFunction(variable, size, function.parameters, function.body)
    locals_ = tuple(context.temporary("leaf", one) for one in parameters)
    call = typed.CallValue(
        function.type.result, node.span, function, tuple(typed.LocalReference(one.type, node.span, one) for one in locals_)
    )
    return typed.LeafFunction(variable, size, locals_, call)


def parameters_of(context: Context, node: ast.Expr) -> int | None:
    """How many parameters a function has, as far as its syntax tells."""
    from dynlang.check.calls.derivatives import declared_function

    if isinstance(node, ast.Lambda):
        return len(node.params)
    signature = declared_function(context, node)
    return len(signature.parameters) if signature is not None else None


def same_structure(context: Context, values: list[typed.Expression], name: str) -> bool:
    """The further values have the structure of the first, or are tangents of it."""
    first = values[0].type
    for value in values[1:]:
        if value.type not in (first, tangent(first)) and tangent(value.type) != first and tangent(value.type) != tangent(first):
            context.report(
                errors.TypeMismatch(
                    f"`{name}` takes values of one structure, and {show(value.type)} isn't like {show(first)}",
                    value.span,
                    expected=show(first),
                    found=show(value.type),
                )
            )
            return False
    return True


@builtin("map_leaves")
def call_map_leaves(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``map_leaves((p, g) => p - g, model, gradient)``: the first value with every leaf replaced."""
    read = read_arguments(context, node, "map_leaves", 2)
    if read is None:
        return failed(node.span)
    (function, *others), kind = read
    values = [context.infer(one, hint if position == 0 else None) for position, one in enumerate(others)]
    if any(isinstance(value.type, ErrorType) for value in values) or not same_structure(context, values, "map_leaves"):
        return failed(node.span)
    with_info = parameters_of(context, function) == len(values) + 1
    found = leaf_function(context, function, [], len(values), kind or "float", None, with_info)
    if found is None:
        return failed(node.span)
    return typed.MapLeaves(values[0].type, node.span, found, tuple(values), with_info)


@builtin("fold_leaves")
def call_fold_leaves(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``fold_leaves((total, p) => total + sum(p), 0.0, model)``"""
    read = read_arguments(context, node, "fold_leaves", 3)
    if read is None:
        return failed(node.span)
    (function, start, *others), kind = read
    wanted = hint if hint is not None and not has_hole(hint) else None
    initial = context.infer(start, wanted)
    if wanted is not None:
        initial = fit(context, initial, wanted) if matches(initial.type, wanted) else initial
    values = [context.infer(one) for one in others]
    if any(isinstance(value.type, ErrorType) for value in (initial, *values)) or not same_structure(context, values, "fold_leaves"):
        return failed(node.span)
    with_info = parameters_of(context, function) == len(values) + 2
    found = leaf_function(context, function, [initial.type], len(values), kind or "float", initial.type, with_info)
    if found is None:
        return failed(node.span)
    return typed.FoldLeaves(initial.type, node.span, found, initial, tuple(values), with_info)


def matches(actual: Type, wanted: Type) -> bool:
    return type(actual) is type(wanted)


@builtin("make_leaves")
def call_make_leaves(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``make_leaves(leaf => ...)``: a value of the type that is asked for, each leaf made by the function; ``sizes=(path, axis) => ...``
    says how long axes of unknown size are."""
    told = [one.value for one in node.arguments if one.name is not None and one.name.text == "sizes"]
    others = tuple(one for one in node.arguments if one.name is None or one.name.text != "sizes")
    read = read_arguments(context, replace(node, arguments=others), "make_leaves", 1)
    if read is None:
        return failed(node.span)
    (function, *_), kind = read
    if hint is None or hint == HOLE or has_hole(hint):
        return context.fail(
            errors.CannotInfer("nothing tells which type `make_leaves` should make", node.span, hint="give it: `let m: Model = ...`")
        )
    found = None
    for attempt in (kind,) if kind else ("any", "float"):
        with context.trial() as problems:
            found = leaf_function(context, function, [], 0, attempt, None, True)
        if not problems.errors:
            found = leaf_function(context, function, [], 0, attempt, None, True)
            break
    else:
        found = leaf_function(context, function, [], 0, kind or "float", None, True)
    if found is None:
        return failed(node.span)
    sizes = context.expect(told[0], FunctionType((StringType(), INT), INT), "what says the sizes") if told else None
    return typed.MakeLeaves(hint, node.span, found, sizes)


@builtin("cast")
def call_cast(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``cast(model)``: every number in the precision that the wanted type has at its place."""
    if len(node.arguments) != 1 or node.arguments[0].name is not None or node.arguments[0].borrow:
        return context.fail(errors.WrongArity("`cast` takes one value, and the wanted type says the precision", node.span))
    value = context.infer(node.arguments[0].value)
    if isinstance(value.type, ErrorType):
        return value
    if hint is None or hint == HOLE or has_hole(hint):
        return context.fail(
            errors.CannotInfer(
                "nothing tells the precision that `cast` should give", node.span, hint="say it: `let half: Model<bf16> = cast(model)`"
            )
        )
    if not casts(value.type, hint):
        return context.fail(
            errors.TypeMismatch(
                "`cast` changes the precision of floats, and nothing else",
                node.span,
                expected=show(hint),
                found=show(value.type),
                hint="to or from ints, numbers are converted by name: `f32(...)`",
            )
        )
    return typed.Convert(hint, node.span, value)


def casts(actual: Argument, wanted: Argument) -> bool:
    """Whether two types differ in the precision of floats alone."""
    match actual, wanted:
        case ScalarType() | TypeVariable(), ScalarType() | TypeVariable():
            return actual == wanted or (is_float(actual) and is_float(wanted))
        case ArrayType(element, shape), ArrayType(other, other_shape):
            return shape == other_shape and casts(element, other)
        case (RecordType(name, given), RecordType(other_name, taken)) | (SumType(name, given), SumType(other_name, taken)):
            return name == other_name and all(map(casts, given, taken))
        case (TupleType(items), TupleType(others)) | (ListType(items), ListType(others)):
            return len(items) == len(others) and all(map(casts, items, others))
    return actual == wanted
