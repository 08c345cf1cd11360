"""Where a body ends without `return`: the place to show, and the `return` that may be missing there."""

from __future__ import annotations

from collections.abc import Sequence

from dynlang.check import errors
from dynlang.diag import Diagnostic, Edit, Label, Repair, replacing
from dynlang.source import Span
from dynlang.syntax import nodes as ast


def missing_return(node: ast.Function, result: str) -> Diagnostic:
    """A path of a function ends without a result: the place is the last statement on that path, not the function's head."""
    name = node.name.text
    last = open_end(node.body)
    declared = (Label(node.result.span, f"`{name}` gives `{result}`"),) if node.result is not None else ()
    hint = "every path ends with `return`, or with `fail(...)`"
    if isinstance(last, ast.If):
        words = "if this is false, nothing is returned" if len(last.branches) == 1 else "if all these are false, nothing is returned"
        span = Span(last.span.source, last.span.start, last.branches[0].condition.span.end)
        hint = "a `return` below it, or an `else:`, gives the result of that path"
    elif isinstance(last, (ast.While, ast.For)):
        words, span = "when this loop is over, nothing is returned", first_line(last.span)
    else:
        words, span = "nothing is returned after this", first_line(last.span)
    return errors.MissingReturn(
        f"`{name}` can end without a result", span, words, secondary=declared, hint=hint, repairs=tuple(returns(last))
    )


def first_line(span: Span) -> Span:
    """The part of a span that stands on its first line."""
    end = span.source.text.find("\n", span.start)
    return Span(span.source, span.start, min(span.end, end) if end >= 0 else span.end)


def open_end(block: Sequence[ast.Statement]) -> ast.Statement:
    """The statement behind which the first open path of a block ends."""
    last = block[-1]
    match last:
        case ast.If(branches, orelse) if orelse is not None:
            bodies = [*(one.body for one in branches), orelse]
        case ast.Match(_, _, cases):
            bodies = [one.body for one in cases]
        case _:
            return last
    return next((open_end(body) for body in bodies if not ends(body)), last)


def ends(block: Sequence[ast.Statement]) -> bool:
    """Whether control can't reach the end of a block."""
    match block[-1]:
        case ast.Return() | ast.Todo() | ast.Break() | ast.Continue():
            return True
        case ast.ExprStmt(ast.Call(ast.Name("fail"))):
            return True
        case ast.If(branches, orelse):
            return orelse is not None and ends(orelse) and all(ends(one.body) for one in branches)
        case ast.Match(_, _, cases):
            return all(ends(one.body) for one in cases)
        case ast.While(ast.Boolean(True)):
            return True
    return False


def returns(last: ast.Statement) -> list[Repair]:
    """The `return` that may be missing: before a value that is dropped, or below a variable that is given one."""
    match last:
        case ast.ExprStmt(value):
            return [replacing("return this value", Span(value.span.source, last.span.start, last.span.start), "return ")]
        case ast.Let(_, ast.Identifier(name)) | ast.Assign(ast.Name(name)):
            margin = " " * (last.span.column - 1)
            at = last.span.source.span(last.span.end, last.span.end)
            return [Repair(f"return `{name}`", (Edit(at, f"\n{margin}return {name}"),))]
    return []
