"""Tests of properties: ``test "..." for x: f32[?n], i: idx<n>:`` holds for many values that are made for it.

Such a test is a loop over cases, written out here before it is checked:

    for case in 100:
        var rng = Rng(seed=case)
        let n = property_size(case, &rng)               # of each `?n`: 0 and 1 first
        let x: f32[n] = arbitrary(&rng)
        let i: idx<n> = uniform_int(n, &rng) as idx<n>
        ...                                             # the body; an assertion that fails shows the values

Cases are the same in every run.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from dynlang.check import errors
from dynlang.diag import Diagnostic
from dynlang.syntax import nodes as ast

CASES = 100
CASE, RANDOM = "property_case", "property_rng"


def written_out(test: ast.Test) -> ast.Test:
    """The test as one without parameters."""
    if not test.params:
        return test
    made: list[ast.Statement] = [let(RANDOM, call("Rng", test, seed=name(CASE, test)), test, mutable=True)]
    bounds = {bound for one in test.params for bound in index_bounds(one.type)}
    known: set[str] = set()
    for one in test.params:
        kind, sizes = named_sizes(one)
        for size in sizes:
            if size.text not in known:
                made.append(let(size.text, size_value(size, size.text in bounds), size))
                known.add(size.text)
        made.append(let(one.name.text, value_of(kind, one), one, kind))
    shown = tuple(asserting(statement, test.params) for statement in test.body)
    loop = ast.For(ast.Identifier(CASE, span=test.span), ast.Integer(CASES, span=test.span), (*made, *shown), span=test.span)
    return replace(test, body=(loop,), params=())


def unmakeable(test: ast.Test) -> Diagnostic | None:
    """The error for a parameter of a type that no value is made of."""
    for param in test.params:
        for one in ast.walk(param.type) if param.type is not None else ():
            if isinstance(one, ast.ArrowType) or (isinstance(one, ast.TypeName) and one.path.text in ("str", "List", "Map")):
                return errors.CannotInfer(
                    f"no `{one.span.text}` is made for a test", param.span,
                    hint="take numbers, arrays and records of them, and make it of these in the body",
                )
    return None


# ---------------------------------------------------------------- values


def size_value(size: ast.Identifier, bounds: bool) -> ast.Expr:
    """A size of this case; at least 1 where it bounds an index."""
    drawn = call("property_size", size, name(CASE, size), lent(RANDOM, size))
    return call("max", size, drawn, ast.Integer(1, span=size.span)) if bounds else drawn


def value_of(kind: ast.Type, at: ast.Param) -> ast.Expr:
    """A value of a type: ``arbitrary(&rng)``, and for indices what stays below their bound."""
    bound = index_bound(kind)
    if bound is not None:
        return ast.Cast(call("uniform_int", at, as_expression(bound), lent(RANDOM, at)), kind, span=at.span)
    if isinstance(kind, ast.ArrayType) and len(kind.sizes) == 1 and (bound := index_bound(kind.element)) is not None:
        words = call("uniform_int", at, as_expression(bound), as_expression(kind.sizes[0]), lent(RANDOM, at))
        return each(ast.Cast(name("drawn", at), kind.element, span=at.span), words, at)
    if is_bool(kind):
        return truth(call("uniform_int", at, ast.Integer(2, span=at.span), lent(RANDOM, at)), at)
    if isinstance(kind, ast.ArrayType) and len(kind.sizes) == 1 and is_bool(kind.element):
        words = call("uniform_int", at, ast.Integer(2, span=at.span), as_expression(kind.sizes[0]), lent(RANDOM, at))
        return each(truth(name("drawn", at), at), words, at)
    return call("arbitrary", at, lent(RANDOM, at))


def is_bool(kind: ast.Type) -> bool:
    return isinstance(kind, ast.TypeName) and kind.path.text == "bool"


def truth(bit: ast.Expr, at: ast.Node) -> ast.Expr:
    return ast.Compare(bit, (ast.Operation("==", ast.Integer(1, span=at.span), span=at.span),), span=at.span)


def each(item: ast.Expr, items: ast.Expr, at: ast.Node) -> ast.Expr:
    """``[item for drawn in items]``"""
    clause = ast.Clause((ast.Axis(ast.Identifier("drawn", span=at.span), items, span=at.span),), span=at.span)
    return ast.Comprehension(item, (clause,), bracketed=True, span=at.span)


def index_bound(kind: ast.Type | None) -> ast.Type | None:
    """What bounds ``idx<n>``."""
    return kind.arguments[0] if isinstance(kind, ast.TypeName) and kind.path.text == "idx" and len(kind.arguments) == 1 else None


def index_bounds(kind: ast.Type | None) -> set[str]:
    """The names that bound indices in a type."""
    found: set[str] = set()
    for one in ast.walk(kind) if kind is not None else ():
        bound = index_bound(one)  # type: ignore[arg-type]
        if isinstance(bound, ast.TypeName):
            found.add(bound.path.text)
        elif isinstance(bound, ast.Unknown) and bound.name is not None:
            found.add(bound.name.text)
    return found


def named_sizes(param: ast.Param) -> tuple[ast.Type, list[ast.Identifier]]:
    """The type with every ``?n`` as the name `n`, and these names; a bare ``?`` gets a name of its own."""
    assert param.type is not None
    found: list[ast.Identifier] = []

    def change(node: Any) -> Any:
        if isinstance(node, ast.Unknown):
            size = node.name or ast.Identifier(f"size_{len(found)}_of_{param.name.text}", span=node.span)
            found.append(size)
            return ast.TypeName(ast.Dotted((size,), span=node.span), span=node.span)
        if isinstance(node, tuple):
            return tuple(change(one) for one in node)
        if isinstance(node, ast.Node):
            return replace(node, **{one.name: change(getattr(node, one.name)) for one in fields(node) if one.name != "span"})
        return node

    return change(param.type), found


# ---------------------------------------------------------------- assertions that show the values


def asserting(statement: Any, params: tuple[ast.Param, ...]) -> Any:
    """The statement, its assertions with a message that shows the values of the case."""
    if isinstance(statement, ast.Assert) and statement.message is None:
        return replace(statement, message=described(statement, params))
    if isinstance(statement, tuple):
        return tuple(asserting(one, params) for one in statement)
    if isinstance(statement, (ast.If, ast.Branch, ast.While, ast.For, ast.Match, ast.Case)):
        inner = {one.name: asserting(getattr(statement, one.name), params) for one in fields(statement) if one.name != "span"}
        return replace(statement, **inner)
    return statement


def described(at: ast.Assert, params: tuple[ast.Param, ...]) -> ast.Expr:
    """``f"x = {x}, i = {i}"``"""
    parts: list[str | ast.Interpolation] = []
    for position, one in enumerate(params):
        parts += [f"{', ' if position else ''}{one.name.text} = ", ast.Interpolation(name(one.name.text, at), span=at.span)]
    return ast.FString(tuple(parts), span=at.span)


# ---------------------------------------------------------------- syntax


def name(text: str, at: ast.Node) -> ast.Name:
    return ast.Name(text, span=at.span)


def lent(text: str, at: ast.Node) -> ast.Argument:
    return ast.Argument(None, name(text, at), borrow=True, span=at.span)


def call(function: str, at: ast.Node, *arguments: ast.Expr | ast.Argument, **named: ast.Expr) -> ast.Call:
    plain = [one if isinstance(one, ast.Argument) else ast.Argument(None, one, span=at.span) for one in arguments]
    plain += [ast.Argument(ast.Identifier(key, span=at.span), value, span=at.span) for key, value in named.items()]
    return ast.Call(name(function, at), tuple(plain), span=at.span)


def let(target: str, value: ast.Expr, at: ast.Node, kind: ast.Type | None = None, mutable: bool = False) -> ast.Let:
    return ast.Let(mutable, ast.Identifier(target, span=at.span), kind, value, span=at.span)


def as_expression(size: ast.Type) -> ast.Expr:
    """A size as an expression: its names are ints."""
    match size:
        case ast.TypeName(path):
            return ast.Name(path.text, span=size.span)
        case ast.Binary(first, rest):
            operations = tuple(replace(one, operand=as_expression(one.operand)) for one in rest)  # type: ignore[arg-type]
            return ast.Binary(as_expression(first), operations, span=size.span)  # type: ignore[arg-type]
    return size  # type: ignore[return-value]
