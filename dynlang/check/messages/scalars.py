"""Number types that don't agree: which one is wanted, and what to write (rule 22)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dynlang.check import errors, typed
from dynlang.check.context import Context
from dynlang.check.declarations.world import show
from dynlang.check.fitting.fit import INTEGER_LIMITS, adapt, article, is_float, number_type, with_numbers
from dynlang.check.messages import rewrites
from dynlang.diag import Diagnostic, Edit, Label, Repair, wrapping
from dynlang.source import Span
from dynlang.types import F32, ArrayType, ScalarType, StringType, Type, TypeVariable

WIDTH = {"f64": 64, "f32": 32, "f16": 16, "bf16": 16, "i64": 64, "i32": 32, "i16": 16, "u8": 9, "i8": 8}
LONGEST_REPAIR = 40
"""Characters of an operand that a hint writes out."""


def number_error(context: Context, word: str, values: Sequence[typed.Expression], span: Span) -> Diagnostic:
    """The message for operands that have no common number type."""
    for value in values:
        if number_type(value.type) is None:
            hint = 'an f-string puts values into text: `f"{x}"`' if any(isinstance(one.type, StringType) for one in values) else ""
            hint = hint or no_number_hint(value)
            title = f"`{word}` takes numbers, not {article(value.type)}"
            return errors.OperandTypes(title, span, found=show(value.type), hint=hint, repairs=as_text(word, values))
    kinds = [number_type(value.type) or F32 for value in values]
    outside = literal_outside(values, kinds)
    if outside is not None:
        return outside
    first = kinds[0]
    other = next(kind for kind in kinds if kind != first)
    is_assignment = f"{word}=" in span.text  # z += y: what is assigned keeps its type
    wanted = first if is_assignment else max(dict.fromkeys(kinds), key=wideness)
    narrow = next(value for value, kind in zip(values, kinds, strict=True) if kind != wanted)
    return errors.OperandTypes(
        f"the operands of `{word}` have different number types: {show(first)} and {show(other)}",
        span,
        secondary=tuple(Label(value.span, show(value.type)) for value in values),
        hint=f"nothing is converted silently: write {converted(narrow, wanted)}",
        repairs=tuple(conversions(values, kinds, wanted)),
    )


def conversions(values: Sequence[typed.Expression], kinds: Sequence[Type], wanted: Type) -> Iterator[Repair]:
    """The repairs that bring operands to one number type: the widest, or where that one is a float of another width, the other."""
    for kind in dict.fromkeys((wanted, *kinds)):
        if is_float(kind) == is_float(wanted):
            yield converting([value for value, own in zip(values, kinds, strict=True) if own != kind], kind)


def converting(values: Sequence[typed.Expression], number: Type) -> Repair:
    """The repair that converts values by name: ``f32(n)``."""
    edits: list[Edit] = []
    for value in values:
        edits += wrapping("", value.span, f"{show(number)}(", ")").edits
    return Repair(f"convert to `{show(number)}`", tuple(edits))


def as_text(word: str, values: Sequence[typed.Expression]) -> tuple[Repair, ...]:
    """Of text and a number that are added, the number written into text."""
    others = [value for value in values if not isinstance(value.type, StringType)]
    if word != "+" or len(others) != 1 or len(values) != 2:
        return ()
    return rewrites.formatted(others[0].span)


def no_number_hint(value: typed.Expression) -> str:
    """What a bool, or a type parameter of which nothing is known, is where a number is wanted."""
    element = value.type.element if isinstance(value.type, ArrayType) else value.type
    if isinstance(element, TypeVariable):
        return f"declare `{element.name}` as a number: `<{element.name}: number>`"
    return f"a bool becomes 0 or 1 by name: {converted(value, ScalarType('i64'))}" if show(value.type).startswith("bool") else ""


def wideness(kind: Type) -> tuple[bool, int]:
    """Floats before ints, then by width: what a mix is converted to."""
    return is_float(kind), WIDTH[kind.dtype] if isinstance(kind, ScalarType) else 0


def converted(value: typed.Expression, kind: Type) -> str:
    """How to write the conversion of an operand: `f64(x)`."""
    text = value.span.text
    short = 0 < len(text) <= LONGEST_REPAIR and "\n" not in text
    return f"`{show(kind)}({text})`" if short else f"`{show(kind)}(...)` around this {show(value.type)}"


def literal_outside(values: Sequence[typed.Expression], kinds: Sequence[Type]) -> Diagnostic | None:
    """A whole number beside one whose type can't hold it: 300 beside an i8."""
    for value in values:
        amount = value.value if isinstance(value, typed.Literal) else None
        if not isinstance(amount, int) or isinstance(amount, bool):
            continue
        for kind in kinds:
            if isinstance(kind, ScalarType) and kind != number_type(value.type) and adapt(value, with_numbers(value.type, kind)) is None:
                return errors.LiteralRange(f"the number {amount} is outside `{show(kind)}`{limits(kind.dtype)}", value.span)
    return None


def limits(dtype: str) -> str:
    """
    >>> limits("i8")
    ', which holds -128 to 127'
    """
    if dtype == "u8":
        return ", which holds 0 to 255"
    if dtype not in INTEGER_LIMITS:
        return ""
    half = 1 << (INTEGER_LIMITS[dtype] - 1)
    return f", which holds {-half} to {half - 1}"
