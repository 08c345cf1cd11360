"""SSA from its text form: `parse_module(print_module(m))` is isomorphic to `m`. The grammar is `grammar/ssa.lark`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

from lark import Lark, Token, Transformer, UnexpectedInput, v_args

from dynlang import types
from dynlang.core.nodes import Constructor, SumDeclaration, Variable
from dynlang.diag import CompileError, Diagnostic
from dynlang.source import Source, resource
from dynlang.ssa.build import map_sizes
from dynlang.ssa.nodes import Array, Box, Function, List, Module, Operation, Region, Rows, Scalar, String, Value


class MalformedSSA(Diagnostic):
    """A text that is not SSA."""
    code = "DYN0090"


class _NameUse:
    """A value mentioned by name, before it is known where it is defined."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


def parse_module(text: str, name: str = "<ssa>") -> Module:
    """Read a module; a `CompileError` says where the text goes wrong."""
    source = Source(name, text)
    try:
        roots, sums, functions = cast(Any, _parser().parse(text))
    except UnexpectedInput as error:
        start = min(error.pos_in_stream or 0, len(text))
        raise CompileError(MalformedSSA("this is not SSA", source.span(start, min(start + 1, len(text))))) from None
    try:
        return Module(sums, {one.name: _resolve(one) for one in functions}, roots)
    except _Undefined as error:
        raise CompileError(MalformedSSA(str(error), source.span(0, 0))) from None


@lru_cache(maxsize=1)
def _parser() -> Lark:
    grammar = (resource("grammar") / "ssa.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", transformer=_Reader(), maybe_placeholders=False)


# ---------------------------------------------------------------- names to values


class _Undefined(Exception):
    pass


def _resolve(function: Function) -> Function:
    """Put the values in the place of their names; a name is defined once in a function."""
    known: dict[str, Value] = {}

    def define(values: list[Value]) -> None:
        for one in values:
            if one.name in known:
                raise _Undefined(f"@{function.name} defines %{one.name} twice")
            known[one.name] = one

    def look_up(use: Any) -> Value:
        if use.name not in known:
            raise _Undefined(f"@{function.name} uses %{use.name}, which it doesn't define")
        return known[use.name]

    def collect(region: Region) -> None:
        define(region.parameters)
        for one in region.operations:
            define(one.results)
            for inner in one.regions:
                collect(inner)

    def settle(values: list[Value]) -> None:
        for one in values:
            one.type = map_sizes(one.type, look_up)

    def resolve(region: Region) -> None:
        settle(region.parameters)
        for one in region.operations:
            settle(one.results)
            one.operands = [look_up(use) for use in one.operands]
            one.sizes = tuple(use if isinstance(use, int) else look_up(use) for use in one.sizes)
            for inner in one.regions:
                resolve(inner)

    collect(function.body)
    define([one for one in function.results if one.name])
    resolve(function.body)
    settle(function.results)
    for position, one in enumerate(function.results):
        one.name = one.name or f"result{position}"
    return function


# ---------------------------------------------------------------- the tree, built while parsing


def _unquote(text: str) -> str:
    import re

    def one(match: re.Match[str]) -> str:
        escape = match[1]
        return {"n": "\n", "t": "\t"}.get(escape) or (chr(int(match[2], 16)) if match[2] else escape)

    return re.sub(r"\\(u\{([0-9a-f]+)\}|.)", one, text[1:-1], flags=re.S)


def _core(kind: Any) -> types.Type:
    """A type read with polynomial sizes, as a type of Core."""
    match kind:
        case Scalar(dtype):
            return types.ScalarType(dtype)
        case String():
            return types.StringType()
        case Array(element, shape):
            return types.ArrayType(_core(element), tuple(map(types.Size.of, shape)))  # type: ignore[arg-type]
        case Box(name, sizes):
            return types.SumType(name, tuple(map(types.Size.of, sizes)))  # type: ignore[arg-type]
        case List(elements):
            return types.ListType(tuple(map(_core, elements)))
        case Rows(dtype, shape):
            return types.RowsType(dtype, tuple(map(types.Size.of, shape)))  # type: ignore[arg-type]
    raise TypeError(kind)


@v_args(inline=True)
class _Reader(Transformer):
    def start(self, *items: Any) -> Any:
        sums = {one.name: one for one in items if isinstance(one, SumDeclaration)}
        roots = next((one for one in items if isinstance(one, tuple)), ())
        return roots, sums, [one for one in items if isinstance(one, Function)]

    def roots(self, *names: str) -> tuple[str, ...]:
        return names

    # sum types
    def sum(self, name: str, *rest: Any) -> SumDeclaration:
        sizes = tuple(str(one) for one in rest if isinstance(one, Token))
        return SumDeclaration(name, sizes, tuple(one for one in rest if isinstance(one, Constructor)))

    def constructor(self, name: str, *fields: Variable) -> Constructor:
        return Constructor(name, fields)

    def field(self, name: str, kind: Any) -> Variable:
        return Variable(name, _core(kind))

    # functions
    def function(self, name: str, parameters: list[Value], *rest: Any) -> Function:
        results = [one for one in rest if isinstance(one, Value)]
        flags = next((dict(one) for one in rest if isinstance(one, dict)), {})
        if "owned" in flags:
            flags["owned"] = frozenset(flags["owned"])
        body = Region(parameters, [one for one in rest if isinstance(one, Operation)])
        return Function(name, body, results, **flags)

    def parameters(self, *values: Value) -> list[Value]:
        return list(values)

    def result(self, *parts: Any) -> Value:
        return Value(parts[0][1:] if len(parts) == 2 else "", parts[-1])

    def typed(self, name: Token, kind: Any) -> Value:
        return Value(name[1:], kind)

    def operation(self, *parts: Any) -> Operation:
        results = [one for one in parts if isinstance(one, Value)]
        name = next(str(one) for one in parts if isinstance(one, Token))
        operands = next(one for one in parts if isinstance(one, list))
        attributes = next((one for one in parts if isinstance(one, dict)), {})
        sizes = next((one for one in parts if isinstance(one, tuple)), ())
        return Operation(name, operands, results, attributes, [one for one in parts if isinstance(one, Region)], sizes)

    def operands(self, *uses: Token) -> list[Any]:
        return [_NameUse(one[1:]) for one in uses]

    def sizes(self, *sizes: Any) -> tuple[Any, ...]:
        return sizes

    def region(self, *parts: Any) -> Region:
        parameters = next((one for one in parts if isinstance(one, list)), [])
        return Region(parameters, [one for one in parts if isinstance(one, Operation)])

    def attributes(self, *pairs: tuple[str, Any]) -> dict[str, Any]:
        return dict(pairs)

    def pair(self, key: Token, value: Any) -> tuple[str, Any]:
        return str(key), value

    def integer(self, token: Token) -> int:
        return int(token)

    def float(self, token: Token) -> float:
        return float(token)

    def true(self) -> bool:
        return True

    def false(self) -> bool:
        return False

    def none(self) -> None:
        return None

    def string(self, token: Token) -> str:
        return _unquote(token)

    def bytes(self, token: Token) -> bytes:
        return bytes.fromhex(_unquote(token))

    def sequence(self, *items: Any) -> tuple[Any, ...]:
        return items

    # types
    def scalar(self, name: Token) -> Scalar:
        dtype, _, lanes = str(name).partition("x")
        return Scalar(dtype, int(lanes or 1))

    def text(self) -> String:
        return String()

    def box(self, name: str, *sizes: Any) -> Box:
        return Box(name, sizes)

    def list(self, *elements: Any) -> List:
        return List(elements)

    def rows(self, dtype: Token, *shape: Any) -> Rows:
        return Rows(str(dtype), shape)

    def array(self, element: Any, *shape: Any) -> Array:
        return Array(element, shape)

    def size_integer(self, token: Token) -> int:
        return int(token)

    def size_value(self, token: Token) -> Any:
        return _NameUse(token[1:])

    def size_name(self, token: Token) -> types.Size:
        return types.Size.variable(str(token))

    def plus(self, left: Any, right: Any) -> Any:
        return left + right

    def minus(self, left: Any, right: Any) -> Any:
        return left - right

    def negative(self, one: Any) -> Any:
        return -one

    def times(self, left: Any, right: Any) -> Any:
        return left * right

    def divided(self, left: Any, divisor: Token) -> Any:
        return left // int(divisor)

    def symbol(self, token: Token) -> str:
        return _unquote(token) if token.type == "STRING" else str(token)
