"""Runs compiled functions, natively or by the interpreter, and turns what fails in them into a `Diagnostic`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dynlang import diag
from dynlang.diag.running import RunError
from dynlang.ops import OPS
from dynlang.runtime.context import ErrorCode
from dynlang.source import Span
from dynlang.ssa.build import operations_in
from dynlang.ssa.nodes import Module

PIPE_CLOSED = "can't write `standard output`: Broken pipe"


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
        """The results of a function."""
        with self._reported():
            return self.compiled.call(name, arguments)

    def seconds(self, name: str, arguments: Sequence[Any] = ()) -> list[float]:
        """The times of many calls, warm but for the first."""
        with self._reported():
            return self.compiled.seconds(name, arguments)

    @contextmanager
    def _reported(self) -> Iterator[None]:
        from dynlang.native.jit import RunTimeError

        try:
            yield
        except RunTimeError as error:
            if error.code == ErrorCode.CANCELLED.name:
                raise KeyboardInterrupt from None
            if error.message == PIPE_CLOSED:
                raise BrokenPipeError from None
            raise failure(self.ssa, error.message, error.line, error.file) from None

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.compiled.close()


def failure(ssa: Module, message: str, line: int, file: str = "") -> diag.CompileError:
    """The error of a running program, at its place in the source."""
    return diag.CompileError([RunError(message, place(ssa, line, file))])


def place(ssa: Module, line: int, file: str = "") -> Span | None:
    """The operation on this line that may have failed, else whatever begins there: native code knows the line alone."""
    found = [(not risky, span.end - span.start, span) for risky, span in spans(ssa)
             if line and span.line == line and file in ("", span.source.name)]
    return min(found, key=lambda one: one[:2], default=(0, 0, None))[2]


def spans(ssa: Module) -> Iterator[tuple[bool, Span]]:
    """The places of operations and functions, and whether something can fail there."""
    for function in ssa.functions.values():
        if function.span is not None:
            yield function.recursive, function.span
        for operation in operations_in(function.body):
            if operation.span is not None:
                yield operation.name in OPS and OPS[operation.name].has("check"), operation.span
