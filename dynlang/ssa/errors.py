"""A program's own failure while it runs, the same from the interpreter and from compiled code."""

from __future__ import annotations


class RunTimeError(Exception):
    """A check, a size, recursion without end. `code` names the kind, `line` is 0 if unknown, `file` empty."""

    def __init__(self, code: str, message: str, line: int = 0, file: str = "") -> None:
        super().__init__(f"{message} (line {line})" if line else message)
        self.code = code
        self.message = message
        self.line = line
        self.file = file
