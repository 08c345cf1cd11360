"""Comprehensions and reductions (rules 25 to 27)."""

from __future__ import annotations

from dynlang.check import errors, typed
from dynlang.check.calls.builtins import failed
from dynlang.check.calls.call import builtin
from dynlang.check.context import ERROR, Context, handles, is_int
from dynlang.check.declarations.world import show
from dynlang.check.expressions.arithmetic import condition, elementwise, operand_hint, scalar_part, undecided
from dynlang.check.expressions.iteration import Source, bind_target, source
from dynlang.check.expressions.ranges import inferred_axis
from dynlang.check.expressions.simple import given
from dynlang.check.fitting.fit import article, is_float, number_type, with_numbers
from dynlang.check.fitting.guards import guards
from dynlang.check.fitting.settle import asked_again, demand
from dynlang.check.fitting.solve import has_hole
from dynlang.check.messages.scalars import converted, no_number_hint
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import (
    BOOL,
    F32,
    INT,
    ArrayType,
    ErrorType,
    IndexType,
    ListType,
    Size,
    TupleType,
    Type,
    TypeVariable,
    Unknown,
    array_of,
    is_sparse,
    size_variables,
    unknowns,
)

REDUCTIONS = ("sum", "prod", "max", "min", "mean", "any", "all", "argmax", "argmin", "logsumexp", "count")


@handles(ast.Comprehension)
def infer_comprehension(context: Context, node: ast.Comprehension, hint: Type | None) -> typed.Expression:
    """``[e for i, j]``: an array, its leading axes those of the comprehension."""
    if isinstance(hint, ListType) and not has_hole(hint):
        return as_list(context, comprehend(context, node, "array", hint.elements[0], node.span), hint)
    axes = sum(len(clause.axes) for clause in node.clauses)
    inner = None
    if isinstance(hint, ArrayType) and len(hint.shape) >= axes:
        inner = array_of(hint.element, hint.shape[axes:]) if hint.shape[axes:] else hint.element
    return comprehend(context, node, "array", inner, node.span)


def as_list(context: Context, array: typed.Expression, wanted: ListType | None) -> typed.Expression:
    """The items of an array as a list, where a list is asked for."""
    from dynlang.check.calls.call import call_signature

    if isinstance(array.type, ErrorType):
        return array
    items = ast.Argument(None, given(context.open(array)), span=array.span)
    return call_signature(context, context.world.signatures["lists.of_array"], (items,), array.span, wanted)


def comprehend(context: Context, node: ast.Comprehension, kind: str, hint: Type | None, span: Span) -> typed.Expression:
    """A comprehension of a kind: 'array', or a reduction. ``sum([row for row in x])`` adds all numbers, ``sum(row for row in x)`` rows."""
    outer: list[typed.Binding] = []
    first = node.clauses[0].axes[0]
    ready = source(context, first.iterable, target=first.target) if first.iterable is not None else None
    known = set(context.taken)  # what the first axis runs over is evaluated once: so its items have one size
    with context.inside("a comprehension"):
        axes = read_axes(context, node, outer, ready)
        guard = None
        tests = [condition(context, clause.guard, "a guard") for clause in node.clauses if clause.guard is not None]
        for test in tests:
            guard = test if guard is None else typed.ShortCircuit(BOOL, test.span, "and", guard, test)
        body = context.infer(node.value, hint)
    if axes is None or isinstance(body.type, ErrorType) or (guard is not None and isinstance(guard.type, ErrorType)):
        return typed.Literal(ERROR, span, 0)
    known |= {local.name for binding in outer for local in binding.locals if local is not None}
    known |= {name for axis in axes[:1] for name in axis.count.variables()}
    if hint is not None and not (unknowns(hint) and size_variables(body.type) <= known):
        from dynlang.check.fitting.fit import fitting

        fitted = fitting(context, body, hint)
        if fitted is None:
            demand(context, body, hint)
        body = fitted or body
    if kind == "array":
        dependent = [name for axis in axes for name in sorted(axis.count.variables() - known)]
        if dependent:
            return context.fail(
                errors.SizeEscapes(
                    "the ranges of an array comprehension are known before it begins", span, hint="build a `List`, or nest comprehensions"
                )
            )
    reduction = kind
    if node.bracketed and isinstance(body.type, ArrayType):
        kind = "array"
    result = result_type(context, kind, axes, guard, body, known, span)
    if result is None:
        return typed.Literal(ERROR, span, 0)
    if kind == "array":
        outer += guards(context, [axis.count for axis in axes], span)
    made = typed.Comprehension(result, span, kind, tuple(axes), guard, body)
    found = typed.Sequence(result, span, tuple(outer), made) if outer else made
    if kind == reduction or isinstance(result, ErrorType):
        return found
    assert isinstance(result, ArrayType)
    return not_empty(context, reduction, found, tuple(range(len(result.shape))), span)


# ---------------------------------------------------------------- axes


def read_axes(context: Context, node: ast.Comprehension, outer: list[typed.Binding], ready: Source | None) -> list[typed.Axis] | None:
    """The axes with their ranges. What an axis needs beforehand is bound outside, or in the axis before it; what the first
    runs over, `ready`, was evaluated outside."""
    axes: list[typed.Axis] = []
    fine = True
    for clause in node.clauses:
        for axis in clause.axes:
            if axis.iterable is None:
                found = inferred_axis(context, axis, node)
            else:
                items = ready if axis is node.clauses[0].axes[0] else source(context, axis.iterable, target=axis.target)
                found = (items.bindings, bind_axis(context, axis.target, items.count, items.item)) if items is not None else None
            if found is None:
                fine = False
                declare_failed(context, axis.target)
                continue
            before, made = found
            if axes:
                last = axes[-1]
                axes[-1] = typed.Axis(last.index, last.count, (*last.bindings, *before))
            else:
                outer += before
            axes.append(made)
    return axes if fine else None


def declare_failed(context: Context, target: ast.Target) -> None:
    if isinstance(target, ast.Identifier):
        context.declare(target.text, ERROR, target.span)
        return
    for item in target.items:
        declare_failed(context, item)


def bind_axis(context: Context, target: ast.Target, count: Size, item) -> typed.Axis:
    """The index of an axis, and the names that its pattern gives to the item there."""
    kind = IndexType(count)
    if isinstance(target, ast.Identifier):
        probe = typed.Local(target.text, kind)
        value = item(typed.LocalReference(kind, target.span, probe))
        if isinstance(value, typed.LocalReference) and value.local is probe:
            return typed.Axis(context.declare(target.text, kind, target.span), count)
    index = context.temporary("index", kind)
    bindings: list[typed.Binding] = []
    bind_target(context, target, item(typed.LocalReference(kind, target.span, index)), bindings)
    return typed.Axis(index, count, tuple(bindings))


# ---------------------------------------------------------------- results


def result_type(
    context: Context, kind: str, axes: list[typed.Axis], guard: typed.Expression | None, body: typed.Expression, known: set[str], span: Span
) -> Type | None:
    """The type of a comprehension, or None after an error."""
    kept = body.type if kind == "array" or isinstance(body.type, ArrayType) else BOOL
    escaping = sorted(name for name in size_variables(kept) if name not in known and name not in context.size_names())
    if escaping:
        labels = tuple(label for name in escaping if (label := context.origin_label(name)) is not None)
        context.report(
            errors.SizeEscapes(
                f"the size `{escaping[0]}` differs from item to item",
                body.span,
                found=show(body.type),
                secondary=labels,
                hint="arrays of different lengths go into a `List`",
            )
        )
        return None
    if kind == "array":
        if guard is not None and len(axes) > 1:
            hint = "what passes has no rectangular shape: push it to a `List`, or reduce it, `sum(... if ...)`"
            context.report(errors.BadComprehension("a guard in `[...]` stands with one axis", guard.span, hint=hint))
            return None
        shape = (Unknown(),) if guard is not None else tuple(axis.count for axis in axes)
        return array_of(body.type, shape)
    return reduced_type(context, kind, axes, body, span)


def reduced_type(context: Context, kind: str, axes: list[typed.Axis], body: typed.Expression, span: Span) -> Type | None:
    """What a reduction of items of this type gives."""
    number = number_type(body.type)
    if kind in ("any", "all", "count"):
        if scalar_part(body.type) != BOOL:
            hint = "no number counts as true: compare it, `... != 0`" if number is not None else ""
            context.report(
                errors.OperandTypes(f"`{kind}` takes conditions, not {article(body.type)}", body.span, found=show(body.type), hint=hint)
            )
            return None
        return with_numbers(body.type, INT) if kind == "count" else body.type
    if number is None or (kind in ("mean", "logsumexp") and not is_float(number)):
        wanted = "floats" if kind in ("mean", "logsumexp") else "numbers"
        hint = "convert it: `f32(...)`" if number is not None else "`count` counts conditions" if body.type == BOOL else ""
        context.report(
            errors.OperandTypes(f"`{kind}` takes {wanted}, not {article(body.type)}", body.span, found=show(body.type), hint=hint)
        )
        return None
    if isinstance(number, TypeVariable) and number.may_be_array and kind not in ("sum", "mean", "prod"):
        context.report(undecided(f"`{kind}`", number, span))
        return None
    if isinstance(body.type, ArrayType) and kind in ("argmax", "argmin", "logsumexp"):
        hint = f"of the items side by side: `{kind}([...], axis=0)`, with the comprehension in the brackets"
        context.report(
            errors.OperandTypes(f"`{kind}` takes numbers, not {article(body.type)}", body.span, found=show(body.type), hint=hint)
        )
        return None
    if kind in ("argmax", "argmin"):
        places = tuple(IndexType(axis.count) for axis in axes)
        return places[0] if len(places) == 1 else TupleType(places)
    return INT if is_int(body.type) else body.type


# ---------------------------------------------------------------- reductions


@builtin(*REDUCTIONS)
def call_reduction(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``sum(e for i)``, ``sum(x)``, ``mean(x, axis=0)``, ``max(a, b)``."""
    assert isinstance(node.function, ast.Name)
    name = node.function.text
    arguments = [one for one in node.arguments if one.name is None]
    named = [one for one in node.arguments if one.name is not None]
    if any(one.borrow for one in node.arguments) or any(one.name is not None and one.name.text != "axis" for one in named):
        return context.fail(errors.UnknownParameter(f"`{name}` takes values and `axis=`", node.span))
    if name in ("max", "min") and len(arguments) == 2 and not named:
        return two_values(context, "maximum" if name == "max" else "minimum", name, arguments, node.span, hint)
    if len(arguments) != 1 or len(named) > 1:
        return context.fail(
            errors.WrongArity(
                f"`{name}` takes one array or comprehension, and {len(arguments)} arguments are given",
                node.span,
                hint="several values go into an array: `[a, b]`",
            )
        )
    value = arguments[0].value
    wanted = (
        hint
        if hint is not None and is_float(number_type(hint)) and name not in ("any", "all", "count") and not isinstance(hint, ArrayType)
        else None
    )
    if isinstance(value, ast.Comprehension) and not named:
        return comprehend(context, value, name, wanted, node.span)
    array = context.infer(value)
    if wanted is not None:
        array = asked_again(context, value, array, wanted)
    if isinstance(array.type, ListType):
        item = ast.Identifier("item", span=value.span)
        clause = ast.Clause((ast.Axis(item, value, span=value.span),), span=value.span)
        items = ast.Comprehension(ast.Name("item", span=value.span), (clause,), bracketed=False, span=value.span)
        return comprehend(context, items, name, None, node.span)
    if isinstance(array.type, ErrorType):
        return array
    if is_sparse(array.type):
        from dynlang.check.expressions.sparse import reduced

        return reduced(context, name, array, bool(named), node.span)
    if not isinstance(array.type, ArrayType) or scalar_part(array.type) is None:
        return context.fail(
            errors.OperandTypes(
                f"`{name}` takes an array or comprehension, not {article(array.type)}",
                array.span,
                found=show(array.type),
                hint=f"`{name}(a, b)` takes two values" if name in ("max", "min") else "",
            )
        )
    axes = read_axis(context, named[0].value, array.type) if named else tuple(range(len(array.type.shape)))
    if axes is None:
        return failed(node.span)
    return not_empty(context, name, array, axes, node.span)


def two_values(context: Context, op: str, name: str, arguments: list[ast.Argument], span: Span, hint: Type | None) -> typed.Expression:
    wanted = hint if hint is not None and is_float(number_type(hint)) else None
    values = [context.infer(argument.value, operand_hint(context, argument.value, wanted)) for argument in arguments]
    found = elementwise(context, op, values, span, name)
    if (
        isinstance(found, typed.Primitive)
        and all(isinstance(value.type, IndexType) for value in values)
        and values[0].type == values[1].type
    ):
        return typed.Primitive(values[0].type, span, op, found.arguments)
    return found


def read_axis(context: Context, node: ast.Expr, kind: ArrayType) -> tuple[int, ...] | None:
    """``axis=1``, ``axis=(1, 2)``, ``axis=-1``: literals."""
    items = node.items if isinstance(node, ast.Tuple) else (node,)
    found: list[int] = []
    for item in items:
        amount = item.value if isinstance(item, ast.Integer) else None
        if isinstance(item, ast.Negate) and isinstance(item.operand, ast.Integer):
            amount = -item.operand.value
        rank = len(kind.shape)
        if amount is None or not -rank <= amount < rank:
            which = "the literal 0" if rank == 1 else f"a literal from 0 to {rank - 1}"
            context.report(errors.NotIndexable(f"an axis of {article(kind)} is {which}", item.span))
            return None
        found.append(amount % rank)
    return tuple(sorted(set(found)))


def not_empty(context: Context, name: str, array: typed.Expression, axes: tuple[int, ...], span: Span) -> typed.Expression:
    """The reduction, after a check that there is something to reduce where nothing has no answer (rule 27)."""
    assert isinstance(array.type, ArrayType)
    number = number_type(array.type)
    if name not in ("argmax", "argmin", "mean") and (name not in ("max", "min") or is_float(number)):
        return reduce_array(context, name, array, axes, span)
    sizes = [size - 1 for axis in axes if isinstance(size := array.type.shape[axis], Size)]
    if any(size.value == -1 for size in sizes):
        return context.fail(errors.OutOfRange(f"`{name}` of nothing: {article(array.type)} has no elements", array.span))
    tests = guards(context, sizes, span, f"{name} of nothing")
    if not tests:
        return reduce_array(context, name, array, axes, span)
    local = context.temporary("reduced", array.type)
    whole = typed.LocalReference(array.type, array.span, local)
    found = reduce_array(context, name, whole, axes, span)
    return typed.Sequence(found.type, span, (typed.Binding((local,), array, array.span), *tests), found)


def reduce_array(context: Context, name: str, array: typed.Expression, axes: tuple[int, ...], span: Span) -> typed.Expression:
    """A reduction of an array over some of its axes."""
    assert isinstance(array.type, ArrayType)
    element = scalar_part(array.type)
    assert element is not None
    boolean = name in ("any", "all", "count")
    if isinstance(element, TypeVariable) and element.may_be_array:
        return context.fail(undecided(f"`{name}`", element, span))
    fits = element == BOOL if boolean else is_float(element) if name in ("mean", "logsumexp") else number_type(element) is not None
    if not fits:
        wanted = "bools" if boolean else "floats" if name in ("mean", "logsumexp") else "numbers"
        return context.fail(wrong_elements(name, array, element, wanted))
    rest = tuple(size for axis, size in enumerate(array.type.shape) if axis not in axes)
    result = array_of(element, rest) if rest else element
    attributes = (("axes", axes),) if rest else ()
    match name:
        case "sum" | "prod" | "max" | "min" | "any" | "all":
            return typed.Primitive(result, span, f"reduce_{name}", (array,), attributes)
        case "count":
            ones = typed.Convert(ArrayType(INT, array.type.shape), span, array)
            return typed.Primitive(array_of(INT, rest) if rest else INT, span, "reduce_sum", (ones,), attributes)
        case "mean":
            return mean_of(array, axes, result, attributes, span)
        case "argmax" | "argmin":
            if len(axes) != 1:
                return context.fail(errors.OperandTypes(f"`{name}` takes a vector, or one axis: `axis=0`", span, found=show(array.type)))
            bound = array.type.shape[axes[0]]
            assert isinstance(bound, Size)
            index = IndexType(bound)
            return typed.Primitive(array_of(index, rest) if rest else index, span, name, (array,), attributes)
    return logsumexp_of(context, array, axes, span)


def wrong_elements(name: str, array: typed.Expression, element: Type, wanted: str) -> errors.OperandTypes:
    """What to do with elements that a reduction doesn't take."""
    hint = no_number_hint(array) if wanted == "numbers" else ""
    if element == BOOL:
        hint = "`count` counts what is true"
    elif wanted == "floats" and number_type(element) is not None:
        hint = f"convert it: {converted(array, F32)}"
    elif wanted == "bools" and number_type(element) is not None:
        hint = "compare them: `... != 0`"
    title = f"`{name}` takes {wanted}, not {article(array.type)}"
    return errors.OperandTypes(title, array.span, found=show(array.type), hint=hint)


def mean_of(array: typed.Expression, axes: tuple[int, ...], result: Type, attributes: tuple, span: Span) -> typed.Expression:
    assert isinstance(array.type, ArrayType)
    total = Size.constant(1)
    for axis in axes:
        size = array.type.shape[axis]
        assert isinstance(size, Size)
        total = total * size
    count = typed.SizeValue(INT, span, total)
    return typed.Primitive(result, span, "mean", (array, count), attributes)


def logsumexp_of(context: Context, array: typed.Expression, axes: tuple[int, ...], span: Span) -> typed.Expression:
    """By a comprehension over the elements; over one axis of several, one for each of the rest."""
    assert isinstance(array.type, ArrayType)
    element = scalar_part(array.type)
    assert element is not None
    local = context.temporary("terms", array.type)
    whole = typed.LocalReference(array.type, array.span, local)
    sizes = [size for size in array.type.shape if isinstance(size, Size)]
    indices = [context.temporary("k", IndexType(size)) for size in sizes]
    references = tuple(typed.LocalReference(one.type, span, one) for one in indices)
    item = typed.Index(element, span, whole, references)
    inner = typed.Comprehension(element, span, "logsumexp", tuple(typed.Axis(indices[a], sizes[a]) for a in axes), None, item)
    rest = [axis for axis in range(len(sizes)) if axis not in axes]
    total: typed.Expression = inner
    if rest:
        kind = array_of(element, tuple(sizes[axis] for axis in rest))
        total = typed.Comprehension(kind, span, "array", tuple(typed.Axis(indices[a], sizes[a]) for a in rest), None, inner)
    return typed.Sequence(total.type, span, (typed.Binding((local,), array, array.span),), total)
