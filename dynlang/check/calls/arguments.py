"""Arguments: which belongs to which parameter, in which order they are checked, and what they tell of generic callees.

The order (rule 20): ordinary arguments first, then literals, then functions and lambdas, so that a lambda knows the types
of its parameters. What is still open takes the expected type of the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from dynlang.check import errors, typed
from dynlang.check.calls.functions import Use
from dynlang.check.context import Context, SizeEntry, TypeEntry, is_int
from dynlang.check.declarations.world import Generic, Signature, show
from dynlang.check.expressions.arithmetic import bound_size, is_adaptable, scalar_part
from dynlang.check.expressions.simple import is_open
from dynlang.check.fitting.fit import adapt, fit, fitting, is_float, is_subtype, mismatch, number_type, unknowns_inside, with_numbers
from dynlang.check.fitting.guards import explained, guards
from dynlang.check.fitting.settle import asked_again, demand_argument
from dynlang.check.fitting.solve import HOLE, Solver, has_hole, type_variables
from dynlang.check.messages import rewrites
from dynlang.check.messages.misfits import misfit, with_origins, with_swap
from dynlang.diag import Label
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import (
    F32,
    INT,
    ArrayType,
    ErrorType,
    FunctionType,
    RecordType,
    ScalarType,
    Size,
    SumType,
    TupleType,
    Type,
    TypeVariable,
    Unknown,
)

DEEPEST_TRIAL = 3


def infer_all(context: Context, arguments: Sequence[ast.Argument]) -> None:
    """Looks at arguments whose callee isn't known, for the errors in them; what needs a hint is left alone."""
    from dynlang.check.calls.call import builtin_names

    for argument in arguments:
        value = argument.value
        if isinstance(value, ast.Name) and (context.symbol(value.text) is not None or value.text in builtin_names()):
            continue
        if not isinstance(value, ast.Lambda) and not argument.borrow:
            context.infer(value)


def is_bad(passed: typed.Passed | None) -> bool:
    return (
        passed is None
        or (isinstance(passed, typed.Expression) and isinstance(passed.type, ErrorType))
        or (isinstance(passed, typed.Lend) and isinstance(passed.place.type, ErrorType))
    )


def pass_argument(context: Context, argument: ast.Argument, wanted: Type, inout: bool, role: str) -> typed.Passed:
    """One argument for a parameter of known type."""
    from dynlang.check.statements.places import lend

    if inout:
        return lend(context, argument, wanted)
    if argument.borrow:
        return context.fail(unexpected_lend(role, argument))
    return context.expect(argument.value, wanted, role)


def unexpected_lend(role: str, argument: ast.Argument) -> errors.UnexpectedLend:
    sign = Span(argument.span.source, argument.value.span.start - 1, argument.value.span.start)
    return errors.UnexpectedLend(
        f"{role} is passed by value, without `&`", argument.span, repairs=rewrites.without(sign, "leave out the `&`")
    )


@dataclass
class Slot:
    """A parameter, the argument that is bound to it, and what checking made of it. `size`: see `ParameterInfo`."""

    name: str
    type: Type
    inout: bool
    argument: ast.Argument | None
    default: ast.Expr | None
    passed: typed.Passed | None = None
    size: str = ""


def bind_arguments(
    context: Context,
    parameters: Sequence[tuple[str, Type, bool, ast.Expr | None]],
    arguments: Sequence[ast.Argument],
    what: str,
    span: Span,
    shown: str,
    skip: int = 0,
) -> list[Slot] | None:
    """Which argument belongs to which parameter: by position, then by name. None after an error."""
    slots = [Slot(name, kind, inout, None, default) for name, kind, inout, default in parameters]
    position = 0
    for argument in arguments:
        if argument.name is None:
            if position >= len(slots):
                count = len(slots) - skip
                context.report(
                    errors.WrongArity(
                        f"{what} takes {errors.plural(count, 'argument')}, and {len(arguments) - skip} given",
                        argument.span,
                        hint=f"it is declared as `{shown}`",
                    )
                )
                return None
            slots[position].argument = argument
            position += 1
            continue
        slot = next((one for one in slots if one.name == argument.name.text), None)
        if slot is None:
            known = [one.name for one in slots[skip:]]
            unknown = errors.UnknownParameter(f"{what} has no parameter `{argument.name.text}`", argument.name.span)
            hint = f"its parameters are {', '.join(f'`{one}`' for one in known)}" if known else "it takes no arguments"
            context.report(errors.misspelled(unknown, argument.name.text, known, hint))
            return None
        if slot.argument is not None:
            context.report(errors.WrongArity(f"the parameter `{slot.name}` of {what} is given twice", argument.span))
            return None
        slot.argument = argument
    missing = [one.name for one in slots if one.argument is None and one.default is None]
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        plural = "argument" if len(missing) == 1 else "arguments"
        context.report(errors.WrongArity(f"{what} lacks the {plural} {names}", span, hint=f"it is declared as `{shown}`"))
        return None
    return slots


def signature_text(signature: Signature) -> str:
    from dynlang.types import UNIT

    parameters = ", ".join(f"{one.name}: {'inout ' if one.inout else ''}{show(one.type)}" for one in signature.parameters)
    result = f" -> {show(signature.returns)}" if signature.returns != UNIT else ""
    return f"{signature.short}({parameters}){result}"


def solve_arguments(
    context: Context,
    use: Use,
    slots: list[Slot],
    returns: Type,
    hint: Type | None,
    what: str,
    span: Span,
    module: str,
    stored: bool = False,
) -> Type | None:
    """Checks the arguments in the order of rule 20 and solves the generics; gives the result type, None after an error.

    `stored`: for the fields of a record or constructor. An index that is stored under a type parameter is an int, unless the
    expected type says otherwise: ``Some(i)`` is an ``Option<int>``."""
    from dynlang.check.statements.places import lend

    hints = use.solver.copy()
    if hint is not None and not isinstance(hint, ErrorType):
        hints.match(use.rename(returns), hint)
        forget_unknown_numbers(use, hints)
    beforehand = told_by_functions(context, use, slots)
    bad = False
    for slot in sorted((one for one in slots if one.argument is not None), key=partial(rank, context)):
        assert slot.argument is not None
        pattern, role = use.rename(slot.type), f"the argument `{slot.name}` of {what}"
        if slot.inout:
            slot.passed = lend(context, slot.argument, None, pattern)
            if not is_bad(slot.passed) and isinstance(slot.passed, typed.Lend):
                use.solver.match(pattern, slot.passed.place.type)
        else:
            adapt_to_function(context, use, hints, pattern, slot.argument, role)
            slot.passed = value_argument(context, use, hints, pattern, slot.argument, role, beforehand)
        bad = bad or is_bad(slot.passed)
        give_size(context, use, slot, what)
    if bad or any(isinstance(slot.type, ErrorType) for slot in slots):
        return None
    if stored:
        use.solver.widen()
    use.solver.learn(hints)
    learn_sizes(use, returns, hint)
    give_default_sizes(context, use, slots, module, what)
    with context.trial() as problems:
        solved = use.finish(context, what, span)
    if not solved:
        context.report(misfit(context, use, slots, what) or with_origins(context, use, slots, problems.errors[0]))
        return None
    for slot in slots:
        wanted = use.solver.resolve(use.rename(slot.type))
        role = f"the argument `{slot.name}` of {what}"
        if isinstance(slot.passed, typed.Lend):
            bad = bad or not lent_fits(context, slot.passed, wanted, role)
        elif slot.passed is not None:
            others = [one.passed for one in slots if isinstance(one.passed, typed.Expression)]
            number = number_type(wanted)
            if slot.argument is not None and number is not None and number_type(slot.passed.type) not in (None, number):
                slot.passed = asked_again(context, slot.argument.value, slot.passed, number)
            slot.passed = fit(context, slot.passed, wanted, role, others, partial(with_swap, context, use, slots, slot))
            bad = bad or is_bad(slot.passed)
    return None if bad else use.solver.resolve(use.rename(returns))


def learn_sizes(use: Use, returns: Type, hint: Type | None) -> None:
    """The sizes that the expected type tells now that the arguments are known: of ``f64[m + n]`` n, where they told m."""
    if hint is not None and not isinstance(hint, ErrorType) and any(size is None for size in use.solver.sizes.values()):
        told = use.solver.copy()
        told.match(use.rename(returns), hint)
        use.solver.sizes.update(told.sizes)
    use.solver.settle()


def forget_unknown_numbers(use: Use, hints: Solver) -> None:
    """Arithmetic needs the sizes of its arrays: a result that forgets them, ``let y: f32[?] = square(x)``, does so afterwards."""
    for name, word in use.kinds.items():
        found = hints.types[use.names[name]]
        if word != "any" and found is not None and unknowns_inside(found):
            hints.types[use.names[name]] = None


def give_size(context: Context, use: Use, slot: Slot, what: str) -> None:
    """The argument of an int parameter that names a size is that size, from here on; one that is no polynomial is evaluated
    first, under a name of its own (rule 2)."""
    if not slot.size or not isinstance(slot.passed, typed.Expression) or not is_int(slot.passed.type):
        return
    value = slot.passed
    size = bound_size(context, value)
    if size is None:
        local = context.temporary(slot.name, value.type)
        context.fresh_size_of(local, f"the argument `{slot.name}` of {what}", value.span)
        binding = typed.Binding((local,), value, value.span)
        slot.passed = typed.Sequence(value.type, value.span, (binding,), typed.LocalReference(value.type, value.span, local))
        size = Size.variable(local.name)
    use.solver.sizes[use.names[slot.size]] = size


def solved_guards(context: Context, use: Use, what: str, span: Span) -> tuple[typed.Binding, ...] | None:
    """The checks that what this use solved for sizes isn't negative; None, after an error, where it certainly is.

    Of ``fn tail<n>(x: f32[n + 1]) -> f32[n]`` a call with no items asks for a size of -1."""
    found: list[typed.Binding] = []
    for one in (*use.generics, *use.given):
        size = use.solver.sizes.get(use.names[one.name]) if one.is_size else None
        if size is None:
            continue
        if size.value is not None and size.value < 0:
            context.report(errors.NotASize(f"the size `{one.name}` of {what} would be {size}, and a size is never negative", span))
            return None
        found += guards(context, [size], span, *explained(size, f"the size `{one.name}` of {what}"))
    return tuple(found)


def guarded_last(context: Context, passed: Sequence[typed.Passed], before: tuple[typed.Binding, ...]) -> tuple[typed.Passed, ...]:
    """The arguments, with checks that run when all are evaluated: the last one that is a value takes them along."""
    last = max((place for place, one in enumerate(passed) if isinstance(one, typed.Expression)), default=None)
    if not before or last is None:
        return tuple(passed)
    value = passed[last]
    assert isinstance(value, typed.Expression)
    local = context.temporary("last", value.type)
    size = bound_size(context, value) if is_int(value.type) else None
    if size is not None:
        context.local_sizes[local.name] = size
    binding = typed.Binding((local,), value, value.span)
    reference = typed.LocalReference(value.type, value.span, local)
    guarded = typed.Sequence(value.type, value.span, (binding, *before), reference)
    return (*passed[:last], guarded, *passed[last + 1 :])


def give_default_sizes(context: Context, use: Use, slots: list[Slot], module: str, what: str) -> None:
    """Int parameters that name sizes and have no argument take their defaults, which may mention the sizes known by now."""
    for slot in slots:
        if slot.size and slot.passed is None and slot.default is not None:
            role = f"the default of `{slot.name}` of {what}"
            slot.passed = default_value(context, slot.default, slot.type, module, use.generics, use, role)
            give_size(context, use, slot, what)
    use.solver.settle()


def rank(context: Context, slot: Slot) -> int:
    """When an argument is checked: -1 ints that name sizes, and lent places, whose type is fixed; 0 ordinary; 1 literals;
    2 what has no type by itself; 3 functions."""
    assert slot.argument is not None
    value = slot.argument.value
    if slot.size or slot.inout:
        return -1
    items = value.items if isinstance(value, (ast.List, ast.Tuple)) else (value,)
    if isinstance(slot.type, FunctionType) or any(isinstance(one, ast.Lambda) for one in items):
        return 3
    return 2 if is_open(context, value) else 1 if is_literal(value) else 0


def is_written_out(node: ast.Expr) -> bool:
    """Whether an expression takes its type from what is asked for: literals, and tuples and lists of whatever items."""
    return is_literal(node) or isinstance(node, (ast.Tuple, ast.List))


def is_literal(node: ast.Expr) -> bool:
    """Whether an expression is made of literals alone, so that its type is open."""
    match node:
        case ast.Integer() | ast.Float():
            return True
        case ast.Negate(operand):
            return is_literal(operand)
        case ast.List(items):
            return all(is_literal(item) for item in items[:4])
        case ast.Call(ast.Name("zeros" | "ones" | "identity")):
            return True
    return False


def told_by_functions(context: Context, use: Use, slots: list[Slot]) -> dict[str, Type]:
    """What the declared types of functions among the arguments say of numbers written down beside them."""
    from dynlang.check.calls.told import told

    given = [(one, one.argument.value) for one in slots if one.argument is not None]
    if not any(is_written_out(value) for _, value in given):
        return {}
    found: dict[str, Type] = {}
    for slot, value in given:
        if isinstance(slot.type, FunctionType):
            found = told(context, use.rename(slot.type), value) | found
    return found


def value_argument(
    context: Context, use: Use, hints: object, pattern: Type, argument: ast.Argument, role: str, beforehand: Mapping[str, Type]
) -> typed.Expression:
    """An argument passed by value, checked with what is known of its parameter's type."""
    if argument.borrow:
        return context.fail(unexpected_lend(role, argument))
    wanted = argument_hint(use, hints, pattern)
    if wanted is None and isinstance(argument.value, ast.List) and isinstance(pattern, ArrayType):
        wanted = items_hint(use, hints, pattern, beforehand)
    if wanted is None and isinstance(argument.value, ast.Tuple) and isinstance(pattern, TupleType):
        wanted = TupleType(tuple(argument_hint(use, hints, one) or HOLE for one in pattern.items))
    if wanted is None and isinstance(pattern, TypeVariable) and is_written_out(argument.value):
        wanted = beforehand.get(pattern.name) or use.declared_default(pattern.name)
    value = context.infer(argument.value, wanted)
    if wanted is None and is_literal(argument.value):
        use.by_literals |= {one.name for one in type_variables(pattern)}
    if isinstance(value.type, ErrorType):
        demand_argument(context, value, wanted)
        return value
    if wanted is not None and not isinstance(wanted, FunctionType) and not has_hole(wanted) and not unknowns_inside(wanted):
        value = fitting(context, value, wanted) or value
        if is_subtype(value.type, wanted):
            use.solver.match(pattern, wanted)
    if not isinstance(value.type, ErrorType):
        match_value(use, pattern, value)
        if isinstance(pattern, FunctionType) and isinstance(value.type, (RecordType, SumType)):
            match_callable(context, use, pattern, value)
    return value


def adapt_to_function(context: Context, use: Use, hints: Solver, pattern: Type, argument: ast.Argument, role: str) -> None:
    """Where a function doesn't fit what is known so far, an index may be an int, and floats written down may be f64:
    ``fold(xs, i, (count, x) => count + 1)``, ``minimize(y => of_doubles(y), from=zeros(3))``.

    Where it fits in no way, its error speaks of what was known. Functions in functions in functions are taken as they are: each
    would be checked once more for each around it."""
    if not isinstance(pattern, FunctionType) or context.trials >= DEEPEST_TRIAL:
        return
    known, wider = use.solver, use.wider(pattern)
    if wider:
        use.solver = next((one for one in (known, *wider) if takes(context, use, one, hints, pattern, argument, role)), known)


def takes(context: Context, use: Use, solver: Solver, hints: Solver, pattern: FunctionType, argument: ast.Argument, role: str) -> bool:
    """Whether the argument fits its parameter with what the solver knows; nothing is learnt from it here."""
    use.solver = solver.copy()
    with context.trial() as problems:
        value = value_argument(context, use, hints, pattern, argument, role, {})
        fit(context, value, use.solver.resolve(pattern), role)
    return not problems.errors

def match_value(use: Use, pattern: Type, value: typed.Expression) -> None:
    """What a value tells of a parameter's type. Numbers written down adapt: to floats where those are asked for, or stand beside."""
    number = scalar_part(pattern)
    if not isinstance(number, TypeVariable) or not is_adaptable(value):
        use.solver.match(pattern, value.type)
        return
    if number.is_float and not is_float(number_type(value.type)):
        value = adapt(value, with_numbers(value.type, F32)) or value
    if use.solver.types.get(number.name) is None:
        use.written.add(number.name)
    elif number.name in use.written and use.solver.types[number.name] == INT and is_float(number_type(value.type)):
        use.solver.types[number.name] = None
    use.solver.match(pattern, value.type)


def match_callable(context: Context, use: Use, pattern: FunctionType, value: typed.Expression) -> None:
    """A callable record in place of a function: its `call` method tells the types."""
    from dynlang.check.calls.functions import callable_type

    kind = callable_type(context, value)
    if kind is not None:
        use.solver.match(pattern, kind)


def argument_hint(use: Use, hints: object, pattern: Type) -> Type | None:
    """The parameter's type as far as it is known, from other arguments first, then from the expected result."""
    assert isinstance(hints, Solver)
    both = use.solver.copy()
    both.learn(hints)
    if isinstance(pattern, FunctionType):
        parameters = [both.resolve_hint(one) for one in pattern.parameters]
        result = both.resolve_hint(pattern.result)
        closed = not both.open_names(pattern.result)
        return FunctionType(
            tuple(one if one is not None else HOLE for one in parameters), result if result is not None and closed else HOLE, pattern.modes
        )
    return both.resolve_hint(pattern)


def items_hint(use: Use, hints: object, pattern: ArrayType, beforehand: Mapping[str, Type]) -> Type | None:
    """What the items of an array that is written out are to be, where its sizes are open: ``norm([3.0, 4.0])`` as an f64."""
    from dynlang.check.fitting.solve import Solver

    assert isinstance(hints, Solver)
    both = use.solver.copy()
    both.learn(hints)
    element = both.resolve(pattern.element)
    if isinstance(element, TypeVariable):
        element = beforehand.get(element.name, element)
    return ArrayType(element, (Unknown(),) * len(pattern.shape)) if isinstance(element, ScalarType) else None


def lent_fits(context: Context, lent: typed.Lend, wanted: Type, role: str) -> bool:
    """A lent place has exactly the parameter's type."""
    if lent.place.type == wanted or isinstance(lent.place.type, ErrorType) or isinstance(wanted, ErrorType):
        return True
    value = typed.Literal(lent.place.type, lent.place.span, 0)
    context.report(mismatch(context, value, wanted, role))
    return False


def fill_defaults(context: Context, use: Use, slots: list[Slot], module: str, generics: tuple[Generic, ...], what: str) -> None:
    """Defaults are checked where they are declared, with the sizes and types of this use."""
    for slot in slots:
        if slot.passed is None and slot.argument is None and slot.default is not None:
            wanted = use.solver.resolve(use.rename(slot.type))
            slot.passed = default_value(context, slot.default, wanted, module, generics, use, f"the default of `{slot.name}` of {what}")


def default_value(
    context: Context, node: ast.Expr, wanted: Type, module: str, generics: tuple[Generic, ...], use: Use, role: str
) -> typed.Expression:
    scope: dict[str, SizeEntry | TypeEntry] = {}
    for one in generics:
        argument = use.solver.sizes.get(use.names[one.name]) if one.is_size else use.solver.types.get(use.names[one.name])
        if isinstance(argument, Size):
            scope[one.name] = SizeEntry(argument, one.span)
        elif argument is not None:
            scope[one.name] = TypeEntry(argument, one.span)
    inner = Context(context.world, module, context.diagnostics, is_proc=False, scopes=[dict(scope)], taken=context.taken)
    inner.body = context.body
    return inner.expect(node, wanted, role)


def check_overlap(context: Context, passed: Sequence[typed.Passed | None]) -> None:
    """In one call, a lent path overlaps no other argument (rule 14); scalars are read before the call."""
    from dynlang.check.statements.places import overlaps, path_of

    for position, one in enumerate(passed):
        mine = path_of(context, one) if isinstance(one, typed.Lend) else None
        for other_position, other in enumerate(passed):
            if mine is None or other is None or other_position == position or (isinstance(other, typed.Lend) and other_position < position):
                continue
            path = path_of(context, other)
            if path is not None and overlaps(mine, path):
                assert isinstance(one, typed.Lend)
                context.report(overlap_error(one.place, other))
                return


def overlap_error(place: typed.Place, other: typed.Passed) -> errors.Overlap:
    """Both uses, and whether they are surely or perhaps the same place."""
    span = other.place.span if isinstance(other, typed.Lend) else other.span
    mine, theirs = place.span.text, span.text
    use = "lent" if isinstance(other, typed.Lend) else "read"
    if mine == theirs:
        title = f"`{mine}` is lent twice in one call" if use == "lent" else f"`{mine}` is lent and read in one call"
    elif use == "lent":
        title = f"`{mine}` and `{theirs}` are both lent in one call, and can overlap"
    else:
        title = f"`{mine}` is lent and `{theirs}` is read in one call, and they can overlap"
    hint = "the places that one call lends are apart from one another" if use == "lent" else f"copy it first: `let copy = {theirs}`"
    return errors.Overlap(title, place.span, label="lent here", secondary=(Label(span, f"and {use} here"),), hint=hint)
