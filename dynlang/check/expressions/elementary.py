"""Functions of numbers that are a few operators each, of any rank: `clip`, `atan2`."""

from __future__ import annotations

import math

from dynlang.check import errors, typed
from dynlang.check.calls.call import builtin
from dynlang.check.context import ERROR, Context
from dynlang.check.expressions.arithmetic import elementwise, operand_hint
from dynlang.check.fitting.fit import fit, number_type, with_numbers
from dynlang.syntax import nodes as ast
from dynlang.types import ErrorType, Type


@builtin("clip", "clamp")
def call_clip(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``clip(x, low, high)``: ``min(max(x, low), high)`` of numbers and arrays that fit each other; `clamp` is the same."""
    assert isinstance(node.function, ast.Name)
    name = node.function.text
    if len(node.arguments) != 3 or any(one.name is not None or one.borrow for one in node.arguments):
        return context.fail(
            errors.WrongArity(
                f"`{name}` takes three values: what is kept inside, the lowest and the highest",
                node.span,
                hint="gradients are scaled down with `clip_norm(gradient, largest)`" if len(node.arguments) == 2 else "",
            )
        )
    values = [context.infer(one.value, operand_hint(context, one.value, hint)) for one in node.arguments]
    if any(isinstance(value.type, ErrorType) for value in values):
        return typed.Literal(ERROR, node.span, 0)
    above = elementwise(context, "maximum", values[:2], node.span, name)
    return elementwise(context, "minimum", (above, values[2]), node.span, name)


@builtin("atan2")
def call_atan2(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """``atan2(y, x)``: the angle of the point (x, y) from the positive x axis, in -pi..pi; 0 at the origin."""
    if len(node.arguments) != 2 or any(one.name is not None or one.borrow for one in node.arguments):
        return context.fail(errors.WrongArity("`atan2` takes two values, y and x", node.span))
    span = node.span
    values = [context.infer(one.value, operand_hint(context, one.value, hint)) for one in node.arguments]
    quotient = elementwise(context, "div", values, span, "atan2")
    kind = number_type(quotient.type)
    if isinstance(quotient.type, ErrorType) or kind is None:
        return typed.Literal(ERROR, span, 0)
    given = [fit(context, value, with_numbers(value.type, kind)) for value in values]
    names = [context.temporary("side", value.type) for value in given]
    y, x = (typed.LocalReference(one.type, span, one) for one in names)

    def of(op: str, *operands: typed.Expression) -> typed.Expression:
        return elementwise(context, op, operands, span, "atan2")

    def number(amount: float) -> typed.Expression:
        return typed.Literal(kind, span, amount)

    upright = of("equal", x, number(0.0))
    slanted = of("atan", of("div", y, of("select", upright, number(1.0), x)))
    turned = of("select", of("less", y, number(0.0)), number(-math.pi), number(math.pi))
    angle = of("add", slanted, of("select", of("less", x, number(0.0)), turned, number(0.0)))
    found = of("select", upright, of("mul", of("sign", y), number(math.pi / 2)), angle)
    bindings = tuple(typed.Binding((local,), value, span) for local, value in zip(names, given, strict=True))
    return typed.Sequence(found.type, span, bindings, found)
