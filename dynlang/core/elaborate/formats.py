"""Values as text: f-strings, `print` and error messages.

Numbers are ops; arrays, lists and sums are generated functions, one for each type:
``[1.0, 2.0]``, ``(a, b)``, ``Name(field=...)``, ``Node(left=Leaf(word=1), right=...)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dynlang.check import typed
from dynlang.core.build import Builder, integer, text
from dynlang.core.elaborate.expressions import expression, handles
from dynlang.core.elaborate.frame import Frame
from dynlang.core.elaborate.indexing import Items, indexed, list_item, own_sizes
from dynlang.core.elaborate.places import part_types, select_part
from dynlang.core.elaborate.values import Abstraction, FunctionValue, Value, named_places, rename_places, short_name
from dynlang.core.nodes import Arm, Atom, Call, Case, For, Function, If, Literal, Variable
from dynlang.core.sizes import rename_telescope
from dynlang.core.walk import Names
from dynlang.diag import NotBuilt
from dynlang.syntax.strings import escape
from dynlang.types import (
    FLOATS,
    INT,
    ArrayType,
    FunctionType,
    IndexType,
    ListType,
    RecordType,
    RowsType,
    ScalarType,
    Size,
    StringType,
    SumType,
    TangentType,
    TupleType,
    Type,
    Unknown,
    is_sparse,
    open_unknowns,
    unknowns,
)

STRING = StringType()


@handles(typed.Format)
def format_expression(frame: Frame, node: typed.Format) -> Value:
    value = expression(frame, node.value)
    return Value(STRING, (formatted(frame, value, node.specification),))


def formatted(frame: Frame, value: Value, specification: str = "", nested: bool = False) -> Atom:
    """The text of a value. Strings inside of others stand in quotes."""
    builder = frame.builder
    if not isinstance(value.type, TupleType) and unknowns(value.type):
        return formatted(frame, opened(frame, value), specification, nested)
    match value.type:
        case StringType():
            if nested:
                return quoted(frame, value)
            return builder.operation("format_text", value.atom, specification=specification, name="text") if specification else value.atom
        case ScalarType() | IndexType():
            return formatted_scalar(builder, value.atom, specification)
        case TupleType(items):
            parts = [formatted(frame, part, specification, True) for part in frame.split(value, items)]
            return joined_text(frame, ["(", *separated(parts), ",)" if len(parts) == 1 else ")"])
        case RecordType("maps.Map"):
            return map_text(frame, value, specification)
        case RecordType() if is_sparse(value.type):
            return sparse_text(frame, value, specification)
        case RecordType():
            return formatted_record(frame, value, specification)
        case FunctionType():
            return text(function_text(frame, value))
        case TangentType(FunctionType()):
            return text("<derivative of a function>")
        case TangentType(RecordType(name)):
            parts = [(label, select_part(frame, value, label)[0]) for label, _ in part_types(frame, value.type)]
            return fields_text(frame, name, [one for one in parts if one[1].atoms], specification)
        case RowsType():
            table = ArrayType(ScalarType(value.type.dtype), value.type.shape)
            return formatted(frame, Value(table, (dense(frame, value.atom),)), specification)
    return generated(frame, value, specification)


def opened(frame: Frame, value: Value) -> Value:
    """The value with names for its own unknown sizes, which are its first atoms."""
    count = len(unknowns(value.type))
    names = tuple(atom.name if isinstance(atom, Variable) else str(atom) for atom in value.atoms[:count])
    for name, atom in zip(names, value.atoms, strict=False):
        frame.sizes.setdefault(name, frame.builder.size_of(atom))
    return Value(frame.type(open_unknowns(value.type, names)), value.atoms[count:])


def quoted(frame: Frame, value: Value) -> Atom:
    """A string inside of another value: in quotes, so that it could be read back."""
    from dynlang.core.elaborate.functions import call_function

    if isinstance(value.atom, Literal):
        return text(f'"{escape(str(value.atom.value))}"')
    function = FunctionValue(frame.elaborator.program.functions["text.quoted"], (), ())
    return call_function(frame, function, [value], STRING).atom


def function_text(frame: Frame, value: Value) -> str:
    """``<function f>``; a lambda, and a function that only the running program knows, has no name."""
    function = value.functions[0] if value.functions else None
    if isinstance(function, FunctionValue) and function.function.name in frame.elaborator.program.functions:
        return f"<function {short_name(function.function.name)}>"
    return "<function>"


def separated(parts: Sequence[Atom], between: str = ", ") -> list[Atom | str]:
    result: list[Atom | str] = []
    for position, part in enumerate(parts):
        result += ([between] if position else []) + [part]
    return result


def joined_text(frame: Frame, parts: Sequence[Atom | str]) -> Atom:
    """All parts one after another: literal text, and values of strings and numbers."""
    pieces: list[Atom] = []
    for part in parts:
        atom: Atom = text(part) if isinstance(part, str) else part
        if not isinstance(atom.type, StringType):
            atom = formatted_scalar(frame.builder, atom, "")
        if isinstance(atom, Literal) and pieces and isinstance(pieces[-1], Literal):
            pieces[-1] = text(str(pieces[-1].value) + str(atom.value))
        elif not (isinstance(atom, Literal) and atom.value == ""):
            pieces.append(atom)
    if not pieces:
        return text("")
    whole = pieces[0]
    for piece in pieces[1:]:
        whole = frame.builder.operation("string_concat", whole, piece, name="text")
    return whole


def formatted_scalar(builder: Builder, atom: Atom, specification: str) -> Atom:
    assert isinstance(atom.type, ScalarType)
    dtype = atom.type.dtype
    extra: dict[str, Any] = {"specification": specification} if specification else {}
    if dtype == "bool":
        shown = builder.operation("format_bool", atom, name="text")
        return builder.operation("format_text", shown, name="text", **extra) if specification else shown
    if dtype in FLOATS:
        wide = atom if dtype == "f64" else builder.operation("convert", atom, dtype="f64", name="wide")
        return builder.operation("format_float", wide, single=dtype != "f64", specification=specification, name="text")
    wide = atom if dtype == "i64" else builder.operation("convert", atom, dtype="i64", name="wide")
    if specification and specification[-1] in "eEfFgG%":
        real = builder.operation("convert", wide, dtype="f64", name="real")
        return builder.operation("format_float", real, single=False, specification=specification, name="text")
    return builder.operation("format_int", wide, specification=specification, name="text")


def formatted_record(frame: Frame, value: Value, specification: str) -> Atom:
    assert isinstance(value.type, RecordType)
    fields = frame.layouts.fields(value.type)
    parts = frame.split(value, [kind for _, kind in fields])
    return fields_text(frame, value.type.name, [(name, part) for (name, _), part in zip(fields, parts, strict=True)], specification)


def fields_text(frame: Frame, name: str, parts: Sequence[tuple[str | int, Value]], specification: str) -> Atom:
    """``Name(field=..)``"""
    shown: list[Atom | str] = [f"{short_name(name)}("]
    for position, (label, part) in enumerate(parts):
        shown += [f"{', ' if position else ''}{label}=", formatted(frame, part, specification, True)]
    return joined_text(frame, [*shown, ")"])


def dense(frame: Frame, rows: Atom) -> Atom:
    """Touched rows as the whole table."""
    assert isinstance(rows.type, RowsType)
    return frame.builder.operation("rows_dense", rows, dtype=rows.type.dtype, sizes=rows.type.shape, name="dense")


# ---------------------------------------------------------------- generated functions


def generated(frame: Frame, value: Value, specification: str) -> Atom:
    """A call of the function that makes the text of values of a type."""
    if value.functions:
        raise NotBuilt(f"printing a {value.type}", frame.builder.span)
    abstraction = Abstraction(prefix="s")
    kind = abstraction.type(value.type)
    key = ("text", kind, specification)
    elaborator = frame.elaborator
    name = elaborator.generated.get(key)
    if name is None:
        name = elaborator.generated[key] = elaborator.function_names.fresh("text_of")
        make_text_function(frame, name, kind, tuple(abstraction.names.values()), specification)
    sizes = tuple(frame.builder.size(size) for size in abstraction.names)
    (result,) = frame.builder.emit(Call(name, (*sizes, *value.atoms)), ["text"])
    return result


def make_text_function(frame: Frame, name: str, kind: Type, sizes: tuple[str, ...], specification: str) -> None:
    elaborator = frame.elaborator
    names = Names(sizes)
    places = rename_places(frame.layouts.data(kind), names.fresh, {}, "x")
    parameters = (*(Variable(one, INT) for one in sizes), *places)
    results = (Variable(names.fresh("text"), STRING),)
    elaborator.signatures[name] = Function(name, parameters, results, Builder(names, elaborator.scope).block(), len(sizes))
    inner = Frame(elaborator, Builder(names, elaborator.scope), {}, {one: Size.variable(one) for one in sizes}, {}, STRING, name)
    value = Value(kind, places)
    match kind:
        case ArrayType():
            result = array_text(inner, value, specification)
        case ListType():
            length = inner.builder.operation("list_length", value.atom, name="length")
            result = sequence_text(inner, length, lambda i: list_item(inner, value, i), specification)
        case SumType():
            result = sum_text(inner, value, specification)
        case TangentType(SumType()):
            from dynlang.core.elaborate.derivative_text import derivative_text

            result = derivative_text(inner, value, specification)
        case _:
            raise NotBuilt(f"printing a {kind}", frame.builder.span)
    body = inner.builder.block(result)
    elaborator.functions[name] = Function(name, parameters, results, body, len(sizes), parameter_labels=tuple(
        one.name for one in parameters), result_labels=("result",))


def array_text(frame: Frame, value: Value, specification: str) -> Atom:
    assert isinstance(value.type, ArrayType)
    count = value.type.shape[0]
    assert isinstance(count, Size)
    return sequence_text(frame, frame.builder.size(count),
                         lambda i: indexed(frame, value, Items((i,), value.type)), specification)


def map_text(frame: Frame, value: Value, specification: str) -> Atom:
    """``{key: value, key: value}``"""
    pairs = library_call(frame, "maps.Map.items", [value], lambda types: ListType((TupleType(types),)))
    count = frame.builder.operation("list_length", pairs.atom, name="length")
    return sequence_text(frame, count, lambda i: list_item(frame, pairs, i), specification, "{}")


def sparse_text(frame: Frame, value: Value, specification: str) -> Atom:
    """``sparse(n, [(index, value), ..])``, as it is written; of a matrix ``sparse(m, n, [(row, column, value), ..])``."""
    assert isinstance(value.type, RecordType)
    sizes = [one for one in value.type.arguments if isinstance(one, Size)]
    entries = library_call(
        frame, f"{value.type.name}.items", [value], lambda types: ListType((TupleType((*(INT,) * len(sizes), *types)),)))
    count = frame.builder.operation("list_length", entries.atom, name="length")
    shown = sequence_text(frame, count, lambda i: list_item(frame, entries, i), specification, "()")
    extents = [part for size in sizes for part in (frame.builder.size(size), ", ")]
    return joined_text(frame, ["sparse(", *extents, shown, ")"])


def library_call(frame: Frame, name: str, arguments: Sequence[Value], result: Callable[[tuple[Type, ...]], Type]) -> Value:
    """A call of a function of the library whose parameters in `<...>` are those of its first argument."""
    from dynlang.core.elaborate.functions import call_function

    kind = arguments[0].type
    assert isinstance(kind, RecordType)
    types = tuple(one for one in kind.arguments if not isinstance(one, (Size, Unknown)))
    sizes = tuple(one for one in kind.arguments if isinstance(one, Size))
    function = FunctionValue(frame.elaborator.program.functions[name], types, sizes)
    return call_function(frame, function, arguments, result(types))


def sequence_text(frame: Frame, count: Atom, item: Callable[[Atom], Value], specification: str, brackets: str = "[]") -> Atom:
    """``[a, b, c]``; in ``{}`` the items are pairs, ``{a: b, c: d}``; in ``()`` each is a place and a value, which alone is formatted."""

    def shown(index: Atom) -> Atom:
        one = item(index)
        if brackets == "{}" and isinstance(one.type, TupleType):
            key, held = frame.split(one, one.type.items)
            return joined_text(frame, [formatted(frame, key, "", True), ": ", formatted(frame, held, specification, True)])
        if brackets == "()" and isinstance(one.type, TupleType):
            *place, held = [formatted(frame, part, "", True) for part in frame.split(one, one.type.items)]
            number = frame.split(one, one.type.items)[-1]
            held = formatted(frame, number, specification, True) if specification else held
            return joined_text(frame, ["(", *separated([*place, held]), ")"])
        return formatted(frame, one, specification, True)

    return repeated(frame, count, shown, "[]" if brackets == "()" else brackets)


def repeated(frame: Frame, count: Atom, item: Callable[[Atom], Atom], brackets: str = "[]") -> Atom:
    """The texts of all items in brackets, with commas between them."""
    builder = frame.builder
    index, so_far = Variable(builder.names.fresh("i"), INT), Variable(builder.names.fresh("text"), STRING)
    with frame.inside() as body:
        first = body.operation("equal", index, integer(0), name="first")
        same = body.inside().block(text(""))
        other = body.inside().block(text(", "))
        (between,) = body.emit(If(first, same, other), ["between"], [STRING])
        block = body.block(joined_text(frame, [so_far, between, item(index)]))
    (inside,) = builder.emit(For(index, count, (so_far,), (text(brackets[0]),), block), ["text"])
    return joined_text(frame, [inside, brackets[1]])


def sum_text(frame: Frame, value: Value, specification: str) -> Atom:
    """``Constructor(field=..)``, or the bare name where there is no payload."""
    from dynlang.core.elaborate.statements import field_types

    assert isinstance(value.type, SumType)
    core = value.atom.type
    assert isinstance(core, SumType)
    declaration = frame.elaborator.sums[core.name]
    program = frame.elaborator.program.sums[value.type.name]
    arms: list[Arm] = []
    for constructor, declared in zip(declaration.constructors, program.constructors, strict=True):
        with frame.inside() as builder:
            fields = rename_telescope(constructor.fields, builder.names.fresh, own_sizes(declaration, core), builder.known)
            shown: list[Atom | str] = [declared.name + ("(" if declared.fields else "")]
            at = 0
            for position, ((label, _), kind) in enumerate(
                    zip(declared.fields, field_types(frame, value.type, declared.name), strict=True)):
                count = len(frame.layouts.entries(kind))
                part = frame.unstored(kind, fields[at:at + count])
                at += count
                shown += [f"{', ' if position else ''}{label}=", formatted(frame, part, specification, True)]
            arms.append(Arm(constructor.name, fields, builder.block(joined_text(frame, [*shown, ")" if declared.fields else ""]))))
    telescope = frame.telescope([("text", STRING)])
    return frame.merge(Case(value.atom, tuple(arms)), telescope)[0]


__all__ = ["formatted", "joined_text", "named_places"]
