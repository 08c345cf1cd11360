"""`dync fmt`: text to the same text in the one layout. It moves white space alone; every token and comment stays.

The rules:

- four spaces a level; lines of at most 120 characters where brackets allow it;
- one blank line around declarations that have a block, and at most one anywhere;
- a line break inside brackets stays where it was written; the line goes on under what follows the bracket, or four
  spaces further in if nothing followed it. Lines that are too long are broken at the outermost commas;
- spaces around operators, except that `*` and `//` stay tight if written so (`3*d`); `axis=1`, but `rate: f32 = 0.1`;
- the types of a record's fields stand in one column;
- a comment at the end of a line keeps its column if the code leaves room; others keep their block.

`format_source(format_source(x)) == format_source(x)`, and both parse to the same tree.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from dynlang.diag import CompileError, InternalError
from dynlang.source import Source
from dynlang.syntax import nodes
from dynlang.syntax.lexer import DECLARING, Token, raw_tokens
from dynlang.syntax.parser import parse
from dynlang.syntax.tables import Tables, tables

WIDTH = 120
INDENT = 4

PREFIXES = {'AMPERSAND', 'QMARK'}
TIGHT = {'DOT', 'TO'}
ATOMS = {'NAME', 'INT', 'FLOAT', 'STRING', 'LONG_STRING', 'FSTRING', 'TRUE', 'FALSE', 'ELLIPSIS'}


def format_source(text: str, name: str = '<text>') -> str:
    """The text in the one layout; raises a `CompileError` if it doesn't parse."""
    source = Source(name, text)
    module, found = parse(source)
    if found:
        raise CompileError(found)
    result = _format(text, module)
    again, found = parse(Source(name, result))
    if found or again != module:
        raise InternalError('the formatter changed the meaning of a program', source.span(0, 0))
    return result


def _format(text: str, module: nodes.Module) -> str:
    comparisons = {operation.span.start for node in nodes.walk(module) if type(node) is nodes.Compare
                   for operation in node.rest}
    lines = list(_lines(tables(), text if text.endswith('\n') else text + '\n'))
    for line in lines:
        _named(line.pieces)
        _assign_roles(line.pieces, comparisons)
    _align_fields(lines)
    out: list[str] = []
    for line, blank in zip(lines, _blank_lines(lines), strict=True):
        if blank:
            out.append('')
        margin = ' ' * (INDENT * line.level)
        code = '\n'.join(_lay_out(line.pieces, margin))
        out.append(_with_comment(code, line.comment, line.column) if line.pieces else margin + line.comment)
    return '\n'.join(out) + '\n' if out else ''


def _with_comment(code: str, comment: str, column: int) -> str:
    if not comment:
        return code
    used = len(code) - code.rfind('\n') - 1
    return code + ' ' * max(2, column - used) + comment


# ---------------------------------------------------------------- lines

@dataclass(slots=True)
class Piece:
    """A token in a line: its text, and how it wants to stand.

    `breaks`: a new line begins here (inside brackets). `above`: comments on lines of their own before it. `comment`: at
    the end of the line after it, in `column`. `pad`: spaces after a ':' that put types into one column.
    """
    kind: str
    text: str
    start: int
    end: int
    breaks: bool = False
    above: list[str] = field(default_factory=list)
    comment: str = ''
    column: int = 0
    role: str = 'atom'
    pad: int = 0


@dataclass(slots=True)
class Line:
    """A logical line, or a comment that stands alone (then without pieces)."""
    level: int
    pieces: list[Piece]
    comment: str = ''
    column: int = 0
    blank: bool = False


def _lines(tables: Tables, text: str) -> Iterator[Line]:
    indents, pieces, depth = [0], [], 0
    above: list[str] = []
    breaks = blank = False
    for token in raw_tokens(tables, text):
        if token.type != '_NEWLINE':
            pieces.append(_piece(token, pieces, breaks, above))
            depth += (token.type in ('LPAR', 'LSQB')) - (token.type in ('RPAR', 'RSQB'))
            above, breaks = [], False
            continue
        first, *middle, margin = token.value.split('\n')
        column = token.start - (text.rfind('\n', 0, token.start) + 1)
        if depth:
            pieces[-1].comment, pieces[-1].column = first.rstrip(), column
            above += [line.strip() for line in middle if line.strip()]
            breaks = True
            continue
        if pieces:
            yield Line(len(indents) - 1, pieces, first.rstrip(), column, blank)
            pieces, blank = [], False
        else:
            middle.insert(0, first)
        if len(margin) > indents[-1]:
            indents.append(len(margin))
        for line in middle:
            if line.strip():
                place = len(line) - len(line.lstrip())
                level = max(at for at, indent in enumerate(indents) if indent <= place)
                yield Line(level, [], line.strip(), 0, blank)
            blank = not line.strip()
        while len(margin) < indents[-1]:
            indents.pop()


def _piece(token: Token, before: list[Piece], breaks: bool, above: list[str]) -> Piece:
    """The token as a piece. Words that declare something only at the start of a line are names elsewhere."""
    kind = token.type
    opening = [one.kind for one in before[:2]]
    goes_on = opening == ['EXPORT'] if kind == 'FROM' else kind == 'IMPORT' and (opening[:1] == ['FROM'] or opening == ['EXPORT', 'FROM'])
    if kind in DECLARING and before and not goes_on:
        kind = 'NAME'
    return Piece(kind, token.value, token.start, token.end, breaks, above)


def _named(pieces: list[Piece]) -> None:
    """A word that declares something at the start of a line is a name there, too, where it is indexed or called: `from[i] = 1`."""
    if len(pieces) > 1 and pieces[0].kind in DECLARING and pieces[1].kind in ('LPAR', 'LSQB'):
        pieces[0].kind = 'NAME'


def _opens_block(line: Line) -> bool:
    return bool(line.pieces) and line.pieces[-1].kind == 'COLON'


def _blank_lines(lines: list[Line]) -> Iterator[bool]:
    """Whether a blank line stands before each line."""
    for at, line in enumerate(lines):
        last = lines[at - 1] if at else None
        if last is None or _opens_block(last):
            yield False
        else:
            ended = line.level == 0 and last.level > 0
            attached = not last.pieces and last.level == line.level
            yield line.blank or ended or (not attached and not _decorates(last) and _is_spaced(lines, at))


def _is_spaced(lines: list[Line], at: int) -> bool:
    """Whether this line begins a declaration with a block, or a comment or decorator that belongs to one."""
    while at < len(lines) and (not lines[at].pieces or _decorates(lines[at])):
        if at + 1 < len(lines) and (lines[at + 1].level != lines[at].level or lines[at + 1].blank):
            return False
        at += 1
    if at == len(lines):
        return False
    line = lines[at]
    first = line.pieces[0].kind
    words = {'FN', 'PROC', 'EXPORT'} if line.level else {'FN', 'PROC', 'EXPORT', 'RECORD', 'TYPE', 'TEST', 'BENCH'}
    return first in words and _opens_block(line) and (line.level == 0 or _inside(lines, at) == 'RECORD')


def _decorates(line: Line) -> bool:
    return bool(line.pieces) and line.pieces[0].kind == 'AT'


def _inside(lines: list[Line], at: int) -> str:
    """The first word of the line whose block holds this line."""
    for line in reversed(lines[:at]):
        if line.pieces and line.level < lines[at].level:
            return line.pieces[0].kind
    return ''


def _align_fields(lines: list[Line]) -> None:
    """Put the types of fields on neighbouring lines of a record into one column."""
    run: list[list[Piece]] = []
    owners: list[str] = []                              # the first word of the line that opened each level
    for line in lines:
        del owners[line.level:]
        pieces = line.pieces
        is_field = len(pieces) > 2 and pieces[0].kind == 'NAME' and pieces[1].kind == 'COLON' and owners[-1:] == ['RECORD']
        if line.blank or not is_field:
            _pad(run)
            run = []
        if is_field:
            run.append(pieces)
        if pieces:
            owners += [''] * (line.level - len(owners)) + [pieces[0].kind]
    _pad(run)


def _pad(run: list[list[Piece]]) -> None:
    widest = max((len(pieces[0].text) for pieces in run), default=0)
    for pieces in run:
        pieces[1].pad = widest - len(pieces[0].text)


# ---------------------------------------------------------------- spaces

def _assign_roles(pieces: list[Piece], comparisons: set[int]) -> None:
    """Say of each piece how it stands: open close prefix tight binary comma colon word atom."""
    brackets: list[tuple[str, bool]] = []               # each with whether a ':' was seen since the last comma
    for at, piece in enumerate(pieces):
        last = pieces[at - 1] if at else None
        following = pieces[at + 1] if at + 1 < len(pieces) else None
        piece.role = role = _role(piece, last, following, brackets[-1] if brackets else ('', False), comparisons)
        if role == 'open':
            brackets.append((piece.text, False))
        elif role == 'close' and brackets:
            brackets.pop()
        elif role in ('colon', 'comma') and brackets:
            brackets[-1] = (brackets[-1][0], role == 'colon')


def _role(piece: Piece, last: Piece | None, following: Piece | None, inside: tuple[str, bool],
          comparisons: set[int]) -> str:
    kind = piece.kind
    bracket, typed = inside
    if kind in ('LPAR', 'LSQB'):
        return 'open'
    if kind in ('RPAR', 'RSQB'):
        return 'close'
    if kind in ('LESSTHAN', 'MORETHAN'):
        return 'binary' if piece.start in comparisons else 'open' if kind == 'LESSTHAN' else 'close'
    if kind in ('INOUT', 'SPARSE'):
        return 'word' if following is not None and following.kind == 'NAME' else 'atom'
    if kind in ATOMS:
        return 'atom'
    if kind in PREFIXES or (kind == 'AT' and last is None):
        return 'prefix'
    if kind == 'MINUS' and (last is None or last.role not in ('atom', 'close')):
        return 'prefix'
    if kind == 'COMMA':
        return 'comma'
    if kind == 'COLON':
        return 'tight' if bracket == '[' else 'colon'
    if kind == 'EQUAL':
        return 'tight' if bracket == '(' and not typed else 'binary'
    if kind in ('STAR', 'DIVIDE') and piece.text != '%' and last is not None and following is not None:
        return 'tight' if last.end == piece.start and piece.end == following.start else 'binary'
    if kind in TIGHT:
        return 'tight'
    return 'word' if piece.text.isidentifier() else 'binary'


def _gap(last: Piece, piece: Piece) -> str:
    """The space between two pieces of one line."""
    if piece.role in ('close', 'comma', 'colon') or last.role in ('open', 'prefix', 'tight'):
        return ''
    if last.role == 'comma':
        return ' '
    if last.role == 'colon' and last.pad:
        return ' ' * (1 + last.pad)
    if piece.role == 'tight' or (piece.role == 'open' and last.role in ('atom', 'close')):
        return ''
    return ' '


# ---------------------------------------------------------------- line breaks

def _lay_out(pieces: list[Piece], margin: str) -> Iterator[str]:
    """The physical lines of a logical line."""
    at, indent = 0, len(margin)
    brackets: list[tuple[int, int, bool]] = []          # where content and closing bracket go; whether lines may break
    while at < len(pieces):
        for comment in pieces[at].above:
            yield ' ' * indent + comment
        stop = _end_of_line(pieces, at, indent, [free for _, _, free in brackets])
        line = ' ' * indent
        for index in range(at, stop):
            piece = pieces[index]
            line += (_gap(pieces[index - 1], piece) if index > at else '') + piece.text
            if piece.role == 'open':
                hangs = index + 1 < len(pieces) and pieces[index + 1].breaks
                column = len(line) - line.rfind('\n') - 1
                free = _may_break(pieces, index, bool(brackets) and brackets[-1][2])
                brackets.append((indent + INDENT, indent, free) if hangs else (column, column - 1, free))
            elif piece.role == 'close':
                brackets.pop()
        if stop < len(pieces):
            line = _with_comment(line, pieces[stop - 1].comment, pieces[stop - 1].column)
            indent = brackets[-1][1 if pieces[stop].role == 'close' else 0]
        yield line
        at = stop


def _end_of_line(pieces: list[Piece], at: int, indent: int, free: list[bool]) -> int:
    """Where the physical line that begins at a piece ends: at a written break, or where it would grow too long.

    `free` says of each open bracket whether lines may break in it.
    """
    column, best = indent, None
    for index in range(at, len(pieces)):
        piece = pieces[index]
        if index > at:
            last = pieces[index - 1]
            if piece.breaks:
                return index
            if free and free[-1] and (rank := _break_rank(last, piece)) is not None:
                if column <= WIDTH and (best is None or (len(free), rank) <= best[:2]):
                    best = (len(free), rank, index)
                elif best is None:
                    return index
            column += len(_gap(last, piece))
        column += len(piece.text)
        if column > WIDTH and best is not None:
            return best[2]
        if piece.role == 'open':
            free.append(_may_break(pieces, index, free[-1:] == [True]))
        elif piece.role == 'close':
            free.pop()
    return len(pieces)


def _may_break(pieces: list[Piece], at: int, outside: bool) -> bool:
    """Whether a line that is too long may be broken inside the bracket at a piece: not between `<` and `>` alone, and not in an
    index, which is read as one word."""
    if pieces[at].text == '<':
        return outside
    return pieces[at].kind != 'LSQB' or at == 0 or pieces[at - 1].role not in ('atom', 'close')


def _break_rank(last: Piece, piece: Piece) -> int | None:
    """How good a place between two pieces is for a line break: 0 is best, None is no place."""
    if last.role == 'comma' or piece.kind == 'FOR':
        return 0
    if piece.kind in ('IF', 'ELSE', 'AND', 'OR', 'PLUS') or (piece.kind == 'MINUS' and piece.role == 'binary'):
        return 1
    return None
