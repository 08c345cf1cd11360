"""What the language writes for maps, ``map[key]``, ``map[key] = v``, ``len(map)``, in terms of the library's record `Map`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeGuard

from dynlang.check import errors, typed
from dynlang.check.context import ERROR, Context, describe
from dynlang.check.expressions.members import field_type
from dynlang.check.expressions.simple import STRING, formatted, given, join_text
from dynlang.check.fitting.fit import article
from dynlang.check.fitting.settle import demand_entry
from dynlang.diag import Diagnostic
from dynlang.source import Span
from dynlang.syntax import nodes as ast
from dynlang.types import BOOL, INT, UNIT, ArrayType, ErrorType, ListType, RecordType, StringType, TupleType, Type

MAP = "maps.Map"
VALUES = "held"
"""The field of `Map` that holds the values; `place` says at which position that of a key stands."""


def is_map(kind: Type) -> TypeGuard[RecordType]:
    return isinstance(kind, RecordType) and kind.name == MAP


OTHER_WORDS = {
    "put": "`map[key] = value`", "insert": "`map[key] = value`", "add": "`map[key] = value`", "contains": "`key in map`",
    "has_key": "`key in map`", "contains_key": "`key in map`", "length": "`len(map)`", "size": "`len(map)`", "delete": "`map.remove(key)`",
    "setdefault": "`map.set_default(key, value)`", "entries": "`map.items()`", "get_or": "`map.get(key, default)`",
}  # fmt: skip
"""What other languages call it."""


def unknown_map_member(kind: Type, name: ast.Identifier, methods: Mapping[str, object]) -> Diagnostic:
    """A method that maps don't have; the fields of the record are the library's own affair."""
    known = set(methods) - {"place", "rebuild"}
    found = errors.UnknownField(f"{article(kind)} has no `{name.text}`", name.span)
    if name.text in OTHER_WORDS:
        return replace(found, hint=OTHER_WORDS[name.text])
    otherwise = f"a value is found by its key, `map[key]`; the methods are {', '.join(sorted(known))}"
    return errors.misspelled(found, name.text, known, otherwise)


def method_call(receiver: typed.Expression, name: str, arguments: tuple[typed.Expression, ...], span: Span) -> ast.Call:
    """``receiver.name(arguments)`` as syntax."""
    function = ast.Attribute(given(receiver), ast.Identifier(name, span=span), span=span)
    return ast.Call(function, tuple(ast.Argument(None, given(one), span=one.span) for one in arguments), span=span)


def key_of(context: Context, kind: RecordType, indices: tuple, span: Span) -> typed.Expression | None:
    """The key between the brackets; reports and gives None if it is none."""
    key, _ = kind.arguments
    if len(indices) != 1 or isinstance(indices[0], ast.Slice):
        context.report(errors.NotIndexable("a map takes one key; a key of several parts is a tuple: `map[(a, b)]`", span))
        return None
    assert not isinstance(key, (int, str))
    value = context.expect(indices[0], key, "the key")  # type: ignore[arg-type]
    return None if isinstance(value.type, ErrorType) else value


def position(context: Context, whole: typed.Expression, key: typed.Expression, name: str, span: Span) -> typed.Expression:
    """Where the value of a key stands in the list of values; an error of the program, with the key, if there is none."""
    held = context.temporary("key", key.type)
    here = typed.LocalReference(key.type, key.span, held)
    found = context.temporary("entry", INT)
    entry = typed.LocalReference(INT, span, found)
    search = context.infer(method_call(whole, "place", (here,), span))
    missing = typed.Primitive(BOOL, span, "less", (entry, typed.Literal(INT, span, 0)))
    what = name if name != "this value" else "the map"
    shown = context.infer(method_call(here, "quoted", (), span)) if isinstance(key.type, StringType) else formatted(context, here)
    text = join_text([typed.Literal(STRING, span, f"{what} has no key "), shown], span)
    nothing = typed.MakeTuple(UNIT, span, ())
    check = typed.Conditional(UNIT, span, missing, typed.Primitive(UNIT, span, "fail", (text,)), nothing)
    bindings = (
        typed.Binding((held,), key, key.span),
        typed.Binding((found,), search, span),
        typed.Binding((None,), check, span),
    )
    return typed.Sequence(INT, span, bindings, entry)


def map_item(context: Context, value: typed.Expression, node: ast.Index) -> typed.Expression:
    """``map[key]`` as a value; the map is evaluated once."""
    assert isinstance(value.type, RecordType)
    key = key_of(context, value.type, node.indices, node.span)
    if key is None:
        return typed.Literal(ERROR, node.span, 0)
    bindings: tuple[typed.Binding, ...] = ()
    if not isinstance(value, typed.LocalReference):
        local = context.temporary("map", value.type)
        bindings = (typed.Binding((local,), value, value.span),)
        value = typed.LocalReference(value.type, value.span, local)
    values = field_type(context, value.type, VALUES)  # type: ignore[arg-type]
    assert isinstance(values, ListType)
    at = position(context, value, key, describe(node.value), node.span)
    item = typed.ListItem(values.elements[0], node.span, typed.Field(values, node.span, value, VALUES), at)
    return typed.Sequence(item.type, node.span, bindings, item) if bindings else item


def map_place(context: Context, inner: typed.Place, node: ast.Index) -> typed.Place | None:
    """``map[key]`` as a place to change, which must be there: ``map[key] += 1``, ``map[key].push(x)``."""
    from dynlang.check.statements.statement import read_place

    assert isinstance(inner.type, RecordType)
    key = key_of(context, inner.type, node.indices, node.span)
    if key is None:
        return None
    values = field_type(context, inner.type, VALUES)
    assert isinstance(values, ListType)
    at = position(context, read_place(context, inner), key, describe(node.value), node.span)
    return typed.Place(inner.root, (*inner.steps, VALUES, (at,)), values.elements[0], node.span)


def make_map(context: Context, node: ast.Call, hint: Type | None) -> typed.Expression | None:
    """``Map([(key, value), ...])``; ``Map()`` is the record without entries, if its type is asked for (then None)."""
    from dynlang.check.calls.builtins import plain_arguments
    from dynlang.check.calls.call import call_signature

    if not node.arguments:
        if is_map(hint or ERROR):
            return None
        repair = "give them: `var m: Map<str, int> = Map()`"
        return context.fail(errors.CannotInfer("nothing tells the types of this map's keys and values", node.span, hint=repair))
    if not plain_arguments(context, node, "Map", 1, 1):
        return typed.Literal(ERROR, node.span, 0)
    wanted = ListType((TupleType(hint.arguments),)) if is_map(hint or ERROR) else None  # type: ignore[union-attr, arg-type]
    pairs = context.infer(node.arguments[0].value, wanted)
    kind = pairs.type
    element = kind.element if isinstance(kind, ArrayType) else kind.elements[0] if isinstance(kind, ListType) else None
    if isinstance(kind, ErrorType):
        return pairs
    if not isinstance(element, TupleType) or len(element.items) != 2:
        return context.fail(errors.OperandTypes(f"`Map` takes pairs of keys and values, not {article(kind)}", pairs.span))
    function = "maps.of_array" if isinstance(kind, ArrayType) else "maps.of_list"
    argument = ast.Argument(None, given(pairs), span=pairs.span)
    return call_signature(context, context.world.signatures[function], (argument,), node.span, hint)


def place_type(context: Context, node: ast.Expr) -> Type:
    """The type of a place, without a word about what may be wrong with it."""
    from dynlang.check.statements.places import place

    with context.trial():
        found = place(context, node, "assigned")
    return found.type if found is not None else ERROR


def set_item(context: Context, node: ast.Assign, target: ast.Index) -> list[typed.Statement] | None:
    """``map[key] = value``, which adds the key if it is new. None: the target is no map."""
    from dynlang.check.calls.call import call_signature

    known = place_type(context, target.value)
    if isinstance(known, ErrorType) and len(target.indices) == 1 and not isinstance(target.indices[0], ast.Slice):
        with context.trial():
            whole, key, value = (context.infer(one) for one in (target.value, target.indices[0], node.value))
        demand_entry(context, whole, key.type, value.type)
    if not is_map(known):
        return None
    if len(target.indices) != 1 or isinstance(target.indices[0], ast.Slice):
        key_of(context, known, target.indices, target.span)
        return [typed.Evaluate(typed.Literal(ERROR, node.span, 0))]
    signature = context.world.signatures[context.world.records[MAP].methods["set"]]
    arguments = (
        ast.Argument(None, target.value, True, span=target.value.span),
        ast.Argument(None, target.indices[0], span=target.indices[0].span),
        ast.Argument(None, node.value, span=node.value.span),
    )
    return [typed.Evaluate(call_signature(context, signature, arguments, node.span, None, method=True))]
