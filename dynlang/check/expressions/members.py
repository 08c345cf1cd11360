"""What stands after a dot: fields, members of modules, `.shape`, unapplied methods, the methods of lists and strings."""

from __future__ import annotations

from dataclasses import replace

from dynlang.check import errors, typed
from dynlang.check.calls.functions import eta
from dynlang.check.context import ERROR, Context, handles
from dynlang.check.declarations.typenames import bindings, put, size_of_record
from dynlang.check.declarations.world import Signature, Symbol
from dynlang.check.expressions.simple import given, infer_symbol
from dynlang.check.fitting.fit import article
from dynlang.check.messages import words
from dynlang.check.walk import nodes
from dynlang.diag import Diagnostic, replacing
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import (
    INT,
    UNIT,
    ArrayType,
    ErrorType,
    FunctionType,
    ListType,
    RecordType,
    ScalarType,
    Size,
    StringType,
    SumType,
    TangentType,
    TupleType,
    Type,
    is_sparse,
    tangent,
)

STRING = StringType()
ARRAY_MEMBERS = {"shape": "its sizes"}
LIST_METHODS = {"push", "pop"}


@handles(ast.Attribute)
def infer_attribute(context: Context, node: ast.Attribute, hint: Type | None) -> typed.Expression:
    from dynlang.check.calls.call import module_member

    symbol = module_member(context, node)
    if symbol is not None:
        return infer_symbol(context, symbol, node, node.name.text, hint) if symbol.name else typed.Literal(ERROR, node.span, 0)
    value = context.infer(node.value)
    if isinstance(value.type, ErrorType):
        return value
    found = field_of(context, value, node.name) or named_size(context, value, node) or sparse_member(context, value, node)
    if found is not None:
        return found
    if isinstance(value.type, ArrayType) and node.name.text == "shape":
        return evaluated_first(context, value, shape_value(value.type, node.span))
    if node.name.text in context.world.methods(value.type):
        return method_value(context, value, node, hint)
    if isinstance(value.type, TupleType):
        return context.fail(
            errors.UnknownField(f"{article(value.type)} has no `{node.name.text}`", node.name.span, hint="take it apart: `let a, b = ...`")
        )
    return context.fail(unknown_member(context, value.type, node.name, node.value.span))


def sparse_member(context: Context, value: typed.Expression, node: ast.Attribute) -> typed.Expression | None:
    """What is stored of a sparse value, or of its tangent."""
    from dynlang.check.expressions.sparse import member

    kind = value.type.of if isinstance(value.type, TangentType) else value.type
    return member(context, value, kind, node.name, node.span) if is_sparse(kind) else None


def shape_value(kind: ArrayType, span: Span) -> typed.Expression:
    """``x.shape``: a tuple of ints."""
    items = tuple(typed.SizeValue(INT, span, size) for size in kind.shape if isinstance(size, Size))
    return typed.MakeTuple(TupleType((INT,) * len(items)), span, items)


def method_value(context: Context, value: typed.Expression, node: ast.Attribute, hint: Type | None) -> typed.Expression:
    """An unapplied method is a function of its other parameters (rule 20)."""
    assert isinstance(value.type, (RecordType, SumType))
    named = value.type.name
    info = context.world.records[named] if isinstance(value.type, RecordType) else context.world.sums[named]
    signature = context.world.signatures[info.methods[node.name.text]]
    source = ast.Attribute(given(value), node.name, span=node.span)
    wanted = hint
    if not isinstance(hint, FunctionType) and len(signature.generics) == len(info.generics):
        sizes, types = bindings(info.generics, value.type.arguments)
        wanted = put(FunctionType(tuple(one.type for one in signature.parameters[1:]), signature.returns), sizes, types)
    return eta(context, source, wanted, node.span)


def field_type(context: Context, kind: RecordType, name: str) -> Type | None:
    info = context.world.records[kind.name]
    field = info.field(name)
    if field is None:
        return None
    return put(field.type, *bindings(info.generics, kind.arguments))


def field_of(context: Context, value: typed.Expression, name: ast.Identifier) -> typed.Expression | None:
    """A field of a record, or of the tangent of a record."""
    match value.type:
        case RecordType():
            kind = field_type(context, value.type, name.text)
        case TangentType(RecordType() as of):
            kind = field_type(context, of, name.text)
            kind = tangent(kind) if kind is not None else None
        case _:
            return None
    if kind is None:
        return None
    if isinstance(value, typed.LocalReference) and (value.local.name, name.text) in context.fields:
        part = context.fields[value.local.name, name.text]
        return typed.LocalReference(part.type, Span(value.span.source, value.span.start, name.span.end), part)
    return typed.Field(kind, Span(value.span.source, value.span.start, name.span.end), value, name.text)


def named_size(context: Context, value: typed.Expression, node: ast.Attribute) -> typed.Expression | None:
    """A size that a record names: `g.nodes` of a ``Graph<n, e>`` is `n` itself, so ``for v in g.nodes`` gives an ``idx<n>``."""
    size = size_of_record(context, value.type, node.name.text) if isinstance(value.type, RecordType) else None
    return evaluated_first(context, value, typed.SizeValue(INT, node.span, size)) if size is not None else None


def unknown_member(context: Context, kind: Type, name: ast.Identifier, receiver: Span) -> Diagnostic:
    from dynlang.check.expressions.maps import is_map, unknown_map_member

    known: set[str] = set()
    match kind:
        case RecordType(record) | TangentType(RecordType(record)):
            info = context.world.records[record]
            known = {one.name for one in info.fields}
            known |= {one.name for one in info.sizes} | set(info.methods) if isinstance(kind, RecordType) else set()
            if is_map(kind):
                return unknown_map_member(kind, name, info.methods)
            if is_sparse(kind):
                known = {"indices" if len(kind.arguments) == 2 else "columns", "values", "count", "shape", *info.methods}
        case ArrayType():
            known = set(ARRAY_MEMBERS)
        case ListType():
            known = LIST_METHODS | set(library_methods(context, kind))
        case StringType():
            known = set(library_methods(context, kind))
        case SumType(sum_name):
            methods = context.world.sums[sum_name].methods
            title = f"{article(kind)} has no `{name.text}`: which payload it has, its alternative decides"
            return errors.misspelled(errors.UnknownField(title, name.span), name.text, set(methods), "take it apart with `match`")
    found = errors.UnknownField(f"{article(kind)} has no `{name.text}`", name.span)
    told = sorted(one for one in known if not one.startswith("_"))[:8]
    hint = f"it has {', '.join(f'`{one}`' for one in told)}" if told else ""
    if isinstance(kind, StringType) and name.text in words.TEXT:
        return replace(found, hint=words.TEXT[name.text])
    if isinstance(kind, ListType) and name.text == "append":
        return replace(found, hint="the method is called `push`", repairs=(replacing("write `push`", name.span, "push"),))
    if isinstance(kind, (ArrayType, ScalarType)):
        return words.unknown_array_member(found, name.text, receiver, known, hint)
    return errors.misspelled(found, name.text, known, hint)


# ---------------------------------------------------------------- methods of builtin types


def call_builtin_method(
    context: Context, receiver: typed.Expression, node: ast.Call, function: ast.Attribute, hint: Type | None
) -> typed.Expression | None:
    name = function.name.text
    if isinstance(receiver.type, ListType) and name == "pop" and len(node.arguments) == 1:
        name = "remove_at"
    if isinstance(receiver.type, ListType) and name in LIST_METHODS:
        return call_list_method(context, receiver.type, name, node, function)
    symbol = library_methods(context, receiver.type).get(name)
    if symbol is None:
        return None
    return call_library_method(context, context.world.signatures[symbol.name], receiver, node, function, hint)


def library_methods(context: Context, kind: Type) -> dict[str, Symbol]:
    """The methods of strings and lists: functions of the library's modules `text` and `lists` that take such a value first."""
    module = {StringType: "text", ListType: "lists"}.get(type(kind), "")
    interface = context.world.interfaces.get(module)
    if interface is None:
        return {}
    found: dict[str, Symbol] = {}
    for name, symbol in interface.exported.items():
        signature = context.world.signatures.get(symbol.name) if symbol.kind == "function" else None
        if signature is not None and signature.parameters and isinstance(signature.parameters[0].type, type(kind)):
            found[name] = symbol
    return found


def call_library_method(
    context: Context, signature: Signature, receiver: typed.Expression, node: ast.Call, function: ast.Attribute, hint: Type | None
) -> typed.Expression:
    """``text.upper()`` is ``upper(text)`` of the module `text`, ``xs.sort()`` is ``sort(&xs)`` of `lists`."""
    from dynlang.check.calls.call import call_signature

    lends = signature.parameters[0].inout
    first = ast.Argument(None, function.value if lends else given(receiver), lends, span=receiver.span)
    return call_signature(context, signature, (first, *node.arguments), node.span, hint, method=True)


def call_list_method(context: Context, kind: ListType, name: str, node: ast.Call, function: ast.Attribute) -> typed.Expression:
    """``list.push(x)`` and ``list.pop()`` change the list that they are called on."""
    from dynlang.check.statements.places import place

    element = kind.elements[0]
    count = 1 if name == "push" else 0
    if len(node.arguments) != count:
        return context.fail(
            errors.WrongArity(f"`{name}` takes {errors.plural(count, 'argument')}, and {len(node.arguments)} given", node.span)
        )
    values = tuple(context.expect(argument.value, element, f"the argument of `{name}`") for argument in node.arguments)
    target = place(context, function.value, "lent")
    if target is None or any(isinstance(value.type, ErrorType) for value in values):
        return typed.Literal(ERROR, node.span, 0)
    return typed.Mutate(UNIT if name == "push" else element, node.span, f"list_{name}", target, values)


EVALUATED = (typed.Open, typed.Sequence, typed.CheckedCast, typed.CheckIndex, typed.Call, typed.CallValue, typed.ListItem)


def evaluated_first(context: Context, value: typed.Expression, known: typed.Expression) -> typed.Expression:
    """What the type of a value tells, after the value: it may fail, or bind the very sizes that are asked for."""
    if not any(isinstance(one, EVALUATED) for one in nodes(value)):
        return known
    local = context.temporary("counted", value.type)
    return typed.Sequence(known.type, known.span, (typed.Binding((local,), value, value.span),), known)


def length(context: Context, value: typed.Expression, span: Span) -> typed.Expression | None:
    """``len(x)`` of an array, list, string or map."""
    from dynlang.check.expressions.maps import is_map, method_call

    match value.type:
        case ArrayType(_, (Size() as size, *_)):
            return evaluated_first(context, value, typed.SizeValue(INT, span, size))
        case RecordType(_, (Size() as size, *_)) if is_sparse(value.type):
            return evaluated_first(context, value, typed.SizeValue(INT, span, size))
        case ListType():
            return typed.Primitive(INT, span, "list_length", (value,))
        case StringType():
            return typed.Primitive(INT, span, "string_length", (value,))
        case RecordType() if is_map(value.type):
            return context.infer(method_call(value, "count", (), span))
    return None
