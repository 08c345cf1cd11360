"""Each rule of differentiation that keeps a gradient right, linear or small: with it the bound holds, and without it this test would fail.

Every test measures one program of `costs/rules.dyn` twice: as it is, and with one rule taken out, which must break the bound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cost_examples import FOLDER, Example
from cost_measure import SLACK, Growth, Maker, Plan
from dynlang.core.simplify import simplify
from dynlang.grad import gradient_program
from dynlang.grad.adjoints import Adjoints
from dynlang.grad.engine import Engine
from dynlang.grad.reverse import branches, calls, context, functions, loops
from dynlang.opt import PASSES, optimise
from dynlang.opt.collect_products import DEPTH
from dynlang.ssa.build import operations_in, reached_from
from dynlang.ssa.interpret import interpret
from dynlang.ssa.lower import lower

Patch = pytest.MonkeyPatch


def measured(name: str, copies: bool = False) -> Growth:
    return Example(name, FOLDER / "rules.dyn", name).measure(copies)


def grows_as_the_primal(found: Growth) -> bool:
    return found.exponent("gradient") <= found.exponent("primal") + SLACK


# ---------------------------------------------------------------- the rules, taken out


def never_rewinds(patch: Patch) -> None:
    """An array that is updated in place and read later is saved as it was."""
    for module in (functions, branches, loops, context):
        patch.setattr(module, "can_rewind", lambda kind: False)


def recomputes_from_anything(patch: Patch) -> None:
    """Rows are read again from an array that is updated in place, which keeps it alive."""
    patch.setattr(functions, "consumed_arrays", lambda function, inout: set())


def materialises_zeros(patch: Patch) -> None:
    """A result without a cotangent gets one of zeros."""

    def complete(r: Any, statement: Any, call: Any, active: Any, region: Any, cotangents: list[Any]) -> None:
        for k, variable in enumerate(statement.variables):
            if cotangents[k] is None and r.engine.activity.call(call.function, active)[k]:
                cotangents[k] = r.engine.adjoints.zeros_like(region, variable)

    patch.setattr(calls, "_complete", complete)


def never_seeds(patch: Patch) -> None:
    """The adjoint of a constructor starts as Zero, whatever its fields have already."""
    patch.setattr(Adjoints, "_seed", lambda self, region, x: self.zeros_like(region, x))


def starts_afresh(patch: Patch) -> None:
    """Every call makes the cotangents of its arguments from nothing, as it would for the fields of a record that it opens itself."""
    patch.setattr(calls, "_has_nothing", lambda region, argument: True)
    patch.setattr(Engine, "is_threaded", lambda self, function, position: False)


def forgets_aliases(patch: Patch) -> None:
    patch.setattr(calls, "_without_aliases", lambda r, call, function: (call, function))


# ---------------------------------------------------------------- each is needed


def holds_only_with(patch: Patch, without: Callable[[Patch], None], holds: Callable[[], bool]) -> None:
    assert holds()
    without(patch)
    assert not holds(), "the rule makes no difference to this program any more: find one where it does"


def test_rewinding(monkeypatch: Patch) -> None:
    """A memory that is read as a whole in each trip: what is saved doesn't hold the memory."""

    def holds() -> bool:
        found = measured("memory")
        trips, rows, width = found.plan.steps[-1], 32, 16
        return found.costs[-1].saved < 8 * (rows * width + trips * (2 * rows + 5 * width))

    holds_only_with(monkeypatch, never_rewinds, holds)


def test_never_from_an_array_in_place(monkeypatch: Patch) -> None:
    def holds() -> bool:
        return measured("recursion", copies=True).costs[0].copied == 0

    holds_only_with(monkeypatch, recomputes_from_anything, holds)


def test_cotangent_masks(monkeypatch: Patch) -> None:
    holds_only_with(monkeypatch, materialises_zeros, lambda: grows_as_the_primal(measured("passed")))


def test_seeded_shadows(monkeypatch: Patch) -> None:
    holds_only_with(monkeypatch, never_seeds, lambda: grows_as_the_primal(measured("element")))


def test_flat_records(monkeypatch: Patch) -> None:
    """An embedding in a record is zeros once, not once a node: a growing vocabulary costs its gradient's own size."""

    def holds() -> bool:
        found = measured("vocabulary")
        return found.costs[-1].gradient - found.costs[0].gradient <= 2 * 8 * (found.plan.steps[-1] - found.plan.steps[0])

    holds_only_with(monkeypatch, starts_afresh, holds)


def test_rows_touched() -> None:
    """The gradient of an embedding table doesn't see the vocabulary; that of a matrix does."""
    found, dense = measured("touched_rows"), measured("vocabulary")
    assert abs(found.exponent("gradient")) <= SLACK / 10
    assert dense.exponent("gradient") > SLACK


def test_one_argument_twice(monkeypatch: Patch) -> None:
    """``f(x, x)``: one destination for both parameters."""

    def holds() -> bool:
        example = Example("same", FOLDER / "rules.dyn", "same")
        x = np.linspace(0.1, 0.9, 5)
        found = example.gradient(x)
        return bool(np.allclose(found, 4 * x + np.sin(x) + x * np.cos(x), rtol=1e-14))

    holds_only_with(monkeypatch, forgets_aliases, holds)


def test_weight_products_in_panels() -> None:
    """The outer products that a loop and a recursion add to a weight are added 32 at a time (rule 34)."""
    assert DEPTH == 32
    uses = 2 * DEPTH + 6
    for name, plan in (("nested", f"n = {uses}, 1; d = 3; m = 1"),
                       ("treelstm_depth", f"depth = {uses}, 1; v = 7; d = 2; t = chain(depth)")):
        file = "layers.dyn" if name == "treelstm_depth" else "constructs.dyn"
        core = Example(name, FOLDER / file, name).core()
        gradient = f"{name}_grad"
        plain = lower(simplify(gradient_program(core, name), (gradient,)))
        every = [one.name for one in PASSES if one.level <= 2]
        collected, eager = optimise(plain, 2), optimise(plain, only=[one for one in every if one != "collect_products"])
        assert "accumulate_outer" not in names_of(collected, gradient) and "accumulate_matmul_tn" in names_of(collected, gradient)
        assert "accumulate_outer" in names_of(eager, gradient)
        given = Plan.of(plan)
        arguments = Maker(core.functions[name], given, given.steps[0]).values
        expected, found = interpret(eager, gradient, arguments), interpret(collected, gradient, arguments)
        for a, b in zip(expected, found, strict=True):
            if isinstance(a, np.ndarray):
                assert np.allclose(a, b, rtol=1e-13, atol=1e-15), name


def names_of(module: Any, function: str) -> set[str]:
    """The operations that a function can come to."""
    return {one.name for each in reached_from(module, [function]).functions.values() for one in operations_in(each.body)}
