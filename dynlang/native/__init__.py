"""From SSA to machine code: LLVM IR text (`lower`), in this process (`jit`), as executables and libraries (`build`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dynlang.native.target import Target
    from dynlang.ssa.nodes import Module


def emit(module: Module, target: Target) -> str:
    """The LLVM IR of a module, every function of it callable from outside."""
    from dynlang.native.lower import lower

    return lower(module, target)


def target_of(name: str = "host") -> Target:
    """A machine by name: `host`, or one of those in `target.py` such as `x86-64-v3`."""
    from dynlang.native import target as targets

    known = {"x86-64": targets.X86_64, "x86-64-v3": targets.X86_64_V3, "x86-64-v4": targets.X86_64_V4, "aarch64": targets.AARCH64,
             "riscv64": targets.RISCV64, "wasm32": targets.WASM32}
    if name == "host":
        return targets.host()
    if name not in known:
        raise ValueError(f"there is no target '{name}'; there are host, {', '.join(known)}")
    return known[name]
