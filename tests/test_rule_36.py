"""Rule 36: every function takes the hidden context first, generated ones too, and says by an error code how it ended."""

from __future__ import annotations

import re
from pathlib import Path

from dynlang import pipeline
from dynlang.native.lower.frame import function_symbol

PROGRAM = """
type Tree:
    Leaf(x: f32)
    Node(left: Tree, right: Tree)

fn total(t: Tree, f: f32 -> f32) -> f32:
    match t:
        Leaf(x):
            return f(x)
        Node(left, right):
            return total(left, f) + total(right, f)

fn chosen(k: int) -> f32 -> f32:
    if k > 1:
        return x => x * f32(k)
    return x => x + 1.0

fn loss(x: f32, k: int) -> f32:
    return total(Node(Leaf(x), Leaf(2.0 * x)), chosen(k))

proc main(k: int = 3):
    var fs: List<f32 -> f32> = List()
    for i in k:
        fs.push(chosen(i))
    print(fs[1](2.0), loss(1.0, k), grad(loss)(1.0, k))
"""
DEFINED = re.compile(r'^define [^@]*?(\{[^}]*\}|\w+) @"?([\w.$]+)"?\(([^)]*)\)', re.M)


def test_every_function_takes_the_context_and_gives_a_code(tmp_path: Path) -> None:
    path = tmp_path / "program.dyn"
    path.write_text(PROGRAM)
    for level in (0, 2):
        request = pipeline.Request(path, level=level)
        text = pipeline.build(request)
        ssa = request.keep["opt"]
        found = {name: (kind, parameters) for kind, name, parameters in DEFINED.findall(text)}
        assert {"total_forward", "total_backward"} <= set(ssa.functions), "there is a generated function"
        for name in ssa.functions:
            kind, parameters = found[function_symbol(name)]
            assert parameters.startswith("ptr %context"), f"{name}({parameters})"
            assert kind.startswith("{ i32"), f"{name} gives {kind}"
