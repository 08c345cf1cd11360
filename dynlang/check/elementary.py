"""Functions of numbers that are a few operators each, of any rank: `clip`."""

from __future__ import annotations

from dynlang.check import errors, typed
from dynlang.check.arithmetic import elementwise, operand_hint
from dynlang.check.calls import builtin
from dynlang.check.context import ERROR, Context
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
