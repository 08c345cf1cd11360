"""What `dync grad` says a call saves is what it saves: the polynomial at the sizes of a call, against the values that the forward holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from cost_examples import examples
from cost_measure import Maker, Plan, chain, positions, saved_bytes, word_tree
from dynlang import pipeline
from dynlang.core.nodes import Module
from dynlang.grad import gradient_program
from dynlang.grad.saved import Saved, saved, summary

EXAMPLES = {one.name: one for one in examples()}
EXACT = ("constructs.straight", "constructs.memory", "constructs.lent", "constructs.gathered", "layers.linear", "layers.lstm",
         "layers.conv", "layers.attention", "layers.max_pool", "functions.softmaxes", "programs.batch", "programs.hyper",
         "programs.sentence", "programs.viterbi")
ROUGH = ("constructs.nested", "programs.attention")
"""The state after the inner loop is held twice; an array that a function hands back is counted at both places."""


@pytest.mark.parametrize("name", EXACT + ROUGH)
def test_polynomial_of(name: str) -> None:
    example = EXAMPLES[name]
    core = example.core()
    function = core.functions[example.function]
    plan = Plan.in_documentation(function)
    assert plan is not None
    made = gradient_program(core, example.function, positions(core, function, plan.wrt) if plan.wrt else None)
    found = saved(made, f"{example.function}_grad", function)
    assert not list(found.uncounted())
    for step in plan.steps[:2]:
        arguments = Maker(function, plan, step).values
        measured = saved_bytes(made, f"{example.function}_grad", arguments, len(function.results))
        told = found.total.evaluate({one.name: int(value) for one, value in zip(function.parameters, arguments, strict=True)
                                     if str(one.type) == "int"})
        assert told == measured if name in EXACT else measured <= told <= 1.1 * measured


def built(folder: Path, text: str, entry: str) -> Module:
    path = folder / "program.dyn"
    path.write_text(text, encoding="utf-8")
    return pipeline.build(pipeline.Request(path, entries=(entry,)), until="core")


def part(found: Saved, beginning: str) -> Saved:
    return next(one for one in found.all() if one.what.startswith(beginning))


def test_each_node_of_a_tree() -> None:
    """Leaves and nodes are told apart; their numbers times what each saves is what a tree saves."""
    example = EXAMPLES["layers.treelstm"]
    core = example.core()
    made = gradient_program(core, "treelstm")
    found = saved(made, "treelstm_grad", core.functions["treelstm"])
    leaf, node = part(found, "each Leaf"), part(found, "each Node")
    plan = Plan.of("leaves = 8, 16; v = 7; d = 8; t = word_tree(log2(leaves))")
    arguments = Maker(core.functions["treelstm"], plan, 8).values
    for tree, leaves in ((word_tree(3), 8), (word_tree(5), 32), (chain(9), 10)):
        values = [tree if hasattr(one, "constructor") else one for one in arguments]
        told = found.size + leaves * leaf.size + (leaves - 1) * node.size
        assert told.evaluate({"d": 8}) == saved_bytes(made, "treelstm_grad", values, 1)


def test_loops_that_end_when_they_like(tmp_path: Path) -> None:
    core = built(tmp_path, """
fn f<d>(x: f32[d], limit: f32) -> f32:
    var h = x
    while h @ h < limit:
        h = exp(h)
    return h @ h
""", "f")
    found = saved(gradient_program(core, "f", [1]), "f_grad", core.functions["f"])
    assert summary(found).splitlines() == ["# A call of `f` saves 24 bytes, and in", "#   each trip of the loop at line 4: 4*d + 8"]


def test_nothing_is_saved(tmp_path: Path) -> None:
    core = built(tmp_path, "fn f<d>(x: f32[d]) -> f32:\n    return x @ x\n", "f")
    found = saved(gradient_program(core, "f"), "f_grad", core.functions["f"])
    assert summary(found) == "# A call of `f` saves 0 bytes\n"


def test_only_what_is_active_is_saved(tmp_path: Path) -> None:
    """What the gradient doesn't depend on isn't there: half of it where one of two weights is asked for."""
    core = built(tmp_path, """
fn f<n>(w: f64[n, n], v: f64[n, n], x: f64[n]) -> f64:
    return x @ tanh(w @ x) + x @ tanh(v @ x)
""", "f")
    one = saved(gradient_program(core, "f", [1]), "f_grad", core.functions["f"])
    both = saved(gradient_program(core, "f", [1, 2]), "f_grad", core.functions["f"])
    assert str(one.total) == "8*n + 8" and str(both.total) == "16*n + 16"


SIZE_OF_A_CALLEE = """
type Tree:
    Leaf(x: f64)
    Node(left: Tree, right: Tree)

fn fold<k>(t: Tree, i: idx<k>) -> f64:
    match t:
        Leaf(x):
            return sin(x * f64(i) + f64(k))
        Node(left, right):
            return fold(left, i) * fold(right, i)

fn folded(x: f64, fuel: int) -> f64:
    if fuel <= 0:
        return x * x
    var total: f64 = 0.0
    for i in fuel:
        total += fold(Node(Leaf(x), Leaf(x * x)), i)
    return total * folded(x * 0.5, fuel - 1)

fn change(x: f64) -> f64:
    let _, d = jvp((x: f64) => grad(y => folded(y, 3))(x), x, 1.0)
    return d

test "forward over reverse":
    assert close(change(0.7), (grad((x: f64) => folded(x, 3))(0.70001) - grad((x: f64) => folded(x, 3))(0.69999)) / 0.00002)
"""


def test_a_size_of_a_callee_is_an_int_of_the_caller(tmp_path: Path) -> None:
    """A field's type may mention ints among the fields and the residual's sizes: `fuel` is neither, though the backward is handed it."""
    file = tmp_path / "program.dyn"
    file.write_text(SIZE_OF_A_CALLEE)
    pipeline.build(pipeline.Request(file, tests=True, verify=True), until="grad")
