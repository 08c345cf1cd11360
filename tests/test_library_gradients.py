"""Every differentiable function of the library has a check of its gradient: a test of tests/language/stdlib_gradients*.dyn whose
title names it, which reaches it. (tests/test_language.py runs those tests.)"""

from __future__ import annotations

from pathlib import Path

import pytest

from dynlang import pipeline
from dynlang.check import typed
from dynlang.check.program import check_source
from dynlang.check.walk import nodes
from dynlang.source import resource
from dynlang.types import FLOATS, ArrayType, ListType, RecordType, ScalarType, SumType, TangentType, TupleType, Type, TypeVariable

FOLDER = Path(__file__).parent / "language"
MODULES = sorted(path.stem for path in resource("stdlib").glob("*.dyn"))

HELPERS = {
    "debug.shown_number": "the pullback of debug_grad_0",
    "debug.shown_vector": "the pullback of debug_grad_1",
    "debug.shown_matrix": "the pullback of debug_grad_2",
    "debug.cube": "an example in the module's own test",
    "derivative.recomputed": "the body of checkpoint",
    "derivative.recomputed_2": "the body of checkpoint, of two parameters",
    "derivative.recomputed_3": "the body of checkpoint, of three parameters",
    "derivative.recomputed_4": "the body of checkpoint, of four parameters",
    "derivative.moved": "a part of gradcheck",
    "derivative.direction_of": "a part of gradcheck",
    "nn.positive": "a part of quantize",
    "proximal.free": "a part of the derivative of minimize",
    "proximal.bend": "a part of the derivative of minimize",
    "proximal.pull": "a part of the derivative of minimize",
    "solve.conjugate_gradients": "second derivatives of minima go through it, in energies.dyn",
    "solve.generalised_residuals": "second derivatives of fixed points go through it, in fixed_points.dyn",
    "solve.rounding_of": "a constant of a type",
    "optim.descend": "a part of sgd",
    "optim.nothing": "a part of zeros_like",
    "optim.scaled": "a part of scale",
    "optim.mixed": "a part of momentum",
    "optim.mixed_square": "a part of adam",
    "optim.adam_step": "a part of adam",
    "optim.adagrad_step": "a part of adagrad",
}
"""Parts of other functions, checked with these."""

WITHOUT = {
    "graph.spectral.eigenvectors": "eigenvectors are constants to derivatives",
    "embedding.by_frequency": "what it draws are whole numbers",
    "embedding.filtered_rank": "a rank is counted",
    "embedding.filtered_ranks": "a rank is counted",
    "embedding.hits_at": "it is counted",
    "learning.Rbm.fantasy": "it draws bits",
    "learning.equilibrium_propagation": "it is a gradient, and the states that it comes from are constants",
    "nn.quantize": "it rounds weights to whole numbers",
    "nn.QuantLinear.call": "it rounds its input to whole numbers",
}
"""Functions without a derivative, and why."""


def differentiable(program: typed.Program) -> set[str]:
    """The functions of the library that take floats, or values that may hold some, and give or change such values."""

    def holds(kind: Type, seen: frozenset[str] = frozenset()) -> bool:
        match kind:
            case ScalarType(dtype):
                return dtype in FLOATS
            case TypeVariable():
                return kind.kind in ("any", "float", "floats", "number", "numbers")
            case ArrayType(element, _):
                return holds(element, seen)
            case TupleType(items) | ListType(items):
                return any(holds(one, seen) for one in items)
            case RecordType(name):
                return name not in seen and any(holds(one, seen | {name}) for _, one in program.records[name].fields)
            case SumType(name):
                return name not in seen and any(holds(one, seen | {name}) for c in program.sums[name].constructors for _, one in c.fields)
        return isinstance(kind, TangentType)

    def is_one(function: typed.Function) -> bool:
        takes = any(holds(one.local.type) for one in function.parameters)
        gives = holds(function.returns) or any(one.mode == "inout" and holds(one.local.type) for one in function.parameters)
        return function.kind == "fn" and function.rule_of is None and takes and gives

    public = (one for name, one in program.functions.items() if name.partition(".")[0] in MODULES and "._" not in name)
    return {one.name for one in public if is_one(one)}


def library() -> typed.Program:
    return check_source("".join(f"import {name}\n" for name in MODULES) + "proc main():\n    pass\n")


def checks() -> dict[str, set[str]]:
    """The library's functions that the tests of each title reach."""
    found: dict[str, set[str]] = {}
    for path in sorted(FOLDER.glob("stdlib_gradients*.dyn")):
        program = pipeline.build(pipeline.Request(path, tests=True), until="typed")
        for block in program.tests:
            found[block.title] = reached(program, block.body)
    return found


def reached(program: typed.Program, body: object) -> set[str]:
    seen: set[str] = set()
    waiting = [body]
    while waiting:
        for node in nodes(waiting.pop()):
            if isinstance(node, (typed.Call, typed.FunctionReference)) and node.function not in seen:
                seen.add(node.function)
                waiting.append(program.functions[node.function].body)
    return seen


def test_every_differentiable_function_has_a_check() -> None:
    named = {name for title in checks() for name in title.split()}
    expected = differentiable(library()) - set(HELPERS) - set(WITHOUT)
    assert named == expected, f"without a check: {sorted(expected - named)}; checks of nothing: {sorted(named - expected)}"


def test_the_checks_reach_what_they_name() -> None:
    missing = {title: sorted(set(title.split()) - found) for title, found in checks().items() if set(title.split()) - found}
    assert not missing


def test_the_exceptions_are_needed() -> None:
    assert set(HELPERS) | set(WITHOUT) <= differentiable(library())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fn f(x: f32) -> f32:\n    return x\n", True),
        ("fn f<T: float>(x: T[2], k: int) -> T:\n    return x[0]\n", True),
        ("fn f(x: f32) -> int:\n    return int(x)\n", False),
        ("fn f(k: int) -> f32:\n    return f32(k)\n", False),
        ("fn f(x: inout f32):\n    x = 2.0 * x\n", True),
        ("record P:\n    w: f32\n\nfn f(p: P) -> f32:\n    return p.w\n", True),
    ],
)
def test_a_new_function_is_noticed(monkeypatch: pytest.MonkeyPatch, text: str, expected: bool) -> None:
    monkeypatch.setattr(f"{__name__}.MODULES", [*MODULES, "main"])
    assert ("main.f" in differentiable(check_source(text, "case.dyn"))) == expected
