"""Format specifications, `>8.3f` and the like, as Python has them: parsed once, by the compiler.

    parse_specification(">8.3f").operands() == (102, 3, 0, 8, 62, 32)

Understood: `[[fill]align][sign][0][width][.precision][kind]` with align `< > ^ =`, sign `+ -` or a space, an ASCII fill,
and the kinds `d x X b o e E f F g G % s`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST = 1000

_SYNTAX = re.compile(r"(?:([\x20-\x7e])?([<>^=]))?([-+ ])?(0)?([1-9][0-9]*)?(?:\.([0-9]+))?([dxXboeEfFgG%s])?")


@dataclass(frozen=True, slots=True)
class Specification:
    """What a specification asks for; the empty kind and alignment and a precision of -1 mean the default."""

    kind: str = ""
    precision: int = -1
    sign: str = ""
    width: int = 0
    alignment: str = ""
    fill: str = " "

    def operands(self) -> tuple[int, int, int, int, int, int]:
        """The six operands that the runtime's formatting functions take, characters as their codes (0: none)."""
        kind, sign, alignment = (ord(text) if text else 0 for text in (self.kind, self.sign, self.alignment))
        return kind, self.precision, sign, self.width, alignment, ord(self.fill)


def parse_specification(text: str) -> Specification:
    """The parts of a specification; ValueError, with the reason, for text that is none."""
    match = _SYNTAX.fullmatch(text)
    if match is None:
        raise ValueError(f"`{text}` is no format specification")
    fill, alignment, sign, zero, width, precision, kind = match.groups()
    if int(width or 0) > LONGEST or int(precision or 0) > LONGEST:
        raise ValueError(f"`{text}` asks for more than {LONGEST} characters")
    if zero and not alignment:
        fill, alignment = "0", "="
    elif zero:
        fill = fill or "0"
    return Specification(kind or "", -1 if precision is None else int(precision), sign or "", int(width or 0), alignment or "", fill or " ")
