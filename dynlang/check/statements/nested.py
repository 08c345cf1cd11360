"""Functions inside functions: lifted to the top, what they use of the function around them added in front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

from dynlang.check import errors, typed, walk
from dynlang.check.context import Context, Entry, LocalEntry, NestedEntry, SizeEntry, TypeEntry
from dynlang.check.declarations.declare import read_signature
from dynlang.check.declarations.world import Signature
from dynlang.check.fitting.opening import open_fields
from dynlang.syntax import nodes as ast
from dynlang.types import Size, TypeVariable


def run_of(block: Sequence[ast.Statement], start: int) -> list[ast.Function]:
    """The nested functions that stand one after another from a position on."""
    return [one for one in takewhile(lambda one: isinstance(one, ast.Function), block[start:]) if isinstance(one, ast.Function)]


def declare_run(context: Context, run: Sequence[ast.Function]) -> list[typed.Statement]:
    """Checks nested functions that stand one after another, and may call each other."""
    places = {node.name.text: position for position, node in enumerate(run)}
    statements: list[typed.Statement] = []
    start = 0
    while start < len(run):
        end = at = start
        while at <= end:
            end = max([end, *(places[name] for name in mentioned(run[at]) if name in places)])
            at += 1
        statements += declare_nested(context, run[start : end + 1])
        start = end + 1
    return statements


def declare_nested(context: Context, group: Sequence[ast.Function]) -> list[typed.Statement]:
    """Checks nested functions that call each other. A captured `var` is captured by value, as it is here (rule 15)."""
    statements: list[typed.Statement] = []
    captures = captured(context, group, statements)
    signatures: list[Signature] = []
    for node in group:
        if node.export or node.decorators:
            context.report(errors.UnknownDecorator("a nested function has no decorators, and isn't exported", node.span))
        name = f"{context.qualified or context.module}.{node.name.text}"
        while name in context.nested_signatures or name in context.world.signatures:
            name += "_"
        signature = nested_signature(context, node, name, captures)
        signatures.append(signature)
        context.nested_signatures[name] = signature
        context.scopes[-1][node.name.text] = NestedEntry(signature, node.name.span)
        context.captured_sizes[name] = frozenset(context.taken)
    for node, signature in zip(group, signatures, strict=True):
        context.nested.append(check_nested(context, node, signature, captures))
    return statements


def mentioned(node: ast.Function) -> set[str]:
    """The names in a body that aren't the function's own parameters; an int may name a size in a type."""
    inside = [one for statement in node.body for one in ast.walk(statement)]
    names = {one.text for one in inside if isinstance(one, ast.Name)} | {one.path.text for one in inside if isinstance(one, ast.TypeName)}
    return names - {parameter.name.text for parameter in node.params}


def captured(context: Context, group: Sequence[ast.Function], statements: list[typed.Statement]) -> dict[str, typed.Local]:
    """The variables around that the bodies name, by name; of each `var` a copy made here."""
    node = group[0]
    found: dict[str, typed.Local] = {}
    for name in sorted(set().union(*map(mentioned, group))):
        entry = context.find(name)
        if isinstance(entry, NestedEntry):
            for local in entry.signature.captures:
                found.setdefault(local.name, local)
        if not isinstance(entry, LocalEntry):
            continue
        local = entry.local
        if local.mutable:
            local = context.temporary(f"{name}_here", entry.local.type)
            value = typed.LocalReference(local.type, node.span, entry.local)
            bindings = [typed.Binding((local,), value, node.span)]
            open_fields(context, local, name, node.span, bindings)
            statements += map(typed.Bind, bindings)
        found[name] = local
        capture_fields(context, name, local, found)
    return found


def capture_fields(context: Context, shown: str, local: typed.Local, found: dict[str, typed.Local]) -> None:
    """The fields of unknown size of a captured variable are captured with it: their sizes are the same inside."""
    for (owner, name), part in list(context.fields.items()):
        if owner == local.name:
            found[f"{shown}.{name}"] = part
            capture_fields(context, f"{shown}.{name}", part, found)


def nested_signature(context: Context, node: ast.Function, name: str, captures: dict[str, typed.Local]) -> Signature:
    """The signature with the sizes and types around as further generics, which every use passes on as they are."""
    inner = Context(
        context.world, context.module, context.diagnostics, scopes=[*context.scopes, {}], taken=set(context.taken), origins=context.origins
    )
    inner.local_sizes = context.local_sizes
    own = read_signature(inner, node, name)
    return Signature(own.name, own.is_proc, own.generics, own.parameters, own.returns, own.span, own.module, tuple(captures.values()))


def check_nested(context: Context, node: ast.Function, signature: Signature, captures: dict[str, typed.Local]) -> typed.Function:
    from dynlang.check.statements.bodies import check_function_body

    visible = {key: entry for scope in context.scopes for key, entry in scope.items()}
    scope: dict[str, Entry] = {key: entry for key, entry in visible.items() if isinstance(entry, (SizeEntry, TypeEntry, NestedEntry))}
    for name, local in captures.items():
        original = visible.get(name)
        span = original.span if original is not None else node.span
        size = original.size if isinstance(original, LocalEntry) and original.local == local else None
        scope[name] = LocalEntry(local, span, size)
    inner = Context(
        context.world,
        context.module,
        context.diagnostics,
        node.name.text,
        node.is_proc,
        signature.returns,
        [scope, {}],
        set(context.taken),
        context.origins,
        context.declared,
    )
    inner.result_span = node.result.span if node.result is not None else None
    inner.local_sizes = dict(context.local_sizes)
    inner.fields = dict(context.fields)
    inner.signed = set(context.signed)
    inner.nonnegative = set(context.nonnegative)
    inner.nested_signatures = context.nested_signatures
    inner.qualified = signature.name
    inner.captured = {local.name for local in captures.values()}
    inner.captured_sizes = context.captured_sizes
    inner.settled, inner.demands, inner.initial = context.settled, context.demands, context.initial
    function = check_function_body(inner, node, signature)
    context.nested += inner.nested
    return replace(function, parameters=(*(typed.Parameter(local) for local in captures.values()), *function.parameters))


# ---------------------------------------------------------------- sizes and types around


def close_nested(functions: tuple[typed.Function, ...], around: dict[str, frozenset[str]]) -> tuple[typed.Function, ...]:
    """Gives each nested function the sizes and types of the function around that it mentions, as parameters in front.

    `around`: the size names that each nested function could see. What it calls may mention more, so this goes on until
    nothing changes."""
    if not around:
        return functions
    bodies = {one.name: one for one in functions}
    outer_types = set(functions[0].types)
    sizes: dict[str, set[str]] = {}
    types: dict[str, set[TypeVariable]] = {}
    for name, seen in around.items():
        function = bodies[name]
        own = {one.local.name for one in function.parameters}
        mentioned = tuple((one.local.type, one.local.name) for one in function.parameters)
        tree = (function.body, function.returns, *(kind for kind, _ in mentioned))
        sizes[name] = (walk.sizes(tree) & seen) - own - set(function.sizes)
        types[name] = (walk.type_variables(tree) & outer_types) - set(function.types)
    changed = True
    while changed:
        changed = False
        for name in around:
            for callee in walk.called(bodies[name].body) & set(around):
                if not sizes[callee] <= sizes[name] or not types[callee] <= types[name]:
                    own = {one.local.name for one in bodies[name].parameters} | set(bodies[name].sizes)
                    before = len(sizes[name]), len(types[name])
                    sizes[name] |= sizes[callee] - own
                    types[name] |= types[callee]
                    changed = changed or before != (len(sizes[name]), len(types[name]))
    front_sizes = {name: tuple(sorted(found)) for name, found in sizes.items()}
    front_types = {name: tuple(sorted(found, key=str)) for name, found in types.items()}

    def change(node: object) -> object:
        if isinstance(node, (typed.Call, typed.FunctionReference)) and node.function in around:
            name = node.function
            return replace(node, sizes=(*map(Size.variable, front_sizes[name]), *node.sizes), types=(*front_types[name], *node.types))
        return node

    closed: list[typed.Function] = []
    for function in functions:
        body = walk.rebuild(function.body, change)
        extra_sizes, extra_types = front_sizes.get(function.name, ()), front_types.get(function.name, ())
        closed.append(replace(function, body=body, sizes=(*extra_sizes, *function.sizes), types=(*extra_types, *function.types)))
    return tuple(closed)
