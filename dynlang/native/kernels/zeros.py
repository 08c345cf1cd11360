"""Rows of zeros in the right factor of a product, which it needn't go through.

Tangents of sparse directions, gradients that a mask has cut: what is multiplied is often zero in whole rows. Adding 0 * a changes
nothing if a is finite, so a product looks for such rows in its panels, and where there are some, whether all of A is finite; that
takes as long as a few rows of tiles do. Only the sign of a zero may differ, where a product too small for its type has left one.
"""

from __future__ import annotations

from dynlang.native.emit import Function, ModuleText, Signature, splat_constant, vector
from dynlang.native.kernels.vectors import lanes, tree_sum

LEAST_TILES = 4
"""Tiles of rows below a panel, at least, for looking at it to pay."""
CHAINS = 4
"""Sums that are kept side by side, since one waits for itself."""


def kept_rows(module: ModuleText, scalar: str, width: int) -> Signature:
    """`kept(k, panel, step, places)`: how many of the panel's k rows, `step` apart, hold something else than zeros; their numbers."""
    def build(module: ModuleText) -> None:
        parameters = ("i64 k", "ptr noalias readonly panel", "i64 step", "ptr noalias places")
        f = module.function(name, "i64", *parameters, attributes="nounwind noinline")
        share = min(width, lanes(scalar))
        kind = vector(scalar, share)
        with f.loop(0, "%k", carried=[("i64", "0")]) as row:
            start = f.offset("%panel", f.mul(row.index, "%step"), scalar)
            found = [f.fcmp("une", kind, f.load(kind, f.offset(start, part, scalar)), "zeroinitializer") for part in range(0, width, share)]
            some = found[0]
            for one in found[1:]:
                some = f.binary("or", vector("i1", share), some, one)
            bits = some if share == 1 else f.convert("bitcast", vector("i1", share), some, f"i{share}")
            f.store("i64", row.index, f.offset("%places", row.carried[0], "i64"))
            row.next = [f.add(row.carried[0], f.convert("zext", "i1", f.icmp("ne", bits, 0, f"i{share}"), "i64"))]
        f.ret(row.carried[0])

    name = f"dyn.kernel.kept.{width}.{scalar}"
    return module.require(name, build)


def all_finite(module: ModuleText, scalar: str) -> Signature:
    """`finite(count, x)`: whether none of the numbers is infinite or none at all: the sum of 0 * x is 0 then."""
    def build(module: ModuleText) -> None:
        f = module.function(name, "i1", "i64 count", "ptr noalias readonly x", attributes="nounwind noinline")
        width = lanes(scalar)
        kind = vector(scalar, width)
        stride = width * CHAINS
        whole = f.bit_and("%count", -stride)
        with f.loop(0, whole, stride, carried=[(kind, "zeroinitializer")] * CHAINS) as loop:
            loop.next = [_with_nothing(f, kind, f.load(kind, f.offset(f.offset("%x", loop.index, scalar), part * width, scalar)), total)
                         for part, total in enumerate(loop.carried)]
        total = loop.carried[0]
        for one in loop.carried[1:]:
            total = f.binary("fadd", kind, total, one)
        with f.loop(whole, "%count", carried=[(scalar, tree_sum(f, scalar, total, width))]) as loop:
            loop.next = [_with_nothing(f, scalar, f.load(scalar, f.offset("%x", loop.index, scalar)), loop.carried[0])]
        f.ret(f.fcmp("oeq", scalar, loop.carried[0], splat_constant(scalar, "0.0")))

    name = f"dyn.kernel.finite.{scalar}"
    return module.require(name, build)


def _with_nothing(f: Function, kind: str, x: str, total: str) -> str:
    """total + 0 * x."""
    return f.binary("fadd", kind, f.binary("fmul", kind, x, "zeroinitializer" if kind.startswith("<") else "0.0"), total)
