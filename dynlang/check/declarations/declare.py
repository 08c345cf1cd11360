"""Declarations: from the items of a file to the tables of its `Interface`.

Two rounds, because names may be used before they are declared, in other modules too: first every module enters its
names (`enter_names`), then types, records, sums and signatures are read (`read_declarations`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from dynlang.check import errors, typed
from dynlang.check.context import ERROR, Context, LocalEntry, SizeEntry, generic_entries, is_int
from dynlang.check.declarations.kinds import KINDS, has_kind
from dynlang.check.declarations.typenames import NAMED, named_sizes, no_member, read_size, read_size_argument, read_type
from dynlang.check.declarations.world import (
    AliasInfo,
    ConstructorInfo,
    FieldInfo,
    Generic,
    Interface,
    ParameterInfo,
    RecordInfo,
    Signature,
    SizeInfo,
    SumInfo,
    Symbol,
    SymbolKind,
    World,
)
from dynlang.check.fitting.solve import determined, sizes_of, type_variables
from dynlang.diag import Diagnostics, Label
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import (
    INT,
    UNIT,
    Argument,
    FunctionType,
    IndexType,
    Size,
    SizeArgument,
    Type,
    Unknown,
    map_type,
    open_unknowns,
    parts,
    size_variables,
    unknowns,
)

SYMBOL_KINDS: Mapping[type, SymbolKind] = {ast.Alias: "alias", ast.TypeDef: "sum", ast.Record: "record", ast.Function: "function"}

# ---------------------------------------------------------------- names


def enter_names(module: ast.Module, interface: Interface, imports: dict[int, str], diagnostics: Diagnostics) -> None:
    """Every declaration and import of a file as a name. `imports`: the module that each import item found, by `id`."""
    enter_modules(module, interface, imports, diagnostics)
    for item in module.items:
        match item:
            case ast.Import() | ast.FromImport():
                pass
            case ast.Alias(name) | ast.TypeDef(name) | ast.Record(name) | ast.Function(_, _, _, name):
                enter(interface, name.text, Symbol(SYMBOL_KINDS[type(item)], f"{interface.name}.{name.text}", name.span), diagnostics)
            case ast.Let(False, ast.Identifier() as name):
                enter(interface, name.text, Symbol("constant", f"{interface.name}.{name.text}", name.span), diagnostics)
            case ast.Let():
                diagnostics.add(
                    errors.AssignImmutable("at the top of a file stands `let NAME = ...`, without `var` and for one name", item.span)
                )
        if isinstance(item, ast.TypeDef):
            entered = interface.symbols[item.name.text].span == item.name.span
            for one in item.alternatives:
                symbol = Symbol("constructor", f"{interface.name}.{item.name.text}#{one.name.text}", one.name.span)
                if not entered:
                    symbol = Symbol("alias", "", one.name.span)
                enter(interface, one.name.text, symbol, diagnostics)


def enter_modules(module: ast.Module, interface: Interface, imports: dict[int, str], diagnostics: Diagnostics) -> None:
    """``import a.b`` brings `a.b`, and `b` for short; a short name that two modules have is neither's."""
    items = [item for item in module.items if isinstance(item, ast.Import) and id(item) in imports]
    short: set[str] = set()
    for item in sorted(items, key=lambda one: one.alias is None and len(one.path.parts) > 1):
        symbol = Symbol("module", imports[id(item)], item.span)
        name = (item.alias or item.path.parts[-1]).text
        first = interface.symbols.get(name)
        implicit = item.alias is None and len(item.path.parts) > 1
        if implicit:
            interface.symbols.setdefault(item.path.text, symbol)
        if first is not None and symbol.name in first.name.split():
            continue
        if first is None:
            interface.symbols[name] = symbol
            short |= {name} if implicit else set()
        elif not implicit:
            enter(interface, name, symbol, diagnostics, exported=False)
        elif name in short:
            interface.symbols[name] = Symbol("ambiguous", f"{first.name} {symbol.name}", item.span)


def enter_repeated(
    module: ast.Module, interface: Interface, imports: dict[int, str], spelled: Mapping[str, Mapping[str, ast.TypeDef]], world: World
) -> None:
    """A sum type that repeats one of an imported module, word for word, is that type.

    So a program can spell out the tree that `data.read_trees` reads, and match on it without a prefix."""
    for item in module.items:
        if not isinstance(item, ast.TypeDef) or item.generics:
            continue
        for name in dict.fromkeys(imports.values()):
            other = spelled[name].get(item.name.text)
            if other is not None and other.alternatives == item.alternatives and closed_over(item):
                for word in (item.name.text, *(one.name.text for one in item.alternatives)):
                    symbol = world.interfaces[name].symbols.get(word)
                    if symbol is not None and word in interface.symbols:
                        interface.symbols[word] = interface.exported[word] = symbol
                break


def closed_over(item: ast.TypeDef) -> bool:
    """Whether a sum mentions itself and built-in types alone, so that it means the same everywhere."""
    names = {
        node.path.text
        for one in item.alternatives
        for field in one.payload
        for node in ast.walk(field.type)
        if isinstance(node, ast.TypeName)
    }
    return names <= {item.name.text, *NAMED}


def enter(interface: Interface, name: str, symbol: Symbol, diagnostics: Diagnostics, exported: bool = True) -> None:
    first = interface.symbols.get(name)
    if first is not None:
        diagnostics.add(errors.DuplicateName(f"`{name}` is declared twice", symbol.span, secondary=(Label(first.span, "first here"),)))
        interface.doubtful |= {first.name, symbol.name}
        return
    interface.symbols[name] = symbol
    if exported and not name.startswith("_"):
        interface.exported[name] = symbol


def enter_imported(module: ast.Module, interface: Interface, imports: dict[int, str], world: World, diagnostics: Diagnostics) -> None:
    """The names of ``from module import name``; called when the imported modules have entered theirs.

    Behind `export` they are this module's for others, too: so a module can be put together from several files."""
    for item in module.items:
        if not isinstance(item, ast.FromImport):
            continue
        for one in item.names:
            if id(one) in imports:
                symbol = Symbol("module", imports[id(one)], one.span)
                enter(interface, (one.alias or one.name).text, symbol, diagnostics, exported=item.export)
        if id(item) not in imports:
            continue
        source = world.interfaces.get(imports[id(item)])
        for one in item.names:
            found = source.exported.get(one.name.text) if source else None
            if found is None:
                if source is not None:
                    unknown = no_member(source, one.name)
                    diagnostics.add(errors.misspelled(unknown, one.name.text, source.exported))
                continue
            name = (one.alias or one.name).text
            enter(interface, name, Symbol(found.kind, found.name, one.span), diagnostics, exported=item.export)


# ---------------------------------------------------------------- types, records, sums


def read_generics(context: Context, nodes: Iterable[ast.Generic]) -> tuple[Generic, ...]:
    """The parameters in `<...>`: lower case is a size, upper case a type. They enter the innermost scope."""
    found: list[Generic] = []
    for node in nodes:
        name = node.name.text
        if any(one.name == name for one in found):
            context.report(errors.DuplicateName(f"the parameter `{name}` is declared twice", node.span))
            continue
        is_size = name[0].islower() or name[0] == "_"
        default: Argument | None = None
        if node.default is not None:
            default = read_size_argument(context, node.default) if is_size else read_type(context, node.default)
        kind = "size" if is_size else generic_kind(context, node, default)
        found.append(Generic(name, kind, node.name.span, default))
        context.scopes[-1].update(generic_entries((found[-1],)))
        if is_size:
            context.taken.add(name)
    return tuple(found)


def generic_kind(context: Context, node: ast.Generic, default: Argument | None) -> str:
    if node.kind is None:
        fits_float = default is not None and not isinstance(default, (Size, Unknown)) and default != ERROR and has_kind(default, "float")
        return "float" if fits_float else "any"
    if node.kind.text not in KINDS:
        context.report(
            errors.WrongKind(
                f"`{node.kind.text}` is no kind of type: the kinds are {', '.join(f'`{one}`' for one in KINDS)}",
                node.kind.span,
                hint=errors.suggest(node.kind.text, KINDS),
            )
        )
        return "any"
    return node.kind.text


def declaring(world: World, module: str, diagnostics: Diagnostics) -> Context:
    return Context(world, module, diagnostics)


def read_types(module: ast.Module, interface: Interface, world: World, diagnostics: Diagnostics) -> None:
    """Records, sums and aliases: first their parameters, so that they can be named, then what they hold."""
    aliases = [item for item in module.items if isinstance(item, ast.Alias)]
    for item in module.items:
        context = declaring(world, interface.name, diagnostics)
        match item:
            case ast.Record(name, generics) if is_own(interface, name):
                info = RecordInfo(
                    f"{interface.name}.{name.text}", interface.name, read_generics(context, generics), (), {}, name.span, item.doc or ""
                )
                interface.records[info.name] = world.records[info.name] = info
            case ast.TypeDef(name, generics) if is_own(interface, name):
                sum_info = SumInfo(
                    f"{interface.name}.{name.text}", interface.name, read_generics(context, generics), (), name.span, item.doc or ""
                )
                interface.sums[sum_info.name] = world.sums[sum_info.name] = sum_info
    read_aliases(aliases, interface, world, diagnostics)


def is_own(interface: Interface, name: ast.Identifier) -> bool:
    symbol = interface.symbols.get(name.text)
    return symbol is not None and symbol.span == name.span


def read_aliases(items: list[ast.Alias], interface: Interface, world: World, diagnostics: Diagnostics) -> None:
    """Aliases in an order in which each uses only those before it; what is left over goes in a circle."""
    waiting = {f"{interface.name}.{item.name.text}": item for item in items if is_own(interface, item.name)}
    while waiting:
        ready = [name for name, item in waiting.items() if not used_aliases(item, interface) & set(waiting)]
        for name in ready or list(waiting):
            item = waiting.pop(name)
            if not ready:
                diagnostics.add(errors.InfiniteType(f"the type `{item.name.text}` stands for itself", item.name.span))
            context = declaring(world, interface.name, diagnostics)
            generics = read_generics(context, item.generics)
            kind = read_type(context, item.type) if ready else ERROR
            interface.aliases[name] = world.aliases[name] = AliasInfo(name, interface.name, generics, kind, item.name.span)


def used_aliases(item: ast.Alias, interface: Interface) -> set[str]:
    names = {node.path.text for node in ast.walk(item.type) if isinstance(node, ast.TypeName)}
    return {symbol.name for name in names if (symbol := interface.symbols.get(name)) is not None and symbol.kind == "alias"}


def read_members(module: ast.Module, interface: Interface, world: World, diagnostics: Diagnostics) -> None:
    """Fields and constructors, then the signatures of functions and methods."""
    for item in module.items:
        context = declaring(world, interface.name, diagnostics)
        match item:
            case ast.Record(name) if is_own(interface, name):
                info = world.records[f"{interface.name}.{name.text}"]
                context.scopes[-1].update(generic_entries(info.generics))
                fields = read_fields(context, item.fields)
                methods = {one.name.text: f"{info.name}.{one.name.text}" for one in item.methods}
                sizes = read_named_sizes(context, item, fields)
                promises = [one for one in item.methods if any(each.path.text == "invariant" for each in one.decorators)]
                invariant = methods[promises[0].name.text] if promises else ""
                done = replace(info, fields=fields, methods=methods, sizes=sizes, invariant=invariant)
                interface.records[info.name] = world.records[info.name] = done
            case ast.TypeDef(name) if is_own(interface, name):
                sum_info = world.sums[f"{interface.name}.{name.text}"]
                context.scopes[-1].update(generic_entries(sum_info.generics))
                constructors = tuple(
                    read_constructor(context, one.name, one.payload) for one in item.alternatives
                )
                methods = {one.name.text: f"{sum_info.name}.{one.name.text}" for one in item.methods}
                finished = replace(sum_info, constructors=constructors, methods=methods)
                interface.sums[sum_info.name] = world.sums[sum_info.name] = finished


def read_fields(context: Context, nodes: Iterable[ast.Field | ast.Payload]) -> tuple[FieldInfo, ...]:
    found: list[FieldInfo] = []
    for node in nodes:
        if any(one.name == node.name.text for one in found):
            context.report(errors.DuplicateName(f"the field `{node.name.text}` is declared twice", node.name.span))
            continue
        default = node.default if isinstance(node, ast.Field) else None
        found.append(FieldInfo(node.name.text, read_type(context, node.type), node.span, default))
    return tuple(found)


def read_named_sizes(context: Context, item: ast.Record, fields: tuple[FieldInfo, ...]) -> tuple[SizeInfo, ...]:
    """The sizes that a record names, ``let nodes = n``: each is made of the record's parameters."""
    found: list[SizeInfo] = []
    for node in (one for one in item.members if isinstance(one, ast.NamedSize)):
        seen = (*fields, *found)
        first = next((one for one in seen if one.name == node.name.text), None)
        if first is not None:
            label = Label(first.span, "first here")
            context.report(errors.DuplicateName(f"`{node.name.text}` is declared twice", node.name.span, secondary=(label,)))
            continue
        size = read_size(context, node.size)
        if size is not None:
            found.append(SizeInfo(node.name.text, size, node.span))
    return tuple(found)


def read_constructor(context: Context, name: ast.Identifier, payload: tuple[ast.Payload, ...]) -> ConstructorInfo:
    """A constructor; a field may mention a size that another one names: ``Graph(x: f32[?n, d], edges: (idx<n>, idx<n>)[?])``."""
    shared = shared_sizes(context, payload)
    with context.scope() as scope:
        scope.update(generic_entries(shared))
        named = [replace(one, type=named_sizes(one.type, {generic.name for generic in shared})) for one in payload]
        fields = read_fields(context, named)
    names = {one.name for one in shared}
    return ConstructorInfo(name.text, tuple(forgetful(context, one, names) for one in fields), name.span, shared)


def shared_sizes(context: Context, payload: tuple[ast.Payload, ...]) -> tuple[Generic, ...]:
    """The sizes ``?n`` that another field mentions, too."""
    found: list[Generic] = []
    for position, field in enumerate(payload):
        for one in ast.walk(field.type):
            if isinstance(one, ast.Unknown) and one.name is not None and all(one.name.text != other.name for other in found):
                name = one.name.text
                elsewhere = (node for place, other in enumerate(payload) if place != position for node in ast.walk(other.type))
                if not any(mentioned_size(node) == name for node in elsewhere):
                    continue
                if context.find(name) is not None:
                    context.report(errors.DuplicateName(f"`{name}` is a parameter of the type already", one.span))
                found.append(Generic(name, "size", one.span))
    return tuple(found)


def mentioned_size(node: ast.Node) -> str:
    """The name that a part of a type may mean a size by."""
    if isinstance(node, ast.Unknown):
        return node.name.text if node.name is not None else ""
    return node.path.text if isinstance(node, ast.TypeName) else ""


def forgetful(context: Context, field: FieldInfo, names: set[str]) -> FieldInfo:
    """A field as it is stored, without the sizes that its constructor names."""
    from dynlang.check.fitting.casts import cast_pairs

    if not size_variables(field.type) & names:
        return field

    def on_size(one: SizeArgument) -> SizeArgument:
        return Unknown() if isinstance(one, Size) and one.variables() & names else one

    def on_type(one: Type) -> Type | None:
        return INT if isinstance(one, IndexType) and one.bound.variables() & names else None

    stored = map_type(field.type, on_size, on_type)
    opened = open_unknowns(stored, tuple(f"size {place}" for place in range(len(unknowns(stored)))))
    if cast_pairs(opened, field.type, []) is None:
        title = f"the field `{field.name}` mentions a size of another field where items have types of their own"
        hint = "a size named by `?n` can stand in the axes of a field and in its indices: make it a parameter of the type, `<n>`"
        context.report(errors.NotASize(title, field.span, hint=hint))
    return replace(field, type=stored, told=field.type)


# ---------------------------------------------------------------- signatures


def read_signatures(module: ast.Module, interface: Interface, world: World, diagnostics: Diagnostics) -> None:
    for item in module.items:
        if isinstance(item, ast.Function) and is_own(interface, item.name):
            context = declaring(world, interface.name, diagnostics)
            add_signature(interface, world, read_signature(context, item, f"{interface.name}.{item.name.text}"))
        elif isinstance(item, (ast.Record, ast.TypeDef)) and is_own(interface, item.name):
            name = f"{interface.name}.{item.name.text}"
            info = world.records[name] if isinstance(item, ast.Record) else world.sums[name]
            seen: dict[str, Span] = {one.name: one.span for one in (*info.fields, *info.sizes)} if isinstance(info, RecordInfo) else {}
            for method in item.methods:
                if method.name.text in seen:
                    first = Label(seen[method.name.text], "first here")
                    diagnostics.add(errors.DuplicateName(f"`{method.name.text}` is declared twice", method.name.span, secondary=(first,)))
                    continue
                seen[method.name.text] = method.name.span
                context = declaring(world, interface.name, diagnostics)
                add_signature(interface, world, read_signature(context, method, f"{info.name}.{method.name.text}", info))


def add_signature(interface: Interface, world: World, signature: Signature) -> None:
    interface.signatures[signature.name] = world.signatures[signature.name] = signature


def read_signature(context: Context, node: ast.Function, name: str, record: RecordInfo | SumInfo | None = None) -> Signature:
    """A function's generics, parameters and result. ``?n`` in a parameter is a size parameter; so is a bare `?`."""
    generics = record.generics if record else ()
    context.scopes[-1].update(generic_entries(generics))
    context.taken |= {one.name for one in generics}
    own = read_generics(context, node.generics)
    for one in own:
        if any(one.name == other.name for other in generics):
            context.report(errors.DuplicateName(f"the parameter `{one.name}` is one of the type already", one.span))
    opened = opened_sizes(context, node)
    parameters: list[ParameterInfo] = []
    ints: dict[str, str] = {}
    for position, parameter in enumerate(node.params):
        if any(one.name == parameter.name.text for one in parameters):
            context.report(errors.DuplicateName(f"the parameter `{parameter.name.text}` is declared twice", parameter.span))
            context.world.interfaces[context.module].doubtful.add(name)
            continue
        kind, anonymous = parameter_type(context, parameter, record if position == 0 else None)
        opened += anonymous
        ints[parameter.name.text] = enter_size(context, parameter, kind)
        parameters.append(ParameterInfo(parameter.name.text, kind, parameter.span, parameter.inout, parameter.default))
    returns = read_type(context, node.result) if node.result is not None else UNIT
    mentioned = {name for kind in (*(one.type for one in parameters), returns) for name in size_variables(kind)}
    parameters = [replace(one, size=size) if (size := ints.get(one.name, "")) in mentioned else one for one in parameters]
    signature = Signature(
        name,
        node.is_proc,
        (*generics, *own, *opened),
        tuple(parameters),
        returns,
        node.name.span,
        context.module,
        is_method=record is not None,
    )
    check_signature(context, node, signature, own)
    if record is not None and (not node.params or node.params[0].name.text != "self"):
        hint = f"write `self` as its first parameter, or put it outside of `{record.name.rpartition('.')[2]}`, as a function of the module"
        context.report(errors.WrongArity(f"the method `{node.name.text}` has no `self`", node.name.span, hint=hint))
    return signature


def enter_size(context: Context, parameter: ast.Param, kind: Type) -> str:
    """An int parameter may be a size in what follows it; gives its unique name. Other parameters give "", and are no sizes."""
    name = parameter.name.text
    entry = context.scopes[-1].get(name)
    if not is_int(kind) or parameter.inout:
        if entry is None:
            context.scopes[-1][name] = LocalEntry(typed.Local(name, kind, parameter.inout), parameter.span)
        return ""
    if isinstance(entry, SizeEntry):
        title = f"`{name}` is a size parameter and an int parameter"
        hint = f"an int parameter names a size by itself: drop `<{name}>`"
        context.report(errors.DuplicateName(title, parameter.span, secondary=(Label(entry.span, "first here"),), hint=hint))
        return ""
    unique = context.unique(name)
    context.scopes[-1][name] = SizeEntry(Size.variable(unique), parameter.span)
    return unique


def opened_sizes(context: Context, node: ast.Function) -> tuple[Generic, ...]:
    """The sizes that ``?n`` in parameters declare."""
    found: list[Generic] = []
    for parameter in node.params:
        for one in ast.walk(parameter.type) if parameter.type is not None else ():
            if isinstance(one, ast.Unknown) and one.name is not None and context.find(one.name.text) is None:
                found.append(Generic(one.name.text, "size", one.span))
                context.scopes[-1][one.name.text] = SizeEntry(Size.variable(one.name.text), one.span)
                context.taken.add(one.name.text)
    return tuple(found)


def parameter_type(context: Context, node: ast.Param, record: RecordInfo | SumInfo | None) -> tuple[Type, tuple[Generic, ...]]:
    """A parameter's type, its unknown sizes made size parameters; `self` has the type of the record."""
    if node.type is None:
        if record is not None and node.name.text == "self":
            return record.type, ()
        what = "`self` stands first in a method" if node.name.text == "self" else f"the parameter `{node.name.text}` has no type"
        context.report(errors.CannotInfer(what, node.span, hint=f"write `{node.name.text}: f32`, or another type"))
        return ERROR, ()
    kind = read_type(context, named_sizes(node.type))
    closed = unknowns(kind)
    if not closed or node.inout:
        return kind, ()
    generics = []
    for one in closed:
        size = context.unique(one.name or f"size_of_{node.name.text}")
        generics.append(Generic(size, "size", node.span))
    return open_unknowns(kind, tuple(one.name for one in generics)), tuple(generics)


def check_signature(context: Context, node: ast.Function, signature: Signature, own: tuple[Generic, ...]) -> None:
    """Each size and type parameter can be determined by an argument or by the expected type (rule 3)."""
    kinds = [one.type for one in signature.parameters] + [signature.returns]
    if any(kind == ERROR for kind in kinds):
        return
    sizes = [one.name for one in signature.generics if one.is_size]
    known = determined(sizes, kinds)
    mentioned = {variable for kind in kinds for size in sizes_of(kind) for variable in size.variables()}
    types = {one.name for kind in kinds for one in type_variables(kind)}
    for one in own:
        if one.is_size and one.name not in known:
            why = f"no argument has a size that gives `{one.name}`" if one.name in mentioned else "no parameter's type mentions it"
            context.report(
                errors.UndeterminedSize(
                    f"the size `{one.name}` can never be determined: {why}",
                    one.span,
                    hint="use it as a size of its own in the type of a parameter or of the result",
                )
            )
        elif not one.is_size and one.name not in types:
            context.report(errors.CannotInfer(f"the type `{one.name}` can never be determined: no parameter's type mentions it", one.span))
    if node.export and any(has_function(kind) for kind in kinds):
        context.report(errors.ExportedFunctionValue(f"`{node.name.text}` is exported, and has a function in its signature", node.name.span))
    if signature.is_proc and any(decorator.path.text == "derivative" for decorator in node.decorators):
        context.report(errors.BadDerivativeRule("a derivative is a `fn`", node.name.span))


def has_function(kind: Type) -> bool:
    """Whether a value of a type holds functions, or derivatives with respect to them."""
    return isinstance(kind, FunctionType) or any(has_function(part) for part in parts(kind) if not isinstance(part, (Size, Unknown)))
