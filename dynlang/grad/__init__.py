"""Differentiation: Core -> Core.

`differentiate(module)` answers every `Vjp` and `Jvp` request by ordinary Core; `gradient_program(module, function, wrt)` is
the derivative of one function as a program of its own.

    activity.py   which variables depend on the active parameters
    deaths.py     gradients that are always zero
    linearity.py  rules that aren't linear
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
from dynlang.diag import CompileError, Diagnostic


def differentiate(module: Module, warnings: list[Diagnostic] | None = None, whole: Module | None = None) -> Module:
    """The module without requests for derivatives. `warnings` receives what is worth a look (gradients that are zero in part).
    `whole` is the program with the alternatives that nothing in it makes (`core.unmade`): it is the one that is judged."""
    from dynlang.core.nodes import Jvp, Vjp
    from dynlang.core.walk import statements_in
    from dynlang.grad.engine import Engine
    from dynlang.grad.linearity import nonlinear_rules
    from dynlang.grad.prune import pruned

    if not any(isinstance(one.right, (Vjp, Jvp)) for function in module.functions.values() for one in statements_in(function.body)):
        return module
    faults = nonlinear_rules(whole or module)
    if faults:
        raise CompileError(faults)
    engine = Engine(module, whole)
    engine.answer_all()
    if warnings is not None:
        warnings.extend(engine.diagnostics.warnings)
    return replace(pruned(engine, frozenset(module.roots or module.functions)), roots=module.roots)


def gradient_program(module: Module, function: str, wrt: Sequence[int] | None = None, forward: bool = False) -> Module:
    """`function`_grad(args) -> (results, gradients) and all it needs; with `forward`, `function`_jvp(args, tangents)."""
    from dynlang.grad.program import gradient_program as make

    return make(module, function, wrt, forward)


def findings(module: Module) -> list[Diagnostic]:
    """What is known of derivatives before they are made: gradients that are always zero (rule 33), rules that aren't linear
    (rule 32). Each is reported once."""
    from dynlang.core.nodes import Vjp
    from dynlang.core.walk import statements_in
    from dynlang.grad.activity import Activity
    from dynlang.grad.deaths import zero_gradients
    from dynlang.grad.linearity import nonlinear_rules
    from dynlang.grad.state import State
    from dynlang.grad.tangents import Tangents

    state = State(module)
    activity = Activity(state, Tangents(state), unanswered=True)
    found: dict[str, Diagnostic] = {}
    for function in module.functions.values():
        for one in statements_in(function.body):
            if isinstance(one.right, Vjp) and state.functions[one.right.function].derivative is None:
                found.update((str(problem), problem) for problem in zero_gradients(state, activity, one, one.right, {}))
    return [*nonlinear_rules(module), *found.values()]
