"""SSA to SSA: an ordered list of passes. `PASSES` is read from top to bottom.

A pass is a pure function from one module to the next, one file each; its docstring states the law that it keeps and shows
an example before and after, which a test runs. What must stand before what is asserted below, at import.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from dynlang.diag import CompileError, InternalError
from dynlang.opt.abreast import abreast
from dynlang.opt.collect_products import collect_products
from dynlang.opt.count_references import count_references
from dynlang.opt.distribute import distribute
from dynlang.opt.drop_functions import drop_functions
from dynlang.opt.drop_unused import drop_unused
from dynlang.opt.fold_sums import fold_sums
from dynlang.opt.forget import forget
from dynlang.opt.fuse import fuse
from dynlang.opt.hoist import hoist
from dynlang.opt.inline import inline
from dynlang.opt.look_through import look_through
from dynlang.opt.nest import nest
from dynlang.opt.own_parameters import own_parameters
from dynlang.opt.recall import recall
from dynlang.opt.reuse import reuse
from dynlang.opt.share import share
from dynlang.opt.simplify import simplify
from dynlang.opt.take import take
from dynlang.opt.take_apart import take_apart
from dynlang.ssa.balance import check_balance
from dynlang.ssa.nodes import Module
from dynlang.ssa.print import print_module
from dynlang.ssa.verify import verify


@dataclass(frozen=True, slots=True)
class Pass:
    """`needs`: passes that must have run before, wherever they run at all. `level`: the lowest -O that asks for it."""

    name: str
    run: Callable[[Module], Module]
    needs: tuple[str, ...]
    level: int
    why: str


PASSES: tuple[Pass, ...] = (
    Pass("inline", inline, (), 1, "first: the others see through no call"),
    Pass("drop_functions", drop_functions, ("inline",), 1, "what stands in the place of all its calls needs no further work"),
    Pass("simplify", simplify, (), 1, "what is known needn't be looked at by the others"),
    Pass("share", share, ("simplify",), 1, "behind simplify, which makes equal what only looked different"),
    Pass("look_through", look_through, ("simplify",), 1, "before hoist, which takes the sums of indices out of loops"),
    Pass("hoist", hoist, ("share",), 1, "sizes and scalars leave loops, so that what is fused inside is small"),
    Pass("drop_unused", drop_unused, ("simplify", "share"), 1, "what the others replaced is still there"),
    Pass("forget", forget, ("drop_unused",), 1, "behind drop_unused, which leaves the uses that count; before rows are turned inside out"),
    Pass("nest", nest, ("hoist", "drop_unused"), 1,
         "behind hoist, so that what is the same in all turns stands outside; before small arrays become numbers and loops, fused"),
    Pass("take_apart", take_apart, ("share", "drop_unused"), 1,
         "behind hoist, so that loops written out hold what depends on the turn alone; before fusion, which makes loops of what is left"),
    Pass("recall", recall, ("take_apart",), 1, "behind what turns switches of derivatives into branches on the primal's conditions"),
    Pass("abreast", abreast, ("take_apart",), 1,
         "behind take_apart, so that inner loops work on numbers; before fusion, whose loops go along arrays instead"),
    Pass("distribute", distribute, ("hoist", "drop_unused"), 1,
         "behind hoist, so that a matrix that is the same in all turns stands outside; before fusion, which reads what the loops hand on"),
    Pass("own_parameters", own_parameters, ("inline", "drop_unused"), 1, "before fusion, which turns writes in place into plain loops"),
    Pass("take", take, (), 0, "before fusion and the counts, which see what an operation takes over"),
    Pass("fuse", fuse, ("simplify", "share", "drop_unused", "own_parameters"), 1,
         "one loop instead of many arrays; nothing unused may hold a group apart"),
    Pass("drop_fused", drop_unused, ("fuse",), 1, "the pieces of arrays that loops now read in place"),
    Pass("fold_sums", fold_sums, ("fuse", "drop_fused"), 1, "behind drop_unused, which leaves the uses that count"),
    Pass("collect_products", collect_products, ("drop_unused",), 1, "before the counts, which its panels get like the rest"),
    Pass("count_references", count_references, (), 0, "it fixes where every reference dies, so what moves uses stands before"),
    Pass("reuse", reuse, ("count_references",), 1, "it reads off the counts which operands die"),
)


def check_order(passes: Iterable[Pass]) -> None:
    """Every pass stands behind what it needs."""
    seen: set[str] = set()
    for one in passes:
        missing = [name for name in one.needs if name not in seen]
        if missing:
            raise InternalError(f"the pass {one.name} needs {', '.join(missing)} before it")
        seen.add(one.name)


check_order(PASSES)


def optimise(module: Module, level: int = 2, *, check: bool | None = None, only: Iterable[str] | None = None) -> Module:
    """Run the passes of an -O level. `check` verifies after each one (also by `DYN_VERIFY=1`); `only` names the passes to run."""
    checking = bool(os.environ.get("DYN_VERIFY")) if check is None else check
    names = None if only is None else set(only)
    counted = False
    for position, one in enumerate(PASSES):
        if (one.level > level) if names is None else (one.name not in names):
            continue
        module = one.run(module)
        if checking:
            verify_after(one.name, position, module)
            counted = counted or one.run is count_references
            if counted:
                check_balance(module)
    return module


def verify_after(name: str, position: int, module: Module) -> None:
    """A broken promise names the pass; the module is written to a file."""
    try:
        verify(module)
    except CompileError as error:
        folder = Path(os.environ.get("DYN_DUMP") or ".")
        path = folder / f"{position:02d}-{name}.ssa"
        path.write_text(print_module(module), encoding="utf-8")
        raise InternalError(f"after the pass {name}: {error.diagnostics[0].title}\nthe module is in {path}") from None
