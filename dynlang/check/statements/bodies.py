"""Bodies: of functions, constants, tests and benchmarks, in the context of their module."""

from __future__ import annotations

from typing import Any

from dynlang.check import errors, typed
from dynlang.check.context import Context, generic_entries
from dynlang.check.declarations.typenames import read_type
from dynlang.check.declarations.world import ConstantInfo, Interface, RecordInfo, Signature, World, show
from dynlang.check.fitting.guards import is_signed, sizes_had
from dynlang.check.fitting.opening import open_fields
from dynlang.check.fitting.settle import Settled, best_reading
from dynlang.check.fitting.solve import type_variables
from dynlang.check.statements.endings import missing_return
from dynlang.check.statements.nested import close_nested
from dynlang.check.statements.properties import unmakeable, written_out
from dynlang.check.statements.rules import read_rule
from dynlang.check.statements.statement import check_block, check_statements, falls_through
from dynlang.check.walk import nodes
from dynlang.diag import CompileError, Diagnostics, InternalError
from dynlang.syntax import nodes as ast
from dynlang.types import (
    INT,
    UNIT,
    ErrorType,
    Size,
    TypeVariable,
    unknowns,
)


def check_function(
    world: World, module: str, node: ast.Function, signature: Signature, diagnostics: Diagnostics
) -> tuple[typed.Function, ...]:
    """A function of the top of a file or of a record, and the nested ones that it declares."""

    def read(found: Diagnostics, settled: Settled) -> tuple[tuple[typed.Function, ...], Settled]:
        context = Context(world, module, found, node.name.text, node.is_proc, signature.returns, body=check_block, settled=settled)
        context.qualified = signature.name
        function = check_function_body(context, node, signature)
        function = decorated(context, node, function, signature)
        return close_nested((function, *context.nested), context.captured_sizes), context.demands

    functions = best_reading(read, diagnostics)
    if not diagnostics.errors:
        ensure_understood(tuple(function.body for function in functions))
    return functions


def check_defaults(world: World, module: str, info: RecordInfo, diagnostics: Diagnostics) -> None:
    """Defaults of fields fit their types; those of a generic type are checked where they are used."""
    context = Context(world, module, diagnostics, scopes=[generic_entries(info.generics)], body=check_block)
    for one in info.fields:
        if one.default is not None and not type_variables(one.type) and not unknowns(one.type):
            context.expect(one.default, one.type, f"the default of `{one.name}`")


def check_function_body(context: Context, node: ast.Function, signature: Signature) -> typed.Function:
    context.body = check_block
    context.result_span = node.result.span if node.result is not None else None
    context.scopes[-1].update(generic_entries(signature.generics))
    for one in signature.generics:
        context.taken.add(one.name)
        if one.is_size:
            context.origins[one.name] = context.origin("a size parameter", one.span)
    parameters: list[typed.Parameter] = []
    opened: list[typed.Binding] = []
    checker = Context(
        context.world, context.module, context.diagnostics, scopes=[dict(scope) for scope in context.scopes], body=check_block
    )
    for one in signature.parameters:
        local = context.declare(one.name, one.type, one.span, mutable=one.inout, unique=one.size)
        context.parameters.add(local.name)
        if one.type == INT and not one.inout:
            context.origins[local.name] = context.origin("an int parameter", one.span)
        open_fields(context, local, one.name, one.span, opened)
        context.nonnegative |= {size for size in sizes_had(one.type) if size.value is None and is_signed(context, size)}
        default = checker.expect(one.default, one.type, f"the default of `{one.name}`") if one.default is not None else None
        if default is not None and isinstance(default.type, ErrorType):
            default = None
        parameters.append(typed.Parameter(local, "inout" if one.inout else "value", default, one.name))
    with context.scope():
        body = (*map(typed.Bind, opened), *check_statements(context, node.body))
    if signature.returns != UNIT and not isinstance(signature.returns, ErrorType) and not context.failed and falls_through(body):
        context.report(missing_return(node, show(signature.returns)))
    types = tuple(TypeVariable(one.name, one.kind) for one in signature.generics if not one.is_size)
    sizes = tuple(one.name for one in signature.generics if one.is_size)
    return typed.Function(
        signature.name,
        "proc" if node.is_proc else "fn",
        types,
        sizes,
        tuple(parameters),
        signature.returns,
        body,
        node.name.span,
        node.export,
        node.doc or "",
    )


def ensure_understood(body: tuple[Any, ...]) -> None:
    """No expression is given up without a word: where nothing was reported, everything has its type."""
    for node in nodes(body):
        if isinstance(node, typed.Expression) and isinstance(node.type, ErrorType):
            raise InternalError("an expression has no type, and no error says why", node.span)


# ---------------------------------------------------------------- decorators


def decorated(context: Context, node: ast.Function, function: typed.Function, signature: Signature) -> typed.Function:
    from dataclasses import replace

    for decorator in node.decorators:
        if decorator.path.text == "derivative":
            rule = read_rule(context, decorator, signature)
            if rule is not None:
                function = replace(function, rule_of=rule[0], surrogate=rule[1])
        elif decorator.path.text == "checkpoint" and not decorator.arguments:
            function = replace(function, checkpoint=True)
        elif decorator.path.text == "invariant" and not decorator.arguments:
            check_invariant(context, decorator, signature)
        else:
            hint = errors.suggest(decorator.path.text, ["derivative", "checkpoint", "invariant"])
            context.report(
                errors.UnknownDecorator(
                    f"there is no decorator `@{decorator.path.text}`",
                    decorator.span,
                    hint=hint or "the decorators are `@derivative(of=f)`, `@checkpoint` and `@invariant`",
                )
            )
    return function


def check_invariant(context: Context, decorator: ast.Decorator, signature: Signature) -> None:
    """``@invariant`` stands at one method of a record: it takes `self` alone, gives nothing, and fails where a promise is broken."""
    record = context.world.records.get(signature.name.rpartition(".")[0])
    plain = len(signature.parameters) == 1 and not signature.parameters[0].inout and signature.returns == UNIT and not signature.is_proc
    if record is not None and plain and len(signature.generics) == len(record.generics) and record.invariant == signature.name:
        return
    hint = "`fn checked(self):` calls `fail` where something is wrong; a record has one"
    context.report(errors.UnknownDecorator("`@invariant` stands at a method of a record that takes `self` and gives nothing",
                                           decorator.span, hint=hint))


# ---------------------------------------------------------------- constants, tests


def check_constant(world: World, interface: Interface, node: ast.Let, diagnostics: Diagnostics) -> typed.Constant | None:
    """A top-level `let`: pure, and made of what stands above it."""
    assert isinstance(node.target, ast.Identifier)
    name = f"{interface.name}.{node.target.text}"
    context = Context(world, interface.name, diagnostics, node.target.text, body=check_block)
    if node.type is not None:
        kind = read_type(context, node.type)
        value = context.expect(node.value, kind, f"`{node.target.text}`") if not isinstance(kind, ErrorType) else context.infer(node.value)
        kind = value.type if isinstance(kind, ErrorType) else kind
    else:
        value = context.infer(node.value)
        kind = value.type
    literal = value.value if isinstance(value, typed.Literal) and not isinstance(kind, ErrorType) else None
    size = Size.constant(literal) if isinstance(literal, int) and not isinstance(literal, bool) and kind == INT else None
    info = ConstantInfo(name, kind, node.target.span, literal if node.type is None else None, size)
    interface.constants[name] = world.constants[name] = info
    return None if isinstance(kind, ErrorType) else typed.Constant(name, kind, value)


def check_block_item(
    world: World, module: str, node: ast.Test | ast.Bench, diagnostics: Diagnostics
) -> tuple[typed.Block, tuple[typed.Function, ...]]:

    def read(found: Diagnostics, settled: Settled) -> tuple[tuple[typed.Function, ...], Settled]:
        context = Context(world, module, found, "", True, None, body=check_block, settled=settled)
        context.qualified = f"{module}.{'test' if isinstance(node, ast.Test) else 'bench'}_{node.span.line}"
        context.keeps_values = isinstance(node, ast.Bench)
        body = check_block(context, written_out(node).body if isinstance(node, ast.Test) else node.body)
        title = typed.Function(f"{module}.{node.title}", "proc", (), (), (), UNIT, body, node.span)
        return close_nested((title, *context.nested), context.captured_sizes), context.demands

    unmade = unmakeable(node) if isinstance(node, ast.Test) else None
    if unmade is not None:
        raise CompileError(unmade)
    closed = best_reading(read, diagnostics)
    if not diagnostics.errors:
        ensure_understood(tuple(function.body for function in closed))
    return typed.Block(node.title, closed[0].body, node.span), closed[1:]
