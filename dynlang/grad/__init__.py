"""Differentiation: Core -> Core.

`differentiate(module)` answers every `Vjp` and `Jvp` request by ordinary Core; `gradient_program(module, function, wrt)` is
the derivative of one function as a program of its own.

    activity.py   which variables depend on the active parameters
    tangents.py   tangent types
    adjoints.py   adjoints as values of a linear type
    rules.py      derivatives of ops
    reverse/      reverse mode
    forward.py    forward mode
    prune.py      what no backward reads is neither saved nor passed
    engine.py     requests, memoised derivatives
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dynlang.core.nodes import Module
from dynlang.diag import Diagnostic


def differentiate(module: Module, warnings: list[Diagnostic] | None = None) -> Module:
    """The module without requests for derivatives. `warnings` receives what is worth a look (gradients that are zero in part)."""
    from dynlang.core.nodes import Jvp, Vjp
    from dynlang.core.walk import statements_in
    from dynlang.grad.engine import Engine
    from dynlang.grad.prune import pruned

    if not any(isinstance(one.right, (Vjp, Jvp)) for function in module.functions.values() for one in statements_in(function.body)):
        return module
    engine = Engine(module)
    engine.answer_all()
    if warnings is not None:
        warnings.extend(engine.diagnostics.warnings)
    return replace(pruned(engine, frozenset(module.roots or module.functions)), roots=module.roots)


def gradient_program(module: Module, function: str, wrt: Sequence[int] | None = None, forward: bool = False) -> Module:
    """`function`_grad(args) -> (results, gradients) and all it needs; with `forward`, `function`_jvp(args, tangents)."""
    from dynlang.grad.program import gradient_program as make

    return make(module, function, wrt, forward)


def zero_gradients(module: Module) -> list[Diagnostic]:
    """What is known of gradients before they are made: those that are always zero (rule 33). Each is reported once."""
    from dynlang.core.nodes import Vjp
    from dynlang.core.walk import statements_in
    from dynlang.grad.activity import Activity
    from dynlang.grad.deaths import zero_gradients as zeros
    from dynlang.grad.state import State
    from dynlang.grad.tangents import Tangents

    state = State(module)
    activity = Activity(state, Tangents(state), unanswered=True)
    found: dict[str, Diagnostic] = {}
    for function in module.functions.values():
        for one in statements_in(function.body):
            if isinstance(one.right, Vjp) and state.functions[one.right.function].derivative is None:
                found.update((str(problem), problem) for problem in zeros(state, activity, one, one.right, {}))
    return list(found.values())
