"""Where a program's text comes from: sources, spans in them, and the files that ship with the compiler."""
from __future__ import annotations

import os
import stat
import sys
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from dynlang import diag


@dataclass(frozen=True, eq=False)
class Source:
    """A named text. Two sources are the same only if they are one object.

    Offsets count characters from 0; lines and columns count from 1.
    """
    name: str
    text: str

    @cached_property
    def line_starts(self) -> list[int]:
        """The offset at which each line begins."""
        starts, at = [0], self.text.find('\n')
        while at >= 0:
            starts.append(at + 1)
            at = self.text.find('\n', at + 1)
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """The line and column of an offset: `Source('a', 'x\\ny').position(2) == (2, 1)`."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line, without its end."""
        if not 1 <= number <= len(self.line_starts):
            return ''
        start = self.line_starts[number - 1]
        end = self.line_starts[number] - 1 if number < len(self.line_starts) else len(self.text)
        return self.text[start:end].rstrip('\r')

    def span(self, start: int, end: int) -> Span:
        return Span(self, start, end)


@dataclass(frozen=True, slots=True)
class Span:
    """The characters `start` to `end` (not included) of a source; line and column are computed when asked for."""
    source: Source
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.source.text[self.start:self.end]

    @property
    def line(self) -> int:
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.position(self.start)[1]

    @property
    def end_line(self) -> int:
        return self.source.position(self.end)[0]

    @property
    def end_column(self) -> int:
        return self.source.position(self.end)[1]

    def to(self, other: Span) -> Span:
        """From the beginning of this span to the end of another one."""
        return Span(self.source, self.start, max(self.end, other.end))

    def __str__(self) -> str:
        line, column = self.source.position(self.start)
        return f'{self.source.name}:{line}:{column}'


NOWHERE = Span(Source('<compiler>', ''), 0, 0)
"""The span of what the compiler made itself."""


class MissingFile(diag.Diagnostic):
    """The file does not exist."""
    code = 'DYN0010'


class NotAFile(diag.Diagnostic):
    """The path names a folder or a device, not a file."""
    code = 'DYN0011'


class UnreadableFile(diag.Diagnostic):
    """The operating system refuses to let the file be read."""
    code = 'DYN0012'


class NotUtf8(diag.Diagnostic):
    """The file is not UTF-8 text."""
    code = 'DYN0013'


class NulByte(diag.Diagnostic):
    """The file holds a NUL byte, which no text does."""
    code = 'DYN0014'


def read_source(path: str | os.PathLike[str]) -> Source:
    """Read a file of UTF-8 text; a `diag.CompileError` says what is wrong with it."""
    name = os.fspath(path)
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            what = 'folder' if stat.S_ISDIR(mode) else 'device'
            raise diag.CompileError([NotAFile(f"'{name}' is a {what}", hint='name a file that ends in .dyn')])
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise diag.CompileError([MissingFile(f"there is no file '{name}'")]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or str(error)
        raise diag.CompileError([UnreadableFile(f"'{name}' can't be read: {reason}")]) from None
    return decode_source(name, data)


def decode_source(name: str, data: bytes) -> Source:
    """The source that these bytes spell, without a byte order mark and with plain line ends."""
    try:
        text = data.decode('utf-8')
    except UnicodeDecodeError as error:
        before = data[:error.start].decode('utf-8')
        place = Source(name, before + data[error.start:].decode('utf-8', 'replace'))
        raise diag.CompileError([NotUtf8(
            f"'{name}' is not UTF-8 text: byte 0x{data[error.start]:02x} at offset {error.start}",
            place.span(len(before), len(before) + 1), hint='save the file with the encoding UTF-8')]) from None
    text = text.removeprefix('\ufeff').replace('\r\n', '\n')
    nul = text.find('\0')
    source = Source(name, text)
    if nul >= 0:
        raise diag.CompileError([NulByte(f"'{name}' holds a NUL byte at offset {nul}", source.span(nul, nul + 1))])
    return source


def resource(name: str) -> Path:
    """A folder that ships with the compiler: `resource('grammar')`, `resource('stdlib')`.

    A wheel carries it as `dynlang/_data/NAME`, a checkout has it beside `dynlang`.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / '_data' / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise diag.InternalError(f"the folder '{name}' of the compiler is missing")


def in_library(name: str) -> bool:
    """Whether a file of this name is one of the standard library's."""
    return name.startswith(_library())


@cache
def _library() -> str:
    return os.path.join(resource('stdlib'), '')


def blamed(inner: Span | None, call: Span | None) -> Span | None:
    """Where an error belongs that happens in a call: the library's code is right, so what fails there is the fault of its caller."""
    if inner is None or call is None or in_library(call.source.name) or not in_library(inner.source.name):
        return inner
    return call


def cache_folder() -> Path | None:
    """Where this user's tools keep what can be made again; None if there is no such place. It may not exist yet."""
    if named := os.environ.get('DYNC_CACHE'):
        return Path(named)
    if os.name == 'nt':
        base = os.environ.get('LOCALAPPDATA')
        return Path(base) / 'dync' / 'cache' if base else None
    if named := os.environ.get('XDG_CACHE_HOME'):
        return Path(named) / 'dync'
    try:
        return Path.home() / ('Library/Caches' if sys.platform == 'darwin' else '.cache') / 'dync'
    except RuntimeError:
        return None
