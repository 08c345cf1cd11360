"""Guards: sizes are never negative (rules 2 and 6).

A size parameter or an opened size can't be; an immutable int can, and so can a polynomial with a negative coefficient.
Where such a one becomes the size of something new, it is checked when the program runs.
"""

from __future__ import annotations

from collections.abc import Iterable

from dynlang.check import typed
from dynlang.check.context import Context
from dynlang.source import Span
from dynlang.types import BOOL, INT, UNIT, Size


def may_be_negative(context: Context, size: Size) -> bool:
    """Whether nothing proves that the size is 0 or more."""
    return not size.has_no_negative_coefficient() or any(name in context.signed for name in size.variables())


def guards(context: Context, sizes: Iterable[Size], span: Span, message: str = "", code: str = "DYN0901") -> tuple[typed.Binding, ...]:
    """The checks that sizes need before something has them; `message` is what the error says."""
    found: dict[Size, typed.Binding] = {}
    for size in sizes:
        if size.value is None and may_be_negative(context, size) and size not in found:
            zero = typed.Literal(INT, span, 0)
            test = typed.Primitive(BOOL, span, "greater_equal", (typed.SizeValue(INT, span, size), zero))
            check = typed.Primitive(UNIT, span, "check", (test,), (("message", message or f"the size {size} is negative"), ("code", code)))
            found[size] = typed.Binding((None,), check, span)
    return tuple(found.values())


def guarded(context: Context, value: typed.Expression, sizes: Iterable[Size]) -> typed.Expression:
    """The value, its sizes checked before it is computed."""
    before = guards(context, sizes, value.span)
    return typed.Sequence(value.type, value.span, before, value) if before else value
