"""A Dyn program as a library that Python calls: built by `dync build --lib`, called through its C interface with NumPy arrays.

    with open_library(Path("gmm.dyn"), folder) as gmm:
        value, = gmm.function("objective").on(inputs)()

The header says all that is needed: which arguments are sizes, which are arrays of which sizes, which are results.
"""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SCALARS = {"double": (ctypes.c_double, np.float64), "float": (ctypes.c_float, np.float32), "int64_t": (ctypes.c_int64, np.int64),
           "int32_t": (ctypes.c_int32, np.int32), "bool": (ctypes.c_bool, np.bool_)}
"""What a C type is to ctypes and to NumPy."""


class CallFailed(Exception):
    """A call gave an error code; the text is the library's."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """`sizes`: the written sizes of an array, None for a number. A size is a number that some array has in its sizes."""

    name: str
    kind: str
    pointer: bool
    result: bool
    sizes: tuple[str, ...] | None


def parameters(header: str, library: str, function: str) -> list[Parameter]:
    """The parameters of a C function, behind the context, from its declaration and the comment before it."""
    found = re.search(rf"(?:Sizes: ([^\n]*)\. \*/\n)?int32_t {library}_{function}\({library}_context \*context(?:, )?([^)]*)\);", header)
    if found is None:
        raise KeyError(f"{function} isn't exported by {library}")
    comment = dict(part.split(": ") for part in (found[1] or "").split("; ") if part)
    made = []
    for text in filter(None, found[2].split(", ")):
        declared = re.fullmatch(r"(const )?(\w+) (\*?)(\w+)", text)
        assert declared is not None, text
        constant, kind, star, name = declared.groups()
        sizes = tuple(comment[name].split(", ")) if name in comment else None
        made.append(Parameter(name, kind, bool(star), bool(star) and not constant, sizes))
    return made


@dataclass(frozen=True, slots=True)
class Function:
    """One exported function."""

    code: Any
    context: ctypes.c_void_p
    error: Callable[[], str]
    parameters: list[Parameter]

    def on(self, inputs: Mapping[str, Any]) -> Callable[[], tuple[np.ndarray, ...]]:
        """A call with its arguments bound: it gives the results, in arrays that the next call writes again."""
        sizes = self.sizes(inputs)
        arguments: list[Any] = [self.context]
        held: list[np.ndarray] = []  # what the pointers point to
        results: list[np.ndarray] = []
        for one in self.parameters:
            kind, dtype = SCALARS[one.kind]
            if one.result:
                shape = tuple(int(eval(size, {}, dict(sizes))) for size in one.sizes or ())  # sizes are polynomials: `2*n + 1`
                results.append(np.zeros(shape, dtype))
                arguments.append(ctypes.c_void_p(results[-1].ctypes.data))
            elif one.pointer:
                held.append(np.ascontiguousarray(inputs[one.name], dtype))
                arguments.append(ctypes.c_void_p(held[-1].ctypes.data))
            else:
                arguments.append(kind(sizes[one.name] if one.name in sizes else inputs[one.name]))
        given = tuple(results)
        code, error = self.code, self.error

        def call() -> tuple[np.ndarray, ...]:
            if code(*arguments) != 0:
                raise CallFailed(error())
            return given

        call.held = held  # type: ignore[attr-defined]
        return call

    def sizes(self, inputs: Mapping[str, Any]) -> dict[str, int]:
        """The size parameters, read off the arrays that have them or a multiple; those of other sizes are inputs by name."""
        found: dict[str, int] = {}
        for one in self.parameters:
            if one.pointer and not one.result and one.sizes:
                shape = np.shape(inputs[one.name])
                if len(shape) != len(one.sizes):
                    raise ValueError(f"{one.name} has {len(shape)} axes, and [{', '.join(one.sizes)}] is needed")
                for size, length in zip(one.sizes, shape, strict=True):
                    if multiple := re.fullmatch(r"(?:(\d+)\*)?([a-z]\w*)", size):
                        found[multiple[2]] = length // int(multiple[1] or 1)
        return found


@dataclass(frozen=True, slots=True)
class Library:
    """A library and one context."""

    name: str
    header: str
    code: ctypes.CDLL
    context: ctypes.c_void_p

    def function(self, name: str) -> Function:
        code = getattr(self.code, f"{self.name}_{name}")
        code.restype = ctypes.c_int32
        return Function(code, self.context, self.error, parameters(self.header, self.name, name))

    def error(self) -> str:
        """The text of the last error."""
        text = getattr(self.code, f"{self.name}_error")
        text.restype = ctypes.c_char_p
        return text(self.context).decode()

    def live_blocks(self) -> int:
        """Blocks of memory that somebody owns: 0 between calls."""
        count = getattr(self.code, f"{self.name}_live_blocks")
        count.restype = ctypes.c_int64
        return count(self.context)


def build(program: Path, folder: Path, level: int = 2) -> Path:
    """The shared library of a program, with its header beside it."""
    command = [sys.executable, "-m", "dynlang", "build", "--lib", f"-O{level}", "-o", str(folder), str(program)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder / f"lib{program.stem}.so"


@contextmanager
def open_library(program: Path, folder: Path) -> Iterator[Library]:
    """The library of a program, built into the folder."""
    path = build(program, folder)
    name = program.stem
    code = ctypes.CDLL(str(path))
    create = getattr(code, f"{name}_create")
    create.restype = ctypes.c_void_p
    context = ctypes.c_void_p(create())
    try:
        yield Library(name, path.with_name(f"{name}.h").read_text(encoding="utf-8"), code, context)
    finally:
        getattr(code, f"{name}_destroy")(context)
