"""Dense kernels as LLVM functions, made on demand. All data is row-major behind plain pointers; sizes may be zero.

    kernels.declare(module, "matvec", "f32")        # the signature of @dyn.kernel.matvec.f32
    f.call("dyn.kernel.matvec.f32", m, n, weights, x, y)

Laws:
- Results don't overlap operands. Products take "f32" and "f64"; reductions every dtype.
- Bits depend on the sizes and on whether the target fuses multiply and add; on nothing else.
- An element of a matrix product is the chain c = fma(a[i, 0], b[0, j], c), fma(a[i, 1], b[1, j], c), ... from c = 0,
  or from what stands in C for the accumulating forms, however many rows are computed together; but rows of B that are zero
  may be left out (`zeros.py`), so the sign of a zero that a product too small for its type has left may differ.
- An element of `vecmat` is the same chain where rows have over 256 bytes, and so has the bits of a row of `matmul`. In the whole
  blocks of 64 bytes of shorter rows it is four chains over every fourth row, added pairwise, and then the rest one by one.
- An element of `matvec`, and of each row of `matvecs`, has the bits of `dot`: 64 bytes of lanes, summed in a fixed tree, then the rest
  one by one.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from dynlang.native.emit import Signature

if TYPE_CHECKING:
    from dynlang.native.emit import ModuleText

SCALARS = {"f32": "float", "f64": "double", "i64": "i64", "i32": "i32", "i16": "i16", "i8": "i8", "u8": "i8", "bool": "i8"}
REDUCTIONS = ("sum", "prod", "max", "min", "argmax", "argmin")

_PRODUCT = ("void", "i64 m", "i64 k", "i64 n", "ptr A", "ptr B", "ptr C")
_MATVEC = ("void", "i64 m", "i64 n", "ptr W", "ptr x", "ptr y")
_VECMAT = ("void", "i64 m", "i64 n", "ptr x", "ptr W", "ptr y")
_OUTER = ("void", "i64 m", "i64 n", "ptr D", "ptr u", "ptr v")
# T stands for the scalar type.
_VECTORS = {
    "dot": ("T", "i64 n", "ptr a", "ptr b"),
    # y = W x, y += W x, y = x W, y += x W; W is m x n
    "matvec": _MATVEC,
    "matvec_accumulate": _MATVEC,
    "vecmat": _VECMAT,
    "vecmat_accumulate": _VECMAT,
    # Y = X W^T, row by row as y = W x; W is m x n, X is count x n
    "matvecs": ("void", "i64 count", "i64 m", "i64 n", "ptr W", "ptr X", "ptr Y"),
    # D = u v^T, D += u v^T; D is m x n
    "outer": _OUTER,
    "outer_accumulate": _OUTER,
    # B = A^T; A is m x n
    "transpose": ("void", "i64 m", "i64 n", "ptr A", "ptr B"),
}
# C is m x n. plain: A is m x k, B is k x n; nt: B is n x k and transposed; tn: A is k x m and transposed.
_MATRICES = {f"matmul{form}{ending}": _PRODUCT for form in ("", "_nt", "_tn") for ending in ("", "_accumulate")}
_REDUCTIONS = dict.fromkeys(REDUCTIONS[:4], ("T", "i64 n", "ptr x"))
_REDUCTIONS |= dict.fromkeys(REDUCTIONS[4:], ("i64", "i64 n", "ptr x"))
# y[outer, inner] reduces x[outer, n, inner] over n; argmax and argmin write i64.
_REDUCTIONS |= {f"reduce_{kind}": ("void", "i64 outer", "i64 n", "i64 inner", "ptr x", "ptr y") for kind in REDUCTIONS}

_FILES = {"vectors": _VECTORS, "matrices": _MATRICES, "reductions": _REDUCTIONS}
KERNELS: dict[str, tuple[str, ...]] = {name: row for rows in _FILES.values() for name, row in rows.items()}


def symbol(name: str, dtype: str) -> str:
    """The symbol of a kernel for a dtype."""
    return f"dyn.kernel.{name}.{dtype}"


def declare(module: ModuleText, name: str, dtype: str) -> Signature:
    """Make a kernel callable in the module, adding its text the first time."""
    full = symbol(name, dtype)
    if full not in module.signatures:
        file = next(file for file, rows in _FILES.items() if name in rows)
        result, *parameters = KERNELS[name]
        f = module.function(full, result.replace("T", SCALARS[dtype]), *parameters, attributes="nounwind noinline")
        importlib.import_module(f"{__name__}.{file}").build(f, name, dtype)
    return module.signatures[full]
