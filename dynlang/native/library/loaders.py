"""`load` and `save` for the records of exported functions, as typed functions that the program itself could have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dynlang.check import typed
from dynlang.check.cache import Layers
from dynlang.types import (
    UNIT,
    Argument,
    ArrayType,
    FunctionType,
    IndexType,
    RecordType,
    ScalarType,
    Size,
    StringType,
    TupleType,
    Type,
    TypeVariable,
    Unknown,
)

LOAD, SAVE = "safetensors.load", "safetensors.save"


def with_loaders(program: typed.Program) -> typed.Program:
    """The program with an exported `Model_load` and `Model_save` for every record `Model` that an export takes or gives, if its
    type says all that a file must hold; one with parts of unknown sizes, a sparse matrix, comes from an export that makes it."""
    if LOAD not in program.functions or SAVE not in program.functions:
        return program
    pairs: dict[str, typed.Function] = {}
    for one in program.exported:
        for record in records_of(one):
            if is_handle(record) and is_told(program, record):
                for made in _pair(program, record, one):
                    if made.name not in program.functions:
                        pairs.setdefault(made.name, made)
    return replace(program, functions=Layers([pairs, program.functions]))


def records_of(function: typed.Function) -> Iterator[RecordType]:
    """The records that stand as such in a function's signature."""
    for kind in (*(one.local.type for one in function.parameters), function.returns):
        if isinstance(kind, RecordType):
            yield kind


def is_handle(record: RecordType) -> bool:
    """Whether C can hold it: all arguments of its type are sizes and number types."""
    return all(isinstance(one, Size | ScalarType) for one in record.arguments)


def is_told(program: typed.Program, kind: Type) -> bool:
    """Whether a type says how many numbers a value of it has."""
    match kind:
        case ScalarType() | IndexType() | FunctionType():
            return True
        case ArrayType(element, shape):
            return all(isinstance(one, Size) for one in shape) and is_told(program, element)
        case TupleType(items):
            return all(is_told(program, one) for one in items)
        case RecordType(name, arguments):
            sizes_known = not any(isinstance(one, Unknown) for one in arguments)
            return sizes_known and all(is_told(program, field) for _, field in program.records[name].fields)
    return isinstance(kind, TypeVariable)


def handle_name(record: RecordType) -> str:
    """The name in C: `Model` of `net.Model<v, d>` and of `net.Model<v, d, f32>`, but `Model_f64` of `net.Model<v, d, f64>`."""
    numbers = [one.dtype for one in record.arguments if isinstance(one, ScalarType) and one.dtype != "f32"]
    return "_".join([record.name.rpartition(".")[2], *numbers])


def _pair(program: typed.Program, given_type: RecordType, near: typed.Function) -> Iterator[typed.Function]:
    """`proc Model_load<v, d>(path: str) -> Model<v, d>` and `proc Model_save<v, d>(model: Model<v, d>, path: str)`."""
    generics = program.records[given_type.name].generics
    sizes = tuple(one.name for one in generics if one.kind == "size")
    arguments: tuple[Argument, ...] = tuple(
        Size.variable(one.name) if one.kind == "size" else given for one, given in zip(generics, given_type.arguments, strict=True))
    kind = RecordType(given_type.name, arguments)
    short = handle_name(kind)
    path = typed.Local("path", StringType())
    value = typed.Local(short.lower(), kind)
    given = typed.LocalReference(StringType(), near.span, path)
    loaded = typed.Call(kind, near.span, LOAD, (kind,), (), (given,))
    saved = typed.Call(UNIT, near.span, SAVE, (kind,), (), (typed.LocalReference(kind, near.span, value), given))

    def function(word: str, parameters: tuple[typed.Local, ...], returns: Type, body: typed.Statement, text: str) -> typed.Function:
        name, passed = f"{program.module}.{short}_{word}", tuple(map(typed.Parameter, parameters))
        return typed.Function(name, "proc", (), sizes, passed, returns, (body,), near.span, export=True, documentation=text)

    yield function("load", (path,), kind, typed.Return(loaded, near.span), f"Reads a {short} from a safetensors file.")
    yield function("save", (value, path), UNIT, typed.Evaluate(saved), f"Writes a {short} to a safetensors file, whole or not at all.")
