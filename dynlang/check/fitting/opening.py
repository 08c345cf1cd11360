"""Immutable variables of unknown sizes are opened where they are bound, their fields too (rule 4).

So ``b.xs * b.xs`` has operands of one size, wherever the two stand: behind ``b`` the field `xs` is bound to a variable of
the compiler, whose size is "size_of_xs", and ``b.xs`` is that variable from there on. Of a `var` each statement takes such a
look of its own (`snapshots`), for the next one may find another size.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from dynlang.check import typed
from dynlang.check.context import Context, LocalEntry
from dynlang.diag import LimitReached
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import ErrorType, RecordType, Size, SizeArgument, Type, Unknown, map_type, size_variables, unknowns


def declare_opened(
    context: Context,
    name: ast.Identifier,
    value: typed.Expression,
    bindings: list[typed.Binding],
    size: Size | None = None,
) -> typed.Local:
    """A new immutable variable for a value, its unknown sizes opened."""
    value = context.open(value, f"`{name.text}`")
    local = context.declare(name.text, value.type, name.span, size=size)
    bindings.append(typed.Binding((None if name.text == "_" else local,), value, name.span))
    if isinstance(value, typed.LocalReference) and not value.local.mutable:
        context.fields |= {(local.name, name): part for (owner, name), part in context.fields.items() if owner == value.local.name}
    else:
        open_fields(context, local, name.text, name.span, bindings)
    return local


def declare_parameter(
    context: Context, node: ast.Param, kind: Type, lent: bool, opened: list[typed.Binding]
) -> typed.Local:
    """The variable of a lambda's parameter; one of unknown size is opened where the body begins, under the same name."""
    if unknowns(kind) and not lent:
        closed = context.temporary(node.name.text, kind)
        declare_opened(context, node.name, typed.LocalReference(kind, node.span, closed), opened)
        return closed
    local = context.declare(node.name.text, kind, node.span, mutable=lent)
    open_fields(context, local, node.name.text, node.span, opened)
    return local


def closed_over(value: typed.Expression, known: frozenset[str]) -> typed.Expression:
    """The result of a lambda, the sizes that are known in it alone packed under `?`: ``n => zeros(n)`` is an ``int -> f32[?]``."""
    if not size_variables(value.type) - known:
        return value

    def on_size(one: SizeArgument) -> SizeArgument:
        if not isinstance(one, Size) or one.variables() <= known:
            return one
        return Unknown(one.single_variable)

    return typed.Pack(map_type(value.type, on_size, lambda kind: None), value.span, value)


FIELDS_LIMIT = 1_000


def open_fields(context: Context, local: typed.Local, shown: str, span: Span, bindings: list[typed.Binding]) -> None:
    """Binds the fields of unknown size of an immutable variable, and those of its fields."""
    if not has_unknown_fields(context, local.type) or local.mutable:
        return
    assert isinstance(local.type, RecordType)
    for name, kind in fields_of(context, local.type):
        path = f"{shown}.{name}"
        if unknowns(kind) or has_unknown_fields(context, kind):
            field = typed.Field(kind, span, typed.LocalReference(local.type, span, local), name)
            value = context.open(field, f"`{path}`")
            part = context.temporary(path.replace(".", "_"), value.type)
            context.fields[local.name, name] = part
            if len(bindings) > FIELDS_LIMIT:
                raise LimitReached(f"a value with more than {FIELDS_LIMIT:,} fields of unknown size", span)
            bindings.append(typed.Binding((part,), value, span))
            open_fields(context, part, path, span, bindings)


def has_unknown_fields(context: Context, kind: Type) -> bool:
    """Whether a record has fields of unknown size, at any depth. One that contains itself was reported where it is declared.

    Each type is looked into once: a few records that hold one another twice have more fields than anybody could count."""
    if not isinstance(kind, RecordType):
        return False
    known = context.world.unknown_fields
    if kind not in known:
        known[kind] = False
        with suppress(LimitReached):
            known[kind] = any(unknowns(one) or has_unknown_fields(context, one) for _, one in fields_of(context, kind))
    return known[kind]


def fields_of(context: Context, kind: RecordType) -> list[tuple[str, Type]]:
    from dynlang.check.expressions.members import field_type

    info = context.world.records.get(kind.name)
    found = [(one.name, field_type(context, kind, one.name)) for one in info.fields] if info is not None else []
    return [(name, one) for name, one in found if one is not None]


def is_resizable(context: Context, kind: Type) -> bool:
    """Whether the sizes of a `var` of this type can change."""
    return bool(unknowns(kind)) or has_unknown_fields(context, kind)


# ---------------------------------------------------------------- variables


def snapshots(context: Context, node: ast.Node) -> list[typed.Binding]:
    """A statement that reads a `var` of unknown size several times opens it once: in ``x + x`` the sizes are equal.

    Not where the statement itself may change the variable."""
    if not context.resizable:
        return []
    reads: dict[str, int] = {}
    changed: set[str] = set()
    for one in ast.walk(node):
        match one:
            case ast.Name(text):
                reads[text] = reads.get(text, 0) + 1
            case ast.Argument(_, value, True):
                changed |= {inner.text for inner in ast.walk(value) if isinstance(inner, ast.Name)}
            case ast.Call(ast.Attribute(ast.Name(text))):
                changed.add(text)
    before: list[typed.Binding] = []
    for name, count in reads.items():
        entry = context.find(name)
        if count < 2 or name in changed or not isinstance(entry, LocalEntry) or not entry.local.mutable:
            continue
        if is_resizable(context, entry.local.type) and entry.local.name not in context.snapshots:
            value = context.open(typed.LocalReference(entry.local.type, node.span, entry.local), f"`{name}`")
            now = context.temporary(f"{name}_now", value.type)
            before.append(typed.Binding((now,), value, node.span))
            open_fields(context, now, name, node.span, before)
            context.snapshots[entry.local.name] = now
    return before


def read_once(context: Context, node: ast.Expr, check: Callable[[], typed.Expression]) -> typed.Expression:
    """An expression outside of simple statements (a condition, a subject), each `var` of unknown size in it opened once."""
    before = snapshots(context, node)
    value = check()
    if not before:
        return value
    context.snapshots.clear()
    return value if isinstance(value.type, ErrorType) else typed.Sequence(value.type, value.span, tuple(before), value)
