"""SSA to LLVM IR text.

    text = lower(module, target, entries=["main"])

Each function of the program becomes one LLVM function (`frame.py`), each operation what the handler of its name emits: a file
a family here. `entry.py` adds the functions with a C interface by which a host calls the program.
"""

from __future__ import annotations

from collections.abc import Iterable

from dynlang.native.lower import arrays, control, elementwise, lists, nest, packs, reductions, rows, text  # noqa: F401  (handlers)
from dynlang.native.lower.entry import define_entry
from dynlang.native.lower.frame import Lowering
from dynlang.native.target import Target
from dynlang.ssa.build import reached_from, side_by_side
from dynlang.ssa.nodes import Module


def lower(module: Module, target: Target, entries: Iterable[str] | None = None) -> str:
    """The LLVM IR of a module. `entries` (none named: all functions) can be called from outside as `entry.NAME`; what they don't
    reach is left out."""
    callable_ = (name for name, one in module.functions.items() if all(side_by_side(each.type) == 1 for each in one.parameters))
    names = list(entries or callable_)
    lowering = begin(reached_from(module, names), target, names)
    lowering.counting.finish()
    return lowering.text.text()


def begin(module: Module, target: Target, entries: Iterable[str]) -> Lowering:
    """The lowered module, open for further functions such as a `main`; `lowering.counting.finish()` closes it."""
    lowering = Lowering(module, target, frozenset(entries))
    frames = [lowering.begin_function(function) for function in module.functions.values()]
    for frame in frames:
        frame.body()
    for name in sorted(lowering.entries):
        define_entry(lowering, module.functions[name])
    return lowering
