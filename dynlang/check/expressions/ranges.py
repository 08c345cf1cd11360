"""Ranges of comprehensions that aren't written: those of the axes which a name indexes by itself (rule 26)."""

from __future__ import annotations

from collections.abc import Iterator

from dynlang.check import errors, typed
from dynlang.check.context import Context
from dynlang.check.fitting.fit import size_labels, unique_labels
from dynlang.diag import Label
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import ArrayType, IndexType, Size


def inferred_axis(context: Context, axis: ast.Axis, node: ast.Comprehension) -> tuple[list[typed.Binding], typed.Axis] | None:
    """A bare name: its range is that of every axis which it indexes by itself, and they agree (rule 26)."""
    if not isinstance(axis.target, ast.Identifier):
        context.report(errors.BadComprehension("a pattern needs `in` and what it runs over", axis.span))
        return None
    name = axis.target.text
    found: list[tuple[Size, Span]] = []
    hidden = {one.text for clause in node.clauses for other in clause.axes if other.iterable is None for one in names_of(other.target)} - {
        name
    }
    for index, position in bare_uses(node, name):
        size = axis_size(context, index.value, position, hidden | {name})
        if size is not None:
            found.append((size, index.span))
    if not found:
        context.report(no_range(context, axis, node, name, hidden | {name}))
        return None
    for size, span in found[1:]:
        if size != found[0][0]:
            context.report(ranges_disagree(context, name, axis.span, found[0], (size, span)))
            return None
    return [], typed.Axis(context.declare(name, IndexType(found[0][0]), axis.span), found[0][0])


def no_range(context: Context, axis: ast.Axis, node: ast.Comprehension, name: str, hidden: set[str]) -> errors.BadComprehension:
    """No index is the name alone; where one is the name and a number, the hint says the range that stays inside."""
    if not any(isinstance(one, ast.Name) and one.text == name for part in parts_of(node) for one in ast.walk(part)):
        title, hint = f"`{name}` is used nowhere, so nothing tells its range", f"say how often: `for {name} in n`"
        return errors.BadComprehension(title, axis.span, hint=hint)
    hint = f"say it: `for {name} in n`"
    for index, position in indices_of(node):
        moved = distance_of(index.indices[position], name)
        size = axis_size(context, index.value, position, hidden) if moved is not None else None
        if size is not None and moved is not None and moved > 0:
            hint = f"say it: `for {name} in {size - moved}` stays inside"
            break
    return errors.BadComprehension(f"the range of `{name}` can't be inferred: it is no index by itself", axis.span, hint=hint)


def distance_of(index: ast.Node, name: str) -> int | None:
    """The c of ``name + c``."""
    match index:
        case ast.Binary(ast.Name(text), (ast.Operation("+", ast.Integer(amount)),)) if text == name:
            return amount
    return None


def ranges_disagree(context: Context, name: str, span: Span, one: tuple[Size, Span], other: tuple[Size, Span]) -> errors.RangesDisagree:
    labels = (
        Label(one[1], f"{one[0]} items"),
        Label(other[1], f"{other[0]} items"),
        *size_labels(context, one[0]),
        *size_labels(context, other[0]),
    )
    return errors.RangesDisagree(
        f"`{name}` runs over {one[0]} here and over {other[0]} there",
        span,
        secondary=unique_labels(labels),
        hint=f"they aren't equal by proof: say which it is, `for {name} in {one[0]}`, and cast what has the other",
    )


def parts_of(node: ast.Comprehension) -> Iterator[ast.Node]:
    """The value, the guards and what is run over."""
    yield node.value
    for clause in node.clauses:
        if clause.guard is not None:
            yield clause.guard
        for axis in clause.axes:
            if axis.iterable is not None:
                yield axis.iterable


def indices_of(node: ast.Comprehension) -> Iterator[tuple[ast.Index, int]]:
    """Every index expression inside, with each of its positions."""
    for part in parts_of(node):
        for one in ast.walk(part):
            if isinstance(one, ast.Index):
                for position in range(len(one.indices)):
                    yield one, position


def names_of(target: ast.Target) -> Iterator[ast.Identifier]:
    if isinstance(target, ast.Identifier):
        yield target
    else:
        for item in target.items:
            yield from names_of(item)


def bare_uses(node: ast.Comprehension, name: str) -> Iterator[tuple[ast.Index, int]]:
    """The index expressions where the name stands alone, with its position."""
    waiting: list[ast.Node] = list(parts_of(node))
    while waiting:
        current = waiting.pop(0)
        if isinstance(current, ast.Comprehension) and any(
            one.text == name for clause in current.clauses for axis in clause.axes for one in names_of(axis.target)
        ):
            continue
        if isinstance(current, ast.Index):
            for position, index in enumerate(current.indices):
                if isinstance(index, ast.Name) and index.text == name:
                    yield current, position
        waiting += list(ast.children(current))


def axis_size(context: Context, value: ast.Expr, position: int, hidden: set[str]) -> Size | None:
    """The size of one axis of an expression that can be read before the comprehension's own names are known."""
    if any(isinstance(one, ast.Name) and (one.text in hidden or unresolved(context, one.text)) for one in ast.walk(value)):
        return None
    with context.trial() as found:
        taken = set(context.taken)
        kind = context.infer(value).type
    if found.errors or not isinstance(kind, ArrayType) or position >= len(kind.shape):
        return None
    size = kind.shape[position]
    if not isinstance(size, Size) or size.variables() - taken - context.taken:
        return None
    return size


def unresolved(context: Context, name: str) -> bool:
    return context.find(name) is None and context.symbol(name) is None
