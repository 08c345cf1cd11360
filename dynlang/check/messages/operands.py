"""Messages about operands: numbers that an operator doesn't take, shapes that don't fit, inner sizes of `@` that differ."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dynlang.check import errors, typed
from dynlang.check.context import Context
from dynlang.check.declarations.world import show
from dynlang.check.fitting.fit import article, cast_hint, number_type, origins, shape_of, size_labels, unique_labels
from dynlang.check.messages import shapes
from dynlang.check.messages.scalars import converting, no_number_hint
from dynlang.diag import Diagnostic, Label, Repair, replacing
from dynlang.source import Span
from dynlang.types import F32, ArrayType, Size, Type, TypeVariable

# ---------------------------------------------------------------- numbers


def unaccepted(word: str, values: Sequence[typed.Expression], value: typed.Expression, accepted: str, span: Span) -> Diagnostic:
    """An operand whose numbers an operator or function doesn't take: ints divided by `/`, `sqrt` of an int."""
    wanted = {"float": "floats", "integer": "integers", "number": "numbers"}.get(accepted, accepted)
    hint, repairs = "", ()
    if accepted == "float" and number_type(value.type) is not None and word == "/":
        texts = [shapes.clip(one) for one in values]
        hint = f"`//` divides ints, rounding down; `f32({texts[0]}) / f32({texts[-1]})` keeps the fraction"
        fixed = [one for one in values if not isinstance(one, typed.Literal)]
        repairs = (converting(fixed, F32), replacing("divide ints", span, "//"))
    elif accepted == "float" and number_type(value.type) is not None:
        hint, repairs = f"convert it: `f32({shapes.clip(value)})`", (converting([value], F32),)
    element = value.type.element if isinstance(value.type, ArrayType) else value.type
    if isinstance(element, TypeVariable) and accepted in ("number", "float"):
        hint, repairs = f"declare `{element.name}` as one: `<{element.name}: {accepted}>`", ()
    title = f"`{word}` takes {wanted}, not {article(value.type)}"
    if number_type(value.type) is None and not hint:
        hint = no_number_hint(value)
    return errors.OperandTypes(title, span, found=show(value.type), hint=hint, repairs=repairs)


# ---------------------------------------------------------------- shapes


def shape_error(context: Context, word: str, values: Sequence[typed.Expression], span: Span) -> Diagnostic:
    """Operands whose shapes neither are equal nor end in each other."""
    left, right = two_that_differ(values)
    advice = shapes.operands(word, left, right)
    hint = advice.hint
    sizes = [size for size in (*shape_of(left.type), *shape_of(right.type)) if isinstance(size, Size)]
    if not hint and any(size.value is None for size in sizes):
        own, other = shape_of(right.type), shape_of(left.type)
        kept = own[: max(len(own) - len(other), 0)]
        hint = cast_hint(context, right.type, with_sizes(right.type, (*kept, *other[max(len(other) - len(own), 0) :])))
    labels = [*operand_labels(context, left), *operand_labels(context, right)]
    labels += [label for size in sizes for label in size_labels(context, size)]
    return errors.SizeMismatch(
        f"the operands of `{word}` have shapes that don't fit: {show(left.type)} and {show(right.type)}",
        span,
        secondary=unique_labels(tuple(labels)),
        hint=hint,
        repairs=advice.repairs,
    )


def operand_labels(context: Context, value: typed.Expression, what: str = "") -> tuple[Label, ...]:
    """Where an operand has its type from, or else the operand itself; `what` is said of it besides."""
    tail = f": {what}" if what else ""
    found = origins(context, value)
    if found:
        return (Label(found[0].span, found[0].text + tail), *found[1:])
    return (Label(value.span, show(value.type) + tail),)


def two_that_differ(values: Sequence[typed.Expression]) -> tuple[typed.Expression, typed.Expression]:
    arrays = [value for value in values if isinstance(value.type, ArrayType)]
    for value in arrays[1:]:
        if shape_of(value.type) != shape_of(arrays[0].type):
            return arrays[0], value
    return arrays[0], arrays[-1]


def with_sizes(kind: Type, sizes: tuple) -> Type:
    """An array type with other sizes."""
    return ArrayType(kind.element, sizes) if isinstance(kind, ArrayType) else kind


def inner_sizes(context: Context, left: typed.Expression, right: typed.Expression, at: Span) -> Diagnostic:
    """784 against 785, with both origins; operands that are transposed, swapped or one apart are named."""
    inner, outer = shape_of(left.type)[-1], shape_of(right.type)[0]
    advice = shapes.product(left, right)
    hint = advice.hint
    if not hint and isinstance(inner, Size) and isinstance(outer, Size) and (inner - outer).value is None:
        hint = cast_hint(context, right.type, with_sizes(right.type, (inner, *shape_of(right.type)[1:])))
    repairs = advice.repairs
    difference = shapes.apart(inner, outer)
    if not repairs and difference in (1, -1):
        value, more, less = (left, inner, outer) if difference == 1 else (right, outer, inner)
        repairs = resized(context, value, str(more), str(less))
    columns = "columns" if len(shape_of(left.type)) > 1 else "items"
    rows = "rows" if len(shape_of(right.type)) > 1 else "items"
    labels = [*operand_labels(context, left, f"{inner} {columns}"), *operand_labels(context, right, f"{outer} {rows}")]
    labels += [label for size in (inner, outer) if isinstance(size, Size) for label in size_labels(context, size)]
    title = f"the inner sizes of `@` differ: {inner} and {outer}"
    return errors.InnerSizes(title, at, secondary=unique_labels(tuple(labels)), hint=hint, repairs=repairs)


def resized(context: Context, value: typed.Expression, size: str, wanted: str) -> tuple[Repair, ...]:
    """Where the declaration of a value writes a size once, another number there."""
    for label in origins(context, value)[:1]:
        found = list(re.finditer(rf"\b{re.escape(size)}\b", label.span.text))
        if len(found) == 1:
            start = label.span.start + found[0].start()
            return (replacing(f"give {shapes.named(value)} the size {wanted}", Span(label.span.source, start, start + len(size)), wanted),)
    return ()
