"""Types that a later use decides: ``var xs = List()``, ``let x = zeros(n)`` among f64, ``let f = x => x + 1``.

A body is checked as it reads, from top to bottom. Where a value of a variable without a written type doesn't fit its use,
the use is noted as a *demand* on the variable's declaration. A body that has errors and demands is checked again with the
demands as hints for those declarations, as if the author had written the types. The reading with the fewest errors
stands; the first one, if none is better. So a correct body is read once, a mistake is reported as the text reads, and
no conversion is ever added: a value that can't be made of the demanded type in the first place refuses the hint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from dynlang.check import typed
from dynlang.check.fitting.solve import HOLE, has_hole, type_variables
from dynlang.diag import CompileError, Diagnostics
from dynlang.syntax import nodes as ast
from dynlang.types import (
    F32,
    INT,
    ArrayType,
    ErrorType,
    FunctionType,
    IndexType,
    ListType,
    RecordType,
    TupleType,
    Type,
    array_of,
    size_variables,
)

if TYPE_CHECKING:
    from dynlang.check.context import Context

Result = TypeVar("Result")
READINGS = 12
"""A body is read at most this often; each reading after the first settles at least one more declaration."""


@dataclass(frozen=True, slots=True)
class NumberOf:
    """The demand that a scalar or an array is one of this number type, whatever its shape."""

    number: Type


Demand = Type | NumberOf
Settled = Mapping[int, Demand]
"""Demands by the place of the declared name in the text."""


def best_reading(read: Callable[[Diagnostics, Settled], tuple[Result, Settled]], diagnostics: Diagnostics) -> Result:
    """The reading with the fewest errors. `read` checks a body with what is settled, and gives its demands, too."""
    settled: dict[int, Demand] = {}
    chosen, fewest, best = None, None, Diagnostics(diagnostics.limit)
    for _ in range(READINGS):
        found = Diagnostics(diagnostics.limit)
        try:
            result, demands = read(found, settled)
        except CompileError:
            if fewest is None:
                diagnostics.extend(found)
                raise
            break
        errors = len(found.errors) + found.left_off
        if fewest is None or errors < fewest:
            chosen, fewest, best = result, errors, found
        news = {place: demand for place, demand in demands.items() if place not in settled}
        if not errors or not news:
            break
        settled |= news
    diagnostics.extend(best)
    assert fewest is not None
    return chosen  # type: ignore[return-value]


# ---------------------------------------------------------------- noting demands


def demand(context: Context, value: typed.Expression, wanted: Type) -> None:
    """A value doesn't fit where one of the wanted type is needed."""
    from dynlang.check.fitting.fit import number_type

    if isinstance(value.type, ErrorType):
        if isinstance(value, typed.LocalReference) and is_complete(wanted):
            note(context, value.local, wanted)
        return
    if isinstance(value.type, TupleType) and isinstance(wanted, TupleType):
        demand_items(context, value, wanted)
        return
    own, number = number_type(value.type), number_type(wanted)
    if own is None or number is None or not may_become(own, number):
        return
    demand_numbers(context, value, own, number)


def demand_items(context: Context, value: typed.Expression, wanted: TupleType) -> None:
    """A tuple doesn't fit: of a variable the whole is demanded, of a tuple that is written down each item."""
    if isinstance(value, typed.LocalReference) and is_complete(wanted):
        note(context, value.local, wanted)
    elif isinstance(value, typed.MakeTuple) and len(value.items) == len(wanted.items):
        for item, kind in zip(value.items, wanted.items, strict=True):
            demand(context, item, kind)


def demand_numbers(context: Context, value: typed.Expression, own: Type, number: Type) -> None:
    """The numbers of a value are to be others; and so those of the values that its variables were given, and so on."""
    waiting, seen = [value], set()
    while waiting:
        for local in numbers_in(waiting.pop(), own):
            if local.name in seen or (local.mutable and counts(own, number)):
                continue
            seen.add(local.name)
            note(context, local, NumberOf(number))
            declared = context.declared.get(local.name)
            if declared is not None and declared.start in context.initial:
                waiting.append(context.initial[declared.start])


def demand_assigned(context: Context, target: typed.Place, wanted: Type) -> None:
    """A value of the wanted type is assigned to a place that doesn't take it."""
    from dynlang.check.fitting.fit import number_type

    own, number = number_type(target.type), number_type(wanted)
    if own is not None and number is not None and may_become(own, number) and number_type(target.root.type) == own:
        note(context, target.root, NumberOf(number))
        declared = context.declared.get(target.root.name)
        if declared is not None and declared.start in context.initial:
            demand_numbers(context, context.initial[declared.start], own, number)


def demand_function(context: Context, callee: typed.Expression, arguments: tuple[Type, ...]) -> None:
    """A variable that nothing is known of is called with arguments of these types."""
    if isinstance(callee, typed.LocalReference) and all(is_complete(one) for one in arguments):
        note(context, callee.local, FunctionType(arguments, HOLE))


def demand_argument(context: Context, value: typed.Expression, wanted: Type | None) -> None:
    """A variable that nothing is known of is handed to a function; of functions the parameters are enough."""
    if isinstance(wanted, FunctionType):
        demand_function(context, value, wanted.parameters)
    elif wanted is not None:
        demand(context, value, wanted)


def demand_method(context: Context, receiver: typed.Expression, name: str, arguments: tuple[Type, ...]) -> None:
    """A method of lists or maps is called on a variable that nothing is known of."""
    if not isinstance(receiver, typed.LocalReference) or not arguments or not all(map(is_complete, arguments)):
        return
    stored = tuple(map(as_stored, arguments))
    match name, stored:
        case (("push" | "append" | "insert"), (*_, item)):
            note(context, receiver.local, ListType((item,)))
        case "extend", (ArrayType(element, (_, *rest)),):
            note(context, receiver.local, ListType((as_stored(array_of(element, tuple(rest))),)))
        case "extend", (ListType(),):
            note(context, receiver.local, stored[0])
        case (("set" | "set_default" | "get"), (key, value)):
            note(context, receiver.local, RecordType("maps.Map", (key, value)))


def demand_entry(context: Context, receiver: typed.Expression, key: Type, value: Type) -> None:
    """``m[key] = value``, where nothing is known of `m`."""
    demand_method(context, receiver, "set", (key, value))


def as_stored(kind: Type) -> Type:
    """Indices are ints where they are stored in a list or map whose type nobody wrote."""
    match kind:
        case IndexType():
            return INT
        case TupleType(items):
            return TupleType(tuple(map(as_stored, items)))
    return kind


def note(context: Context, local: typed.Local, wanted: Demand) -> None:
    declared = context.declared.get(local.name)
    if declared is not None:
        context.demands.setdefault(declared.start, wanted)


def numbers_in(value: typed.Expression, own: Type) -> Iterator[typed.Local]:
    """The variables whose numbers those of a value are: `a` and `b` in ``a + b[i]``, not the `c` of ``c > 0.0``."""
    from dynlang.check.fitting.fit import number_type

    waiting: list[Any] = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, tuple):
            waiting += current
        elif isinstance(current, typed.LocalReference):
            if number_type(current.type) == own:
                yield current.local
        elif isinstance(current, typed.Expression) and number_type(current.type) == own:
            waiting += [getattr(current, one.name) for one in fields(current)]


def may_become(own: Type, number: Type) -> bool:
    """Only what a literal is by itself, `f32` or `int`, may have been left open."""
    from dynlang.check.fitting.fit import is_float

    return own != number and (own == INT or (own == F32 and is_float(number)))


def counts(own: Type, number: Type) -> bool:
    """A counter doesn't become a float because it is read as one; a sum that floats are added to does."""
    from dynlang.check.context import is_int
    from dynlang.check.fitting.fit import is_float

    return is_int(own) and is_float(number)


def is_complete(kind: Type) -> bool:
    """Whether a type is known in all its parts; what a call hasn't solved yet has a name with an apostrophe."""
    open_names = {*size_variables(kind), *(one.name for one in type_variables(kind))}
    return not isinstance(kind, ErrorType) and not has_hole(kind) and not any("'" in name for name in open_names)


# ---------------------------------------------------------------- using demands


def with_one_number(
    context: Context, left: typed.Expression, left_node: ast.Expr | None, right: typed.Expression, right_node: ast.Expr
) -> tuple[typed.Expression, typed.Expression]:
    """Two operands in one number type, where one of them leaves a choice: in ``a + 5.0 * identity(n)`` the right takes that of `a`."""
    from dynlang.check.expressions.arithmetic import is_adaptable
    from dynlang.check.fitting.fit import number_type

    ours, theirs = number_type(left.type), number_type(right.type)
    if ours is None or theirs is None or ours == theirs or is_adaptable(left) or is_adaptable(right):
        return left, right
    changed = asked_again(context, right_node, right, ours)
    if changed is not right:
        return left, changed
    return asked_again(context, left_node, left, theirs), right


def asked_again(context: Context, node: ast.Expr | None, value: typed.Expression, number: Type) -> typed.Expression:
    """The expression with numbers of this type, if it is one that takes the type asked for; else the value as it was."""
    from dynlang.check.fitting.fit import adapt, is_float, number_type, with_numbers

    if node is None or not is_float(number):
        return value
    wanted = with_numbers(value.type, number)
    adapted = adapt(value, wanted)
    if adapted is not None:
        return adapted
    asked = node.span.start, node.span.end, wanted
    if asked in context.refused:
        return value
    with context.trial() as problems:
        found = context.infer(node, wanted)
    if problems.errors or number_type(found.type) != number:
        context.refused.add(asked)
        return value
    return context.infer(node, wanted)


def settled_items(context: Context, target: ast.Target, node: ast.Expr, value: typed.Expression) -> typed.Expression:
    """What a loop runs over, with the numbers that the uses of the loop's variable demand."""
    from dynlang.check.fitting.fit import with_numbers

    wanted = context.settled.get(target.span.start) if isinstance(target, ast.Identifier) else None
    if not isinstance(wanted, NumberOf):
        return value
    found = asked_again(context, node, value, wanted.number)
    if found is value:
        demand(context, value, with_numbers(value.type, wanted.number))
    return found


def settled_value(context: Context, node: ast.Let) -> typed.Expression:
    """The value of a declaration without a type, as what its uses demand."""
    from dynlang.check.fitting.fit import fitting

    wanted = demanded_type(context, node.target, node.value)
    if wanted is None:
        return remembered(context, node.target, context.infer(node.value))
    value = context.infer(node.value, wanted)
    if isinstance(value.type, ErrorType) or has_hole(wanted):
        return value
    fitted = fitting(context, value, wanted)
    if fitted is None:
        demand(context, value, wanted)
    return fitted or value


def remembered(context: Context, target: ast.Target, value: typed.Expression) -> typed.Expression:
    """The value, kept for demands on the names that it is given to."""
    if isinstance(target, ast.Identifier):
        context.initial[target.span.start] = value
    elif isinstance(value, typed.MakeTuple) and len(value.items) == len(target.items):
        for name, item in zip(target.items, value.items, strict=True):
            remembered(context, name, item)
    return value


def demanded_type(context: Context, target: ast.Target, value: ast.Expr) -> Type | None:
    """What the names of a declaration are to be, as one type; None if nothing is demanded that can be said here."""
    demands = [context.settled.get(one.span.start) if isinstance(one, ast.Identifier) else None for one in names_of(target)]
    if not any(demands):
        return None
    with context.trial():
        plain = context.infer(value).type
    if isinstance(target, ast.Identifier):
        return wanted_type(context, plain, demands[0])
    if not isinstance(plain, TupleType) or len(plain.items) != len(demands):
        return None
    items = [wanted_type(context, own, one) or own for own, one in zip(plain.items, demands, strict=True)]
    return None if any(isinstance(one, ErrorType) for one in items) else TupleType(tuple(items))


def names_of(target: ast.Target) -> tuple[ast.Target, ...]:
    return (target,) if isinstance(target, ast.Identifier) else target.items


def wanted_type(context: Context, plain: Type, wanted: Demand | None) -> Type | None:
    """The demanded type, if it can be said at the declaration: its sizes are in sight there."""
    from dynlang.check.fitting.fit import number_type, with_numbers

    if isinstance(wanted, NumberOf):
        return with_numbers(plain, wanted.number) if number_type(plain) is not None else None
    return wanted if wanted is not None and size_variables(wanted) <= context.size_names() else None
