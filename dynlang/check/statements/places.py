"""Places: what can be assigned or lent, a mutable variable with fields and indices behind it."""

from __future__ import annotations

import re
from dataclasses import replace

from dynlang.check import errors, typed
from dynlang.check.context import ERROR, Context, LocalEntry, NestedEntry, SizeEntry
from dynlang.check.expressions.simple import unknown_name
from dynlang.check.fitting.fit import mismatch
from dynlang.check.messages import rewrites
from dynlang.diag import Diagnostic, Label, NotBuilt, Repair, replacing
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import ArrayType, ErrorType, ListType, RecordType, StringType, TupleType, Type, is_sparse, open_unknowns, unknowns

Path = tuple[str, tuple]


def place(context: Context, node: ast.Expr, purpose: str) -> typed.Place | None:
    """The place that an expression names; reports and gives None if it can't be assigned. `purpose`: 'assigned' or 'lent'."""
    from dynlang.check.expressions.maps import is_map, map_place

    match node:
        case ast.Name(text):
            return root_place(context, text, node.span, purpose)
        case ast.Attribute(value, name):
            inner = place(context, value, purpose)
            if inner is not None and is_sparse(inner.type):
                return sparse_place(context, inner, name, node.span)
            return None if inner is None else field_place(context, inner, name, node.span)
        case ast.Index(value, indices):
            inner = place(context, value, purpose)
            if inner is not None and is_map(inner.type):
                return map_place(context, inner, node)
            return None if inner is None else index_place(context, inner, indices, node.span)
    context.report(errors.NotAPlace(f"only a variable, a field or an item can be {purpose}", node.span))
    return None


def root_place(context: Context, name: str, span: Span, purpose: str) -> typed.Place | None:
    entry = context.find(name)
    kind = errors.AssignImmutable if purpose == "assigned" else errors.LendImmutable
    match entry:
        case LocalEntry(local, declared):
            if isinstance(local.type, ErrorType):
                return None
            if context.is_frozen(name) or local.name in context.captured:
                context.report(captured_error(context, name, span, declared, purpose))
                return None
            if not local.mutable:
                context.report(immutable_error(context, name, local, span, declared, purpose))
                return None
            return typed.Place(local, (), local.type, span)
        case SizeEntry():
            context.report(kind(f"`{name}` is a size, and sizes don't change", span))
            return None
        case NestedEntry():
            context.report(kind(f"`{name}` is a function", span))
            return None
    if context.symbol(name) is not None:
        context.report(kind(f"`{name}` can't be {purpose}: what stands at the top of a file doesn't change", span))
    else:
        found = unknown_name(context, name, span)
        if purpose == "assigned":
            if not found.repairs:
                hint = f"a variable is declared with `let`, or with `var` if it changes: `var {name} = ...`"
                found = replace(found, hint=hint, repairs=rewrites.declaring(span))
            context.declare(name, ERROR, span)  # what follows from it isn't reported
        context.report(found)
    return None


LET = re.compile(r"\blet\b(?=[^=]*$)")
LOOP = re.compile(r"\bfor\b[^:]*$")


def immutable_error(context: Context, name: str, local: typed.Local, span: Span, declared: Span, purpose: str) -> Diagnostic:
    """What doesn't change, by how it was declared, with what makes it change."""
    kind = errors.AssignImmutable if purpose == "assigned" else errors.LendImmutable
    start = declared.start - (declared.column - 1)
    before = declared.source.text[start:declared.start]
    let = LET.search(before)
    repairs: tuple[Repair, ...] = ()
    if local.name in context.parameters:
        what, hint = "it is a parameter, which belongs to the caller", f"take it as `{name}: inout ...`, or copy it: `var {name} = {name}`"
        repairs = rewrites.as_inout(declared)
        if name == "self":
            hint = "take it as `self: inout`"
        if context.owner == "__init__":
            hint, repairs = "a record is built by calling it with its fields; a function may do that: `fn make() -> Model:`", ()
    elif let is not None:
        what, hint = "`let` declares what doesn't change", f"declare it with `var {name} = ...`"
        repairs = (replacing("declare it with `var`", declared.source.span(start + let.start(), start + let.end()), "var"),)
    elif LOOP.search(before):
        what, hint = "the loop sets it", f"copy it: `var copy = {name}`"
    else:
        what, hint = "it is no `var`", f"copy it: `var copy = {name}`"
        if name in before_match(context, declared):
            hint = f"lend the payload with `match &...`, or copy it: `var copy = {name}`"
    title = f"`{name}` can't be {purpose}: {what}"
    return kind(title, span, secondary=(Label(declared, "declared here"),), hint=hint, repairs=repairs)


def before_match(context: Context, declared: Span) -> str:
    """The text of a case's pattern, where a name is declared in one; the empty text elsewhere."""
    line = declared.source.line(declared.line)
    return line if line.rstrip().endswith(":") and "(" in line[:declared.column] else ""


def captured_error(context: Context, name: str, span: Span, declared: Span, purpose: str) -> errors.AssignCaptured:
    """What is captured is a value; what a comprehension computes doesn't depend on an order."""
    where = context.frozen or "a nested function"
    if where == "a comprehension":
        title = f"`{name}` can't be {purpose} in a comprehension: it is declared outside of it"
        hint = f"write a `for` loop, or let the comprehension give the values that `{name}` is made of"
    else:
        title = f"`{name}` can't be {purpose} in {where}, which captures its value"
        hint = f"return the new value and assign it outside: `{name} = ...`"
    return errors.AssignCaptured(title, span, secondary=(Label(declared, "declared here, outside"),), hint=hint)


def field_place(context: Context, inner: typed.Place, name: ast.Identifier, span: Span) -> typed.Place | None:
    from dynlang.check.expressions.members import field_type, unknown_member

    if isinstance(inner.type, RecordType):
        if unknowns(inner.type):
            inner = opened_place(context, inner)
            assert isinstance(inner.type, RecordType)
        kind = field_type(context, inner.type, name.text)
        if kind is not None:
            return typed.Place(inner.root, (*inner.steps, name.text), kind, span)
        if (named := context.world.records[inner.type.name].size(name.text)) is not None:
            title = f"`{name.text}` can't change: it is a size, a part of the type"
            context.report(errors.AssignImmutable(title, name.span, secondary=(Label(named.span, "declared here"),)))
            return None
    context.report(unknown_member(context, inner.type, name, inner.span))
    return None


def sparse_place(context: Context, inner: typed.Place, name: ast.Identifier, span: Span) -> typed.Place | None:
    """``a.values``: the stored values change, where they stand doesn't."""
    if name.text != "values":
        context.report(fixed_pattern(span))
        return None
    entries = field_place(context, inner, ast.Identifier("stored", span=name.span), span)
    return None if entries is None else field_place(context, entries, name, span)


def fixed_pattern(span: Span) -> errors.NotAPlace:
    hint = "`a.values[e] = x` changes a stored value; `a + sparse(n, [(i, x)])` has one more entry"
    return errors.NotAPlace("a sparse value has the entries that it was made with", span, hint=hint)


def index_place(context: Context, inner: typed.Place, indices: tuple, span: Span) -> typed.Place | None:
    from dynlang.check.expressions.indexing import array_items, item_index

    if isinstance(inner.type, ListType):
        if len(indices) != 1 or isinstance(indices[0], ast.Slice):
            context.report(errors.NotIndexable("a list takes one index", span))
            return None
        index = item_index(context, indices[0])
        return None if index is None else typed.Place(inner.root, (*inner.steps, (index,)), inner.type.elements[0], span)
    if is_sparse(inner.type):
        context.report(fixed_pattern(span))
        return None
    if not isinstance(inner.type, ArrayType):
        what = "the text of a `str` doesn't change" if isinstance(inner.type, StringType) else "this has no items"
        if isinstance(inner.type, TupleType):
            what = "a tuple is assigned as a whole"
        context.report(errors.NotIndexable(what, span))
        return None
    if unknowns(inner.type):
        inner = opened_place(context, inner)
    assert isinstance(inner.type, ArrayType)
    found = array_items(context, inner.type, indices, span)
    if found is None:
        return None
    items, result = found
    return typed.Place(inner.root, (*inner.steps, tuple(items)), result, span)


def opened_place(context: Context, inner: typed.Place) -> typed.Place:
    """A variable that stands for a place of unknown size while its items change: ``x[i] = v`` with ``var x: f32[?]``."""
    for known, local, _ in context.opened_places:
        if (known.root, known.steps) == (inner.root, inner.steps):
            return typed.Place(local, (), local.type, inner.span)
    names = tuple(context.fresh_size(one.name or "size", f"a size of `{inner.root.name}`", inner.span) for one in unknowns(inner.type))
    local = typed.Local(context.unique(inner.root.name), open_unknowns(inner.type, names), True)
    context.opened_places.append((inner, local, names))
    if not inner.steps:
        context.snapshots[inner.root.name] = local
    return typed.Place(local, (), local.type, inner.span)


def with_opened_places(context: Context, change: list[typed.Statement]) -> list[typed.Statement]:
    """The statements of an assignment between the opening of its places and their taking the new values."""
    from dynlang.check.statements.lending import before_leaving

    before, after = opening(context)
    return [*before, *before_leaving(context, change, tuple(after)), *after]


def opening(context: Context) -> tuple[list[typed.Statement], list[typed.Statement]]:
    """What opens the places of unknown size that are changed, and how they take the new values."""
    from dynlang.check.statements.statement import read_place

    before: list[typed.Statement] = []
    after: list[typed.Statement] = []
    places, context.opened_places = context.opened_places, []
    context.snapshots.clear()
    for inner, local, names in places:
        closed = read_place(context, inner)
        assert isinstance(closed, typed.Open)
        opened = typed.Open(local.type, inner.span, closed.value, names)
        before.append(typed.Bind(typed.Binding((local,), opened, inner.span)))
        packed = typed.Pack(inner.type, inner.span, typed.LocalReference(local.type, inner.span, local))
        after.insert(0, typed.Assign((inner,), packed, inner.span))
    return before, after


def lend(context: Context, argument: ast.Argument, wanted: Type | None, pattern: Type | None = None) -> typed.Passed:
    """The argument of an `inout` parameter, of the `wanted` type where that is known, else one that the `pattern` may fit."""
    if not argument.borrow:
        value = argument.value
        hint = f"write `&{value.text}`" if isinstance(value, ast.Name) else "write `&` before it"
        title = "this parameter is `inout`, and its argument is lent with `&`"
        lent = rewrites.at(value.span.source, value.span.start, "&", "lend it with `&`")
        return context.fail(errors.MissingLend(title, argument.span, hint=hint, repairs=(lent,)))
    before = len(context.opened_places)
    found = place(context, argument.value, "lent")
    if found is not None and isinstance(found.type, ArrayType) and unknowns(found.type) and not unknowns(wanted or pattern or found.type):
        found = opened_place(context, found)
    if len(context.opened_places) > before and not context.is_simple:
        raise NotBuilt("lending a part of a value of unknown size in a condition", argument.span, hint="call it before, in a `let`")
    if found is None:
        return typed.Literal(ERROR, argument.span, 0)
    if wanted is not None and found.type != wanted:
        return context.fail(mismatch(context, typed.Literal(found.type, found.span, 0), wanted, "the lent place"))
    return typed.Lend(found)


# ---------------------------------------------------------------- overlap


def path_of(context: Context, passed: typed.Passed) -> Path | None:
    """The path that an argument reads while the call runs; None for computed values and scalars."""
    if isinstance(passed, typed.Lend):
        return rooted(context, passed.place.root, passed.place.steps)
    return None if is_scalar(passed.type) else value_path(context, passed)


def value_path(context: Context, value: typed.Expression) -> Path | None:
    match value:
        case typed.LocalReference(_, _, local):
            return rooted(context, local, ())
        case typed.Field(_, _, inside, name):
            found = value_path(context, inside)
            return None if found is None else (found[0], (*found[1], name))
        case typed.Index(_, _, inside, items):
            found = value_path(context, inside)
            return None if found is None else (found[0], (*found[1], items))
        case typed.ListItem(_, _, inside, position):
            found = value_path(context, inside)
            return None if found is None else (found[0], (*found[1], (position,)))
        case typed.Open(_, _, inside) | typed.Pack(_, _, inside):
            return value_path(context, inside)
    return None


def rooted(context: Context, root: typed.Local, steps: tuple) -> Path:
    """A path from the variable that the program names: one that stands for a place of unknown size is that place."""
    for inner, local, _ in context.opened_places:
        if local == root:
            return rooted(context, inner.root, (*inner.steps, *steps))
    return root.name, steps


def is_scalar(kind: Type) -> bool:
    return not isinstance(kind, (ArrayType, RecordType, ListType, TupleType)) and "Sum" not in type(kind).__name__


def overlaps(left: Path, right: Path) -> bool:
    """Whether two paths can name common parts: one is a prefix of the other, up to different literal indices (rule 14)."""
    if left[0] != right[0]:
        return False
    for one, other in zip(left[1], right[1], strict=False):
        if isinstance(one, tuple) and isinstance(other, tuple):
            if differ(one, other):
                return False
        elif one != other:
            return False
    return True


def differ(one: tuple, other: tuple) -> bool:
    """Whether two index lists certainly name different items."""
    for a, b in zip(one, other, strict=False):
        if isinstance(a, typed.Literal) and isinstance(b, typed.Literal) and a.value != b.value and (a.value >= 0) == (b.value >= 0):  # type: ignore[operator]
            return True
    return False
