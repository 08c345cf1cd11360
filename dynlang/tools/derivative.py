"""`dync grad`: the derivative of one function as a program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dynlang import pipeline
from dynlang.core.nodes import Function, Module
from dynlang.grad import gradient_program
from dynlang.grad.engine import Engine
from dynlang.tools.flat import BadArgument


def derivative_text(path: Path, function: str, wrt: Sequence[str] = (), forward: bool = False) -> str:
    """Dyn source that checks and runs: the function's results, then the gradient of the first float among them with respect
    to the parameters named (default: the first)."""
    return derivative_of(pipeline.build(pipeline.Request(path, entries=(function,)), until="core"), function, wrt, forward)


def derivative_of(core: Module, function: str, wrt: Sequence[str] = (), forward: bool = False) -> str:
    target = core.functions[function]
    made = gradient_program(core, function, positions(core, target, wrt), forward)
    return pipeline.text_of("grad", made)


def positions(core: Module, target: Function, wrt: Sequence[str]) -> list[int]:
    """The Core parameters that the named parameters consist of, as far as they carry derivatives."""
    owners = [label.split(".")[0] for label in target.parameter_labels]
    names = list(wrt) or owners[target.sizes:][:1]
    for name in names:
        if name not in owners:
            raise BadArgument(f"`{target.name}` has no parameter `{name}`; there are {', '.join(dict.fromkeys(owners[target.sizes:]))}")
    carries = Engine(core).tangents.carries
    return [place for place, owner in enumerate(owners) if owner in names and carries(target.parameters[place].type)]
