"""Statements: bindings, assignments, control flow, and whether every path returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from dynlang.check import errors, typed
from dynlang.check.calls.builtins import filled
from dynlang.check.context import ERROR, Context, came_from, describe, is_int, size_name
from dynlang.check.declarations.typenames import read_type
from dynlang.check.declarations.world import show
from dynlang.check.expressions.arithmetic import binary, condition
from dynlang.check.expressions.iteration import bind_target, scheduled_condition, source
from dynlang.check.expressions.simple import STRING, is_failure
from dynlang.check.fitting.fit import (
    article,
    differing_sizes,
    fit,
    fitting,
    is_subtype,
    mismatch,
    number_type,
    origins,
    size_labels,
    unique_labels,
)
from dynlang.check.fitting.guards import guards
from dynlang.check.fitting.opening import read_once, snapshots
from dynlang.check.fitting.settle import demand, demand_assigned, demand_method, settled_value
from dynlang.check.fitting.solve import sizes_of
from dynlang.check.messages import rewrites
from dynlang.check.statements.places import place, with_opened_places
from dynlang.check.walk import nodes
from dynlang.diag import Diagnostic, Label, LimitReached, NotBuilt
from dynlang.ops.table import OPS
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import (
    INT,
    UNIT,
    ArrayType,
    ErrorType,
    FunctionType,
    ListType,
    Size,
    TupleType,
    Type,
    open_unknowns,
    unknowns,
)

Statements = list[typed.Statement]
StatementHandler = Callable[[Context, Any], Statements]
STATEMENTS: dict[type, StatementHandler] = {}


def checks(kind: type) -> Callable[[StatementHandler], StatementHandler]:
    """Registers the function that checks statements of this kind."""

    def register(handler: StatementHandler) -> StatementHandler:
        STATEMENTS[kind] = handler
        return handler

    return register


def failed(span: Span) -> Statements:
    """What stands for a statement that can't be understood; no tree with it goes on to the next stage."""
    return [typed.Evaluate(typed.Literal(ERROR, span, 0))]


def check_block(context: Context, block: ast.Block) -> tuple[typed.Statement, ...]:
    """A block has a scope of its own."""
    with context.scope():
        return check_statements(context, block)


def check_statements(context: Context, block: Sequence[ast.Statement]) -> tuple[typed.Statement, ...]:
    from dynlang.check.statements.nested import declare_run, run_of

    found: Statements = []
    for position, statement in enumerate(block):
        context.following = block[position + 1 :] if isinstance(statement, ast.Let) and statement.mutable and statement.type is None else ()
        try:
            if isinstance(statement, ast.Function):
                if position == 0 or not isinstance(block[position - 1], ast.Function):
                    found += declare_run(context, run_of(block, position))
            elif isinstance(statement, SIMPLE):
                found += simple_statement(context, statement)
            else:
                found += STATEMENTS[type(statement)](context, statement)
        except LimitReached as limit:
            raise limit.at(statement.span) from None
    return tuple(found)


SIMPLE = (ast.Let, ast.Assign, ast.Augment, ast.ExprStmt, ast.Return, ast.Assert)


def simple_statement(context: Context, statement: ast.Statement) -> Statements:
    """A statement without blocks, between what opens and closes the values of unknown size in it."""
    before = [typed.Bind(one) for one in snapshots(context, statement)]
    context.is_simple = True
    found = STATEMENTS[type(statement)](context, statement)
    context.is_simple = False
    if context.opened_places:
        found = with_opened_places(context, found)
    context.snapshots.clear()
    return [*before, *found]


# ---------------------------------------------------------------- let and var


@checks(ast.Let)
def check_let(context: Context, node: ast.Let) -> Statements:
    """``let a, b: T = e``; a `let` of unknown sizes opens them, a `var` declared with `?` keeps them closed (rule 4)."""
    context.naming = node.target.text if isinstance(node.target, ast.Identifier) and node.type is None and not node.mutable else ""
    value = declared_value(context, node) if node.type is not None else settled_value(context, node)
    context.naming = ""
    if isinstance(value.type, TupleType) and not value.type.items and isinstance(node.target, ast.Identifier):
        value = context.fail(errors.TypeMismatch("this gives no value to bind", value.span))
    bindings = list(guards(context, sizes_of(value.type), node.span)) if node.type is not None else []
    bind_target(context, node.target, value, bindings, node.mutable)
    return [typed.Bind(binding) for binding in bindings]


def declared_value(context: Context, node: ast.Let) -> typed.Expression:
    """The value as one of the declared type. ``?n`` in the type of a `let` names the size that it opens."""
    assert node.type is not None
    wanted = read_type(context, node.type)
    if isinstance(wanted, ErrorType):
        context.infer(node.value)
        return typed.Literal(ERROR, node.span, 0)
    role = f"`{node.target.text}`" if isinstance(node.target, ast.Identifier) else "the value"
    value = context.expect(node.value, wanted, role)
    closed = unknowns(wanted)
    if isinstance(value.type, ErrorType):
        return value
    if not closed or node.mutable:
        from dataclasses import replace

        widened = value.type != wanted and not isinstance(wanted, FunctionType) and is_subtype(value.type, wanted)
        return replace(value, type=wanted) if widened else value
    names: list[str] = []
    naming = node.target.text if isinstance(node.target, ast.Identifier) else ""
    text = f"{'the size' if len(closed) == 1 else 'a size'} of {came_from(describe(node.value), naming)}, known when it runs"
    for one in closed:
        if one.name is None:
            names.append(context.fresh_size(size_name(role), text, node.target.span))
        else:
            names.append(str(context.declare_size(one.name, node.type.span, text)))
    return typed.Open(open_unknowns(wanted, tuple(names)), value.span, value, tuple(names))


# ---------------------------------------------------------------- assignment


@checks(ast.Assign)
def check_assign(context: Context, node: ast.Assign) -> Statements:
    """``place = e`` and ``a, b[i] = e``; an array variable keeps its size unless it is declared with `?`."""
    from dynlang.check.expressions.maps import is_map, place_type, set_item

    targets = node.target.items if isinstance(node.target, ast.Tuple) else (node.target,)
    if isinstance(node.target, ast.Index):
        done = set_item(context, node, node.target)
        if done is not None:
            return done
    elif any(isinstance(one, ast.Index) and is_map(place_type(context, one.value)) for one in targets):
        raise NotBuilt("assigning to an item of a map and to other places in one statement", node.span)
    places: list[typed.Place | None] = []
    for target in targets:
        if isinstance(target, ast.Name) and target.text == "_":
            places.append(None)
            continue
        found = place(context, target, "assigned")
        if found is None:
            value = context.infer(node.value)
            if len(targets) == 1 and isinstance(target, ast.Name):
                demand(context, context.infer(target), value.type)
            return [typed.Evaluate(value), *failed(node.span)]
        places.append(found)
    if len(targets) == 1:
        (only,) = places
        value = context.infer(node.value, only.type if only is not None else None)
        if only is not None:
            value = assigned(context, value, only, node)
        return [typed.Assign((only,), value, node.span)]
    value = context.infer(node.value, TupleType(tuple(one.type for one in places)) if all(places) else None)  # type: ignore[union-attr]
    if isinstance(value.type, ErrorType):
        return failed(node.span)
    if not isinstance(value.type, TupleType) or len(value.type.items) != len(places):
        count = errors.plural(len(value.type.items), "value") if isinstance(value.type, TupleType) else article(value.type)
        context.report(errors.WrongCount(f"{errors.plural(len(places), 'place')} for {count}", node.span, found=show(value.type)))
        return []
    wanted = TupleType(tuple(one.type if one is not None else kind for one, kind in zip(places, value.type.items, strict=True)))
    fitted = fitting(context, value, wanted)
    if fitted is None:
        for one, kind in zip(places, value.type.items, strict=True):
            if one is not None and fitting(context, typed.LocalReference(kind, value.span, typed.Local("_", kind)), one.type) is None:
                context.report(assign_error(context, typed.Literal(kind, value.span, 0), one, node))
                break
        return []
    return [typed.Assign(tuple(places), fitted, node.span)]


def assigned(context: Context, value: typed.Expression, target: typed.Place, node: ast.Assign | ast.Augment) -> typed.Expression:
    """The value as what the place holds; a number fills the items that a slice or a row names."""
    fitted = fitting(context, value, target.type)
    if fitted is None and isinstance(target.type, ArrayType) and target.steps and isinstance(target.steps[-1], tuple):
        item = fitting(context, value, target.type.element)
        sizes = tuple(size for size in target.type.shape if isinstance(size, Size))
        if item is not None and len(sizes) == len(target.type.shape):
            return filled(item, sizes, value.span)
    if fitted is not None:
        return fitted
    demand_assigned(context, target, value.type)
    demand(context, value, target.type)
    return context.fail(assign_error(context, value, target, node))


def assign_error(context: Context, value: typed.Expression, target: typed.Place, node: ast.Assign | ast.Augment):
    name = target.root.name
    subject = f"`{node.target.span.text or name}`"
    pair = differing_sizes(value.type, target.type)
    if pair is not None and not target.steps and isinstance(target.type, ArrayType):
        declared = ", ".join("?" for _ in target.type.shape)
        hint = f"declare it with unknown sizes, `var {name}: {show(target.type.element)}[{declared}] = ...`, or collect items in a `List`"
        labels = [Label(context.declared[name], f"`{name}` is {article(target.type)}")] if name in context.declared else []
        labels += [label for size in pair for label in size_labels(context, size)]
        return errors.SizeChanges(
            f"{subject} keeps its size, {pair[1]}, and is assigned one of {pair[0]}",
            value.span,
            expected=show(target.type),
            found=show(value.type),
            secondary=unique_labels(tuple(labels)),
            hint=hint,
        )
    found = mismatch(context, value, target.type, f"the value assigned to {subject}")
    from dataclasses import replace

    if name in context.declared and not found.secondary:
        found = replace(
            found, secondary=(Label(context.declared[name], f"`{name}` is {article(target.root.type)}"), *origins(context, value))
        )
    if "idx" in show(target.type) and is_int(value.type) and not target.steps:
        found = replace(found, hint=f"declare it as an int: `var {name}: int = ...`")
    return found


def added_value(context: Context, node: ast.Expr, kind: Type | None) -> typed.Expression:
    """What is added to a place: of its type, or one number for all items of an array, if a call can only be that."""
    number = number_type(kind) if isinstance(kind, ArrayType) and isinstance(node, ast.Call) else None
    for one in (kind, number) if number is not None else ():
        with context.trial() as problems:
            context.infer(node, one)
        if not problems.errors:
            return context.infer(node, one)
    return context.infer(node, kind)


@checks(ast.Augment)
def check_augment(context: Context, node: ast.Augment) -> Statements:
    """``x[i] += e`` is ``x[i] = x[i] + e``, the index evaluated once."""
    target = place(context, node.target, "assigned")
    value = added_value(context, node.value, target.type if target is not None else None)
    if target is None or isinstance(value.type, ErrorType):
        if isinstance(node.target, ast.Name) and node.operator == "+":
            demand_method(context, context.infer(node.target), "extend", (value.type,))
        return failed(node.span)
    found: Statements = []
    if any(isinstance(item.type, ArrayType) for item in items_of(target) if isinstance(item, typed.Expression)):
        title = "items picked by an array of indices aren't changed in place: one may be picked twice"
        context.report(errors.NotIndexable(title, node.target.span, hint="`scatter_add(x, ids, v)` adds to each as often as it is picked"))
        return failed(node.span)
    target = steady(context, target, found)
    total = binary(context, node.operator, read_place(context, target), value, node.span, node.span)
    if isinstance(total.type, ErrorType):
        demand_assigned(context, target, value.type)
        return failed(node.span)
    total = assigned(context, total, target, node)
    return [*found, typed.Assign((target,), total, node.span)]


def items_of(target: typed.Place) -> list[Any]:
    """The indices of a place."""
    return [item for step in target.steps if isinstance(step, tuple) for item in step]


def steady(context: Context, target: typed.Place, found: Statements) -> typed.Place:
    """The place with every index that is computed bound to a name, so that it can be read and written."""

    def held(item: Any) -> Any:
        if isinstance(item, (typed.Literal, typed.LocalReference, typed.SizeValue)):
            return item
        if isinstance(item, typed.SliceItem):
            return typed.SliceItem(held(item.start), item.count, item.step)
        local = context.temporary("index", item.type)
        found.append(typed.Bind(typed.Binding((local,), item, item.span)))
        return typed.LocalReference(item.type, item.span, local)

    steps = tuple(tuple(held(item) for item in step) if isinstance(step, tuple) else step for step in target.steps)
    return typed.Place(target.root, steps, target.type, target.span)


def read_place(context: Context, target: typed.Place) -> typed.Expression:
    """The value that a place holds now."""
    from dynlang.check.expressions.members import field_type
    from dynlang.types import RecordType, array_of

    root = context.snapshots.get(target.root.name, target.root)
    value: typed.Expression = context.open(typed.LocalReference(root.type, target.span, root), f"`{root.name}`")
    for step in target.steps:
        kind = value.type
        if isinstance(step, str) and isinstance(kind, RecordType):
            value = typed.Field(field_type(context, kind, step) or ERROR, target.span, value, step)
        elif isinstance(step, tuple) and isinstance(kind, ListType):
            index = step[0]
            assert isinstance(index, typed.Expression)
            value = typed.ListItem(kind.elements[0], target.span, value, index)
        elif isinstance(step, tuple) and isinstance(kind, ArrayType):
            shape: list = []
            for item, _ in zip(step, kind.shape, strict=False):
                if isinstance(item, typed.SliceItem):
                    shape.append(item.count)
                elif isinstance(item.type, ArrayType):
                    shape += item.type.shape
            rest = (*shape, *kind.shape[len(step) :])
            value = typed.Index(array_of(kind.element, rest) if rest else kind.element, target.span, value, step)
        value = context.open(value)
    return value


# ---------------------------------------------------------------- control flow


@checks(ast.ExprStmt)
def check_expression(context: Context, node: ast.ExprStmt) -> Statements:
    value = context.infer(node.value)
    if isinstance(value.type, FunctionType):
        context.report(errors.TypeMismatch("this is a function, and isn't called", node.span, hint="brackets call it: `f(...)`"))
    elif is_idle(context, value):
        context.report(errors.UnusedValue(f"{describe(node.value)} is computed and not used", node.span, hint="bind it: `let x = ...`"))
    return [typed.Evaluate(value)]


def is_idle(context: Context, value: typed.Expression) -> bool:
    """Whether an expression statement does nothing: it has a value, and no part of it changes, writes or refuses anything."""
    if value.type == UNIT or isinstance(value.type, ErrorType) or context.keeps_values:
        return False
    return not any(acts(context, one) for one in nodes(value))


def acts(context: Context, node: object) -> bool:
    match node:
        case typed.Lend() | typed.Mutate() | typed.CheckedCast() | typed.CheckIndex():
            return True
        case typed.Call(_, _, name):
            return context.signature_of(name).is_proc
        case typed.Primitive(_, _, op):
            return op in OPS and (OPS[op].has("effect") or OPS[op].has("check"))
    return False


@checks(ast.If)
def check_if(context: Context, node: ast.If) -> Statements:
    """A ladder of branches as nested two-way branches."""
    rungs: list[tuple[typed.Expression, tuple[typed.Statement, ...], Span]] = []
    for branch in node.branches:
        test = read_once(context, branch.condition, lambda one=branch: condition(context, one.condition, "the condition of `if`"))
        rungs.append((test, check_block(context, branch.body), branch.span))
    otherwise = check_block(context, node.orelse) if node.orelse is not None else ()
    for test, body, span in reversed(rungs):
        otherwise = (typed.If(test, body, otherwise, span),)
    return list(otherwise)


@checks(ast.While)
def check_while(context: Context, node: ast.While) -> Statements:
    asked, slots = scheduled_condition(context, node.condition)
    test = read_once(context, asked, lambda: condition(context, asked, "the condition of `while`"))
    context.loops += 1
    body = check_block(context, node.body)
    context.loops -= 1
    return [typed.While(test, body, node.span, slots)]


@checks(ast.For)
def check_for(context: Context, node: ast.For) -> Statements:
    """``for x, y in e:``; e is evaluated once and keeps its value (rule 15)."""
    from dynlang.check.expressions.comprehensions import bind_axis, declare_failed

    before = [typed.Bind(one) for one in snapshots(context, node.iterable)]
    found = source(context, node.iterable, is_loop=True, target=node.target)
    context.snapshots.clear()
    context.loops += 1
    with context.scope():
        if found is None:
            declare_failed(context, node.target)
            check_statements(context, node.body)
            context.loops -= 1
            return failed(node.iterable.span)
        axis = bind_axis(context, node.target, found.count, found.item)
        body = check_statements(context, node.body)
    context.loops -= 1
    count = typed.SizeValue(INT, node.iterable.span, found.count)
    loop = typed.For(axis.index, count, axis.bindings, body, node.span, found.progress, found.slots)
    return [*before, *(typed.Bind(binding) for binding in found.bindings), loop]


@checks(ast.Match)
def check_match(context: Context, node: ast.Match) -> Statements:
    from dynlang.check.statements.patterns import check_match_statement

    return check_match_statement(context, node)


@checks(ast.Return)
def check_return(context: Context, node: ast.Return) -> Statements:
    if context.returns is None:
        context.report(errors.MisplacedReturn("`return` belongs in a function", node.span))
        return []
    if node.value is None:
        if context.returns != UNIT and not isinstance(context.returns, ErrorType):
            context.report(
                errors.MisplacedReturn(
                    f"`return` lacks its value: `{context.owner}` gives `{show(context.returns)}`",
                    node.span,
                    expected=show(context.returns),
                )
            )
        return [typed.Return(None, node.span)]
    if context.returns == UNIT:
        value = context.infer(node.value)
        if value.type == UNIT:
            return [typed.Evaluate(value), typed.Return(None, node.span)]
        if not isinstance(value.type, ErrorType):
            context.report(
                errors.MisplacedReturn(
                    f"`{context.owner}` declares no result, and {article(value.type)} is returned",
                    value.span,
                    hint=f"declare it: `-> {show(value.type)}` before the colon",
                    repairs=rewrites.with_result(context.owner, node.span, show(value.type)),
                )
            )
        return [typed.Return(typed.Literal(ERROR, node.span, 0), node.span)]
    value = context.infer(node.value, context.returns)
    if is_failure(value):
        return [typed.Evaluate(value)]
    role = f"the result of `{context.owner}`" if context.owner else "the result"
    value = fit(context, value, context.returns, role, explain=partial(about_result, context, value))
    return [typed.Return(value, node.span)]


def about_result(context: Context, value: typed.Expression, found: Diagnostic) -> Diagnostic:
    """What is returned against what is declared, which is shown. Of two values where one is declared, the declaration is as
    likely to be wrong."""
    if context.result_span is not None and context.returns is not None:
        declared = Label(context.result_span, f"`{context.owner}` gives `{show(context.returns)}`")
        found = replace(found, secondary=(*found.secondary, declared))
    if not isinstance(value.type, TupleType) or isinstance(context.returns, TupleType):
        return found
    shown = show(value.type)
    return replace(found, hint=f"declare both: `-> {shown}`", repairs=rewrites.with_result(context.owner, value.span, shown))


@checks(ast.Assert)
def check_assert(context: Context, node: ast.Assert) -> Statements:
    test = condition(context, node.condition, "what `assert` asserts")
    message = context.expect(node.message, STRING, "the message of `assert`") if node.message is not None else None
    return [typed.Assert(test, message, node.span)]


@checks(ast.Break)
def check_break(context: Context, node: ast.Break) -> Statements:
    if not context.loops:
        context.report(errors.LoopControl("`break` belongs in a loop", node.span))
    return [typed.Break(node.span)]


@checks(ast.Continue)
def check_continue(context: Context, node: ast.Continue) -> Statements:
    if not context.loops:
        context.report(errors.LoopControl("`continue` belongs in a loop", node.span))
    return [typed.Continue(node.span)]


@checks(ast.Pass)
def check_pass(context: Context, node: ast.Pass) -> Statements:
    return []


@checks(ast.Todo)
def check_todo(context: Context, node: ast.Todo) -> Statements:
    return [typed.Missing(node.span)]


# ---------------------------------------------------------------- does it end?


def falls_through(statements: Sequence[typed.Statement]) -> bool:
    """Whether control can reach the end of a block."""
    return all(continues(one) for one in statements)


def continues(statement: typed.Statement) -> bool:
    """Whether control can go on to the next statement."""
    match statement:
        case typed.Return() | typed.Missing() | typed.Break() | typed.Continue():
            return False
        case typed.Evaluate(typed.Primitive(_, _, "fail")):
            return False
        case typed.If(_, then, otherwise):
            return falls_through(then) or falls_through(otherwise)
        case typed.Match(_, arms, otherwise):
            return any(falls_through(arm.body) for arm in arms) or (otherwise is not None and falls_through(otherwise))
        case typed.While(typed.Literal(_, _, True), body):
            return has_break(body)
    return True


def has_break(statements: Sequence[typed.Statement]) -> bool:
    """Whether a `break` leaves the loop whose body this is."""
    for one in statements:
        match one:
            case typed.Break():
                return True
            case typed.If(_, then, otherwise) if has_break(then) or has_break(otherwise):
                return True
            case typed.Match(_, arms, otherwise) if any(has_break(arm.body) for arm in arms) or has_break(otherwise or ()):
                return True
    return False
