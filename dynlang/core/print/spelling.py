"""Core's ops in the words of the language: operators, surface names, and the few that are statements.

An expression is a text and how tightly it binds, so that brackets stand only where they are needed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from dynlang.core.nodes import Atom, Literal, Operation
from dynlang.ops import OPS
from dynlang.ops.dtypes import PACKED
from dynlang.syntax.strings import escape
from dynlang.types import (
    ArrayType,
    FloorDivision,
    ListType,
    RowsType,
    ScalarType,
    Size,
    SumType,
    Type,
)

# how tightly expressions bind, loosest first
CHOICE, OR, AND, NOT, COMPARISON, SUM, PRODUCT, CAST, MINUS, POWER, CALL = range(11)


@dataclass(frozen=True, slots=True)
class Text:
    """An expression as source."""

    text: str
    level: int = CALL
    free: bool = False
    """Whether it is made of literals alone, which take the number type that their place asks for."""
    spread: Text | None = None
    """What it is before it is spread over leading axes, which arithmetic with an array does by itself."""

    def at(self, level: int) -> str:
        """The text where something that binds at `level` stands around it."""
        return self.text if self.level >= level else f"({self.text})"


INFIX: dict[str, tuple[str, int]] = {
    "logical_or": ("or", OR), "logical_and": ("and", AND),
    "equal": ("==", COMPARISON), "not_equal": ("!=", COMPARISON), "less": ("<", COMPARISON), "less_equal": ("<=", COMPARISON),
    "greater": (">", COMPARISON), "greater_equal": (">=", COMPARISON), "string_equal": ("==", COMPARISON),
    "string_less": ("<", COMPARISON),
    "add": ("+", SUM), "accumulate": ("+", SUM), "sub": ("-", SUM), "string_concat": ("+", SUM),
    "mul": ("*", PRODUCT), "div": ("/", PRODUCT), "floor_division": ("//", PRODUCT), "floor_modulo": ("%", PRODUCT),
    "dot": ("@", PRODUCT), "matvec": ("@", PRODUCT), "vecmat": ("@", PRODUCT), "matmul": ("@", PRODUCT),
}
ARITHMETIC = frozenset({"add", "accumulate", "sub", "mul", "div"})
ARRAY_LOGIC = {"logical_and": "where({0}, {1}, false)", "logical_or": "where({0}, true, {1})", "logical_not": "xor({0}, true)"}
"""Logic on arrays: the words `and`, `or` and `not` are for one bool."""
PREFIX: dict[str, tuple[str, int]] = {"neg": ("-", MINUS), "logical_not": ("not ", NOT)}
REDUCTIONS = {"reduce_sum": "sum", "reduce_prod": "prod", "reduce_max": "max", "reduce_min": "min", "reduce_all": "all",
              "reduce_any": "any", "argmax": "argmax", "argmin": "argmin"}
CALLS = {"maximum": "max", "minimum": "min", "string_length": "len", "list_length": "len"}
NAMES = {"i64": "int"}


def scalar_name(dtype: str) -> str:
    return NAMES.get(dtype, dtype)


def type_text(kind: Type, name: Callable[[str], str] = lambda one: one) -> str:
    """A type as source; `name` gives the printed name of a size variable or sum type."""
    match kind:
        case ScalarType(dtype):
            return scalar_name(dtype)
        case ArrayType(element, shape):
            sizes = [size_text(size, name) if isinstance(size, Size) else str(size) for size in shape]
            return f"{type_text(element, name)}[{', '.join(sizes)}]"
        case ListType(elements):
            inner = ", ".join(type_text(one, name) for one in elements)
            return f"List<{inner}>" if len(elements) == 1 else f"List<({inner})>"
        case SumType(label, arguments):
            inside = ", ".join(size_text(one, name) if isinstance(one, Size) else str(one) for one in arguments)
            return f"{label}<{inside}>" if inside else label
        case RowsType(_, shape):
            return f"Rows<{', '.join(size_text(one, name) for one in shape)}>"
    return str(kind)


def size_text(size: Size, name: Callable[[str], str] = lambda one: one) -> str:
    """A size polynomial as source."""
    return size_expression(size, name).text


def size_expression(size: Size, name: Callable[[str], str]) -> Text:
    if not size.terms:
        return Text("0")
    parts: list[str] = []
    for monomial, coefficient in sorted(size.terms, key=lambda term: term[1] < 0):
        factors = [name(atom.name) if not isinstance(atom, FloorDivision)
                   else f"{size_expression(atom.numerator, name).at(POWER)} // {atom.divisor}" for atom in monomial]
        if any("//" in factor for factor in factors) and (len(factors) > 1 or abs(coefficient) != 1):
            factors = [f"({one})" if "//" in one else one for one in factors]
        if abs(coefficient) != 1 or not factors:
            factors = [str(abs(coefficient)), *factors]
        text = "*".join(factors)
        sign = "-" if coefficient < 0 else "+"
        parts.append((text if sign == "+" else f"-{text}") if not parts else f" {sign} {text}")
    simple = len(size.terms) == 1 and size.terms[0][1] >= 0
    factors_count = len(size.terms[0][0]) + (abs(size.terms[0][1]) != 1)
    return Text("".join(parts), (CALL if factors_count <= 1 and "//" not in parts[0] else PRODUCT) if simple else SUM)


def literal_text(literal: Literal, alone: bool = False) -> Text:
    """A literal. It takes the type that its place asks for; one that stands `alone` says its type where it isn't f32 or int."""
    value, kind = literal.value, literal.type
    if alone and isinstance(kind, ScalarType) and kind.dtype in ("f64", "f16", "bf16"):
        return Text(f"{kind.dtype}({float_text(float(value), kind.dtype).text})")
    if isinstance(value, bool):
        return Text("true" if value else "false")
    if isinstance(value, str):
        return Text(quoted(value))
    if isinstance(kind, ScalarType) and kind.dtype in ("f64", "f32", "f16", "bf16"):
        return float_text(float(value), kind.dtype)
    text = str(value)
    if isinstance(kind, ScalarType) and kind.dtype != "i64":
        return Text(f"{kind.dtype}({text})")
    return Text(text, MINUS if text.startswith("-") else CALL)


def float_text(value: float, dtype: str) -> Text:
    if value != value:
        return Text("(0.0 / 0.0)")
    if value in (float("inf"), float("-inf")):
        return Text("(1.0 / 0.0)" if value > 0 else "(-1.0 / 0.0)")
    text = repr(value)
    if "." not in text and "e" not in text:
        text += ".0"
    return Text(text, MINUS if text.startswith("-") else CALL)


def quoted(value: str) -> str:
    return f'"{escape(value)}"'


def operation_text(operation: Operation, arguments: Sequence[Text], size: Callable[[Size], str], result: Type,
                   known: Mapping[str, Size] | None = None) -> Text | None:
    """An op as an expression; None for those that are statements. `known` are int operands that are sizes."""
    op = operation.op
    if op in ARRAY_LOGIC and isinstance(result, ArrayType):
        return Text(ARRAY_LOGIC[op].format(*(one.text for one in arguments)))
    if op == "slice":
        return _slice(operation, arguments, size, known or {})
    if op in INFIX:
        word, level = INFIX[op]
        right = level + 1
        if op in ARITHMETIC:
            arguments = unspread(operation, arguments)
        return Text(f"{arguments[0].at(level if level != COMPARISON else level + 1)} {word} {arguments[1].at(right)}", level)
    if op in PREFIX:
        word, level = PREFIX[op]
        return Text(f"{word}{arguments[0].at(level + 1)}", level)
    if op in CALLS:
        return call(CALLS[op], [one.text for one in arguments])
    if op in REDUCTIONS:
        axes = operation.attribute("axes")
        shown = [arguments[0].text]
        if isinstance(axes, tuple):
            shown.append(f"axis={axes[0]}" if len(axes) == 1 else f"axis=({', '.join(map(str, axes))})")
        return call(REDUCTIONS[op], shown)
    special = SPECIAL.get(op)
    if special is not None:
        return special(operation, arguments, size, result)
    row = OPS[op]
    if row.surface is None:
        return None
    sizes = [size(one) for one in operation.sizes]
    return call(row.surface, [one.text for one in arguments] + sizes)


def unspread(operation: Operation, texts: Sequence[Text]) -> Sequence[Text]:
    """Operands of arithmetic, one of them as it was before it was spread: ``fill(s, n) * x`` is ``s * x``."""
    wide = [one.spread is None and isinstance(atom.type, ArrayType) for atom, one in zip(operation.arguments, texts, strict=True)]
    return [one if one.spread is None else one.spread for one in texts] if any(wide) else texts


def call(name: str, arguments: Sequence[str]) -> Text:
    return Text(f"{name}({', '.join(arguments)})")


Special = Callable[[Operation, Sequence[Text], Callable[[Size], str], Type], Text]


def _select(operation: Operation, arguments: Sequence[Text], size: Callable[[Size], str], result: Type) -> Text:
    return call("where", [one.text for one in arguments])


def _fill(operation: Operation, arguments: Sequence[Text], size: Callable[[Size], str], result: Type) -> Text:
    sizes = [size(one) for one in operation.sizes]
    if arguments[0].text == "0.0" and isinstance(result, ArrayType) and result.element == ScalarType("f32"):
        return call("zeros", sizes)
    value = arguments[0].text
    if isinstance(result, ArrayType) and result.element == ScalarType("i64") and not isinstance(operation.arguments[0], Literal):
        value = f"int({value})"         # of an index it would be an array of indices
    made = call("fill", [value, *sizes])
    return made if arguments[0].free else replace(made, spread=arguments[0])


def _reshape(operation: Operation, arguments: Sequence[Text], size: Callable[[Size], str], result: Type) -> Text:
    """``reshape(x, n, m)``; where the numbers of elements are equal only when the program runs, a cast says so."""
    source = operation.arguments[0].type
    shown = arguments[0]
    if isinstance(source, ArrayType):
        known = [one for one in source.shape if isinstance(one, Size)]
        found, wanted = product_of(known), product_of(operation.sizes)
        if found != wanted:
            element = type_text(source.element)
            flat = shown if len(known) == 1 else call("reshape", [shown.text, size(found)])
            shown = Text(f"{flat.at(CAST)} as {element}[{size(wanted)}]", CAST)
            if len(operation.sizes) == 1:
                return shown
    return call("reshape", [shown.text, *(size(one) for one in operation.sizes)])


def _retype(operation: Operation, arguments: Sequence[Text], size: Callable[[Size], str], result: Type) -> Text:
    return Text(f"{arguments[0].at(CAST)} as {type_text(result)}", CAST)


def product_of(sizes: Sequence[Size]) -> Size:
    total = Size.constant(1)
    for one in sizes:
        total = total * one
    return total


def _transpose(operation: Operation, arguments: Sequence[Text], size: Callable[[Size], str], result: Type) -> Text:
    permutation = operation.attribute("permutation")
    assert isinstance(permutation, tuple)
    if permutation == (1, 0):
        return call("transpose", [arguments[0].text])
    return call("transpose", [arguments[0].text, *map(str, permutation)])


def _concat(operation: Operation, arguments: Sequence[Text], size: Callable[[Size], str], result: Type) -> Text:
    return call("concat", [one.text for one in arguments])


def _at(operation: Operation, arguments: Sequence[Text], size: Callable[[Size], str], result: Type) -> Text:
    return Text(f"{arguments[0].at(CALL)}[{', '.join(one.text for one in arguments[1:])}]")


def _slice(operation: Operation, arguments: Sequence[Text], size: Callable[[Size], str], known: Mapping[str, Size]) -> Text:
    source = operation.arguments[0].type
    steps = operation.attribute("steps")
    windows: list[str] = []
    for axis, count in enumerate(operation.sizes):
        step = steps[axis] if isinstance(steps, tuple) else 1
        start, shown = operation.arguments[1 + axis], arguments[1 + axis]
        length = source.shape[axis] if isinstance(source, ArrayType) else None
        whole = length == count and shown.text == "0" and step == 1
        windows.append(":" if whole else window_text(start, shown, count, size, step, known, length))
    return Text(f"{arguments[0].at(CALL)}[{', '.join(windows)}]")


def window_text(start: Atom, shown: Text, count: Size, size: Callable[[Size], str], step: int, known: Mapping[str, Size],
                length: object) -> str:
    """``start:stop`` of an axis of this length; ``start::step`` if it goes on to the axis' end, where an empty one has no last index."""
    if shown.text == "0" and step == 1:
        return f":{size(count)}"
    begin = Size.constant(int(start.value)) if isinstance(start, Literal) else known.get(start.name, Size.variable(start.name))
    if step != 1 and isinstance(length, Size) and (length - begin + (step - 1)) // step == count:
        return f"{shown.text}::{step}"
    end = begin + count * step if step == 1 else begin + (count - 1) * step + 1
    return f"{shown.text}:{size(end)}" + (f":{step}" if step != 1 else "")


def _convert(operation: Operation, arguments: Sequence[Text], size: Callable[[Size], str], result: Type) -> Text:
    source = operation.arguments[0].type
    if arguments[0].free and (source.element if isinstance(source, ArrayType) else source) == ScalarType("f32"):
        return call(scalar_name(str(operation.attribute("dtype"))), [f"f32({arguments[0].text})"])
    return call(scalar_name(str(operation.attribute("dtype"))), [arguments[0].text])


def _iota(operation: Operation, arguments: Sequence[Text], size: Callable[[Size], str], result: Type) -> Text:
    return Text(f"[int(i) for i in {size(operation.sizes[0])}]")


def _constant_array(operation: Operation, arguments: Sequence[Text], size: Callable[[Size], str], result: Type) -> Text:
    numbers, dtype = operation.attribute("numbers"), str(operation.attribute("dtype"))
    assert isinstance(numbers, bytes)
    items = struct.iter_unpack(f"<{PACKED[dtype]}", numbers)
    return Text(f"[{', '.join(literal_text(Literal(one, ScalarType(dtype))).text for (one,) in items)}]")


def _list_get(operation: Operation, arguments: Sequence[Text], size: Callable[[Size], str], result: Type) -> Text:
    return Text(f"{arguments[0].at(CALL)}[{arguments[1].text}]")


def _format(operation: Operation, arguments: Sequence[Text], size: Callable[[Size], str], result: Type) -> Text:
    specification = str(operation.attribute("specification", "") or "")
    if operation.attribute("single"):
        text = arguments[0].text
        inner = text[4:-1] if text.startswith("f64(") and text.count("(") == 1 else f"f32({text})"
    else:
        inner = arguments[0].text
    return Text('f"{' + inner + (f":{specification}" if specification else "") + '}"')


def _string_code(operation: Operation, arguments: Sequence[Text], size: Callable[[Size], str], result: Type) -> Text:
    return Text(f"{arguments[0].at(CALL)}[{arguments[1].text}]")


def _power(operation: Operation, arguments: Sequence[Text], size: Callable[[Size], str], result: Type) -> Text:
    return Text(f"{arguments[0].at(CALL)} ** {arguments[1].at(POWER)}", POWER)


def _print(operation: Operation, arguments: Sequence[Text], size: Callable[[Size], str], result: Type) -> Text:
    return call("print", [arguments[0].text])


def _sizes_call(name: str) -> Special:
    return lambda operation, arguments, size, result: call(name, [size(one) for one in operation.sizes])


def _plain_call(name: str) -> Special:
    return lambda operation, arguments, size, result: call(name, [one.text for one in arguments])


def _broadcast(operation: Operation, arguments: Sequence[Text], size: Callable[[Size], str], result: Type) -> Text:
    return replace(call("fill", [arguments[0].text, *(size(one) for one in operation.sizes)]), spread=arguments[0])


def _bytes_to_numbers(operation: Operation, arguments: Sequence[Text], size: Callable[[Size], str], result: Type) -> Text:
    return call("bytes_to_numbers", [*(one.text for one in arguments), *(size(one) for one in operation.sizes)])


SPECIAL: dict[str, Special] = {
    "bytes_to_numbers": _bytes_to_numbers,
    "select": _select, "fill": _fill, "broadcast": _broadcast, "reshape": _reshape, "retype": _retype, "transpose": _transpose,
    "concat": _concat,
    "at": _at, "convert": _convert, "iota": _iota, "constant_array": _constant_array, "list_get": _list_get, "format_int": _format,
    "format_float": _format, "format_bool": _format, "format_text": _format, "string_code": _string_code, "power": _power,
    "print": _print, "fail": _plain_call("fail"), "rows_empty": _sizes_call("rows_empty"), "rows_dense": _plain_call("rows_dense"),
}
