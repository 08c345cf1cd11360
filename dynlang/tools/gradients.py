"""What `dync check` says of gradients: those that are zero whatever the values are (rule 33), found without making any."""

from __future__ import annotations

from typing import Any

from dynlang.diag import CompileError, Diagnostic


def zero_gradients_in(program: Any) -> list[Diagnostic]:
    """Errors and warnings of all that main, the exports and the tests reach; of a module, all that its functions reach.

    What can't be elaborated has nothing to say here: whoever builds the program hears why."""
    from dynlang.core.elaborate import elaborate
    from dynlang.grad import zero_gradients
    from dynlang.tools.inspect import default_entries

    if not asks_for_derivatives(program):
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
        found.update((str(one), one) for one in zero_gradients(module))
    return list(found.values())


def asks_for_derivatives(program: Any) -> bool:
    """Whether a derivative is taken in the program itself, or by a function of the library that it may call."""
    from dynlang.check import typed
    from dynlang.check.walk import nodes

    own = [one.body for one in program.functions.values() if one.name.rpartition(".")[0] == program.module]
    blocks = [block.body for block in (*program.tests, *program.benches)]
    return any(isinstance(one, typed.Derivative) for body in (*own, *blocks) for one in nodes(body))
