"""What optimisation does once or not at all: equal calls, tapes of what can be computed again, and asking for owners."""

from __future__ import annotations

from pathlib import Path

from dynlang import pipeline
from dynlang.native.lower.alone import alone
from dynlang.ssa.build import operations_in
from dynlang.ssa.nodes import Module, Operation

PROGRAM = """
fn power(x: f64, n: int) -> f64:
    return 1.0 if n == 0 else x * power(x, n - 1)

fn told(x: f64, n: int) -> f64:
    return x if n == 0 else debug(x) * told(x, n - 1)

export fn twice(x: f64, n: int) -> f64:
    return sin(power(x, n)) + power(x, n)

export fn shown_twice(x: f64, n: int) -> f64:
    return told(x, n) + told(x, n)

fn chain<n>(x: f64[n]) -> f64:
    let y = [x[i] if i == 0 else x[i] * x[i - 1] for i in n]
    return sum(y * y)

export fn slope<n>(x: f64[n]) -> f64[n]:
    return grad(chain)(x)

export fn filled<n>(x: f64[n], keep: bool) -> (f64[n], f64[n]):
    let y = [x[i] if i == 0 else x[i] * x[i - 1] for i in n]
    var z = y
    if keep:
        z[0] = 5.0
    return y, z
"""


def optimised(folder: Path) -> Module:
    path = folder / "once.dyn"
    path.write_text(PROGRAM)
    return pipeline.build(pipeline.Request(path), until="opt")


def named(module: Module, function: str, *names: str) -> list[Operation]:
    return [one for one in operations_in(module.functions[function].body) if one.name in names]


def test_equal_calls_are_done_once_unless_they_show_something(tmp_path: Path) -> None:
    module = optimised(tmp_path)
    assert len([one for one in named(module, "twice", "call") if one.attributes["function"] == "power"]) == 1
    assert len([one for one in named(module, "shown_twice", "call") if one.attributes["function"] == "told"]) == 2


def test_a_condition_on_indices_saves_nothing(tmp_path: Path) -> None:
    module = optimised(tmp_path)
    assert named(module, "slope", "for")
    assert not named(module, "slope", "list_push", "construct", "check_index")


def test_only_what_has_one_owner_is_written_without_asking(tmp_path: Path) -> None:
    module = optimised(tmp_path)
    body = module.functions["filled"].body
    owners = alone(body)
    loop, = (one for one in named(module, "filled", "for"))
    assert loop.regions[0].parameters[1] in owners
    written = [one.operands[0] for one in named(module, "filled", "update") if one.operands[0] not in loop.regions[0].parameters]
    assert written and not owners & set(written)
