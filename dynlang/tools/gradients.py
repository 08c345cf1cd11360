"""What `dync check` says of derivatives without making any: gradients that are always zero, rules that aren't linear."""

from __future__ import annotations

from typing import Any

from dynlang.diag import CompileError, Diagnostic


def derivatives_in(program: Any) -> list[Diagnostic]:
    """Errors and warnings of all that main, the exports and the tests reach; of a module, all that its functions reach.

    What can't be elaborated has nothing to say here: whoever builds the program hears why."""
    from dynlang.core.elaborate import elaborate
    from dynlang.grad import findings
    from dynlang.tools.inspect import default_entries

    if not has_derivatives(program):
        return []
    entries = default_entries(program)
    found: dict[str, Diagnostic] = {}
    for tests in (False, True):
        if tests and not (program.tests or program.benches):
            continue
        try:
            module = elaborate(program, () if tests else entries, tests=tests)
        except CompileError:
            continue
        found.update((str(one), one) for one in findings(module))
    return list(found.values())


def has_derivatives(program: Any) -> bool:
    """Whether a derivative is taken in the main module, or a rule for one stands there."""
    from dynlang.check import typed
    from dynlang.check.walk import nodes

    own = [one for one in program.functions.values() if one.name.startswith(program.module + ".")]
    bodies = [one.body for one in (*own, *program.tests, *program.benches)]
    return any(one.rule_of for one in own) or any(isinstance(one, typed.Derivative) for body in bodies for one in nodes(body))
