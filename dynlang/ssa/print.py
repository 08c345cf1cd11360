"""SSA as text, the form that `parse.py` reads back.

    func @f(%d: i64, %x: f32[%d]) -> (f32[%d]) {
      %two: f32 = constant {value = 2.0}
      %y: f32[%d] = mul %x, %two
      return %y
    }
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from dynlang import types
from dynlang.core.nodes import SumDeclaration
from dynlang.diag import InternalError
from dynlang.ssa.build import sizes_of
from dynlang.ssa.nodes import Array, Box, Function, List, Module, Operation, Region, Rows, Scalar, String, Value, ValueType

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
VALUE_NAME = re.compile(r"[^A-Za-z0-9_.]")


def print_module(module: Module, lines: bool = False) -> str:
    """The module as text; `lines` adds the source line of each operation as a comment."""
    parts = [f"roots {', '.join('@' + symbol(one) for one in module.roots)}"] if module.roots else []
    parts += [_sum(one) for one in module.sums.values()]
    parts += [print_function(one, module, lines) for one in module.functions.values()]
    return "\n\n".join(parts) + "\n"


def print_function(function: Function, module: Module | None = None, lines: bool = False) -> str:
    return _Printer(module, lines).function(function)


def printed_operation(one: Operation, function: Function) -> str:
    """One operation, with the names that it has in the text of its function."""
    printer = _Printer(None, False)
    printer.function(function)
    return "\n".join(printer.operation(one, "  "))


def print_type(kind: ValueType) -> str:
    """A type on its own, for messages: sizes by their hints."""
    return _Printer(None, False).type(kind)


def symbol(name: str) -> str:
    """The name of a function, type or constructor: quoted where it isn't a plain word."""
    return name if PLAIN.fullmatch(name) else quoted(name)


def quoted(text: str) -> str:
    escaped = "".join(_ESCAPES.get(c) or (c if c.isprintable() else f"\\u{{{ord(c):x}}}") for c in text)
    return f'"{escaped}"'


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n"}


def attribute(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return quoted(value)
        case bytes():
            return "bytes " + quoted(value.hex())
        case tuple() | list() | frozenset():
            items = sorted(value) if isinstance(value, frozenset) else value
            return f"[{', '.join(map(attribute, items))}]"
    raise InternalError(f"an attribute of SSA can't be {value!r}")


# ---------------------------------------------------------------- sum types: Core's declarations


def _sum(one: SumDeclaration) -> str:
    sizes = f"<{', '.join(one.sizes)}>" if one.sizes else ""
    rows = []
    for each in one.constructors:
        fields = ", ".join(f"{symbol(field.name)}: {core_type(field.type)}" for field in each.fields)
        rows.append(f"  {symbol(each.name)}({fields})")
    return "\n".join([f"sum @{symbol(one.name)}{sizes} {{", *rows, "}"])


def core_type(kind: types.Type) -> str:
    """A Core type in the notation of SSA types, with polynomials for sizes."""
    match kind:
        case types.ScalarType(dtype):
            return dtype
        case types.IndexType():
            return "i64"
        case types.StringType():
            return "str"
        case types.ArrayType(element, shape):
            return f"{core_type(element)}[{', '.join(map(str, shape))}]"
        case types.SumType(name, arguments):
            return f"box @{symbol(name)}" + (f"<{', '.join(map(str, arguments))}>" if arguments else "")
        case types.ListType(elements):
            return f"list<{', '.join(map(core_type, elements))}>"
        case types.RowsType(dtype, shape):
            return f"rows<{dtype}>[{', '.join(map(str, shape))}]"
    raise InternalError(f"{kind} is no type of Core")


# ---------------------------------------------------------------- functions


class _Printer:
    """Gives every value of a function a name of its own."""

    def __init__(self, module: Module | None, lines: bool) -> None:
        self.module = module
        self.lines = lines
        self.names: dict[Value, str] = {}
        self.taken: dict[str, int] = {}

    def name(self, value: Value) -> str:
        known = self.names.get(value)
        if known is None:
            base = VALUE_NAME.sub("_", value.name) or "v"
            known = base
            while known in self.taken:
                self.taken[base] += 1
                known = f"{base}.{self.taken[base]}"
            self.taken[known] = 0
            self.names[value] = known
        return "%" + known

    def dimension(self, one: Value | int) -> str:
        return str(one) if isinstance(one, int) else self.name(one)

    def dimensions(self, sizes: Iterable[Value | int]) -> str:
        return ", ".join(map(self.dimension, sizes))

    def type(self, kind: ValueType) -> str:
        match kind:
            case Scalar(dtype, lanes):
                return dtype if lanes == 1 else f"{dtype}x{lanes}"
            case String():
                return "str"
            case Array(element, shape):
                return f"{self.type(element)}[{self.dimensions(shape)}]"
            case Box(name, sizes):
                return f"box @{symbol(name)}" + (f"<{self.dimensions(sizes)}>" if sizes else "")
            case List(elements):
                return f"list<{', '.join(map(self.type, elements))}>"
            case Rows(dtype, shape):
                return f"rows<{dtype}>[{self.dimensions(shape)}]"

    def typed(self, values: Iterable[Value]) -> str:
        return ", ".join(f"{self.name(one)}: {self.type(one.type)}" for one in values)

    def function(self, one: Function) -> str:
        parameters = self.typed(one.parameters)
        body = self.operations(one.body, "  ")
        mentioned = {size for result in one.results for size in sizes_of(result.type)}
        results = ", ".join(self.typed([each]) if each in mentioned else self.type(each.type) for each in one.results)
        flags = [f"{key} = {attribute(value)}" for key, value in _flags(one) if value]
        extra = f" with {{{', '.join(flags)}}}" if flags else ""
        return "\n".join([f"func @{symbol(one.name)}({parameters}) -> ({results}){extra} {{", *body, "}"])

    def operations(self, region: Region, indent: str) -> list[str]:
        return [line for one in region.operations for line in self.operation(one, indent)]

    def operation(self, one: Operation, indent: str) -> list[str]:
        text = one.name
        if one.operands:
            text += " " + ", ".join(map(self.name, one.operands))
        if one.sizes:
            text += f" sizes [{self.dimensions(one.sizes)}]"
        if one.attributes:
            text += f" {{{', '.join(f'{key} = {attribute(value)}' for key, value in one.attributes.items())}}}"
        if one.results:
            text = f"{self.typed(one.results)} = {text}"
        comment = f"    ; line {one.span.line}" if self.lines and one.span is not None else ""
        lines = [indent + text + ("" if one.regions else comment)]
        for label, region in zip(self.labels(one), one.regions, strict=True):
            head = f" {label}" if label else ""
            if region.parameters or label:
                head += f"{'' if label else ' '}({self.typed(region.parameters)})"
            lines[-1] += f"{head} {{"
            lines += self.operations(region, indent + "  ")
            lines.append(indent + "}")
        return lines

    def labels(self, one: Operation) -> list[str]:
        """The constructors of a switch, for the reader."""
        kind = one.operands[0].type if one.name == "switch" and one.operands else None
        declaration = self.module.sums.get(kind.sum) if self.module is not None and isinstance(kind, Box) else None
        if declaration is None or len(declaration.constructors) != len(one.regions):
            return [""] * len(one.regions)
        return [f"case {symbol(each.name)}" for each in declaration.constructors]


def _flags(one: Function) -> list[tuple[str, object]]:
    return [("owned", one.owned), ("recursive", one.recursive), ("sizes", one.sizes), ("inout", one.inout), ("export", one.export),
            ("parameter_labels", one.parameter_labels), ("result_labels", one.result_labels), ("documentation", one.documentation)]
