"""Runs compiled functions, natively or by the interpreter, and turns what fails in them into a `Diagnostic`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dynlang import diag
from dynlang.core.evaluate import RunError
from dynlang.runtime.context import ErrorCode
from dynlang.source import Span
from dynlang.ssa.build import operations_in
from dynlang.ssa.nodes import Module


def evaluate(ssa: Module, name: str, arguments: Sequence[Any], backend: str = "native", level: int = 2) -> list[Any]:
    """The results of one function; a failure of the program is a `diag.CompileError`, an interrupt KeyboardInterrupt."""
    if backend == "interp":
        from dynlang.ssa import interpret

        try:
            return interpret.interpret(ssa, name, arguments)
        except interpret.RunTimeError as error:
            raise failure(ssa, error.message, error.line) from None
    from dynlang.native import jit

    with Program(jit.compile_module(ssa, level, [name]), ssa) as program:
        return program.call(name, arguments)


class Program:
    """Compiled functions of one module, ready to be called."""

    def __init__(self, compiled: Any, ssa: Module) -> None:
        self.compiled = compiled
        self.ssa = ssa

    def call(self, name: str, arguments: Sequence[Any] = ()) -> list[Any]:
        from dynlang.native.jit import RunTimeError

        try:
            return self.compiled.call(name, arguments)
        except RunTimeError as error:
            if error.code == ErrorCode.CANCELLED.name:
                raise KeyboardInterrupt from None
            raise failure(self.ssa, error.message, error.line, error.file) from None

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.compiled.close()


def failure(ssa: Module, message: str, line: int, file: str = "") -> diag.CompileError:
    """The error of a running program, at its place in the source."""
    return diag.CompileError([RunError(message, place(ssa, line, file))])


def place(ssa: Module, line: int, file: str = "") -> Span | None:
    """The operation or function on this line: native code knows the line alone, and most programs have one such."""
    found = [span for span in spans(ssa) if line and span.line == line and file in ("", span.source.name)]
    return min(found, key=lambda span: span.end - span.start, default=None)


def spans(ssa: Module) -> Iterator[Span]:
    for function in ssa.functions.values():
        if function.span is not None:
            yield function.span
        for operation in operations_in(function.body):
            if operation.span is not None:
                yield operation.span
