"""The back half as one: Core, derivatives, SSA, every pass, native code. All stages give the same results.

Derivatives agree with differences in f64; native code agrees with itself to the last bit whatever the level of optimisation,
and leaves no block behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import test_grad_constructs
from backend_programs import newton, sequence_lstm, sweep, tree_lstm, weighted_tree
from dynlang.core.evaluate import SumValue, evaluate
from dynlang.core.nodes import Module
from dynlang.core.verify import verify as verify_core
from dynlang.grad import differentiate
from dynlang.native.jit import Compiled, compile_module
from dynlang.opt import PASSES, optimise
from dynlang.ssa import nodes as ssa
from dynlang.ssa.build import operations_in
from dynlang.ssa.interpret import interpret
from dynlang.ssa.lower import lower
from dynlang.ssa.verify import verify as verify_ssa
from grad_checks import Program, Space, check, with_requests

RANDOM = np.random.default_rng(5)
TOLERANCE = {"f32": 2e-5, "f64": 1e-12}


def random(dtype: str, *shape: int) -> Any:
    return (RANDOM.standard_normal(shape) * 0.5).astype({"f32": np.float32, "f64": np.float64}[dtype])


# ---------------------------------------------------------------- comparing


def close(found: Any, wanted: Any, tolerance: float) -> bool:
    """Equal up to rounding; tolerance 0 means the same bits."""
    if isinstance(wanted, SumValue):
        return found.constructor == wanted.constructor and close(list(found.fields), list(wanted.fields), tolerance)
    if isinstance(wanted, (list, tuple)):
        return len(found) == len(wanted) and all(close(x, y, tolerance) for x, y in zip(found, wanted, strict=True))
    found, wanted = np.asarray(found), np.asarray(wanted)
    if wanted.dtype == object:
        return found.shape == wanted.shape and all(close(x, y, tolerance) for x, y in zip(found.ravel(), wanted.ravel(), strict=True))
    if tolerance == 0:
        return found.dtype == wanted.dtype and found.shape == wanted.shape and found.tobytes() == wanted.tobytes()
    return found.shape == wanted.shape and np.allclose(found, wanted, rtol=tolerance, atol=tolerance)


class Stages:
    """A differentiated module at every stage of the back half."""

    def __init__(self, module: Module) -> None:
        self.core = differentiate(module)
        verify_core(self.core)
        self.plain = lower(self.core)
        verify_ssa(self.plain)
        self.passed: list[tuple[str, ssa.Module]] = []
        changed = self.plain
        for one in PASSES:
            changed = one.run(changed)
            verify_ssa(changed)
            self.passed.append((one.name, changed))
        unoptimised = optimise(self.plain, 0, check=True)
        self.code: list[tuple[str, Compiled]] = [
            ("-O0", compile_module(unoptimised, 0, cache=False)),
            ("-O2", compile_module(self.passed[-1][1], 2, cache=False)),
        ]

    def agree(self, name: str, arguments: Sequence[Any], tolerance: float) -> list[Any]:
        """The results, after every stage has given them."""
        wanted = evaluate(self.core, name, arguments)
        assert close(interpret(self.plain, name, arguments), wanted, tolerance), "lowering"
        for stage, module in self.passed:
            counted = stage in ("count_references", "reuse")
            assert close(interpret(module, name, arguments, count=counted), wanted, tolerance), stage
        native = []
        for level, code in self.code:
            native.append(code.call(name, arguments))
            assert close(native[-1], wanted, tolerance), level
            assert code.live_blocks() == 0, level
        assert close(native[1], native[0], 0.0), "-O0 and -O2 differ in some bits"
        return native[1]


def all_agree(program: Program, name: str, dtype: str, arguments: Sequence[Any], wrt: Sequence[int],
              cotangents: Sequence[Any]) -> list[Any]:
    """Values and gradients through all stages."""
    made, reverse, _ = with_requests(program.module, name, wrt, forward=False)
    return Stages(made).agree(reverse, [*arguments, *cotangents], TOLERANCE[dtype])


# ---------------------------------------------------------------- programs


def word_tree(depth: int, words: int) -> SumValue:
    if depth == 0 or RANDOM.random() < 0.1:
        return SumValue("Leaf", (int(RANDOM.integers(words)),))
    return SumValue("Node", (word_tree(depth - 1, words), word_tree(depth - 1, words)))


def tree_weights(dtype: str, v: int, d: int, k: int) -> list[Any]:
    return [random(dtype, *shape) for shape in ((v, d), (3 * d, d), (5 * d, 2 * d), (5 * d,), (k, d), (k,))]


def test_tree_lstm_agrees_with_differences() -> None:
    arguments = [7, 3, 4, *tree_weights("f64", 7, 3, 4), word_tree(3, 7), 2]
    check(tree_lstm("f64").module, "loss", arguments, range(3, 9))


FOREST = [[0, 1, 4, 9], [-1, -1, -1, 0, -1, -1, 0, -1, 2], [-1, -1, -1, 1, -1, -1, 1, -1, 3], [3, 1, 6, -1, 0, 2, -1, 2, -1]]
"""A leaf, a pair, and a tree of three leaves."""


@pytest.fixture(scope="module")
def treelstm() -> Stages:
    return Stages(tree_lstm("f32").module)


def test_tree_lstm_in_every_stage(treelstm: Stages) -> None:
    v, d, k = 7, 5, 3
    leaves = tree_weights("f32", v, d, k)
    off, left, right, word = (np.array(one, np.int64) for one in FOREST)
    forest = [off, left, right, word]
    (tree,) = treelstm.agree("build", [9, left, right, word, 4, 4], 0.0)
    assert close(tree, SumValue("Node", (SumValue("Node", (SumValue("Leaf", (0,)), SumValue("Leaf", (2,)))), SumValue("Leaf", (2,)))), 0.0)
    treelstm.agree("logits", [v, d, k, *leaves, tree], 2e-5)
    treelstm.agree("gradient", [v, d, k, *leaves, tree, 1], 2e-5)
    treelstm.agree("step", [v, d, k, *leaves, tree, 1, 0.1], 2e-5)
    treelstm.agree("infer", [v, d, k, 3, 9, *leaves, *forest], 2e-5)
    losses, *_ = treelstm.agree("train", [v, d, k, 3, 9, *leaves, *forest, [0, 2, 1], 0.1], 5e-5)
    assert losses.shape == (3,)


def test_products_of_a_recursion_are_collected(treelstm: Stages) -> None:
    """The gradients of both cells' weights are added by matrix products, in the recursion and at its end."""
    names = [name for name in treelstm.passed[-1][1].functions if name.endswith(".collecting")]
    assert "encode_backward.collecting" in names
    body = treelstm.passed[-1][1].functions["encode_backward.collecting"].body
    assert not [one for one in operations_in(body) if one.name == "accumulate_outer"]
    assert len([one for one in operations_in(body) if one.name == "accumulate_matmul_tn"]) == 2


def test_loop_with_a_tape() -> None:
    check(sequence_lstm("f64").module, "loss", _sequence("f64", 4, 3), [2, 3, 4, 5])
    for n in (0, 5, 70):  # so many that the products of a weight's gradient fill their panels twice
        all_agree(sequence_lstm("f32"), "loss", "f32", _sequence("f32", n, 3), [2, 3, 4, 5], [1.0])


def _sequence(dtype: str, n: int, d: int) -> list[Any]:
    return [n, d, random(dtype, 4 * d, d), random(dtype, 4 * d, d), random(dtype, 4 * d), random(dtype, n, d)]


def test_while_loop() -> None:
    a = np.abs(random("f64", 5)) + 0.5
    check(newton("f64").module, "loss", [5, a], [1], step=1e-3)
    all_agree(newton("f32"), "loss", "f32", [5, a.astype(np.float32)], [1], [1.0])


def test_sum_with_active_payload() -> None:
    tree = _weighted("f64", 3)
    check(weighted_tree("f64").module, "total", [4, random("f64", 4), tree], [1, 2])
    all_agree(weighted_tree("f32"), "total", "f32", [4, random("f32", 4), _weighted("f32", 3)], [1, 2], [1.0])
    all_agree(weighted_tree("f32"), "total", "f32", [4, random("f32", 4), SumValue("Nothing", ())], [1, 2], [1.0])


def _weighted(dtype: str, depth: int) -> SumValue:
    if depth == 0:
        return SumValue("Nothing", ()) if RANDOM.random() < 0.2 else SumValue("Many", (random(dtype, 4),))
    if RANDOM.random() < 0.2:
        return SumValue("One", (random(dtype, 1)[0],))
    return SumValue("Both", (_weighted(dtype, depth - 1), _weighted(dtype, depth - 1)))


def test_updates_in_place_in_a_loop() -> None:
    check(sweep("f64").module, "loss", [4, 3, random("f64", 4, 3), random("f64", 3)], [2, 3])
    all_agree(sweep("f32"), "loss", "f32", [4, 3, random("f32", 4, 3), random("f32", 3)], [2, 3], [1.0])


# ---------------------------------------------------------------- the programs of other tests


@pytest.mark.parametrize("name", [
    "test_payload_of_unknown_size", "test_arrays_of_sums", "test_recursion_with_inout_memory", "test_early_exit",
    "test_list_filled_and_read", "test_size_that_changes_in_a_loop",
])
def test_programs_of_derivatives(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that are written to test derivatives, through all stages."""

    def check_stages(module: Module, name: str, arguments: Sequence[Any], wrt: Sequence[int], **_: Any) -> Module:
        made, reverse, _names = with_requests(module, name, wrt, forward=False)
        space, target = Space(module), module.functions[name]
        on = space.engine.activity.results(name, tuple(place in wrt for place in range(len(target.parameters))))
        values = evaluate(module, name, arguments)
        cotangents = [space.vector(value, one.type) for value, one, yes in zip(values, target.results, on, strict=True) if yes]
        Stages(made).agree(reverse, [*arguments, *cotangents], 1e-10)
        return made

    monkeypatch.setattr(test_grad_constructs, "check", check_stages)
    getattr(test_grad_constructs, name)()
