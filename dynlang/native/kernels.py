"""Dense kernels as LLVM functions, made on demand. dtype is "f32" or "f64"; all data row-major, plain pointers.

    kernels.declare(module, "matvec", "f32")   # -> Signature of @dyn.kernel.matvec.f32
    f.call("dyn.kernel.matvec.f32", m, n, weights, x, y)

Results must not overlap operands. Sizes may be zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynlang.native.emit import Signature, signature

if TYPE_CHECKING:
    from dynlang.native.emit import ModuleText

_PRODUCT = ("void", "i64 m", "i64 k", "i64 n", "ptr A", "ptr B", "ptr C")
_ROWS = {
    # y = W x and y += W x; W is m x n
    "matvec": ("void", "i64 m", "i64 n", "ptr W", "ptr x", "ptr y"),
    "matvec_accumulate": ("void", "i64 m", "i64 n", "ptr W", "ptr x", "ptr y"),
    # y = x W and y += x W; W is m x n
    "vecmat": ("void", "i64 m", "i64 n", "ptr x", "ptr W", "ptr y"),
    "vecmat_accumulate": ("void", "i64 m", "i64 n", "ptr x", "ptr W", "ptr y"),
    # C (m x n) = A (m x k) B (k x n)
    "matmul": _PRODUCT,
    "matmul_accumulate": _PRODUCT,
    # C (m x n) = A (m x k) B^T, B is n x k
    "matmul_nt": _PRODUCT,
    "matmul_nt_accumulate": _PRODUCT,
    # C (m x n) = A^T B, A is k x m, B is k x n
    "matmul_tn": _PRODUCT,
    "matmul_tn_accumulate": _PRODUCT,
    # D (m x n) = u v^T and D += u v^T
    "outer": ("void", "i64 m", "i64 n", "ptr D", "ptr u", "ptr v"),
    "outer_accumulate": ("void", "i64 m", "i64 n", "ptr D", "ptr u", "ptr v"),
    # B (n x m) = A^T, A is m x n
    "transpose": ("void", "i64 m", "i64 n", "ptr A", "ptr B"),
    "dot": ("T", "i64 n", "ptr a", "ptr b"),
    "sum": ("T", "i64 n", "ptr x"),
    "prod": ("T", "i64 n", "ptr x"),
    "max": ("T", "i64 n", "ptr x"),
    "min": ("T", "i64 n", "ptr x"),
    "argmax": ("i64", "i64 n", "ptr x"),
    "argmin": ("i64", "i64 n", "ptr x"),
    # y[outer, inner] = reduction of x[outer, n, inner] over n; the arg forms write i64
    **{
        f"reduce_{kind}": ("void", "i64 outer", "i64 n", "i64 inner", "ptr x", "ptr y")
        for kind in ("sum", "prod", "max", "min", "argmax", "argmin")
    },
}
