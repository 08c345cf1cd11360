"""Errors as data, and the one place that turns them into text or JSON.

A stage defines one small class for each kind of error and builds it where the fault is found:

    class UnknownName(Diagnostic):
        \"\"\"A name that nothing declares.\"\"\"
        code = 'DYN0201'

    raise CompileError([UnknownName(f"nothing is called '{name}' here", span, hint=f"did you mean '{other}'?")])

Codes: DYN00xx input and limits, DYN01xx syntax, DYN02xx names, DYN03xx types, DYN04xx sizes, DYN05xx mutation and
effects, DYN06xx differentiation, DYN09xx run time. Each has a page in `docs/errors/`.
"""
from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

if TYPE_CHECKING:
    from dynlang.source import Source, Span

CODES: dict[str, type[Diagnostic]] = {}
"""Every code that is defined in the modules imported so far."""


@dataclass(frozen=True, slots=True)
class Label:
    """A second place that matters to an error, and why."""
    span: Span
    text: str


@dataclass(frozen=True)
class Diagnostic:
    """One error or warning. The title alone tells what is wrong, names and numbers included.

    `span` is the primary place and `label` what to say right there; `secondary` are further places; `expected` and
    `found` stand on lines of their own; `hint` is the one repair that works.
    """
    code: ClassVar[str] = ''
    severity: ClassVar[str] = 'error'

    title: str
    span: Span | None = None
    label: str = ''
    secondary: tuple[Label, ...] = ()
    expected: str = ''
    found: str = ''
    notes: tuple[str, ...] = ()
    hint: str = ''

    def __init_subclass__(cls) -> None:
        code = cls.__dict__.get('code')
        if code:
            other = CODES.setdefault(code, cls)
            assert other.__qualname__ == cls.__qualname__, f'{code} is both {other.__qualname__} and {cls.__qualname__}'

    def __str__(self) -> str:
        place = f'{self.span}: ' if self.span is not None else ''
        return f'{place}{self.severity}[{self.code}]: {self.title}'


class Warning(Diagnostic):
    """What may be meant, and is worth a look all the same."""
    severity = 'warning'


class NotBuiltYet(Diagnostic):
    """A part of the language that this version does not have yet."""
    code = 'DYN0001'


class CompilerBug(Diagnostic):
    """The compiler broke a promise to itself."""
    code = 'DYN0002'


class CompileError(Exception):
    """Raised when a stage can't go on; carries everything it found."""

    def __init__(self, diagnostics: Iterable[Diagnostic] | Diagnostic):
        found = [diagnostics] if isinstance(diagnostics, Diagnostic) else list(diagnostics)
        super().__init__('\n'.join(str(d) for d in found))
        self.diagnostics: list[Diagnostic] = found


class NotBuilt(CompileError):
    """A known limitation that names itself: `raise NotBuilt('sparse types', span)`."""

    def __init__(self, what: str, span: Span | None = None, hint: str = ''):
        super().__init__([NotBuiltYet(f'not built yet: {what}', span, hint=hint)])
        self.what = what


class InternalError(CompileError):
    """A bug of the compiler, not of the program that it reads."""

    def __init__(self, what: str, span: Span | None = None):
        super().__init__([CompilerBug(
            f'internal error: {what}', span,
            hint='this is a bug of dync: please report it, with the program that shows it')])


class Diagnostics:
    """Collects what a stage finds: one error a line, no repeats, 20 at most; what is over is counted."""

    def __init__(self, limit: int = 20):
        self.limit = limit
        self.errors: list[Diagnostic] = []
        self.warnings: list[Diagnostic] = []
        self.left_off = 0
        self._places: set[object] = set()

    def add(self, found: Diagnostic) -> None:
        place = (id(found.span.source), found.span.line) if found.span is not None else found.title
        key = (found.severity, place)
        if key in self._places:
            return
        self._places.add(key)
        chosen = self.errors if found.severity == 'error' else self.warnings
        if len(chosen) < self.limit:
            chosen.append(found)
        else:
            self.left_off += 1

    def extend(self, found: Iterable[Diagnostic]) -> None:
        for one in found:
            self.add(one)

    @property
    def full(self) -> bool:
        """Whether another error would only be counted: a good moment to stop."""
        return len(self.errors) >= self.limit

    @property
    def all(self) -> list[Diagnostic]:
        return self.errors + self.warnings

    def raise_errors(self) -> None:
        """Raise a `CompileError` if there is any error."""
        if self.errors:
            raise CompileError(self.errors)

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.errors) + len(self.warnings)


# ---------------------------------------------------------------- text

WINDOW = 100
"""Characters of a source line that are shown; a longer line is cut around the place that matters."""

COLOURS = {'error': '\x1b[1;31m', 'warning': '\x1b[1;33m', 'bold': '\x1b[1m', 'frame': '\x1b[1;34m',
           'hint': '\x1b[1;32m', 'end': '\x1b[0m'}


def colour_wanted(stream: TextIO | None = None) -> bool:
    """Colours are for people at a terminal who did not say NO_COLOR."""
    stream = stream if stream is not None else sys.stderr
    refused = os.environ.get('NO_COLOR') or os.environ.get('TERM') == 'dumb'
    return stream is not None and stream.isatty() and not refused


def render(found: Diagnostic, colour: bool = False) -> str:
    """An error as text for a terminal.

        error[DYN0102]: expected an expression, found the end of the line
         --> model.dyn:2:15
          |
        2 |     return 1 +
          |               ^
          = hint: ...
    """
    paint = _painter(colour)
    head = paint(found.severity, f'{found.severity}[{found.code}]' if found.code else found.severity)
    lines = [f'{head}{paint("bold", ": " + found.title)}']
    labels = [Label(found.span, found.label)] if found.span is not None else []
    labels += found.secondary
    width = max((len(str(label.span.line)) for label in labels), default=1)
    lines += _windows(labels, width, paint, found.severity)
    extra = [('expected', found.expected), ('   found', found.found)]
    extra += [('note', note) for note in found.notes] + [('hint', found.hint)]
    bar = ' ' * width + paint('frame', ' =')
    for word, text in extra:
        if text:
            shown = paint('hint', word + ':') if word == 'hint' else word + ':'
            lines += [f'{bar} {shown} {text}'.replace('\n', '\n' + ' ' * (width + 3))]
    return '\n'.join(lines)


def render_all(found: Iterable[Diagnostic], colour: bool = False, left_off: int = 0) -> str:
    """Several errors, a blank line between them, and how many more there are."""
    parts = [render(one, colour) for one in found]
    if left_off:
        parts.append(f'{left_off} more not shown')
    return '\n\n'.join(parts)


def _painter(colour: bool):
    return (lambda name, text: f'{COLOURS[name]}{text}{COLOURS["end"]}') if colour else (lambda name, text: text)


def _windows(labels: list[Label], width: int, paint, severity: str) -> Iterator[str]:
    """The source lines that the labels point at: the first label's file first, each file's lines in order."""
    sources: list[Source] = []
    for label in labels:
        if label.span.source not in sources:
            sources.append(label.span.source)
    bar = paint('frame', '|')
    for source in sources:
        here = [label for label in labels if label.span.source is source]
        arrow = '-->' if source is sources[0] else ':::'
        yield f'{" " * width}{paint("frame", arrow)} {here[0].span}'
        yield f'{" " * width} {bar}'
        last = 0
        for label in sorted(here, key=lambda label: label.span.line):
            number = label.span.line
            text, start, end = _clip(label.span)
            if number != last:
                if last and number > last + 1:
                    yield paint('frame', ' ' * width + '...')
                yield f'{paint("frame", str(number).rjust(width))} {bar} {text}'.rstrip()
                last = number
            primary = label is labels[0]
            mark = ('^' if primary else '-') * max(1, end - start)
            tail = f' {label.text}' if label.text else ''
            yield f'{" " * width} {bar} {" " * start}{paint(severity if primary else "frame", mark + tail)}'


def _clip(span: Span) -> tuple[str, int, int]:
    """The first line of a span, cut to a window if it is long, and where the span stands in what is left."""
    text = span.source.line(span.line)
    start = span.column - 1
    end = span.end_column - 1 if span.end_line == span.line else len(text)
    text = text.replace('\t', ' ')
    if len(text) > WINDOW + 20:
        begin = max(0, min(start - WINDOW // 3, len(text) - WINDOW))
        before, after = '...' if begin else '', '...' if begin + WINDOW < len(text) else ''
        text = before + text[begin:begin + WINDOW] + after
        start, end = start - begin + len(before), min(end - begin, WINDOW) + len(before)
    text = ''.join(c if c.isprintable() else '\ufffd' for c in text)
    return text, start, max(start, end)


# ---------------------------------------------------------------- JSON

def to_json(found: Diagnostic) -> dict[str, Any]:
    """An error in the shape of the Language Server Protocol's `Diagnostic`, with the file it stands in."""
    shown: dict[str, Any] = {
        'file': found.span.source.name if found.span is not None else None,
        'range': _range(found.span),
        'severity': {'error': 1, 'warning': 2}.get(found.severity, 3),
        'code': found.code,
        'source': 'dync',
        'message': found.title,
        'relatedInformation': [
            {'location': {'uri': label.span.source.name, 'range': _range(label.span)}, 'message': label.text}
            for label in found.secondary],
        'data': {'label': found.label, 'expected': found.expected, 'found': found.found, 'notes': list(found.notes),
                 'hint': found.hint},
    }
    return shown


def _range(span: Span | None) -> dict[str, Any]:
    if span is None:
        return {'start': {'line': 0, 'character': 0}, 'end': {'line': 0, 'character': 0}}
    return {'start': _position(span.source, span.start), 'end': _position(span.source, span.end)}


def _position(source: Source, offset: int) -> dict[str, int]:
    """A position as LSP counts: from 0, characters in UTF-16 units."""
    line, column = source.position(offset)
    before = source.line(line)[:column - 1]
    return {'line': line - 1, 'character': len(before.encode('utf-16-le', 'surrogatepass')) // 2}
