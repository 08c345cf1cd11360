"""Types and sizes as they are written, read into `types.Type` and `types.Size`."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import fields, replace
from typing import Any

from dynlang.check import errors
from dynlang.check.context import ERROR, Context, LocalEntry, SizeEntry, TypeEntry, is_int
from dynlang.check.declarations.kinds import has_kind, kind_hint, kind_words
from dynlang.check.declarations.world import AliasInfo, Generic, Interface, RecordInfo, SumInfo, Symbol, show
from dynlang.check.fitting.fit import article
from dynlang.check.messages import words
from dynlang.diag import LimitReached
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import (
    DTYPES,
    F32,
    INT,
    Argument,
    ArrayType,
    FunctionType,
    IndexType,
    ListType,
    RecordType,
    RowsType,
    ScalarType,
    Size,
    SizeArgument,
    StringType,
    SumType,
    TupleType,
    Type,
    TypeVariable,
    Unknown,
    array_of,
    map_type,
    sparse_type,
    tangent,
)

NAMED: Mapping[str, Type] = {dtype: ScalarType(dtype) for dtype in DTYPES} | {"int": INT, "str": StringType()}
GENERIC = {"idx": ("a size",), "List": ("a type",), "Tangent": ("a type",), "TableRows": ("a size", "a size"), "Rows": ("a size", "a size")}
OPTIONAL = frozenset({"TableRows", "Rows"})
"""These take a float type, too, where it isn't f32."""


def read_type(context: Context, node: ast.Type) -> Type:
    """The type that a piece of source names; reports what is wrong with it and gives the error type."""
    try:
        return type_of(context, node)
    except LimitReached as limit:
        raise limit.at(node.span) from None


def type_of(context: Context, node: ast.Type) -> Type:
    match node:
        case ast.TypeName():
            return read_named(context, node)
        case ast.ArrayType(element, sizes):
            shape = [read_size_argument(context, size) for size in sizes]
            inner = read_type(context, element)
            if inner == ERROR or any(size is None for size in shape):
                return ERROR
            return array_of(inner, tuple(size for size in shape if size is not None))
        case ast.TupleType(items):
            return TupleType(tuple(read_type(context, item) for item in items))
        case ast.ArrowType(parameters, result):
            modes = tuple("inout" if isinstance(one, ast.LentType) else "value" for one in parameters)
            inner = tuple(read_type(context, one.type if isinstance(one, ast.LentType) else one) for one in parameters)
            return FunctionType(inner, read_type(context, result), modes if "inout" in modes else ())
        case ast.LentType():
            title = "`inout` belongs to a parameter, of a function or of a function type: `(inout T) -> U`"
            context.report(errors.WrongKind(title, node.span))
        case ast.SparseType(inner):
            return read_sparse(context, inner, node.span)
        case ast.Unknown():
            context.report(errors.WrongKind("`?` stands for a size, and a type is needed", node.span))
        case _:
            context.report(errors.WrongKind("a size stands where a type is needed", node.span))
    return ERROR


def read_sparse(context: Context, node: ast.Type, span: Span) -> Type:
    """``sparse T[n]``, ``sparse T[n, m]``: the library's record of the entries that are stored."""
    dense = read_type(context, node)
    if dense == ERROR:
        return ERROR
    found = sparse_type(dense) if isinstance(dense, ArrayType) else None
    if found is None:
        title = f"what is sparse is an array of rank 1 or 2, not {article(dense)}"
        context.report(errors.WrongKind(title, span, hint="`sparse T[n]` is a vector, `sparse T[n, m]` a matrix"))
        return ERROR
    if isinstance(dense, ArrayType) and (not has_kind(dense.element, "number") or isinstance(dense.element, IndexType)):
        title = f"a sparse array holds numbers, not {article(dense.element)}"
        context.report(errors.WrongKind(title, span, hint=kind_hint(dense.element, "number")))
        return ERROR
    return found


def read_named(context: Context, node: ast.TypeName) -> Type:
    name = node.path.text
    local = context.find(name)
    if isinstance(local, TypeEntry):
        return no_arguments(context, node, local.type)
    if isinstance(local, (SizeEntry, LocalEntry)):
        context.report(
            errors.WrongKind(f"`{name}` is a {'size' if isinstance(local, SizeEntry) else 'variable'}, and a type is needed", node.span)
        )
        return ERROR
    symbol = find_symbol(context, node.path)
    if symbol is not None and symbol.kind == "constructor":
        symbol = context.world.prelude_type(name) or symbol
    if symbol is None:
        return read_builtin(context, node, name)
    match symbol.kind:
        case "record":
            info = context.world.records[symbol.name]
            return RecordType(info.name, arguments) if (arguments := read_arguments(context, node, info)) is not None else ERROR
        case "sum":
            info = context.world.sums[symbol.name]
            return SumType(info.name, arguments) if (arguments := read_arguments(context, node, info)) is not None else ERROR
        case "alias":
            return read_alias(context, node, context.world.aliases[symbol.name])
    if name in NAMED or name in GENERIC:
        return read_builtin(context, node, name)
    context.report(errors.UnknownType(f"`{name}` is a {symbol.kind}, not a type", node.span))
    return ERROR


def find_symbol(context: Context, path: ast.Dotted, report: bool = True) -> Symbol | None:
    """What a path of names stands for: `nn.Linear` is looked up in the module that `nn` is, `a.b.c` in what ``import a.b`` brought."""
    parts = path.parts
    symbol, count = None, len(parts) + 1
    while symbol is None and count > 1:
        count -= 1
        symbol = context.symbol(".".join(part.text for part in parts[:count]))
    for part in parts[count:]:
        if symbol is None:
            return None
        if symbol.kind == "ambiguous":
            if report:
                context.report(ambiguous(parts[0].text, symbol, part.text, path.span))
            return None
        if symbol.kind != "module":
            if report:
                hint = "a method is called on a value: `value.method(...)`" if symbol.kind == "record" else ""
                title = f"`{path.text}`: what stands before `{part.text}` is a {symbol.kind}, not a module"
                context.report(errors.UnknownField(title, part.span, hint=hint))
            return None
        interface = context.world.interfaces.get(symbol.name)
        found = interface.exported.get(part.text) if interface else None
        if found is None and interface is not None and report:
            missing = no_member(interface, part)
            context.report(missing if missing.hint else errors.misspelled(missing, part.text, interface.exported))
        symbol = found
    return symbol


def no_member(interface: Interface, name: ast.Identifier) -> errors.UnknownField:
    """A name that a module doesn't have, or keeps to itself."""
    if name.text.startswith("_") and name.text in interface.symbols:
        hint = "a name that begins with `_` is its module's own"
        return errors.UnknownField(f"`{name.text}` is private to the module `{interface.name}`", name.span, hint=hint)
    return errors.UnknownField(f"the module `{interface.name}` has no `{name.text}`", name.span)


def ambiguous(name: str, symbol: Symbol, member: str, span: Span) -> errors.UnknownName:
    """The last part of two imports, used by itself."""
    first, second, *_ = symbol.name.split()
    hint = f"write the whole path, `{first}{'.' if member else ''}{member}`, or give one of them a name: `import {second} as ...`"
    return errors.UnknownName(f"`{name}` may be `{first}` or `{second}`", span, hint=hint)


def no_arguments(context: Context, node: ast.TypeName, kind: Type) -> Type:
    if node.arguments:
        context.report(errors.GenericArity(f"`{node.path.text}` takes no arguments in `<...>`", node.span))
        return ERROR
    return kind


def read_builtin(context: Context, node: ast.TypeName, name: str) -> Type:
    if name in NAMED:
        return no_arguments(context, node, NAMED[name])
    if name not in GENERIC:
        if len(node.path.parts) == 1 or context.symbol(node.path.parts[0].text) is None:
            known = set(NAMED) | set(GENERIC) | type_names(context)
            context.report(words.unknown_type(name, node.path.span, known))
        return ERROR
    if name in OPTIONAL and len(node.arguments) == 3:
        return read_table(context, node, name)
    if len(node.arguments) != len(GENERIC[name]):
        context.report(errors.GenericArity(f"`{name}` takes {' and '.join(GENERIC[name])} in `<...>`", node.span))
        return ERROR
    if name in ("List", "Tangent"):
        inner = read_type(context, node.arguments[0])
        return ERROR if inner == ERROR else ListType((inner,)) if name == "List" else tangent(inner)
    sizes = [read_size(context, one) for one in node.arguments]
    known_sizes = tuple(size for size in sizes if size is not None)
    if len(known_sizes) < len(sizes):
        return ERROR
    if name == "idx":
        return IndexType(known_sizes[0])
    return ArrayType(F32, known_sizes, row_sparse=True) if name == "TableRows" else RowsType("f32", known_sizes)


def read_table(context: Context, node: ast.TypeName, name: str) -> Type:
    """``TableRows<v, d, T>`` and ``Rows<v, d, T>``: of another float type than f32."""
    sizes = [read_size(context, one) for one in node.arguments[:2]]
    number = read_type(context, node.arguments[2])
    known_sizes = tuple(size for size in sizes if size is not None)
    if len(known_sizes) < 2 or number == ERROR:
        return ERROR
    if not has_kind(number, "float") or (name == "Rows" and not isinstance(number, ScalarType)):
        context.report(errors.WrongKind(f"the numbers of `{name}` are floats, not `{show(number)}`", node.arguments[2].span))
        return ERROR
    if isinstance(number, ScalarType) and name == "Rows":
        return RowsType(number.dtype, known_sizes)
    return ArrayType(number, known_sizes, row_sparse=True)


def type_names(context: Context) -> set[str]:
    symbols = {
        name
        for name in context.world.visible(context.module)
        if (symbol := context.symbol(name)) is not None and symbol.kind in ("record", "sum", "alias")
    }
    return symbols | {name for scope in context.scopes for name, entry in scope.items() if isinstance(entry, TypeEntry)}


def read_arguments(context: Context, node: ast.TypeName, info: RecordInfo | SumInfo | AliasInfo) -> tuple[Argument, ...] | None:
    """The arguments of a generic type in the order of its parameters, defaults filled in; None after an error."""
    generics = info.generics
    needed = sum(one.default is None for one in generics)
    given = node.arguments
    if not needed <= len(given) <= len(generics):
        wanted = ", ".join(one.name for one in generics)
        count = str(len(generics)) if needed == len(generics) else f"{needed} to {len(generics)}"
        context.report(
            errors.GenericArity(
                f"`{node.path.text}` takes {count} argument{'s' if count != '1' else ''} in `<...>`, and {len(given)} given",
                node.span,
                hint=f"its parameters are `<{wanted}>`" if wanted else "",
            )
        )
        return None
    arguments: list[Argument] = []
    for position, generic in enumerate(generics):
        if position < len(given):
            found = read_argument(context, given[position], generic)
            if found is None:
                return None
            arguments.append(found)
        else:
            assert generic.default is not None
            arguments.append(substitute_argument(generic.default, generics, arguments))
    return tuple(arguments)


def read_argument(context: Context, node: ast.Type, generic: Generic) -> Argument | None:
    if generic.is_size:
        return read_size_argument(context, node)
    kind = read_type(context, node)
    if kind == ERROR:
        return None
    if not has_kind(kind, generic.kind, context.world):
        title = f"`{generic.name}` must be {kind_words(generic.kind)}, and `{show(kind)}` is none"
        context.report(errors.WrongKind(title, node.span, hint=kind_hint(kind, generic.kind)))
        return None
    return kind


def substitute_argument(argument: Argument, generics: tuple[Generic, ...], values: list[Argument]) -> Argument:
    sizes, types = bindings(generics, values)
    if isinstance(argument, Unknown):
        return argument
    if isinstance(argument, Size):
        return argument.substitute(lambda name: found if isinstance(found := sizes.get(name), Size) else None)
    return put(argument, sizes, types)


def bindings(
    generics: tuple[Generic, ...], values: tuple[Argument, ...] | list[Argument]
) -> tuple[dict[str, SizeArgument], dict[str, Type]]:
    """What each parameter of a generic declaration stands for, sizes and types apart."""
    sizes: dict[str, SizeArgument] = {}
    types: dict[str, Type] = {}
    for generic, value in zip(generics, values, strict=False):
        if isinstance(value, (Size, Unknown)):
            sizes[generic.name] = value
        else:
            types[generic.name] = value
    return sizes, types


def put(kind: Type, sizes: Mapping[str, SizeArgument], types: Mapping[str, Type]) -> Type:
    """Parameters replaced by arguments. An unknown argument makes every size that mentions it unknown."""

    def on_size(one: SizeArgument) -> SizeArgument:
        if not isinstance(one, Size):
            return one
        name = one.single_variable
        if name is not None and name in sizes:
            return sizes[name]
        if any(isinstance(sizes.get(name), Unknown) for name in one.variables()):
            return Unknown()
        return one.substitute(lambda name: found if isinstance(found := sizes.get(name), Size) else None)

    def on_type(one: Type) -> Type | None:
        return types.get(one.name) if isinstance(one, TypeVariable) else None

    return map_type(kind, on_size, on_type)


def read_alias(context: Context, node: ast.TypeName, info: AliasInfo) -> Type:
    arguments = read_arguments(context, node, info)
    if arguments is None:
        return ERROR
    return put(info.type, *bindings(info.generics, arguments))


# ---------------------------------------------------------------- sizes


def named_sizes(node: ast.Type, names: Container[str] | None = None) -> ast.Type:
    """The type with ``?k`` written as the size k, which is in scope by now; `names`: these alone."""

    def walk(one: Any) -> Any:
        if isinstance(one, tuple):
            return tuple(map(walk, one))
        if isinstance(one, ast.Unknown):
            if one.name is None or (names is not None and one.name.text not in names):
                return one
            return ast.TypeName(ast.Dotted((one.name,), span=one.span), span=one.span)
        if not isinstance(one, ast.Node) or isinstance(one, (ast.Dotted, ast.Identifier)):
            return one
        return replace(one, **{field.name: walk(getattr(one, field.name)) for field in fields(one) if field.name != "span"})

    return walk(node)


def read_size_argument(context: Context, node: ast.Type) -> SizeArgument | None:
    """A size, or `?`: a name ``?n`` that is in scope as a size parameter is that parameter."""
    if isinstance(node, ast.Unknown):
        if node.name is None:
            return Unknown()
        entry = context.find(node.name.text)
        return entry.size if isinstance(entry, SizeEntry) and entry.span == node.span else Unknown(node.name.text)
    return read_size(context, node)


def read_size(context: Context, node: ast.Type) -> Size | None:
    """A polynomial over sizes and immutable ints; reports and gives None for anything else."""
    match node:
        case ast.Integer(value):
            return Size.constant(value)
        case ast.TypeName(path, ()):
            return read_size_name(context, path)
        case ast.Binary(first, rest):
            total = read_size(context, first)  # type: ignore[arg-type]
            for operation in rest:
                operand = read_size(context, operation.operand)  # type: ignore[arg-type]
                if total is None or operand is None:
                    return None
                combined = combine(total, operation.operator, operand)
                if combined is None:
                    context.report(errors.NotASize("a size is divided by a whole number above 0 alone", operation.operand.span))
                    return None
                total = combined
            return total
        case ast.Unknown():
            context.report(errors.NotASize("`?` stands alone: no size is computed from it", node.span))
        case _:
            context.report(errors.WrongKind("a type stands where a size is needed", node.span))
    return None


def combine(left: Size, operator: str, right: Size) -> Size | None:
    """``left operator right`` where that is a size.

    >>> str(combine(Size.variable("n"), "*", Size.constant(2))), combine(Size.variable("n"), "//", Size.variable("n"))
    ('2*n', None)
    """
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "//" if right.value is not None and right.value > 0:
            return left // right.value
    return None


def size_of_variable(context: Context, path: ast.Dotted) -> Size | None:
    """``g.nodes`` or ``batch.graph.nodes`` of a variable: a size that a record names, where the variable's type tells it."""
    first, *rest = (one.text for one in path.parts)
    entry = context.find(first)
    kind = entry.local.type if isinstance(entry, LocalEntry) else None
    for place, name in enumerate(rest):
        if not isinstance(kind, RecordType):
            return None
        if place == len(rest) - 1:
            return size_of_record(context, kind, name)
        info = context.world.records[kind.name]
        field = info.field(name)
        kind = put(field.type, *bindings(info.generics, kind.arguments)) if field is not None else None
    return None


def size_of_record(context: Context, kind: RecordType, name: str) -> Size | None:
    """The size that a record gives a name, ``let nodes = n``, in terms of the arguments of its type, if they tell it."""
    info = context.world.records[kind.name]
    named = info.size(name)
    sizes = {one: size for one, size in bindings(info.generics, kind.arguments)[0].items() if isinstance(size, Size)}
    return named.size.substitute(sizes.get) if named is not None and named.size.variables() <= set(sizes) else None


def read_size_name(context: Context, path: ast.Dotted) -> Size | None:
    name = path.text
    entry = context.find(name)
    named = size_of_variable(context, path)
    if named is not None:
        return named
    match entry:
        case SizeEntry(size):
            return size
        case LocalEntry(local, _, size):
            if size is not None:
                return size
            reason = f"no int but {article(local.type)}"
            if is_int(local.type):
                reason = "a variable, and sizes don't change: `let` names a size"
            if local.type != ERROR:
                context.report(errors.NotASize(f"`{name}` can't be a size: it is {reason}", path.span))
            return None
        case TypeEntry():
            context.report(errors.WrongKind(f"`{name}` is a type, and a size is needed", path.span))
            return None
    symbol = find_symbol(context, path)
    if symbol is not None and symbol.kind == "constant":
        size = context.world.constants[symbol.name].size
        if size is not None:
            return size
    if symbol is not None or name in NAMED or name in GENERIC:
        context.report(errors.WrongKind(f"`{name}` is a {symbol.kind if symbol else 'type'}, and a size is needed", path.span))
        return None
    known = {found for scope in context.scopes for found, one in scope.items() if isinstance(one, (SizeEntry, LocalEntry))}
    hint = f"a size parameter is declared after the name: `<{name}>`; an unknown size is written `?`"
    context.report(errors.misspelled(errors.UnknownType(f"there is no size `{name}`", path.span), name, known, hint))
    return None
