"""Errors as text for a terminal: the title, the source with its marks, what to do; twelve lines at most for one error."""
from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from dynlang.diag import Diagnostic, Repair
    from dynlang.source import Source, Span

WINDOW = 100
"""Characters of a source line that are shown; a longer line is cut around the place that matters."""

LINES = 12
"""How long one message may be: the least important of its further places give way."""

SHOWN = 20
"""How many errors are shown at once; what is over is counted."""

COLOURS = {'error': '\x1b[1;31m', 'warning': '\x1b[1;33m', 'copy': '\x1b[1;36m', 'bold': '\x1b[1m', 'frame': '\x1b[1;34m',
           'hint': '\x1b[1;32m', 'end': '\x1b[0m'}

Paint = Callable[[str, str], str]


def colour_wanted(stream: TextIO | None = None) -> bool:
    """Colours are for people at a terminal who did not say NO_COLOR."""
    stream = stream if stream is not None else sys.stderr
    refused = os.environ.get('NO_COLOR') or os.environ.get('TERM') == 'dumb'
    return stream is not None and stream.isatty() and not refused


def render(found: Diagnostic, colour: bool = False) -> str:
    """An error as text for a terminal.

        error[DYN0402]: the inner sizes of `@` differ: 784 and 785
         --> digits.dyn:2:14
          |
        1 | fn f(w: f32[785, 10], x: f32[784]) -> f32[10]:
          |      -------------     ----------- `x` is f32[784]
          |      `w` is f32[785, 10]
        2 |     return x @ w
          |              ^
          = hint: 785 is 784 + 1: was a bias column added to `w`?
    """
    paint: Paint = (lambda name, text: f'{COLOURS[name]}{text}{COLOURS["end"]}') if colour else (lambda name, text: text)
    lines = _message(found, paint)
    while len(lines) > LINES and len(found.secondary) > 1:
        found = replace(found, secondary=found.secondary[:-1])
        lines = _message(found, paint)
    return '\n'.join(lines)


def render_all(found: Iterable[Diagnostic], colour: bool = False, left_off: int = 0, limit: int = SHOWN) -> str:
    """Several errors, a blank line between them, and how many more there are."""
    everything = list(found)
    parts = [render(one, colour) for one in everything[:limit]]
    left_off += max(0, len(everything) - limit)
    if left_off:
        parts.append(f'... and {left_off} more like these' if left_off > 1 else '... and one more')
    return '\n\n'.join(parts)


def _message(found: Diagnostic, paint: Paint) -> list[str]:
    head = paint(found.severity, f'{found.severity}[{found.code}]' if found.code else found.severity)
    lines = [f'{head}{paint("bold", ": " + found.title)}']
    words = found.label or next((label.text for label in found.secondary if label.span == found.span), '')
    marks = [_Mark(found.span, words, True)] if found.span is not None else []
    marks += [_Mark(label.span, label.text, False) for label in found.secondary if label.span != found.span or label.text != words]
    width = max((len(str(mark.span.line)) for mark in marks), default=1)
    lines += _windows(marks, width, paint, found.severity)
    extra = [('expected', found.expected), ('   found', found.found)]
    extra += [('note', note) for note in found.notes] + [('hint', found.hint)]
    if found.fix is not None:
        extra.append(('dync fix', fixed_line(found.fix)))
    bar = ' ' * width + paint('frame', ' =')
    for word, text in extra:
        if text:
            shown = paint('hint', word + ':') if word in ('hint', 'dync fix') else word + ':'
            lines += f'{bar} {shown} {text}'.replace('\n', '\n' + ' ' * (width + 3)).split('\n')
    return lines


def fixed_line(fix: Repair) -> str:
    """What a repair writes: the line as it will be, where it is one line, else the repair's title.

    >>> from dynlang.diag import replacing
    >>> from dynlang.source import Source
    >>> source = Source('a.dyn', 'let x = sine(y)')
    >>> fixed_line(replacing('call `sin`', source.span(8, 12), 'sin'))
    'let x = sin(y)'
    """
    line = fix.edits[0].span.line
    inside = all(edit.span.line == edit.span.end_line == line and '\n' not in edit.text for edit in fix.edits)
    if not inside:
        return fix.title
    source = fix.edits[0].span.source
    text, start = source.line(line), source.line_starts[line - 1]
    if all(not text[:edit.span.end - start].strip() and not edit.text.strip() for edit in fix.edits):
        return fix.title  # the margin alone changes, which can't be seen
    for edit in sorted(fix.edits, key=lambda edit: edit.span.start, reverse=True):
        text = text[:edit.span.start - start] + edit.text + text[edit.span.end - start:]
    code = text.partition('  #')[0].strip()
    return code if 0 < len(code) <= WINDOW else fix.title


# ---------------------------------------------------------------- source lines and the marks below them

@dataclass(frozen=True, slots=True)
class _Mark:
    span: Span
    text: str
    primary: bool


def _windows(marks: list[_Mark], width: int, paint: Paint, severity: str) -> Iterator[str]:
    """The source lines that the marks point at: the first mark's file first, each file's lines in order."""
    sources: list[Source] = []
    for mark in marks:
        if mark.span.source not in sources:
            sources.append(mark.span.source)
    bar = paint('frame', '|')
    for source in sources:
        here = [mark for mark in marks if mark.span.source is source]
        arrow = '-->' if source is sources[0] else ':::'
        yield f'{" " * width}{paint("frame", arrow)} {here[0].span}'
        yield f'{" " * width} {bar}'
        last = 0
        for number in sorted({mark.span.line for mark in here}):
            if last and number > last + 1:
                yield paint('frame', ' ' * width + '...')
            last = number
            on_line = [mark for mark in here if mark.span.line == number]
            text, clipped = _clip(on_line)
            yield f'{paint("frame", str(number).rjust(width))} {bar} {text}'.rstrip()
            for row in _rows(clipped, paint, severity):
                yield f'{" " * width} {bar} {row}'


@dataclass(frozen=True, slots=True)
class _Place:
    """A mark in the columns of the shown line."""
    start: int
    end: int
    text: str
    primary: bool


def _clip(marks: list[_Mark]) -> tuple[str, list[_Place]]:
    """The line that marks begin on, cut to a window around the first if it is long, and where the marks stand in it."""
    first = marks[0].span
    text = first.source.line(first.line).replace('\t', ' ')
    begin, before = 0, ''
    length = len(text)
    if length > WINDOW + 20:
        begin = max(0, min(first.column - 1 - WINDOW // 3, length - WINDOW))
        before, after = '...' if begin else '', '...' if begin + WINDOW < length else ''
        text = before + text[begin:begin + WINDOW] + after
    places = []
    for mark in marks:
        start = mark.span.column - 1
        end = mark.span.end_column - 1 if mark.span.end_line == mark.span.line else length
        start, end = (min(max(at - begin, 0) + len(before), len(text)) for at in (start, max(start, end)))
        places.append(_Place(start, max(start + 1, end), mark.text, mark.primary))
    return ''.join(c if c.isprintable() else '\ufffd' for c in text), places


def _rows(places: list[_Place], paint: Paint, severity: str) -> Iterator[str]:
    """The rows below a source line: marks that don't overlap share a row, the rest have rows of their own."""
    waiting = sorted(places, key=lambda place: not place.primary)
    while waiting:
        row: list[_Place] = []
        for place in waiting:
            if all(place.end < other.start or other.end < place.start for other in row):
                row.append(place)
        waiting = [place for place in waiting if place not in row]
        yield from _marked(sorted(row, key=lambda place: place.start), paint, severity)


def _marked(row: list[_Place], paint: Paint, severity: str) -> Iterator[str]:
    """One row of marks with the words of each: behind it where there is room, else on a row below."""
    shown, column, below = '', 0, []
    for place, following in zip(row, [*row[1:], None], strict=True):
        mark = ('^' if place.primary else '-') * (place.end - place.start)
        room = following is None or place.end + 2 + len(place.text) < following.start
        words = f' {place.text}' if place.text and room else ''
        if place.text and not room:
            below.append(place)
        shown += ' ' * (place.start - column) + paint(severity if place.primary else 'frame', mark + words)
        column = place.end + len(words)
    yield shown
    while below:
        last = below.pop()
        bars, column = '', 0
        for place in below:
            bars += ' ' * (place.start - column) + paint('frame', '|')
            column = place.start + 1
        yield bars + ' ' * (last.start - column) + paint(severity if last.primary else 'frame', last.text)
