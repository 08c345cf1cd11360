"""Guards: sizes are never negative (rules 2 and 6).

A size parameter or an opened size can't be; an immutable int can, and so can a polynomial with a negative coefficient.
Where such a one becomes the size of something new, it is checked when the program runs: each int that it mentions, too, for
the proofs of rule 9 hold of variables that aren't negative. So no array has the size ``n + k`` while k is -1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dynlang.check import typed
from dynlang.check.context import Context
from dynlang.source import Span
from dynlang.types import BOOL, INT, UNIT, ArrayType, IndexType, RecordType, Size, SumType, TupleType, Type


def may_be_negative(context: Context, size: Size) -> bool:
    """Whether nothing proves that the size is 0 or more: its form, or that it is a known size and more."""
    if not is_signed(context, size):
        return False
    return all(is_signed(context, size - known) for known in context.nonnegative)


def ints_of(context: Context, size: Size) -> list[Size]:
    """The ints of the program that a size is made of, where nothing proves that they aren't negative."""
    found = [Size.variable(name) for name in sorted(size.variables()) if name in context.signed]
    return [one for one in found if may_be_negative(context, one)]


def is_signed(context: Context, size: Size) -> bool:
    return not size.has_no_negative_coefficient() or any(name in context.signed for name in size.variables())


def sizes_had(kind: Type) -> Iterator[Size]:
    """The sizes that can't be negative where a value of this type is: those of its own axes, indices and arguments."""
    match kind:
        case ArrayType(_, shape):
            yield from (size for size in shape if isinstance(size, Size))
        case IndexType(bound):
            yield bound
        case RecordType(_, arguments) | SumType(_, arguments):
            yield from (size for size in arguments if isinstance(size, Size))
        case TupleType(items):
            for item in items:
                yield from sizes_had(item)


def guards(
    context: Context, sizes: Iterable[Size], span: Span, message: str = "", numbers: Sequence[Size] = (), code: str = "DYN0901"
) -> tuple[typed.Binding, ...]:
    """The checks that sizes need before something has them.

    `message` is what the error says, with the values of `numbers` (at most three) for its `{}`; without a message it says
    what the size is, and why: "h - 2 is -1 because h = 1"."""
    found: dict[Size, typed.Binding] = {}
    wanted = list(sizes)
    for size in wanted:
        if not may_be_negative(context, size):
            continue
        for part in ints_of(context, size):
            if part != size:
                because = (message, numbers) if message else explained(part, f"`{part}`, of which the size {size} is made,")
                found.setdefault(part, guard(part, span, *because, code))
        if not size.has_no_negative_coefficient() or size.single_variable is not None:
            found.setdefault(size, guard(size, span, *((message, numbers) if message else explained(size)), code))
    return tuple(found.values())


def guard(size: Size, span: Span, message: str, numbers: Sequence[Size], code: str) -> typed.Binding:
    test = typed.Primitive(BOOL, span, "greater_equal", (typed.SizeValue(INT, span, size), typed.Literal(INT, span, 0)))
    values = tuple(typed.SizeValue(INT, span, one) for one in numbers)
    check = typed.Primitive(UNIT, span, "check", (test, *values), (("message", message), ("code", code)))
    return typed.Binding((None,), check, span)


def explained(size: Size, subject: str = "") -> tuple[str, tuple[Size, ...]]:
    """What the error of a negative size says, with the sizes whose values it tells.

    >>> explained(Size.variable("h") - 2)[0]
    'the size h - 2 is {} because h = {}: a size is never negative'
    """
    subject = subject or f"the size {size}"
    names = sorted(size.variables())
    if size.single_variable is not None or not 1 <= len(names) <= 2:
        return f"{subject} is {{}}: a size is never negative", (size,)
    reasons = " and ".join(f"{name} = {{}}" for name in names)
    return f"{subject} is {{}} because {reasons}: a size is never negative", (size, *map(Size.variable, names))


def guarded(context: Context, value: typed.Expression, sizes: Iterable[Size]) -> typed.Expression:
    """The value, its sizes checked before it is computed."""
    before = guards(context, sizes, value.span)
    return typed.Sequence(value.type, value.span, before, value) if before else value
