"""The flags of a program: the parameters of its `main`, as `dync run FILE --rate 0.1` gives them.

    --rate 0.1, --rate=0.1        numbers and strings; `_` and `-` in a name are one
    --verbose, --no-verbose       bools; also --verbose=false
    --help                        the flags, their types and defaults, and the doc string of main

A line ``rate: how far a step goes`` of the doc string is the help of the flag `--rate`. The last of several values counts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynlang import diag, pipeline
from dynlang.check import typed
from dynlang.runtime.reference import string_parse_float, string_parse_int
from dynlang.types import BOOL, FLOATS, INTEGERS, ScalarType, StringType, Type

Value = int | float | bool | str


class BadFlag(Exception):
    """The command line of the program is wrong; the text is for its user."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One parameter of main. `default` None: it must be given."""

    name: str
    type: Type
    default: Value | None
    documentation: str = ""

    @property
    def option(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def is_switch(self) -> bool:
        return self.type == BOOL

    @property
    def spelling(self) -> str:
        """How it is written: ``--rate f32``, ``--[no-]verbose``."""
        return f"--[no-]{self.option[2:]}" if self.is_switch else f"{self.option} {self.type}"

    def describe(self, width: int) -> str:
        """A line of the help, what is said of it in a column."""
        default = "(required)" if self.default is None else f"(default {shown(self.default)})"
        return f"  {self.spelling:<{width}}  {self.documentation + ' ' if self.documentation else ''}{default}"


def shown(value: Value) -> str:
    """A value as Dyn writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def flags_of(main: typed.Function, program: typed.Program) -> list[Flag]:
    """The flags that main's parameters spell."""
    found = []
    _, told = documentation_of(main.documentation, [one.name for one in main.parameters])
    for parameter in main.parameters:
        kind = parameter.local.type
        if not isinstance(kind, StringType) and not isinstance(kind, ScalarType):
            raise diag.NotBuilt(f"a flag of type {kind}: `{parameter.name}`", main.span,
                                hint="main takes numbers, bools and strings")
        default = None if parameter.default is None else constant(parameter.default, program)
        found.append(Flag(parameter.name, kind, default, told.get(parameter.name, "")))
    return found


def documentation_of(text: str, names: Sequence[str]) -> tuple[str, dict[str, str]]:
    """A doc string without the lines about parameters, and these by name; what is indented further belongs to the line above.

    >>> documentation_of("Trains.\\n\\nrate: how far\\n    a step goes", ["rate"])
    ('Trains.', {'rate': 'how far a step goes'})
    """
    rest: list[str] = []
    told: dict[str, str] = {}
    name, margin = "", 0
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip())
        head, colon, tail = line.strip().partition(":")
        if colon and head in names and head not in told:
            name, margin = head, indent
            told[name] = tail.strip()
        elif name and line.strip() and indent > margin:
            told[name] = f"{told[name]} {line.strip()}".strip()
        else:
            name = ""
            rest.append(line)
    return re.sub(r"\n(\s*\n)+", "\n\n", "\n".join(rest)).strip(), told


def constant(value: typed.Expression, program: typed.Program) -> Value:
    """The value of a default: what is written out as a literal, or computed, by the interpreter."""
    match value:
        case typed.Literal(value=literal):
            return literal
        case typed.Primitive(op="neg", arguments=(typed.Literal(value=literal),)) if not isinstance(literal, str):
            return -literal
    return computed(value, program)


def computed(value: typed.Expression, program: typed.Program) -> Value:
    """The value of any expression: a default may be `SIZE // 2`."""
    from dynlang.ssa.interpret import interpret
    from dynlang.tools.procedure import with_functions

    name = f"{program.module}.default_value"
    function = typed.Function(name, "fn", (), (), (), value.type, (typed.Return(value, value.span),), value.span)
    request = pipeline.Request(Path(value.span.source.name), entries=(name,), level=0)
    request.keep["typed"] = with_functions(program, {name: function})
    (found,) = interpret(pipeline.build(request, until="opt"), name, [])
    return found.decode() if isinstance(found, bytes) else found.item()


def help_text(program: str, flags: Sequence[Flag], documentation: str) -> str:
    lines = [f"usage: {program}{''.join(f' [{flag.spelling}]' for flag in flags)}"]
    text, _ = documentation_of(documentation, [flag.name for flag in flags])
    if text:
        lines += ["", text]
    if flags:
        width = max(len(flag.spelling) for flag in flags)
        lines += ["", *(flag.describe(width) for flag in flags)]
    return "\n".join(lines)


def parse(arguments: Sequence[str], flags: Sequence[Flag]) -> list[Value] | None:
    """The values of all flags in order; None if help was asked for."""
    by_name = {flag.option: flag for flag in flags}
    negated = {f"--no-{flag.option[2:]}": flag for flag in flags if flag.is_switch}
    given: dict[str, Value] = {}
    rest = list(arguments)
    while rest:
        option, equals, text = rest.pop(0).partition("=")
        if option in ("--help", "-h"):
            return None
        spelled = "--" + option.lstrip("-").replace("_", "-") if option.startswith("--") else option
        flag = by_name.get(spelled)
        if flag is None and spelled in negated:
            if equals:
                raise BadFlag(f"`{spelled}` takes no value")
            given[negated[spelled].name] = False
            continue
        if flag is None:
            raise BadFlag(f"there is no flag `{option}`" + (f"; there are {', '.join(by_name)}" if by_name else ""))
        if not equals:
            if flag.is_switch and not (rest and rest[0] in ("true", "false")):
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
    spelled = os.fsencode(text)
    if dtype in INTEGERS:
        good, number = string_parse_int(spelled)
        if good and in_range(number, dtype):
            return number
    elif dtype in FLOATS:
        good, real = string_parse_float(spelled)
        if good:
            return real
    elif dtype == "bool":
        if text not in ("true", "false"):
            raise BadFlag(f"`{flag.option}` takes true or false, not `{text}`")
        return text == "true"
    else:
        return text
    raise BadFlag(f"`{flag.option}` takes a value of type {flag.type}, not `{text}`")


def in_range(value: int, dtype: str) -> bool:
    """
    >>> in_range(255, "u8"), in_range(128, "i8")
    (True, False)
    """
    bits = int(dtype[1:])
    low, high = (0, 2**bits - 1) if dtype == "u8" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return low <= value <= high


def slot(value: Value) -> Any:
    """A flag as the compiled `main` takes it."""
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
