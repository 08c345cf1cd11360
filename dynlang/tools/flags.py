"""The flags of a program: the parameters of its `main`, as `dync run FILE --rate 0.1` gives them.

    --rate 0.1, --rate=0.1        numbers and strings; `_` and `-` in a name are one
    --verbose, --verbose=false    bools
    --help                        the flags, their types and defaults, and the doc string of main
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dynlang import diag
from dynlang.check import typed
from dynlang.source import Span
from dynlang.types import FLOATS, INTEGERS, ScalarType, StringType, Type

Value = int | float | bool | str


class BadFlag(Exception):
    """The command line of the program is wrong; the text is for its user."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One parameter of main. `default` None: it must be given."""

    name: str
    type: Type
    default: Value | None

    @property
    def option(self) -> str:
        return "--" + self.name.replace("_", "-")

    def describe(self) -> str:
        """A line of the help."""
        default = "(required)" if self.default is None else f"(default {shown(self.default)})"
        return f"  {self.option:<16} {self.type!s:<6} {default}"


def shown(value: Value) -> str:
    """A value as Dyn writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def flags_of(main: typed.Function) -> list[Flag]:
    """The flags that main's parameters spell."""
    found = []
    for parameter in main.parameters:
        kind = parameter.local.type
        if not isinstance(kind, StringType) and not isinstance(kind, ScalarType):
            raise diag.NotBuilt(f"a flag of type {kind}: `{parameter.name}`", main.span,
                                hint="main takes numbers, bools and strings")
        default = None if parameter.default is None else constant(parameter.default, main.span)
        found.append(Flag(parameter.name, kind, default))
    return found


def constant(value: typed.Expression, span: Span) -> Value:
    """The value of a default, which is written out as a literal."""
    match value:
        case typed.Literal(value=literal):
            return literal
        case typed.Primitive(op="neg", arguments=(inner,)):
            negated = constant(inner, span)
            if not isinstance(negated, str):
                return -negated
        case typed.Convert(value=inner):
            return constant(inner, span)
    raise diag.NotBuilt("a default of main that is computed", span, hint="write it as a literal")


def help_text(program: str, flags: Sequence[Flag], documentation: str) -> str:
    lines = [f"usage: {program}{''.join(f' [{flag.option} {flag.type}]' for flag in flags)}"]
    if documentation:
        lines += ["", documentation.strip()]
    if flags:
        lines += ["", *(flag.describe() for flag in flags)]
    return "\n".join(lines)


def parse(arguments: Sequence[str], flags: Sequence[Flag]) -> list[Value] | None:
    """The values of all flags in order; None if help was asked for."""
    by_name = {flag.option: flag for flag in flags}
    given: dict[str, Value] = {}
    rest = list(arguments)
    while rest:
        option, equals, text = rest.pop(0).partition("=")
        if option in ("--help", "-h"):
            return None
        flag = by_name.get("--" + option.lstrip("-").replace("_", "-")) if option.startswith("--") else None
        if flag is None:
            raise BadFlag(f"there is no flag `{option}`" + (f"; there are {', '.join(by_name)}" if by_name else ""))
        if not equals:
            if flag.type == ScalarType("bool") and not (rest and rest[0] in ("true", "false")):
                given[flag.name] = True
                continue
            if not rest:
                raise BadFlag(f"`{flag.option}` needs a value of type {flag.type}")
            text = rest.pop(0)
        given[flag.name] = value_of(flag, text)
    return [_value(flag, given) for flag in flags]


def _value(flag: Flag, given: dict[str, Value]) -> Value:
    if flag.name in given:
        return given[flag.name]
    if flag.default is None:
        raise BadFlag(f"`{flag.option}` is missing: it has no default")
    return flag.default


def value_of(flag: Flag, text: str) -> Value:
    """The value that a text spells.

    >>> value_of(Flag("rate", ScalarType("f32"), None), "1e-3")
    0.001
    """
    dtype = flag.type.dtype if isinstance(flag.type, ScalarType) else "str"
    try:
        if dtype in INTEGERS:
            return _integer(text, dtype)
        if dtype in FLOATS:
            return float(text)
    except ValueError:
        raise BadFlag(f"`{flag.option}` takes a value of type {flag.type}, not `{text}`") from None
    if dtype == "bool":
        if text not in ("true", "false"):
            raise BadFlag(f"`{flag.option}` takes true or false, not `{text}`")
        return text == "true"
    return text


def _integer(text: str, dtype: str) -> int:
    value = int(text)
    bits = int(dtype[1:])
    low, high = (0, 2**bits - 1) if dtype == "u8" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if not low <= value <= high:
        raise ValueError
    return value


def slot(value: Value) -> Any:
    """A flag as the compiled `main` takes it."""
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
