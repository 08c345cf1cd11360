"""What two shapes that don't fit look like: transposed, one apart, without the batch axis, repeated over the wrong axes.

Each function takes values that don't fit together and gives an `Advice`: the mistake by its name, and edits that may repair it.
Nothing here decides whether shapes fit; `arithmetic.py` and `fit.py` do.
"""

from __future__ import annotations

from dataclasses import dataclass

from dynlang.check import typed
from dynlang.check.declarations.world import show
from dynlang.diag import Repair, replacing, wrapping
from dynlang.source import Span
from dynlang.types import ArrayType, Size, SizeArgument, Type

Shape = tuple[SizeArgument, ...]


@dataclass(frozen=True, slots=True)
class Advice:
    """A mistake in words, and what may repair it."""

    hint: str = ""
    repairs: tuple[Repair, ...] = ()


NONE = Advice()


def shape(kind: Type) -> Shape:
    return kind.shape if isinstance(kind, ArrayType) else ()


def named(value: typed.Expression, otherwise: str = "it") -> str:
    """A value in a message: its text in backquotes, if that is short."""
    text = value.span.text
    return f"`{text}`" if 0 < len(text) <= 24 and "\n" not in text else otherwise


def apart(one: SizeArgument, other: SizeArgument) -> int | None:
    """By which number two sizes differ, if by a number.

    >>> n = Size.variable("n")
    >>> apart(n + 1, n), apart(n, 2 * n)
    (1, None)
    """
    if isinstance(one, Size) and isinstance(other, Size):
        return (one - other).value
    return None


def one_apart(found: SizeArgument, wanted: SizeArgument, what: str) -> str:
    """Off by one, in words; "" if they aren't.

    >>> one_apart(Size.constant(785), Size.constant(784), "`w`")
    '785 is 784 + 1: was a bias column added to `w`?'
    >>> one_apart(Size.constant(9), Size.constant(10), "`x`")
    '9 is one less than 10: does `x` end one too early?'
    """
    match apart(found, wanted):
        case 1 if isinstance(wanted, Size) and wanted.value is not None and wanted.value >= 32:
            return f"{found} is {wanted} + 1: was a bias column added to {what}?"
        case 1:
            return f"{found} is one more than {wanted}: does {what} go one too far?"
        case -1:
            return f"{found} is one less than {wanted}: does {what} end one too early?"
    return ""


def transposing(value: typed.Expression) -> Repair:
    return wrapping("transpose it", value.span, "transpose(", ")")


# ---------------------------------------------------------------- `@`


def product(left: typed.Expression, right: typed.Expression) -> Advice:
    """``left @ right`` whose inner sizes differ: the other way round, one operand transposed, or sizes one apart."""
    a, b = shape(left.type), shape(right.type)
    inner, outer = a[-1], b[0]
    turned = len(b) == 2 and inner == b[1]
    swappable = b[-1:] == a[:1] and len(a) <= 2
    if swappable and (len(a) < len(b) or (not turned and len(a) > 1)):
        both = Span(left.span.source, left.span.start, right.span.end)
        text = f"{right.span.text} @ {left.span.text}"
        return Advice(f"they fit the other way round: `{text}`" if len(text) < 40 else "they fit the other way round",
                      (replacing("swap the operands", both, text),))
    if turned:
        return Advice(f"{named(right)} is {show(right.type)}: `transpose({clip(right)})` would fit", (transposing(right),))
    if len(a) == 2 and a[0] == outer:
        return Advice(f"{named(left)} is {show(left.type)}: `transpose({clip(left)})` would fit", (transposing(left),))
    words = one_apart(outer, inner, named(right)) if apart(outer, inner) == 1 else one_apart(inner, outer, named(left))
    if words:
        return Advice(words)
    if isinstance(inner, Size) and isinstance(outer, Size) and apart(inner, outer) is None:
        return NONE
    if len(a) == 1 and len(b) == 1:
        return Advice("`@` of two vectors is their dot product; all products are `[x * y for x in a, y in b]`")
    return NONE


def clip(value: typed.Expression) -> str:
    text = value.span.text
    return text if 0 < len(text) <= 24 and "\n" not in text else "..."


# ---------------------------------------------------------------- elementwise operators


def operands(word: str, left: typed.Expression, right: typed.Expression) -> Advice:
    """Operands of an elementwise operator whose shapes don't fit (rule 23)."""
    a, b = shape(left.type), shape(right.type)
    if len(a) == len(b) == 2 and a == b[::-1]:
        hint = f"{named(right)} is {show(right.type)}: `transpose({clip(right)})` would fit"
        return Advice(hint, (transposing(right), transposing(left)))
    if len(a) != len(b):
        large, small = (left, right) if len(a) > len(b) else (right, left)
        return broadcast(word, large, small, large is left)
    one = Size.constant(1)
    if any((x == one) != (y == one) for x, y in zip(a, b, strict=True)):
        stretched = left if one in a else right
        return Advice(f"a size of 1 isn't stretched: take the axis away from {named(stretched)}, by index 0 or by `reshape`")
    differing = [(x, y) for x, y in zip(a, b, strict=True) if x != y]
    if len(differing) == 1:
        x, y = differing[0]
        if apart(x, y) in (1, -1):
            longer = left if apart(x, y) == 1 else right
            more, less = (x, y) if longer is left else (y, x)
            return Advice(f"{more} is {less} + 1: `{clip(longer)}[1:]` or `{clip(longer)}[:-1]` leaves one out" if x == a[0] else
                          f"{more} is {less} + 1: was a bias column added to {named(longer)}?")
    return NONE


def broadcast(word: str, large: typed.Expression, small: typed.Expression, in_order: bool) -> Advice:
    """The smaller rank must be the trailing sizes; here it may be the leading ones, or one apart."""
    outer, inner = shape(large.type), shape(small.type)
    if outer[: len(inner)] == inner and inner:
        row, item = ("row", "item") if in_order else ("item", "row")
        pair = f"{clip(large)}, {clip(small)}" if in_order else f"{clip(small)}, {clip(large)}"
        what = "the rows" if len(inner) == 1 else "the leading axes"
        return Advice(f"{named(small)} has the size of {what}, and a smaller rank is repeated over leading axes: "
                      f"`[{row} {word} {item} for {row}, {item} in zip({pair})]`")
    if Size.constant(1) in inner:
        return Advice(f"a size of 1 isn't stretched: take the axis away from {named(small)}, by index 0 or by `reshape`")
    trailing = outer[len(outer) - len(inner) :]
    differing = [(x, y) for x, y in zip(inner, trailing, strict=True) if x != y]
    if len(differing) == 1 and (words := one_apart(differing[0][0], differing[0][1], named(small))):
        return Advice(words)
    wanted = ", ".join(str(size) for size in trailing)
    return Advice(f"a smaller rank is repeated over leading axes: {named(small)} would need the last sizes of {named(large)}, [{wanted}]")


# ---------------------------------------------------------------- a value where a type is needed


def value(found: typed.Expression, wanted: Type) -> Advice:
    """An array where one of another shape is needed."""
    if not isinstance(found.type, ArrayType) or not isinstance(wanted, ArrayType):
        return NONE
    a, b = found.type.shape, wanted.shape
    if found.type.element != wanted.element:
        return NONE
    if len(a) == len(b) == 2 and a == b[::-1]:
        return Advice(f"it is transposed: `transpose({clip(found)})` would fit", (transposing(found),))
    if len(a) == len(b) and len(a) > 2 and sorted(map(str, a)) == sorted(map(str, b)):
        return Advice("the axes stand in another order: `transpose(...)` with their new order")
    if len(b) == len(a) + 1 and b[1:] == a:
        batch = wrapping("make a batch of one", found.span, "[", "]")
        if b[0] == Size.constant(1):
            return Advice("the batch axis is missing: brackets make a batch of one", (batch,))
        return Advice(f"the batch axis `{b[0]}` is missing: `[{clip(found)}]` is a batch of one, `[... for ...]` one of several", (batch,))
    if a and a[1:] == b:
        return Advice(f"it has one axis more, `{a[0]}`: call it for each, `[f(x) for x in {clip(found)}]`, or take one, `{clip(found)}[0]`")
    differing = [(x, y) for x, y in zip(a, b, strict=False) if x != y]
    if len(a) == len(b) and len(differing) == 1:
        return Advice(one_apart(differing[0][0], differing[0][1], named(found)))
    if count(a) is not None and count(a) == count(b):
        sizes = ", ".join(str(size) for size in b)
        words = f"both have {count(a)} numbers: `reshape({clip(found)}, {sizes})`"
        return Advice(words, (wrapping("reshape it", found.span, "reshape(", f", {sizes})"),))
    return NONE


def count(sizes: Shape) -> Size | None:
    """How many numbers an array has."""
    total = Size.constant(1)
    for size in sizes:
        if not isinstance(size, Size):
            return None
        total = total * size
    return total
