"""The insides of strings: escapes, and where the braces of an f-string begin and end."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

ESCAPE = re.compile(r'\\(?:([nrt0\\"\'])|x([0-9a-fA-F]{2})|u\{([0-9a-fA-F]{1,6})\}|(\n)|(.?))|(\{\{|\}\})', re.S)
STRING = re.compile(r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"')
MEANING = {'n': '\n', 'r': '\r', 't': '\t', '0': '\0', '\\': '\\', '"': '"', "'": "'"}


def unescape(text: str, braces: bool = False) -> tuple[str, list[tuple[int, int]]]:
    """The text that a string's inside stands for, and the (offset, length) of each escape that means nothing.

    `unescape(r'a\\n') == ('a\\n', [])`; with `braces`, `{{` and `}}` stand for one brace, as in an f-string.
    """
    if '\\' not in text and not (braces and ('{' in text or '}' in text)):
        return text, []
    wrong: list[tuple[int, int]] = []

    def meaning(found: re.Match[str]) -> str:
        letter, hexadecimal, point, line_end, _, pair = found.groups()
        if letter:
            return MEANING[letter]
        if hexadecimal:
            return byte(int(hexadecimal, 16))
        if point and int(point, 16) <= 0x10ffff and not 0xd800 <= int(point, 16) <= 0xdfff:
            return chr(int(point, 16))
        if line_end:
            return ''                                   # in a long string: the line goes on
        if pair:
            return pair[0] if braces else pair
        wrong.append((found.start(), found.end() - found.start()))
        return ''
    return in_bytes(ESCAPE.sub(meaning, text)), wrong


def byte(code: int) -> str:
    """The text that stands for one byte: a byte that is no ASCII character is a lone surrogate, as Python's "surrogateescape" has it."""
    return chr(code) if code < 0x80 else chr(0xdc00 + code)


def in_bytes(text: str) -> str:
    """The text with bytes that make up a character as that character.

    >>> in_bytes(byte(0xc3) + byte(0xa9)), in_bytes(byte(0xff)) == byte(0xff)
    ('é', True)
    """
    if not any(0xdc80 <= ord(c) <= 0xdcff for c in text):
        return text
    return text.encode('utf-8', 'surrogateescape').decode('utf-8', 'surrogateescape')


def escape(text: str, braces: bool = False) -> str:
    """The inside of a string that stands for this text; the inverse of `unescape`."""
    out = []
    for c in text:
        if c in '\\"':
            out.append('\\' + c)
        elif braces and c in '{}':
            out.append(c + c)
        elif c in '\n\r\t\0':
            out.append({'\n': '\\n', '\r': '\\r', '\t': '\\t', '\0': '\\0'}[c])
        elif c.isprintable():
            out.append(c)
        elif 0xdc80 <= ord(c) <= 0xdcff:
            out.append(f'\\x{ord(c) - 0xdc00:02x}')
        else:
            out.append(f'\\u{{{ord(c):x}}}')
    return ''.join(out)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an f-string: text, or what stands between braces. `colon` is where the format begins, or `end`."""
    kind: str
    start: int
    end: int
    colon: int
    fault: str = ''
    hint: str = ''


CONVERSION = re.compile(r'![a-z]\s*\Z')
"""What Python writes behind a value in braces."""


def interpolations(text: str, at: int, end: int) -> Iterator[Piece]:
    """The parts of the f-string whose inside is `text[at:end]`.

    Strings may stand in the braces; the format begins at the first ':' outside all brackets.
    """
    begun = at
    while at < end:
        c = text[at]
        if text.startswith('\\u{', at, end):
            at = text.find('}', at, end) + 1 or end
        elif c == '\\' or (c in '{}' and text.startswith(c, at + 1, end)):
            at += 2
        elif c == '}':
            yield Piece('', at, at, at, "this '}' closes nothing", "write '}}' for a brace")
            return
        elif c == '{':
            if begun < at:
                yield Piece('text', begun, at, at)
            stop, colon = _closing(text, at + 1, end)
            if stop < 0:
                yield Piece('', at, at, at, "this '{' is never closed", "write '{{' for a brace")
                return
            if not text[at + 1:colon].strip():
                yield Piece('', at, at, at, 'there is no expression in these braces', "write '{{}}' for two braces")
            elif CONVERSION.search(text, at + 1, colon):
                yield Piece('', at, at, at, "an f-string has no conversions such as '!r'", "text in quotes is `{text.quoted()}`")
            else:
                yield Piece('value', at + 1, stop, colon)
            at = begun = stop + 1
        else:
            at += 1
    if begun < end:
        yield Piece('text', begun, end, end)


def _closing(text: str, at: int, end: int) -> tuple[int, int]:
    """Where the brace that closes stands (-1 if nowhere), and the colon before it, or again the brace."""
    depth, colon = 0, -1
    while at < end:
        c = text[at]
        if c == '"':
            inside = STRING.match(text, at, end)
            if inside is None:
                return -1, -1
            at = inside.end() - 1
        elif c in '([':
            depth += 1
        elif c in ')]':
            depth -= 1
        elif c == '}':
            return at, at if colon < 0 else colon
        elif c == ':' and depth <= 0 and colon < 0:
            colon = at
        at += 1
    return -1, -1
