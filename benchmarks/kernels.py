"""Kernels, elementary functions and the allocator beside NumPy, on this machine: `python benchmarks/kernels.py [f32|f64]`.

One thread, CPU time, the best of several rounds. NumPy's own call overhead is in its figures, ours goes through ctypes.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import ctypes
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from dynlang import runtime
from dynlang.native import kernels
from dynlang.native import target as targets
from dynlang.native.emit import ModuleText, vector
from dynlang.native.lanes import FORMATS
from dynlang.native.vectormath import emit_unary

PRODUCTS = [(4, 512, 512), (16, 150, 150), (16, 768, 768), (32, 32, 32), (64, 64, 64), (128, 128, 128), (256, 256, 256), (1000, 1000, 1000)]
MATRICES = [(32, 32), (150, 150), (600, 300), (1024, 1024), (4096, 4096)]
FUNCTIONS = ("exp", "log", "sin", "tanh", "sigmoid", "erf", "sqrt")
ELEMENTS = 4096
TYPES: dict[str, Any] = {"ptr": ctypes.c_void_p, "i64": ctypes.c_int64, "void": None, "float": ctypes.c_float, "double": ctypes.c_double}


def best(repetitions: int, action: Callable[..., object], *operands: Any, **named: Any) -> float:
    """Seconds of CPU time for one call."""
    fastest = float("inf")
    for _ in range(7):
        start = time.process_time()
        for _ in range(repetitions):
            action(*operands, **named)
        fastest = min(fastest, (time.process_time() - start) / repetitions)
    return fastest


def link(module: ModuleText, names: list[str]) -> dict[str, Callable[..., Any]]:
    for name in names:
        module.export(name)
    loaded = targets.load(targets.compile_object(module.text(), module.target), names)
    found = {}
    for name in names:
        made = module.signatures[name]
        function: Any = ctypes.CFUNCTYPE(TYPES[made.result], *[TYPES[kind] for kind in made.parameters])(loaded[name])
        function.code = loaded
        found[name] = function
    return found


def products(dtype: str) -> None:
    module = ModuleText(targets.host())
    call = link(module, [kernels.declare(module, name, dtype).name for name in ("matmul", "matvec", "vecmat")])
    kind = np.dtype({"f32": "f4", "f64": "f8"}[dtype])
    for m, k, n in PRODUCTS:
        a, b, c = (np.random.rand(*shape).astype(kind) for shape in ((m, k), (k, n), (m, n)))
        places, work = [array.ctypes.data for array in (a, b, c)], 2 * m * k * n
        count = max(1, int(3e7 / work))
        ours = work / best(count, call[kernels.symbol("matmul", dtype)], m, k, n, *places) / 1e9
        theirs = work / best(count, np.dot, a, b, out=c) / 1e9
        print(f"matmul {m} x {k} x {n}: {ours:.0f} GFLOP/s, NumPy {theirs:.0f}")
    for m, n in MATRICES:
        w, x, y = (np.random.rand(*shape).astype(kind) for shape in ((m, n), (n,), (m,)))
        count = max(1, int(2e6 / m / n))
        pw, px, py = (array.ctypes.data for array in (w, x, y))
        figures = []
        for name, operands, numpy in (("matvec", (pw, px, py), (w, x, y)), ("vecmat", (py, pw, px), (y, w, x))):
            ours = w.nbytes / best(count, call[kernels.symbol(name, dtype)], m, n, *operands) / 1e9
            theirs = w.nbytes / best(count, np.dot, *numpy) / 1e9
            figures.append(f"{name} {ours:.0f} GB/s, NumPy {theirs:.0f}")
        print(f"{m} x {n}: {'; '.join(figures)}")


def functions(dtype: str) -> None:
    module = ModuleText(targets.host())
    scalar = FORMATS[dtype].scalar
    width = module.target.lanes(scalar)
    for name in FUNCTIONS:
        f = module.function(name, "void", "ptr x", "ptr y", attributes="nounwind noinline")
        with f.loop(0, ELEMENTS, width) as loop:
            x, y = (f.offset(pointer, loop.index, scalar) for pointer in ("%x", "%y"))
            kind = vector(scalar, width)
            f.store(kind, emit_unary(f, name, dtype, width, f.load(kind, x)), y)
        f.ret()
    call = link(module, list(FUNCTIONS))
    x = np.random.rand(ELEMENTS).astype({"f32": "f4", "f64": "f8"}[dtype]) * 4
    y = np.empty_like(x)
    for name in FUNCTIONS:
        ours = best(20, call[name], x.ctypes.data, y.ctypes.data) / ELEMENTS * 1e9
        numpy = getattr(np, name, None)
        theirs = f", NumPy {best(20, numpy, x, out=y) / ELEMENTS * 1e9:.2f}" if numpy is not None else ""
        print(f"{name}: {ours:.2f} ns an element{theirs}")


def memory() -> None:
    module = ModuleText(targets.host())
    for name in ("dyn.context_create", "dyn.allocate", "dyn.free", "dyn.random_bits"):
        runtime.declare(module, name)
    f = module.function("pairs", "void", "ptr context", "i64 n", "i64 bytes")
    with f.loop(0, "%n"):
        f.call("dyn.free", "%context", f.call("dyn.allocate", "%context", "%bytes"))
    f.ret()
    call = link(module, ["pairs", "dyn.context_create", "dyn.random_bits"])
    context = call["dyn.context_create"]()
    print(f"allocate and free 600 bytes: {best(1, call['pairs'], context, 10**6, 600) * 1e3:.1f} ns")
    words = np.empty(10**6, np.int32)
    seconds = best(1, call["dyn.random_bits"], context, 1, 2, 3, 10**6, words.ctypes.data)
    print(f"random bits: {seconds * 1e3:.2f} ns a word")


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else "f32"
    products(chosen)
    functions(chosen)
    memory()
