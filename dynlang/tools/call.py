"""`dync call`: one function, applied to arrays from an .npz file. How values are named is in `flat.py`."""

from __future__ import annotations

import argparse
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dynlang import pipeline
from dynlang.core.nodes import Function
from dynlang.native.link import write_output
from dynlang.tools import flat
from dynlang.tools.bounds import check_bounds, index_bounds
from dynlang.tools.cli import EXIT_INPUT, complain
from dynlang.tools.inspect import built
from dynlang.tools.promises import check_promises
from dynlang.tools.running import evaluate
from dynlang.types import INT, ArrayType, Size, Type

Arrays = Mapping[str, np.ndarray]
UNREADABLE = (OSError, ValueError, AttributeError, EOFError, TypeError, KeyError, SyntaxError, RuntimeError, MemoryError, OverflowError,
              struct.error, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
"""What NumPy and the modules under it raise for the bytes of a file that is no .npz file, or a damaged one."""


def call(arguments: argparse.Namespace) -> int | None:
    try:
        arrays = read_arrays(arguments.input)
        found = call_function(Path(arguments.file), arguments.function, arrays, arguments.backend, arguments.level)
        if arguments.output:
            write_arrays(Path(arguments.output), found)
        else:
            print("\n".join(described(name, array) for name, array in found.items()))
    except flat.BadArgument as error:
        return complain(str(error), EXIT_INPUT)
    return None


def call_function(path: Path, name: str, arrays: Arrays, backend: str = "native", level: int = 2) -> dict[str, np.ndarray]:
    """The results of one call, by name."""
    request = pipeline.Request(path, entries=(name,), level=level)
    ssa = built(request, until="opt")
    core = request.keep["grad"]
    function = core.functions[name]
    reader = flat.Reader(core.sums, arrays)
    values = reader.arguments(function, function.parameter_labels)
    reader.finish(function.parameter_labels)
    program = request.keep["typed"]
    asked = program.functions[f"{program.module}.{name}"]
    check_bounds(index_bounds(program, asked), arrays, sizes_given(function, values))
    check_promises(program, asked, arrays)
    results = evaluate(ssa, name, values, backend, level)
    return results_of(function, results, core.sums)


def sizes_given(function: Function, values: Sequence[Any]) -> dict[str, int]:
    """The ints among the arguments, by name: sizes are among them."""
    pairs = zip(function.parameters, function.parameter_labels, values, strict=True)
    return {label: int(value) for one, label, value in pairs if one.type == INT}


def results_of(function: Function, values: Sequence[Any], sums: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Named results; an int that is only the size of another result is left out, since the array's shape tells it."""
    sizes = {name for one in function.results for name in sizes_in(one.type)}
    kept = [place for place, one in enumerate(function.results) if one.name not in sizes]
    return flat.write_results([function.result_labels[place] for place in kept], [function.results[place].type for place in kept],
                              [values[place] for place in kept], sums)


def sizes_in(kind: Type) -> set[str]:
    """The sizes of an array that are one variable each."""
    if not isinstance(kind, ArrayType):
        return set()
    return {size.single_variable for size in kind.shape if isinstance(size, Size) and size.single_variable}


def described(name: str, array: np.ndarray) -> str:
    """One line for a result: `result f32[3] [1. 2. 3.]`; only the edges of a large array."""
    kind = {"float64": "f64", "float32": "f32", "float16": "f16", "int64": "int", "int32": "i32", "int16": "i16", "int8": "i8",
            "uint8": "u8", "bool": "bool"}.get(str(array.dtype), "str")
    text = np.array2string(array, threshold=20, max_line_width=10_000, separator=", ", formatter={"all": str}).replace("\n", "")
    return f"{name} {kind}[{', '.join(map(str, array.shape))}] {text}"


def read_arrays(path: str | None) -> dict[str, np.ndarray]:
    """The arrays of an .npz file; nothing in it is executed."""
    if path is None:
        return {}
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise flat.BadArgument(f"there is no file `{path}`") from None
    except UNREADABLE as error:
        raise flat.BadArgument(f"`{path}` can't be read as .npz: {error}") from None


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an .npz file whole, or leave what was there; a device is written to, not replaced."""
    bytes_of = io.BytesIO()
    np.savez(bytes_of, **arrays)  # type: ignore[arg-type]
    write_output(path, bytes_of.getvalue())
