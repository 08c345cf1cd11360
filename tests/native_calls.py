"""Functions of LLVM text as Python callables, for the tests of native code."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable
from typing import Any

from dynlang.native import target as targets
from dynlang.native.emit import ModuleText, Signature
from dynlang.native.target import Target

TYPES: dict[str, Any] = {
    "void": None, "ptr": ctypes.c_void_p, "i1": ctypes.c_bool, "i8": ctypes.c_int8, "i16": ctypes.c_int16, "i32": ctypes.c_int32,
    "i64": ctypes.c_int64, "float": ctypes.c_float, "double": ctypes.c_double,
}  # fmt: skip


def link(module: ModuleText, signatures: Iterable[Signature], optimisation: int = 2) -> dict[str, Callable[..., Any]]:
    """The named functions of a module, callable. The code lives as long as any of them."""
    signatures = list(signatures)
    for made in signatures:
        module.export(made.name)
    loaded = targets.load(targets.compile_object(module.text(), module.target, optimisation), [made.name for made in signatures])
    found: dict[str, Callable[..., Any]] = {}
    for made in signatures:
        function: Any = ctypes.CFUNCTYPE(TYPES[made.result], *[TYPES[kind] for kind in made.parameters])(loaded[made.name])
        function.code = loaded
        found[made.name] = function
    return found


def address(array: Any) -> int:
    """Where a NumPy array's elements are."""
    return array.ctypes.data


def narrow_targets() -> list[Target]:
    """Targets whose code this machine can run: its own, and on x86-64 also the oldest one, without multiply-add."""
    host = targets.host()
    return [host, targets.X86_64] if host.triple.startswith("x86_64") else [host]
