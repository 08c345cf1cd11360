"""``match &t:`` lends the payloads of a place: the names of a pattern are variables, and the place takes what they hold at the
end of the case, however it is left.

    match &t:                        match t:
        Node(value, _):                  Node(v, rest):
            value += 1.0                     var value = v
            return value                     value += 1.0
                                             let result = value
                                             t = Node(value, rest)
                                             return result

Tags and sizes don't change through the names (rule 14), and the place itself isn't used while it is lent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from dynlang.check import errors, typed
from dynlang.check.context import Context
from dynlang.diag import Label
from dynlang.syntax import nodes as ast
from dynlang.types import SumType, TupleType, Type, unknowns

Statements = tuple[typed.Statement, ...]
Path = tuple[int, ...]
AstPath = tuple[str, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Split:
    """A value that was taken apart on the way to a case: its type, its alternative ("" for a tuple) and its parts."""

    type: Type
    constructor: str
    parts: tuple[typed.Local, ...]


@dataclass(frozen=True, slots=True)
class Loan:
    """The place that a match lends, and what stands behind each change of it (`opened`: the places of unknown size around it)."""

    place: typed.Place
    opened: Statements


def lend_subject(context: Context, node: ast.Match) -> tuple[Loan, list[typed.Statement], typed.Expression] | None:
    """The loan of ``match &place``, what comes first, and the value of the place."""
    from dynlang.check.statements.places import opening, place
    from dynlang.check.statements.statement import read_place, steady

    found = place(context, node.subject, "lent")
    if found is None:
        return None
    before, after = opening(context)
    found = steady(context, found, before)
    report_uses(context, node)
    return Loan(found, tuple(after)), before, read_place(context, found)


def bind_lent(context: Context, name: ast.Identifier, local: typed.Local) -> tuple[typed.Local, list[typed.Statement]]:
    """A name of the pattern as a variable of the payload's size."""
    value = context.open(typed.LocalReference(local.type, name.span, local), f"`{name.text}`")
    following, context.following = context.following, ()
    bound = context.declare(name.text, value.type, name.span, mutable=True)
    context.following = following
    return bound, [typed.Bind(typed.Binding((bound,), value, name.span))]


def returned(loan: Loan, whole: typed.Local, splits: dict[typed.Local, Split], bound: dict[typed.Local, typed.Local]) -> Statements:
    """The place takes its parts back."""
    return (typed.Assign((loan.place,), rebuilt(whole, splits, bound, loan), loan.place.span), *loan.opened)


def rebuilt(local: typed.Local, splits: dict[typed.Local, Split], bound: dict[typed.Local, typed.Local], loan: Loan) -> typed.Expression:
    """A value put together again from the variables that hold its parts."""
    span = loan.place.span
    if local in bound:
        found = typed.LocalReference(bound[local].type, span, bound[local])
        return typed.Pack(local.type, span, found) if unknowns(local.type) else found
    split = splits.get(local)
    if split is None:
        return typed.LocalReference(local.type, span, local)
    parts = tuple(rebuilt(one, splits, bound, loan) for one in split.parts)
    if isinstance(split.type, TupleType):
        return typed.MakeTuple(split.type, span, parts)
    assert isinstance(split.type, SumType)
    return typed.Construct(split.type, span, split.constructor, parts)


def before_leaving(context: Context, body: Sequence[typed.Statement], back: Statements, in_loop: bool = False) -> list[typed.Statement]:
    """The statements of a case, with `back` before each that leaves it."""
    found: list[typed.Statement] = []
    for one in body:
        match one:
            case typed.Return(None):
                found += [*back, one]
            case typed.Return(value, span):
                assert value is not None
                result = context.temporary("result", value.type)
                bind = typed.Bind(typed.Binding((result,), value, span))
                found += [bind, *back, typed.Return(typed.LocalReference(value.type, span, result), span)]
            case typed.Break() | typed.Continue() if not in_loop:
                found += [*back, one]
            case _:
                inside = in_loop or isinstance(one, (typed.For, typed.While))
                found.append(map_bodies(one, lambda inner, inside=inside: tuple(before_leaving(context, inner, back, inside))))
    return found


def map_bodies(one: typed.Statement, change: Callable[[Statements], Statements]) -> typed.Statement:
    """A statement with the blocks inside it changed."""
    match one:
        case typed.If():
            return replace(one, then=change(one.then), otherwise=change(one.otherwise))
        case typed.For() | typed.While():
            return replace(one, body=change(one.body))
        case typed.Match():
            arms = tuple(replace(arm, body=change(arm.body)) for arm in one.arms)
            return replace(one, arms=arms, otherwise=None if one.otherwise is None else change(one.otherwise))
    return one


# ---------------------------------------------------------------- the place isn't used meanwhile


def report_uses(context: Context, node: ast.Match) -> None:
    """Uses of the lent place in the cases, which would see it in the middle of a change."""
    lent = ast_path(node.subject)
    if lent is None:
        return
    for case in node.cases:
        inside = (case.guard, *case.body) if case.guard is not None else case.body
        if lent[0] in set(names_bound((case.pattern, *inside))):
            continue
        for use in (found for one in inside for found in paths_in(one)):
            path = ast_path(use)
            if path is not None and paths_overlap(path, lent):
                context.report(
                    errors.Overlap(
                        f"`{use.span.text}` is used while `match &{node.subject.span.text}` lends it",
                        use.span,
                        secondary=(Label(node.subject.span, f"`{node.subject.span.text}` is lent here, to the end of the match"),),
                        hint="use the names that the pattern gives to its parts",
                    )
                )
                return


def ast_path(node: ast.Expr) -> AstPath | None:
    """What an expression names: a variable, and the fields and indices behind it."""
    match node:
        case ast.Name(text):
            return text, ()
        case ast.Attribute(value, name):
            inner = ast_path(value)
            return None if inner is None else (inner[0], (*inner[1], name.text))
        case ast.Index(value, indices):
            inner = ast_path(value)
            literals = tuple(one.value if isinstance(one, ast.Integer) else None for one in indices)
            return None if inner is None else (inner[0], (*inner[1], literals))
    return None


def paths_overlap(left: AstPath, right: AstPath) -> bool:
    if left[0] != right[0]:
        return False
    for one, other in zip(left[1], right[1], strict=False):
        if isinstance(one, str) and isinstance(other, str):
            if one != other:
                return False
        elif isinstance(one, tuple) and isinstance(other, tuple) and any(
                a is not None and b is not None and a != b for a, b in zip(one, other, strict=False)):
            return False
    return True


def paths_in(node: ast.Node) -> Iterator[ast.Expr]:
    """The longest paths in a piece of syntax, and those in their indices."""
    if isinstance(node, (ast.Name, ast.Attribute, ast.Index)) and ast_path(node) is not None:
        yield node
        while not isinstance(node, ast.Name):
            if isinstance(node, ast.Index):
                for index in node.indices:
                    yield from paths_in(index)
            node = node.value  # type: ignore[union-attr]
        return
    for child in ast.children(node):
        yield from paths_in(child)


def names_bound(found: Sequence[ast.Node]) -> Iterator[str]:
    """The names that patterns and declarations in these give a new meaning."""
    for one in found:
        for inner in ast.walk(one):
            match inner:
                case ast.NamePattern(path) if len(path.parts) == 1:
                    yield path.text
                case ast.Let(target=ast.Identifier(text)):
                    yield text
