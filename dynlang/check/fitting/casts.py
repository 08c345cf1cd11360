"""`as`: sizes and indices checked when the program runs (rule 6).

    x as f32[2 * ?k]          the size of x is even, and k is half of it
    ids as idx<v>[n]          there are n, and each is in 0..v
"""

from __future__ import annotations

from dataclasses import replace

from dynlang.check import errors, typed
from dynlang.check.context import ERROR, Context, handles, is_int
from dynlang.check.declarations.typenames import named_sizes, read_type
from dynlang.check.declarations.world import show
from dynlang.check.expressions.members import field_type
from dynlang.check.fitting.fit import article, is_subtype, number_type
from dynlang.check.fitting.guards import guards
from dynlang.check.fitting.solve import isolate
from dynlang.diag import NotBuilt
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import (
    INT,
    Argument,
    ArrayType,
    ErrorType,
    IndexType,
    ListType,
    RecordType,
    Size,
    SumType,
    TupleType,
    Type,
    Unknown,
)

Pairs = list[tuple[Size, Size]]


@handles(ast.Cast)
def infer_cast(context: Context, node: ast.Cast, hint: Type | None) -> typed.Expression:
    """``e as T``; ``?k`` is bound by it."""
    value = context.infer(node.value)
    names = {one.name.text: one for one in ast.walk(node.type) if isinstance(one, ast.Unknown) and one.name is not None}
    placeholders = {name: context.declare_size(name, one.span, "bound by a checked cast") for name, one in names.items()}
    wanted = read_type(context, named_sizes(node.type))
    if isinstance(value.type, ErrorType) or isinstance(wanted, ErrorType):
        return typed.Literal(ERROR, node.span, 0)
    return checked_cast(context, value, wanted, node.span, placeholders)


def checked_cast(
    context: Context, value: typed.Expression, wanted: Type, span: Span, placeholders: dict[str, Size] | None = None
) -> typed.Expression:
    """The value as one of a type that has the same form, its sizes and indices checked; reports if no value can be one."""
    pairs: Pairs = []
    target = cast_pairs(value.type, wanted, pairs)
    if target is None:
        return context.fail(no_cast(value, wanted, span))
    solved = cast_equations(context, pairs, placeholders or {}, span)
    if solved is None:
        return typed.Literal(ERROR, span, 0)
    equations, equal = solved
    if equations or equal:
        value = typed.CheckedCast(target, span, value, equations, equal)
        before = guards(context, [wanted for _, wanted in equal], span)
        if before:
            whole, reference = named(context, value)
            value = typed.Sequence(target, span, (*before, whole), reference)
    return with_indices(context, value, close_type(wanted, value.type), span)


def no_cast(value: typed.Expression, wanted: Type, span: Span) -> errors.BadCast:
    hint = "`as` speaks of sizes and indices alone"
    if number_type(value.type) is not None and number_type(wanted) is not None:
        hint = f"numbers are converted by name: `{show(number_type(wanted) or wanted)}(...)`"
    title = f"{article(value.type)} can't be cast to {article(wanted)}"
    return errors.BadCast(title, span, expected=show(wanted), found=show(value.type), hint=hint)


# ---------------------------------------------------------------- sizes


def cast_pairs(actual: Type, wanted: Type, pairs: Pairs) -> Type | None:
    """Sizes that the cast makes equal, as (actual, wanted). The result is the type once they are checked, its indices still
    what they were; None if no cast can make it."""

    def argument(one: Argument, other: Argument) -> Argument | None:
        if isinstance(one, Size) and isinstance(other, Size):
            if one != other:
                pairs.append((one, other))
            return other
        if isinstance(one, (Size, Unknown)) and isinstance(other, Unknown):
            return one
        if isinstance(one, (Size, Unknown)) or isinstance(other, (Size, Unknown)):
            return None
        return walk(one, other)

    def every(left: tuple[Argument, ...], right: tuple[Argument, ...]) -> list[Argument] | None:
        found = [argument(a, b) for a, b in zip(left, right, strict=False)]
        kept = [one for one in found if one is not None]
        return kept if len(left) == len(right) == len(kept) else None

    def walk(one: Type, other: Type) -> Type | None:
        match one, other:
            case _, IndexType() if is_int(one):
                return one
            case IndexType(), _ if other == INT:
                return INT
            case ArrayType(element, shape), ArrayType(wanted_element, wanted_shape):
                inner, sizes = walk(element, wanted_element), every(shape, wanted_shape)
                if inner is None or sizes is None:
                    return None
                return ArrayType(inner, tuple(size for size in sizes if isinstance(size, (Size, Unknown))), one.row_sparse)
            case (RecordType(name, given), RecordType(same, taken)) | (SumType(name, given), SumType(same, taken)) if name == same:
                found = every(given, taken)
                return None if found is None else type(other)(name, tuple(found))
            case (TupleType(items), TupleType(others)) | (ListType(items), ListType(others)):
                found = every(items, others)
                return None if found is None else type(other)(tuple(found))  # type: ignore[arg-type]
        return one if one == other else None

    return walk(actual, wanted)


def cast_equations(
    context: Context, pairs: Pairs, placeholders: dict[str, Size], span: Span
) -> tuple[tuple[typed.SizeEquation, ...], tuple[tuple[Size, Size], ...]] | None:
    """Each ``?k`` solved from the first equation in which it alone is new; what is left must be equal."""
    waiting = {size.single_variable or name: name for name, size in placeholders.items()}
    equations: list[typed.SizeEquation] = []
    left = list(pairs)
    progress = True
    while progress and waiting:
        progress = False
        for pair in left:
            new = [one for one in pair[1].variables() if one in waiting]
            parts = isolate(pair[1], new[0]) if len(new) == 1 else None
            if parts is not None and len(parts[0].terms) >= 1:
                equations.append(typed.SizeEquation(new[0], pair[0], parts[0], parts[1]))
                del waiting[new[0]]
                left.remove(pair)
                progress = True
                break
    if waiting:
        context.report(unsolved(left, waiting, span))
        return None
    for actual, wanted in left:
        difference = (actual - wanted).value
        if difference is not None and difference != 0:
            context.report(errors.BadCast(f"the cast can't succeed: the size is {actual}, and {wanted} is asked for", span))
            return None
    for one in equations:
        solved = constant_solution(one)
        if solved is not None and solved[1]:
            context.report(errors.BadCast(f"the cast can't succeed: the size is {one.actual}, and {pattern_of(one)} is asked for", span))
            return None
    return tuple(equations), tuple(left)


def pattern_of(equation: typed.SizeEquation) -> Size:
    return equation.factor * Size.variable(equation.name) + equation.remainder


def constant_solution(equation: typed.SizeEquation) -> tuple[int, bool] | None:
    """What an equation of numbers gives, and whether that is no size: a fraction or negative."""
    actual, factor, rest = equation.actual.value, equation.factor.value, equation.remainder.value
    if actual is None or factor is None or rest is None:
        return None
    whole, left = divmod(actual - rest, factor)
    return whole, left != 0 or whole < 0


def unsolved(left: Pairs, waiting: dict[str, str], span: Span) -> errors.BadCast:
    """Why a ``?k`` has no value."""
    for _, wanted in left:
        new = sorted(waiting[one] for one in wanted.variables() if one in waiting)
        if len(new) > 1:
            names = " and ".join(f"`?{one}`" for one in new)
            return errors.BadCast(f"the size {wanted} gives one new size, not {names}", span, hint="name the others before, with a `let`")
        if new:
            return errors.BadCast(f"the size {wanted} doesn't give `?{new[0]}`: it isn't linear in it", span)
    return errors.BadCast(f"no size of the value gives `?{next(iter(waiting.values()))}`", span)


def close_type(wanted: Type, actual: Type) -> Type:
    """The wanted type with the actual sizes where it says `?`."""
    match wanted, actual:
        case ArrayType(element, shape, row_sparse), ArrayType(inner, sizes):
            closed = tuple(b if isinstance(a, Unknown) else a for a, b in zip(shape, sizes, strict=True))
            return ArrayType(close_type(element, inner), closed, row_sparse)
        case (RecordType(name, taken), RecordType(_, given)) | (SumType(name, taken), SumType(_, given)):
            return type(wanted)(name, tuple(closed_argument(a, b) for a, b in zip(taken, given, strict=True)))  # type: ignore[call-arg]
        case (TupleType(items), TupleType(others)) | (ListType(items), ListType(others)):
            return type(wanted)(tuple(close_type(a, b) for a, b in zip(items, others, strict=True)))
    return wanted


def closed_argument(wanted: Argument, actual: Argument) -> Argument:
    if isinstance(wanted, Unknown) or isinstance(actual, (Size, Unknown)):
        return actual if isinstance(wanted, Unknown) else wanted
    return wanted if isinstance(wanted, Size) else close_type(wanted, actual)


# ---------------------------------------------------------------- indices


def with_indices(context: Context, value: typed.Expression, wanted: Type, span: Span) -> typed.Expression:
    """The value, whose sizes are right, with every int in it that should be an index checked to be one."""
    actual = value.type
    if actual == wanted:
        return value
    if is_subtype(actual, wanted):
        return replace(value, type=wanted)
    match wanted, actual:
        case IndexType(bound), _:
            return index_check(context, value, bound, wanted, span)
        case (ArrayType(IndexType(bound)), _) | (ListType((IndexType(bound),)), _):
            return typed.CheckIndex(wanted, span, value, bound)
        case TupleType(items), TupleType(others):
            whole, reference = named(context, value)
            parts = [typed.TupleItem(kind, span, reference, position) for position, kind in enumerate(others)]
            made = tuple(with_indices(context, part, kind, span) for part, kind in zip(parts, items, strict=True))
            return typed.Sequence(wanted, span, (whole,), typed.MakeTuple(wanted, span, made))
        case RecordType(), RecordType(name):
            whole, reference = named(context, value)
            fields: list[typed.Expression] = []
            for one in context.world.records[name].fields:
                have, want = field_type(context, actual, one.name), field_type(context, wanted, one.name)
                assert have is not None and want is not None
                fields.append(with_indices(context, typed.Field(have, span, reference, one.name), want, span))
            return typed.Sequence(wanted, span, (whole,), typed.MakeRecord(wanted, span, tuple(fields)))
        case ArrayType(element, shape), ArrayType(inner):
            whole, reference = named(context, value)
            axes = tuple(typed.Axis(context.temporary("index", IndexType(size)), size) for size in shape if isinstance(size, Size))
            item = typed.Index(inner, span, reference, tuple(typed.LocalReference(one.index.type, span, one.index) for one in axes))
            body = with_indices(context, item, element, span)
            return typed.Sequence(wanted, span, (whole,), typed.Comprehension(wanted, span, "array", axes, None, body))
    raise NotBuilt(f"a checked cast of the indices inside {article(actual)}", span)


def named(context: Context, value: typed.Expression) -> tuple[typed.Binding, typed.LocalReference]:
    """The value under a name of its own."""
    local = context.temporary("whole", value.type)
    return typed.Binding((local,), value, value.span), typed.LocalReference(value.type, value.span, local)


def index_check(context: Context, value: typed.Expression, bound: Size, wanted: Type, span: Span) -> typed.Expression:
    if isinstance(value, typed.Literal) and isinstance(value.value, int) and bound.value is not None and not 0 <= value.value < bound.value:
        return context.fail(errors.BadCast(f"the cast can't succeed: {value.value} is outside 0..{bound}", span))
    return typed.CheckIndex(wanted, span, value, bound)

