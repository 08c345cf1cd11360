"""Statements as a procedure that gives its last value back: for the entries of a session, and for benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dynlang.check import typed
from dynlang.check.cache import Layers
from dynlang.source import NOWHERE
from dynlang.types import INT, UNIT, IndexType, Size, SizeArgument, TupleType, Type, Unknown, map_type


def shown_value(statements: Sequence[typed.Statement]) -> typed.Expression | None:
    """The expression that statements end with, if it has a value."""
    last = statements[-1] if statements else None
    return last.value if isinstance(last, typed.Evaluate) and last.value.type != UNIT else None


Statements = tuple[typed.Statement, ...]


def returning(statements: Statements, values: Sequence[typed.Expression], span: Any) -> tuple[Statements, TupleType]:
    """The statements, then a return of the values; the last statement is dropped if it is one of these values."""
    shown = shown_value(statements)
    body = statements[:-1] if shown is not None else statements
    packed = tuple(map(closed, values))
    kind = TupleType(tuple(one.type for one in packed))
    return (*body, typed.Return(typed.MakeTuple(kind, span, packed), span)), kind


def closed(value: typed.Expression) -> typed.Expression:
    """The value under a type that mentions no size of the procedure: such sizes are forgotten, and known again from the result."""

    def on_size(one: SizeArgument) -> SizeArgument:
        return Unknown() if isinstance(one, Size) and one.value is None else one

    def on_type(one: Type) -> Type | None:
        return INT if isinstance(one, IndexType) and one.bound.value is None else None

    kind = map_type(value.type, on_size, on_type)
    return value if kind == value.type else typed.Pack(kind, value.span, value)


def with_functions(program: typed.Program, functions: Mapping[str, typed.Function]) -> typed.Program:
    """The program with further functions, or others of the same names."""
    return replace(program, functions=Layers([dict(functions), program.functions]))


def with_benches(program: typed.Program, kept: Sequence[int]) -> tuple[typed.Program, list[str]]:
    """The program with its benchmarks as functions, and their names. What a benchmark ends with is returned, so that it is computed."""
    made = {}
    for place in kept:
        block = program.benches[place]
        shown = shown_value(block.body)
        body, kind = returning(block.body, [] if shown is None else [shown], block.span)
        name = f"{program.module}.bench_{place}"
        made[name] = typed.Function(name, "proc", (), (), (), kind, body, block.span)
    return with_functions(program, made), [name.removeprefix(program.module + ".") for name in made]


def span_of(statements: Sequence[typed.Statement]) -> Any:
    """A place for what is added: that of the first statement that has one."""
    for one in statements:
        inner = getattr(one, "value", None) or getattr(one, "binding", None) or one
        if getattr(inner, "span", None) is not None:
            return inner.span  # type: ignore[union-attr]
    return NOWHERE
