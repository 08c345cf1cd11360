"""What `for` runs over, in loops and comprehensions alike: ints, ranges, arrays, lists, `zip`, `enumerate`, `reversed`.

A source is evaluated once, before the loop; its items are found by position.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from dynlang.check import errors, typed
from dynlang.check.calls.call import is_builtin
from dynlang.check.context import Context, handles, is_int
from dynlang.check.declarations.world import show
from dynlang.check.expressions.arithmetic import as_size, bound_size, index_bound
from dynlang.check.fitting.fit import article, size_labels
from dynlang.check.fitting.opening import declare_opened, open_fields
from dynlang.check.fitting.settle import settled_items
from dynlang.check.statements.effects import effect_used
from dynlang.diag import Label
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import (
    BOOL,
    INT,
    UNIT,
    ArrayType,
    ErrorType,
    IndexType,
    ListType,
    Size,
    StringType,
    TupleType,
    Type,
    array_of,
    is_sparse,
)

ItemRule = Callable[[typed.Expression], typed.Expression]


@dataclass
class Source:
    """`count` items; `item` gives the one at a position, an expression of type ``idx<count>``."""

    count: Size
    item: ItemRule
    bindings: list[typed.Binding] = field(default_factory=list)
    progress: typed.Expression | None = None
    is_list: bool = False
    slots: int | None = None


@handles(ast.Range)
def range_value(context: Context, node: ast.Range, _: Type | None) -> typed.Expression:
    """A range outside of a loop."""
    return context.fail(
        errors.NotAValue("a range `a..b` is no value: it stands behind `in`", node.span, hint="an array of it: `[i for i in a..b]`")
    )


def source(context: Context, node: ast.Expr, is_loop: bool = False, target: ast.Target | None = None) -> Source | None:
    """What an expression after `in` runs over; reports and gives None if nothing can."""
    from dynlang.check.expressions.maps import is_map, method_call

    if (isinstance(node, ast.Call) and isinstance(node.function, ast.Name)
            and (is_builtin(context, node.function.text) or is_schedule(context, node.function.text))):
        form = FORMS.get(node.function.text)
        if form is not None:
            return form(context, node, is_loop)
    if isinstance(node, ast.Range):
        return range_source(context, node.start, node.stop, node.span)
    value = context.infer(node)
    if target is not None:
        value = settled_items(context, target, node, value)
    match value.type:
        case ErrorType():
            return None
        case ArrayType():
            return array_source(context, value)
        case ListType(elements):
            return list_source(context, value, elements[0])
    if is_int(value.type):
        return int_source(context, value)
    if is_map(value.type):
        return list_of(context, method_call(value, "keys", (), value.span), KEYS)
    if is_sparse(value.type):
        from dynlang.check.expressions.sparse import indices_of

        return array_source(context, context.infer(indices_of(value)))
    if isinstance(value.type, StringType):
        return list_of(context, method_call(value, "characters", (), value.span), "characters")
    hint = ""
    if isinstance(value.type, TupleType):
        hint = "put the items into an array: `[a, b]`"
    context.report(
        errors.NotIterable(
            f"`for` runs over ints, ranges, arrays, lists, maps and strings, not {article(value.type)}",
            value.span,
            found=show(value.type),
            hint=hint,
        )
    )
    return None


KEYS = "keys_of_map"
"""What the keys of a map are called while a loop runs over them."""


def list_of(context: Context, node: ast.Expr, name: str) -> Source | None:
    """A source that is a list made by the library: the keys of a map, the characters of a text."""
    value = context.infer(node)
    return list_source(context, value, value.type.elements[0], name) if isinstance(value.type, ListType) else None


def held(context: Context, value: typed.Expression, name: str, bindings: list[typed.Binding]) -> typed.Expression:
    """The value under a name of its own, evaluated once (rule 15); an immutable variable is one already."""
    if isinstance(value, typed.LocalReference) and not value.local.mutable:
        return value
    local = context.temporary(name, value.type)
    bindings.append(typed.Binding((local,), value, value.span))
    return typed.LocalReference(value.type, value.span, local)


def size_of(context: Context, value: typed.Expression, bindings: list[typed.Binding]) -> Size:
    """An int as a size; one that is no polynomial is bound to a name."""
    size = as_size(context, value)
    if size is None:
        local = context.temporary("count", INT)
        context.fresh_size_of(local, "a count computed here", value.span)
        bindings.append(typed.Binding((local,), value, value.span))
        size = Size.variable(local.name)
    return size


def int_source(context: Context, value: typed.Expression) -> Source:
    bindings: list[typed.Binding] = []
    count = size_of(context, value, bindings)
    return Source(count, lambda index: index, bindings)


def range_source(context: Context, first: ast.Expr | None, last: ast.Expr, span: Span, by: ast.Expr | None = None) -> Source | None:
    """``a..b``: items of type ``idx<b>`` where a isn't negative (rule 11). ``range(a, b, step)`` may go down, too."""
    start = context.infer(first) if first is not None else typed.SizeValue(INT, span, Size(()))
    stop = context.infer(last)
    step = context.infer(by) if by is not None else typed.Literal(INT, span, 1)
    for value in (start, stop, step):
        if isinstance(value.type, ErrorType):
            return None
        if not is_int(value.type):
            what = "the ends of a range are ints" if value is not step else "the step of a range is an int"
            context.report(errors.NotIterable(f"{what}, not {article(value.type)}", value.span, found=show(value.type)))
            return None
    bindings: list[typed.Binding] = []
    low, high = size_of(context, start, bindings), size_of(context, stop, bindings)
    amount = step.value if isinstance(step, typed.Literal) else None
    if amount == 0:
        context.report(errors.NotIterable("the step of a range isn't 0", step.span))
        return None
    upwards = isinstance(amount, int) and amount > 0
    kind: Type = IndexType(high) if upwards and (index_bound(context, start) is not None or not low.terms) else INT
    step = step if isinstance(amount, int) else held(context, step, "step", bindings)
    count = stepped_count(context, high - low, step, span, bindings)

    def item(index: typed.Expression) -> typed.Expression:
        moved = index if amount == 1 else typed.Primitive(INT if kind == INT else kind, span, "mul", (index, step))
        return moved if not low.terms else typed.Primitive(kind, span, "add", (typed.SizeValue(INT, span, low), moved))

    return Source(count, item, bindings)


def stepped_count(context: Context, distance: Size, step: typed.Expression, span: Span, bindings: list[typed.Binding]) -> Size:
    """How many steps it takes to cover a distance: ``(distance + step - 1) // step``, with + 1 where the way goes down."""
    amount = step.value if isinstance(step, typed.Literal) else None
    if isinstance(amount, int):
        return distance if amount == 1 else (distance + (amount - 1)) // amount if amount > 0 else (-distance - (amount + 1)) // -amount
    zero, one = typed.Literal(INT, span, 0), typed.Literal(INT, span, 1)
    down = typed.Primitive(BOOL, span, "less", (step, zero))
    sign = typed.Conditional(INT, span, down, typed.Literal(INT, span, -1), one)
    reach = typed.Primitive(INT, span, "sub", (typed.Primitive(INT, span, "add", (typed.SizeValue(INT, span, distance), step)), sign))
    return size_of(context, typed.Primitive(INT, span, "floor_division", (reach, step)), bindings)


def array_source(context: Context, value: typed.Expression) -> Source:
    assert isinstance(value.type, ArrayType) and isinstance(value.type.shape[0], Size)
    bindings: list[typed.Binding] = []
    array = held(context, value, "items", bindings)
    kind = array_of(value.type.element, value.type.shape[1:]) if value.type.shape[1:] else value.type.element

    def item(index: typed.Expression) -> typed.Expression:
        return typed.Index(kind, value.span, array, (index,))

    return Source(value.type.shape[0], item, bindings)


def list_source(context: Context, value: typed.Expression, element: Type, name: str = "items") -> Source:
    bindings: list[typed.Binding] = []
    items = held(context, value, name, bindings)
    count = size_of(context, typed.Primitive(INT, value.span, "list_length", (items,)), bindings)
    context.signed -= count.variables()
    return Source(count, lambda index: typed.ListItem(element, value.span, items, index), bindings, is_list=True)


# ---------------------------------------------------------------- forms


def arguments(context: Context, node: ast.Call, least: int, most: int | None) -> list[ast.Expr] | None:
    if any(one.name is not None or one.borrow for one in node.arguments) or not least <= len(node.arguments) <= (most or 99):
        name = node.function.text if isinstance(node.function, ast.Name) else "this"
        count = f"{least}" if least == most else f"{least} to {most}" if most else f"{least} or more"
        context.report(errors.WrongArity(f"`{name}` takes {count} plain arguments", node.span))
        return None
    return [one.value for one in node.arguments]


def range_form(context: Context, node: ast.Call, is_loop: bool) -> Source | None:
    """``range(b)``, ``range(a, b)``, ``range(a, b, step)``, as in Python."""
    values = arguments(context, node, 1, 3)
    if values is None:
        return None
    first, last = (values[0], values[1]) if len(values) > 1 else (None, values[0])
    return range_source(context, first, last, node.span, values[2] if len(values) > 2 else None)


def zip_form(context: Context, node: ast.Call, is_loop: bool) -> Source | None:
    """Items side by side; the sizes are equal by proof, the lengths of lists when the program runs."""
    values = arguments(context, node, 2, None)
    found = [source(context, value) for value in values or ()]
    sources = [one for one in found if one is not None]
    if not found or len(sources) < len(found):
        return None
    checks: list[typed.Binding] = []
    for one, value in zip(sources[1:], (values or ())[1:], strict=True):
        if one.count != sources[0].count and (one.is_list or sources[0].is_list):
            checks.append(same_length(sources[0].count, one.count, node.span))
        elif one.count != sources[0].count:
            labels = [label for size in (sources[0].count, one.count) for label in size_labels(context, size)]
            assert values is not None
            context.report(
                errors.SizeMismatch(
                    f"`zip` runs over {sources[0].count} and {one.count} items, which aren't equal by proof",
                    node.span,
                    secondary=(Label(values[0].span, f"{sources[0].count} items"), Label(value.span, f"{one.count} items"), *labels),
                    hint="cast one of them: `... as T[n]`",
                )
            )
            return None

    def item(index: typed.Expression) -> typed.Expression:
        items = tuple(one.item(index) for one in sources)
        return typed.MakeTuple(TupleType(tuple(one.type for one in items)), node.span, items)

    return Source(sources[0].count, item, [*(binding for one in sources for binding in one.bindings), *checks])


def same_length(one: Size, other: Size, span: Span) -> typed.Binding:
    """The check that two lengths are equal."""
    test = typed.Primitive(BOOL, span, "equal", (typed.SizeValue(INT, span, one), typed.SizeValue(INT, span, other)))
    message = (("message", "`zip` of lists of different lengths"), ("code", "DYN0901"))
    return typed.Binding((None,), typed.Primitive(UNIT, span, "check", (test,), message), span)


def enumerate_form(context: Context, node: ast.Call, is_loop: bool) -> Source | None:
    values = arguments(context, node, 1, 1)
    inner = source(context, values[0]) if values else None
    if inner is None:
        return None

    def item(index: typed.Expression) -> typed.Expression:
        value = inner.item(index)
        return typed.MakeTuple(TupleType((index.type, value.type)), node.span, (index, value))

    return Source(inner.count, item, inner.bindings)


def reversed_form(context: Context, node: ast.Call, is_loop: bool) -> Source | None:
    values = arguments(context, node, 1, 1)
    inner = source(context, values[0]) if values else None
    if inner is None:
        return None

    def item(index: typed.Expression) -> typed.Expression:
        last = typed.SizeValue(INT, node.span, inner.count - 1)
        return inner.item(typed.Primitive(IndexType(inner.count), node.span, "sub", (last, index)))

    return Source(inner.count, item, inner.bindings)


def progress_form(context: Context, node: ast.Call, is_loop: bool) -> Source | None:
    """``progress(e, text)``: a loop of a proc that shows how far it is (rule 18)."""
    from dynlang.check.expressions.simple import STRING

    values = arguments(context, node, 1, 2)
    if values is None:
        return None
    if not is_loop:
        context.report(errors.ProcInFn("`progress` is a form of a `for` loop", node.span, hint='write `for x in progress(xs, "text"):`'))
        return None
    if not context.is_proc:
        context.report(effect_used(context, "progress", "writes", node.span))
        return None
    inner = source(context, values[0])
    text = context.expect(values[1], STRING, "the text of `progress`") if len(values) > 1 else typed.Literal(STRING, node.span, "")
    if inner is None or isinstance(text.type, ErrorType):
        return None
    return Source(inner.count, inner.item, inner.bindings, text)


SLOTS = 32
"""States that a scheduled loop keeps unless it says otherwise: each trip is computed again at most 3 times in 6,545 trips, 4 in 58,905."""


def checkpoint_form(context: Context, node: ast.Call, is_loop: bool) -> Source | None:
    """``checkpoint(e, slots=8)``: a loop whose derivative keeps a few states and computes the others again."""
    if not is_loop:
        hint = "write `for x in checkpoint(xs):` or `while checkpoint(c):`"
        context.report(errors.NotAValue("`checkpoint` of what is run over is the head of a loop", node.span, hint=hint))
        return None
    found = checkpoint_arguments(context, node)
    inner = source(context, found[0]) if found is not None else None
    return None if inner is None or found is None else replace(inner, slots=found[1])


def checkpoint_arguments(context: Context, node: ast.Call) -> tuple[ast.Expr, int] | None:
    """What is scheduled, and in how many slots."""
    plain = [one for one in node.arguments if one.name is None]
    named = [one for one in node.arguments if one.name is not None]
    fits = len(plain) == 1 and not plain[0].borrow and [one.name.text for one in named if one.name is not None] in ([], ["slots"])
    if fits:
        slots = named[0].value if named else ast.Integer(SLOTS, span=node.span)
        if isinstance(slots, ast.Integer) and slots.value > 0:
            return plain[0].value, slots.value
    context.report(errors.WrongArity("a scheduled loop is `checkpoint(e)` or `checkpoint(e, slots=8)`, with a literal above 0", node.span))
    return None


def is_schedule(context: Context, name: str) -> bool:
    """Whether a name is the library's `checkpoint`."""
    symbol = context.symbol(name)
    return name == "checkpoint" and context.find(name) is None and symbol is not None and symbol.name == "derivative.checkpoint"


def scheduled_condition(context: Context, node: ast.Expr) -> tuple[ast.Expr, int | None]:
    """The condition of a `while`, and the slots of ``checkpoint(c)``."""
    if isinstance(node, ast.Call) and isinstance(node.function, ast.Name) and is_schedule(context, node.function.text):
        return checkpoint_arguments(context, node) or (ast.Boolean(False, span=node.span), None)
    return node, None


FORMS: dict[str, Callable[[Context, ast.Call, bool], Source | None]] = {
    "range": range_form,
    "zip": zip_form,
    "enumerate": enumerate_form,
    "reversed": reversed_form,
    "progress": progress_form,
    "checkpoint": checkpoint_form,
}


# ---------------------------------------------------------------- names of the items


def bind_target(
    context: Context, target: ast.Target, value: typed.Expression, bindings: list[typed.Binding], mutable: bool = False
) -> None:
    """The names of a pattern, declared in the innermost scope, and the bindings that give them their values."""
    if isinstance(target, ast.Identifier):
        if not mutable:
            declare_opened(context, target, value, bindings, bound_size(context, value))
            return
        local = context.declare(target.text, value.type, target.span, mutable)
        bindings.append(typed.Binding((None if target.text == "_" else local,), value, target.span))
        return
    items = target.items
    if isinstance(value.type, ErrorType):
        for item in items:
            bind_target(context, item, value, bindings, mutable)
        return
    if not isinstance(value.type, TupleType) or len(value.type.items) != len(items):
        count = len(value.type.items) if isinstance(value.type, TupleType) else None
        what = f"{errors.plural(count, 'value')}" if count is not None else article(value.type)
        hint = "" if count is not None else "an array is taken apart by index" if isinstance(value.type, ArrayType) else ""
        if isinstance(value, typed.ListItem) and isinstance(value.value, typed.LocalReference) and value.value.local.name.startswith(KEYS):
            hint = "a loop over a map runs over its keys; keys and values are `.items()` of it"
        plain = [item.text for item in items if isinstance(item, ast.Identifier)]
        if isinstance(value.type, IndexType) and len(plain) == len(items):
            hint = "each name has a range of its own: `for " + ", ".join(f"{name} in {value.type.bound}" for name in plain) + "`"
        context.report(errors.WrongCount(f"{errors.plural(len(items), 'name')} for {what}", target.span, found=show(value.type), hint=hint))
        for item in items:
            bind_target(context, item, typed.Literal(ErrorType(), value.span, 0), bindings, mutable)
        return
    if isinstance(value, typed.MakeTuple):
        bind_separately(context, items, value, bindings, mutable)
        return
    value = value if mutable else context.open(value, "this value")
    assert isinstance(value.type, TupleType)
    locals_: list[typed.Local | None] = []
    nested: list[tuple[ast.Target, typed.Local]] = []
    for item, kind in zip(items, value.type.items, strict=True):
        if isinstance(item, ast.Identifier):
            local = context.declare(item.text, kind, item.span, mutable)
            locals_.append(None if item.text == "_" else local)
        else:
            inner = context.temporary("pair", kind)
            nested.append((item, inner))
            locals_.append(inner)
    bindings.append(typed.Binding(tuple(locals_), value, target.span))
    for item, local in zip(items, locals_, strict=True):
        if isinstance(item, ast.Identifier) and local is not None:
            open_fields(context, local, item.text, item.span, bindings)
    for item, inner in nested:
        bind_target(context, item, typed.LocalReference(inner.type, item.span, inner), bindings, mutable)


def bind_separately(
    context: Context, items: tuple[ast.Target, ...], value: typed.MakeTuple, bindings: list[typed.Binding], mutable: bool
) -> None:
    """``let a, b = x, y``: names are new, so no value can see another's name."""
    for item, one in zip(items, value.items, strict=True):
        bind_target(context, item, one, bindings, mutable)
