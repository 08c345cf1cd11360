"""On random programs every pass keeps the meaning, and reference counts come out even."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dynlang.core.evaluate import SumValue
from dynlang.native.jit import compile_module
from dynlang.opt import PASSES, optimise
from dynlang.ssa.interpret import interpret
from dynlang.ssa.parse import parse_module
from dynlang.ssa.print import print_module
from dynlang.ssa.verify import verify
from ssa_programs import Programs

SEEDS = range(30)


def same(a: Any, b: Any) -> bool:
    """Equal to the last bit, NaNs included."""
    if isinstance(a, SumValue):
        return a.constructor == b.constructor and all(map(same, a.fields, b.fields))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray) and a.dtype == object:
        return a.shape == b.shape and all(map(same, a.ravel(), b.ravel()))
    if isinstance(a, (np.ndarray, np.generic)):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return a == b


@pytest.mark.parametrize("seed", SEEDS)
def test_passes_keep_the_meaning(seed: int) -> None:
    programs = Programs(seed, exact=False)
    module = programs.module()
    verify(module)
    text = print_module(module)
    assert print_module(parse_module(text)) == text
    name = list(module.functions)[-1]
    arguments = programs.arguments(module.functions[name])
    expected = interpret(module, name, arguments)
    changed = module
    for one in PASSES:
        changed = one.run(changed)
        verify(changed)
        assert same(interpret(changed, name, arguments), expected), one.name
    assert print_module(module) == text, "a pass changed its input"
    for level in (0, 2):
        ready = optimise(module, level)
        assert same(interpret(ready, name, arguments, count=True), expected)


@pytest.mark.parametrize("seed", range(200, 206))
def test_compiled_code_has_the_same_bits_at_every_level(seed: int) -> None:
    programs = Programs(seed, exact=False)
    module = programs.module()
    name = list(module.functions)[-1]
    arguments = programs.arguments(module.functions[name])
    slow, fast = (compile_module(optimise(module, level), level, [name]) for level in (0, 2))
    assert same(slow.call(name, arguments), fast.call(name, arguments))
    assert slow.live_blocks() == fast.live_blocks() == 0
