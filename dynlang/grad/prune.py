"""What no backward reads is neither saved nor passed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynlang.core.nodes import Module
from dynlang.core.walk import functions_called

if TYPE_CHECKING:
    from dynlang.grad.engine import Engine


def pruned(engine: Engine, keep: frozenset[str]) -> Module:
    """Functions not reachable from `keep` go."""
    state = engine.state
    found: dict[str, None] = {}
    todo = [name for name in state.functions if name in keep]
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = None
            todo += list(functions_called(state.functions[name].body))
            rule = state.functions[name].derivative
            if rule is not None:
                todo.append(rule.rule)
    return Module(dict(state.sums), {name: one for name, one in state.functions.items() if name in found})
