"""Strings (UTF-8 bytes), and numbers as text and as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dynlang.ops.table import Op
from dynlang.types import BOOL, F64, INT, ArrayType, ScalarType, Size, StringType, Type

Kinds = tuple[Type, ...]
STRING = StringType()


def _reference(name: str) -> Any:
    """The meaning is the runtime's NumPy twin, which agrees with it byte for byte. Strings are Python `bytes` there and here."""

    def meaning(np: Any, a: list[Any], attributes: Mapping[str, Any], sizes: tuple[int, ...]) -> Any:
        from dynlang.runtime import reference

        return getattr(reference, name)(*a, *sizes, **attributes)

    return meaning


def row(name: str, operands: tuple[str, ...], accepts: tuple[str, ...], results: Kinds, documentation: str, surface: str | None = "",
        traits: frozenset[str] = frozenset()) -> Op:
    return Op(name, operands, accepts, lambda kinds, attributes, sizes: results, _reference(name), {}, {}, traits,
              name if surface == "" else surface, documentation=documentation)


def _numbers(kinds: Kinds, attributes: Mapping[str, Any], sizes: tuple[Size, ...]) -> Kinds:
    return (ArrayType(ScalarType(attributes["dtype"]), sizes),)


ROWS: list[Op] = [
    row("string_concat", ("x", "y"), ("str", "str"), (STRING,), "x, then y.", None),
    row("string_equal", ("x", "y"), ("str", "str"), (BOOL,), "The same bytes.", None),
    row("string_less", ("x", "y"), ("str", "str"), (BOOL,), "x comes before y, by bytes.", None),
    row("string_length", ("x",), ("str",), (INT,), "The number of bytes.", None),
    row("string_slice", ("x", "start", "stop"), ("str", "int", "int"), (STRING,), "Bytes start..stop, clamped to the string."),
    row("string_code", ("x", "i"), ("str", "int"), (INT,), "Byte i, 0..256, inside the string (checked before).", None),
    row("string_char", ("code",), ("int",), (STRING,), "The UTF-8 text of a code point.", "char"),
    row("string_find", ("x", "part", "start"), ("str", "str", "int"), (INT,), "Where `part` first begins at or after `start`; -1 if nowhere."),
    row("string_parse_int", ("x",), ("str",), (BOOL, INT), "Whether x is a whole number in decimal, and the number.", "parse_int"),
    row("string_parse_float", ("x",), ("str",), (BOOL, F64), "Whether x is a number, and the number.", "parse_float"),
    row("format_int", ("x",), ("int",), (STRING,), "Decimal text; attribute `specification` as in Python (`>5`, `05`, `d`, `x`).", None),
    row("format_float", ("x",), ("f64",), (STRING,),
        "Attributes `single` (an f32 widened: shortest text that gives the f32 back) and `specification` as in Python (`.4f`, `8.2e`, `g`, `%`).", None),
    row("format_bool", ("x",), ("bool",), (STRING,), "true or false.", None),
    row("format_text", ("x",), ("str",), (STRING,), "The text padded by attribute `specification` (`>10`, `<8`).", None),
    Op("bytes_to_numbers", ("x", "start"), ("str", "int"), _numbers, _reference("bytes_to_numbers"), {}, {}, frozenset({"check"}), None,
       documentation="`sizes` = (n,) little-endian numbers of attribute `dtype` from byte `start`; an error where the bytes end before."),
    Op("numbers_to_bytes", ("x",), ("any",), lambda kinds, attributes, sizes: (STRING,), _reference("numbers_to_bytes"), {}, {}, frozenset(), "numbers_to_bytes",
       documentation="The little-endian bytes of an array's elements in row-major order."),
]
