"""Parameters that no one reads go, across calls and recursion.

    fn walk(w, unused, t): .. walk(w, unused, left) ..       is     fn walk(w, t): .. walk(w, left) ..

A parameter is read if it stands, or a value made of it stands, anywhere but in the place of a parameter that isn't read;
the least such set is found by starting from none. Functions that are called from outside, differentiated, or named by a
rule keep their signatures. What was made of a dropped parameter is dead, and must be removed next.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from dynlang.core.nodes import Atom, Block, Call, Construct, Function, Jvp, Let, Operation, Variable, Vjp
from dynlang.core.simplify.dead import is_quiet
from dynlang.core.walk import atoms_of, blocks_of, rebuild, sizes_in, statements_in
from dynlang.types import size_variables


def drop_unread_parameters(functions: dict[str, Function], roots: Collection[str]) -> dict[str, Function]:
    """The functions without parameters that nobody reads (the same object if all are read). With no roots, all stay."""
    if not roots:
        return functions
    fixed = fixed_signatures(functions) | set(roots)
    read = read_parameters(functions, fixed)
    dropped = {name: [one.name not in read[name] for one in function.parameters] for name, function in functions.items()}
    if not any(map(any, dropped.values())):
        return functions
    return {name: _without(function, dropped) for name, function in functions.items()}


def fixed_signatures(functions: Mapping[str, Function]) -> set[str]:
    found: set[str] = set()
    for name, function in functions.items():
        if function.export is not None:
            found.add(name)
        if function.derivative is not None:
            found |= {name, function.derivative.rule}
        found |= {one.right.function for one in statements_in(function.body) if isinstance(one.right, (Vjp, Jvp))}
    return found


def read_parameters(functions: Mapping[str, Function], fixed: Collection[str]) -> dict[str, set[str]]:
    """The names of the parameters that are read, for each function."""
    uses = {name: _Uses(function) for name, function in functions.items()}
    read = {name: {one.name for one in function.parameters} if name in fixed else set[str]() for name, function in functions.items()}
    callers: dict[str, set[str]] = {name: set() for name in functions}
    for name, one in uses.items():
        for callee, _, _ in one.passed:
            callers[callee].add(name)
    waiting = dict.fromkeys(functions)
    while waiting:
        name, _ = waiting.popitem()
        function = functions[name]
        live = set(uses[name].elsewhere)
        for callee, argument, position in uses[name].passed:
            if functions[callee].parameters[position].name in read[callee]:
                live.add(argument)
        for results, arguments in reversed(uses[name].derived):
            if not live.isdisjoint(results):
                live.update(arguments)
        before = len(read[name])
        read[name] |= live & {one.name for one in function.parameters}
        _close(function, read[name])
        if len(read[name]) > before:
            waiting.update(dict.fromkeys(callers[name]))
    return read


def _close(function: Function, read: set[str]) -> None:
    """The types of what is read are read too, and those of the results."""
    names = {one.name for one in function.parameters}
    for one in function.results:
        read |= size_variables(one.type) & names
    for one in reversed(function.parameters):
        if one.name in read:
            read |= size_variables(one.type)


class _Uses:
    """Where the variables of a function stand: as arguments of calls, in values that may be unread themselves, and elsewhere."""

    def __init__(self, function: Function) -> None:
        self.elsewhere: set[str] = set()
        self.passed: list[tuple[str, str, int]] = []
        self.derived: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        self._block(function.body)

    def _block(self, block: Block) -> None:
        for statement in block.statements:
            right = statement.right
            names = tuple(one.name for one in atoms_of(right) if isinstance(one, Variable))
            if isinstance(right, Call):
                self.passed += [(right.function, one.name, position)
                                for position, one in enumerate(right.arguments) if isinstance(one, Variable)]
            elif isinstance(right, Construct) or (isinstance(right, Operation) and is_quiet(right)):
                self.derived.append((tuple(one.name for one in statement.variables), (*names, *sizes_in(right))))
            else:
                self.elsewhere.update(names, sizes_in(right))
            for variable in statement.variables:
                self.elsewhere |= size_variables(variable.type)
            for binders, inner in blocks_of(right):
                for binder in binders:
                    self.elsewhere |= size_variables(binder.type)
                self._block(inner)
        self._atoms(block.results)

    def _atoms(self, atoms: tuple[Atom, ...]) -> None:
        self.elsewhere.update(one.name for one in atoms if isinstance(one, Variable))


def _without(function: Function, dropped: Mapping[str, list[bool]]) -> Function:
    """The function with dropped parameters gone, from its signature and from the calls in it."""

    def block(one: Block) -> Block:
        return Block(tuple(map(let, one.statements)), one.results)

    def let(one: Let) -> Let:
        right = one.right
        if isinstance(right, Call):
            gone = dropped[right.function]
            kept = tuple(atom for atom, drop in zip(right.arguments, gone, strict=True) if not drop)
            return replace(one, right=Call(right.function, kept)) if any(gone) else one
        return replace(one, right=rebuild(right, lambda atom: atom, block)) if blocks_of(right) else one

    gone = dropped[function.name]
    position = [sum(not drop for drop in gone[:index]) for index in range(len(gone))]
    return replace(
        function, body=block(function.body),
        parameters=tuple(one for one, drop in zip(function.parameters, gone, strict=True) if not drop),
        sizes=sum(not drop for drop in gone[:function.sizes]),
        inout=tuple((position[parameter], result) for parameter, result in function.inout if not gone[parameter]),
        parameter_labels=tuple(one for one, drop in zip(function.parameter_labels, gone, strict=False) if not drop))
