"""``debug(x)`` and ``debug_grad(x)``: the identity, which shows a value, or the cotangent that arrives there.

    let y = debug(tanh(x))          model.dyn:7: tanh(x) = [0.5, 0.1]
    let z = debug_grad(y)           model.dyn:8: gradient of y = [1.0, 0.2]

They stand in a `fn`, too: a value is shown once, where the primal runs; derivatives leave it out.
"""

from __future__ import annotations

import os

from dynlang.check import errors, typed
from dynlang.check.calls.call import builtin
from dynlang.check.context import Context
from dynlang.check.declarations.world import show
from dynlang.check.expressions.simple import STRING, formatted, given, join_text
from dynlang.check.fitting.fit import article, is_float
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import UNIT, ArrayType, ErrorType, FunctionType, Type

LONGEST = 40
RANKS = 3


@builtin("debug")
def call_debug(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """The argument, shown on standard error with its place and its text."""
    value = argument_of(context, node, "debug", hint)
    if isinstance(value.type, ErrorType):
        return value
    if isinstance(value.type, FunctionType):
        return context.fail(errors.BadFormat("a function has no text", value.span, hint="show a value of it: `debug(f(x))`"))
    local = context.temporary("shown", value.type)
    reference = typed.LocalReference(value.type, node.span, local)
    pieces = [typed.Literal(STRING, node.span, label(node, "")), formatted(context, reference), typed.Literal(STRING, node.span, "\n")]
    write = typed.Primitive(UNIT, node.span, "debug_text", (join_text(pieces, node.span),))
    bindings = (typed.Binding((local,), value, node.span), typed.Binding((None,), write, node.span))
    return typed.Sequence(value.type, node.span, bindings, reference)


@builtin("debug_grad")
def call_debug_grad(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression:
    """The argument; when a derivative comes back to it, its cotangent is shown."""
    value = argument_of(context, node, "debug_grad", hint)
    if isinstance(value.type, ErrorType):
        return value
    rank = len(value.type.shape) if isinstance(value.type, ArrayType) else 0
    if not is_float(value.type.element if isinstance(value.type, ArrayType) else value.type) or rank >= RANKS:
        title = f"`debug_grad` takes a float, or an array of floats with up to {RANKS - 1} axes, not {article(value.type)}"
        return context.fail(errors.OperandTypes(title, value.span, found=show(value.type)))
    name = ast.Name(f"debug_grad_{rank}", span=node.span)
    text = typed.Literal(STRING, node.span, label(node, "gradient of ").removesuffix(" = "))
    arguments = tuple(ast.Argument(None, given(one), span=node.span) for one in (value, text))
    return context.infer(ast.Call(name, arguments, span=node.span), hint)


def argument_of(context: Context, node: ast.Call, name: str, hint: Type | None) -> typed.Expression:
    if len(node.arguments) != 1 or node.arguments[0].name is not None or node.arguments[0].borrow:
        return context.fail(errors.WrongArity(f"`{name}` takes 1 argument, and {len(node.arguments)} given", node.span))
    return context.infer(node.arguments[0].value, hint)


def label(node: ast.Call, what: str) -> str:
    """Where a value is shown, and which: ``model.dyn:7: tanh(x) = ``."""
    return f"{place(node.span)}: {what}{clip(node.arguments[0].value.span.text)} = "


def place(span: Span) -> str:
    return f"{os.path.basename(span.source.name)}:{span.line}"


def clip(text: str) -> str:
    """
    >>> clip("a +\\n   b")
    'a + b'
    """
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST else f"{flat[:LONGEST]}..."
