"""`dync grad`: the derivative of one function as a program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dynlang import pipeline
from dynlang.core.nodes import Function, Module
from dynlang.grad import gradient_program
from dynlang.grad.engine import Engine
from dynlang.grad.saved import residual_sums, saved, summary, table
from dynlang.syntax.formatter import format_source
from dynlang.tools.flat import BadArgument


def derivative_text(path: Path, function: str, wrt: Sequence[str] = (), forward: bool = False, residuals: bool = False) -> str:
    """Dyn source that checks and runs, in the layout of `dync fmt`: the function's results, then the gradient of the first float
    among them with respect to the parameters named (default: the first). With `residuals` what a call saves for its backward: types,
    then values."""
    core = pipeline.build(pipeline.Request(path, entries=(function,)), until="core")
    return saved_text(core, function, wrt) if residuals else derivative_of(core, function, wrt, forward)


def derivative_of(core: Module, function: str, wrt: Sequence[str] = (), forward: bool = False) -> str:
    target = core.functions[function]
    made = gradient_program(core, function, positions(core, target, wrt), forward)
    head = "" if forward else summary(saved(made, f"{function}_grad", target))
    return format_source(f"{head}\n" + pipeline.text_of("grad", made) if head else pipeline.text_of("grad", made))


def saved_text(core: Module, function: str, wrt: Sequence[str] = ()) -> str:
    """The types that the backward's residual is made of, and every value that is saved with the bytes it takes."""
    target = core.functions[function]
    made = gradient_program(core, function, positions(core, target, wrt))
    sums = {name: made.sums[name] for name in residual_sums(made, f"{function}_grad", core, len(target.results))}
    found = saved(made, f"{function}_grad", target)
    types = pipeline.text_of("grad", replace(made, sums=sums, functions={}, roots=()))
    return "\n".join(one for one in (summary(found), types.strip("\n") + "\n" if sums else "", table(found)) if one)


def positions(core: Module, target: Function, wrt: Sequence[str]) -> list[int]:
    """The Core parameters that the named parameters consist of, as far as they carry derivatives."""
    owners = [label.split(".")[0] for label in target.parameter_labels]
    names = list(wrt) or owners[target.sizes:][:1]
    for name in names:
        if name not in owners:
            raise BadArgument(f"`{target.name}` has no parameter `{name}`; there are {', '.join(dict.fromkeys(owners[target.sizes:]))}")
    carries = Engine(core).tangents.carries
    return [place for place, owner in enumerate(owners) if owner in names and carries(target.parameters[place].type)]
