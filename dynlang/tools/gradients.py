"""What `dync check` says of derivatives without making any: gradients that are always zero, rules that aren't linear."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dynlang.diag import CompileError, Diagnostic

MOST = 50
"""How many functions of a module are looked at one by one."""


def derivatives_in(program: Any) -> list[Diagnostic]:
    """Errors and warnings of all that main, the exports and the tests reach; of a module without any, all that its functions reach.

    What can't be elaborated has nothing to say here: whoever builds the program hears why."""
    from dynlang.grad import findings
    from dynlang.tools.inspect import default_entries

    if not has_derivatives(program):
        return []
    found: dict[str, Diagnostic] = {}
    for module in modules_of(program, default_entries(program)):
        found.update((str(one), one) for one in findings(module))
    return list(found.values())


def modules_of(program: Any, entries: Sequence[str]) -> Iterator[Any]:
    """What the entries reach, and what the tests do; entries one by one if not all of them can be elaborated."""
    from dynlang.core.elaborate import elaborate

    has_tests = bool(program.tests or program.benches)
    groups: list[tuple[tuple[str, ...], bool]] = [((), True)] if has_tests else []
    if not entries or not has_tests:
        groups.append((tuple(entries), False))
    for names, tests in groups:
        try:
            yield elaborate(program, names, tests=tests)
        except CompileError:
            groups += [((one,), False) for one in names[:MOST]] if len(names) > 1 else []


def has_derivatives(program: Any) -> bool:
    """Whether a derivative is taken in the main module, or a rule for one stands there."""
    from dynlang.check import typed
    from dynlang.check.walk import nodes

    own = program.own
    bodies = [one.body for one in (*own, *program.tests, *program.benches)]
    return any(one.rule_of for one in own) or any(isinstance(one, typed.Derivative) for body in bodies for one in nodes(body))
