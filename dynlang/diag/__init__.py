"""Errors as data; `text.py` shows them to people, `lsp.py` to editors.

A stage defines one small class for each kind of error and builds it where the fault is found:

    class UnknownName(Diagnostic):
        \"\"\"A name that nothing declares.\"\"\"
        code = 'DYN0201'

    raise CompileError([UnknownName(f"nothing is called '{name}' here", span, hint=f"did you mean '{other}'?")])

Codes: DYN00xx input and limits, DYN01xx syntax, DYN02xx names, DYN03xx types, DYN04xx sizes, DYN05xx mutation and
effects, DYN06xx differentiation, DYN09xx run time. Each has a page in `docs/errors/`.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from dynlang.source import Span

CODES: dict[str, type[Diagnostic]] = {}
"""Every code that is defined in the modules imported so far."""


@dataclass(frozen=True, slots=True)
class Label:
    """A second place that matters to an error, and why."""
    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Edit:
    """The text that takes the place of a span; an empty span inserts."""
    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Repair:
    """Edits of one file that may repair an error. `title` says what they do: "convert the index"."""
    title: str
    edits: tuple[Edit, ...]


def replacing(title: str, span: Span, text: str) -> Repair:
    """The repair that puts a text in the place of a span."""
    return Repair(title, (Edit(span, text),))


def wrapping(title: str, span: Span, before: str, after: str) -> Repair:
    """The repair that writes something before and after a span: `f32(` and `)`."""
    return Repair(title, (Edit(span.source.span(span.start, span.start), before), Edit(span.source.span(span.end, span.end), after)))


@dataclass(frozen=True)
class Diagnostic:
    """One error or warning. The title alone tells what is wrong, names and numbers included.

    `span` is the primary place and `label` what to say right there; `secondary` are further places, the most important
    first; `expected` and `found` stand on lines of their own; `hint` says in words what to do. `repairs` are edits that may
    be right, the likeliest first; `fix` is the one among them that was tried: with it the error is gone, and no other
    takes its place (`tools/repairs.py`).
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
    repairs: tuple[Repair, ...] = ()
    fix: Repair | None = None

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


class TooMuch(Diagnostic):
    """Something in the program grows beyond what the compiler is ready to hold."""
    code = 'DYN0020'


class CompileError(Exception):
    """Raised when a stage can't go on; carries what it found. `silent`: what it found besides, and doesn't show."""

    def __init__(self, diagnostics: Iterable[Diagnostic] | Diagnostic, left_off: int = 0, silent: Iterable[Diagnostic] = ()):
        found = [diagnostics] if isinstance(diagnostics, Diagnostic) else list(diagnostics)
        super().__init__('\n'.join(str(d) for d in found))
        self.diagnostics: list[Diagnostic] = found
        self.left_off, self.silent = left_off, tuple(silent)


class NotBuilt(CompileError):
    """A known limitation that names itself: `raise NotBuilt('sparse types', span)`."""

    def __init__(self, what: str, span: Span | None = None, hint: str = ''):
        super().__init__([NotBuiltYet(f'not built yet: {what}', span, hint=hint)])
        self.what = what


class LimitReached(CompileError):
    """A program that means something huge: `raise LimitReached('a type of more than 10,000 parts')`.

    Who raises it may not know the place; whoever knows it on the way up adds it by `at`."""

    def __init__(self, what: str, span: Span | None = None, hint: str = '', notes: tuple[str, ...] = ()):
        super().__init__([TooMuch(f'limit reached: {what}', span, hint=hint, notes=notes)])

    def at(self, span: Span | None) -> LimitReached:
        """The same, with a place if it had none."""
        from dataclasses import replace

        self.diagnostics = [one if one.span is not None else replace(one, span=span) for one in self.diagnostics]
        self.args = ('\n'.join(map(str, self.diagnostics)),)
        return self


class InternalError(CompileError):
    """A bug of the compiler, not of the program that it reads."""

    def __init__(self, what: str, span: Span | None = None):
        super().__init__([CompilerBug(
            f'internal error: {what}', span,
            hint='this is a bug of dync: please report it, with the program that shows it')])


def in_order(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics of each file in the order of its text; the files in the order in which they first come up."""
    everything = list(found)
    files: dict[int, int] = {}
    for one in everything:
        files.setdefault(id(one.span.source) if one.span else 0, len(files))
    return sorted(everything, key=lambda one: (files[id(one.span.source)], one.span.start) if one.span else (files[0], 0))


class Diagnostics:
    """Collects what a stage finds: one error a line, no repeats, 20 at most; what is over is counted."""

    def __init__(self, limit: int = 20):
        self.limit = limit
        self.errors: list[Diagnostic] = []
        self.warnings: list[Diagnostic] = []
        self.left_off = 0
        self.silent: list[Diagnostic] = []
        self._places: set[object] = set()

    def add(self, found: Diagnostic) -> None:
        place = (id(found.span.source), found.span.line) if found.span is not None else found.title
        key = (found.severity, place)
        chosen = self.errors if found.severity == 'error' else self.warnings
        if key not in self._places and len(chosen) < self.limit:
            chosen.append(found)
        else:
            self.left_off += key not in self._places
            self.silent.append(found)
        self._places.add(key)

    def extend(self, found: Iterable[Diagnostic]) -> None:
        for one in found:
            self.add(one)
        if isinstance(found, Diagnostics):
            self.silent += found.silent
            self.left_off += found.left_off

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
            raise CompileError(in_order(self.errors), self.left_off, self.silent)

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.errors) + len(self.warnings)


from dynlang.diag.lsp import to_json  # noqa: E402
from dynlang.diag.text import colour_wanted, render, render_all  # noqa: E402

__all__ = [
    'CODES', 'CompileError', 'CompilerBug', 'Diagnostic', 'Diagnostics', 'Edit', 'InternalError', 'Label', 'NotBuilt', 'NotBuiltYet',
    'Repair', 'Warning', 'colour_wanted', 'render', 'render_all', 'replacing', 'to_json', 'wrapping',
]
