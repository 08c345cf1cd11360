"""From text to tokens, layout included.

`tokens(source)` is what the parser reads, the formatter prints and an editor colours: one stream for all. It never
fails: what has no meaning becomes a token that no grammar rule takes (`STRAY`, `TAB`, `BAD_DEDENT`, `UNCLOSED`), so
the parser reports every kind of fault along one road. All state is local, so any number of parses may run at a time.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from dynlang.syntax.tables import Tables

OPENING = {'LPAR', 'LSQB'}
CLOSING = {'RPAR': '(', 'RSQB': '['}
BRACKET_LIMIT = 500
"""How deep brackets may nest."""

STARTERS = {'LET', 'VAR', 'RETURN', 'WHILE', 'MATCH', 'ASSERT', 'BREAK', 'CONTINUE', 'PASS', 'FN', 'PROC', 'ELIF'}
"""Words that can't begin a line inside brackets: the bracket above them was never closed."""

DECLARING = {'IMPORT', 'FROM', 'TYPE', 'RECORD', 'TEST', 'BENCH', 'EXPORT'}
"""Words that declare something at the start of an unindented line, and are ordinary names everywhere else."""

COMMENT = re.compile(r'#[^\n]*')


class Token:
    """A terminal's name, its text, and where it stands."""
    __slots__ = ('end', 'start', 'type', 'value')

    def __init__(self, type: str, value: str, start: int, end: int):
        self.type, self.value, self.start, self.end = type, value, start, end

    def __repr__(self) -> str:
        return f'{self.type}({self.value!r})'


def at(kind: str, place: Token, value: str | None = None) -> Token:
    """A token of another kind at the place of a given one."""
    return Token(kind, place.value if value is None else value, place.start, place.end)


def raw_tokens(tables: Tables, text: str, start: int = 0, end: int | None = None) -> Iterator[Token]:
    """The tokens of a part of a text, without layout."""
    end = len(text) if end is None else end
    match, words = tables.scan.match, tables.words
    while start < end:
        found = match(text, start, end)
        if found is None:
            token = _stray(text, start, end)
            if token is None:
                return
            yield token
            start = token.end
            continue
        kind = found.lastgroup or ''
        start = found.end()
        value = found[kind]
        if kind == 'NAME':
            kind = words.get(value, kind)
        elif kind == 'STRING' and value == '""' and text.startswith('"', start, end):
            yield Token('STRAY', '"""', start - 2, end)                 # it would have been a long string
            return
        yield Token(kind, value, start - len(value), start)


def _stray(text: str, start: int, end: int) -> Token | None:
    """The character that begins no token; with it the rest of its line if it opens a string."""
    while start < end and text[start] in ' \t':
        start += 1
    if start == end:
        return None
    stop = start + 1
    if text[start] == '"':
        stop = text.find('\n', start, end)
        stop = end if stop < 0 else stop
    return Token('STRAY', text[start:stop], start, stop)


def tokens(tables: Tables, text: str) -> Iterator[Token]:
    """The tokens of a file: newlines are free in brackets, and end a statement elsewhere; indentation makes blocks."""
    if text.endswith('\n'):
        return _layout(raw_tokens(tables, text), text)
    return _within(len(text), _layout(raw_tokens(tables, text + '\n'), text + '\n'))


def _within(size: int, stream: Iterable[Token]) -> Iterator[Token]:
    """The same tokens; none ends behind the text, though a newline that it lacks was read."""
    for token in stream:
        token.start, token.end = min(token.start, size), min(token.end, size)
        yield token


def _layout(stream: Iterable[Token], text: str) -> Iterator[Token]:
    indents, brackets = [0], []
    held = last = None                                  # a newline inside brackets; the token before
    opening = ''                                        # the kind of the token that began the line
    for token in stream:
        kind = token.type
        if kind == '_NEWLINE':
            if brackets:
                held = token
            else:
                yield from _line_end(token, indents, last is not None)
            last = token
            continue
        if held is not None:
            if brackets and (kind in STARTERS or (kind in DECLARING and _unindented(token, text))):
                yield at('UNCLOSED', brackets[-1])
                brackets.clear()
                yield from _line_end(held, indents, True)
            held = None
        if last is None or last.type == '_NEWLINE':
            opening = kind
        if kind in DECLARING:
            if kind == 'FROM' and opening == 'EXPORT' and last is not None and last.type == 'EXPORT':
                opening = 'FROM'
            elif not _unindented(token, text) and not (kind == 'IMPORT' and opening == 'FROM'):
                token.type = 'NAME'
        elif kind in OPENING:
            brackets.append(token)
            if len(brackets) == BRACKET_LIMIT + 1:
                yield at('TOO_DEEP', token)
        elif kind in CLOSING and brackets:
            if brackets[-1].value != CLOSING[kind]:
                token = at('MISMATCH', token, f'{token.value} {brackets[-1].value} {brackets[-1].start}')
            brackets.pop()
        elif kind == 'STRAY' and token.value[0] == '"':  # it holds what would have closed the brackets of its line
            while brackets and '\n' not in text[brackets[-1].start:token.start]:
                brackets.pop()
        last = token
        yield token
    end = Token('_NEWLINE', '', len(text) - 1, len(text) - 1)
    if brackets:
        yield at('UNCLOSED', brackets[-1])
    if brackets or (last is not None and last.type != '_NEWLINE'):
        yield end
    for _ in indents[1:]:
        yield at('_DEDENT', end)


def _unindented(token: Token, text: str) -> bool:
    return token.start == 0 or text[token.start - 1] == '\n'


def _line_end(token: Token, indents: list[int], begun: bool) -> Iterator[Token]:
    """The tokens that stand for one line end: the end itself, then an indent or some dedents."""
    if begun:
        yield token
    margin = token.value.rpartition('\n')[2]
    place = Token('_NEWLINE', '', token.end, token.end)
    if '\t' in margin:
        yield Token('TAB', '', token.end - len(margin), token.end)
        margin = margin.expandtabs(8)
    width = len(margin)
    if width > indents[-1]:
        indents.append(width)
        yield at('_INDENT', place)
    while width < indents[-1]:
        indents.pop()
        if width > indents[-1]:
            yield at('BAD_DEDENT', place)
            indents.append(width)
            break
        yield at('_DEDENT', place)


def comments(text: str, tables: Tables) -> Iterator[tuple[int, str]]:
    """The comments of a text, with their offsets. No token that the parser reads holds one."""
    for token in raw_tokens(tables, text if text.endswith('\n') else text + '\n'):
        if token.type == '_NEWLINE' and '#' in token.value:
            for found in COMMENT.finditer(token.value):
                yield token.start + found.start(), found[0]
