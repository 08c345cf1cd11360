"""A result of a call that is one of its arguments, unchanged, is that argument, and no result.

    rows2, newest2 = call touch(rows, newest)        ..rows2..      is      newest2 = call touch(rows, newest)        ..rows..

A method that lends its whole record hands back each field, changed or not: what it leaves alone stays one value for the caller, which
needs no second name, no copy, and no place in what a derivative saves. Functions that are called from outside, differentiated, or
named by a rule keep their signatures.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TypeVar

from dynlang.core.nodes import Atom, Block, Call, Case, For, Function, If, Let, Variable, While
from dynlang.core.simplify.parameters import fixed_signatures
from dynlang.core.walk import Substitution, blocks_of, functions_called, rebuild, statements_in
from dynlang.types import size_variables

T = TypeVar("T")
Handed = Mapping[str, Mapping[int, int]]
"""Of functions, the results that are parameters: {"touch": {0: 3}} for result 0, which is parameter 3."""


def use_arguments(functions: dict[str, Function], roots: Collection[str]) -> dict[str, Function]:
    """The functions, with arguments in the place of results that are these arguments."""
    fixed = fixed_signatures(functions) | set(roots)
    handed = {name: {k: j for k, j in results.items() if is_free(functions[name], k)}
              for name, results in handed_back(functions, fixed).items()}
    for function in functions.values():
        for statement in statements_in(function.body):
            if isinstance(statement.right, Call) and handed.get(statement.right.function):
                mine = handed[statement.right.function]
                different = [k for k, j in mine.items() if statement.variables[k].type != statement.right.arguments[j].type]
                for k in different:
                    del mine[k]
    handed = {name: one for name, one in handed.items() if one}
    return {name: _Using(handed).function(one) for name, one in functions.items()} if handed else functions


def is_free(function: Function, result: int) -> bool:
    """Whether no other result has a type that mentions this one."""
    name = function.results[result].name
    return all(name not in size_variables(one.type) for one in function.results)


def handed_back(functions: Mapping[str, Function], fixed: Collection[str]) -> dict[str, dict[int, int]]:
    """Which results are parameters. What is lent is first taken to come back unchanged, by all functions, and each is then looked at with
    what is left of that: so recursion that changes nothing is seen to. Then other results that are parameters are found."""
    callers: dict[str, set[str]] = {name: set() for name in functions}
    for name, function in functions.items():
        for callee in functions_called(function.body):
            callers[callee].add(name)
    free = [name for name in functions if name not in fixed]
    found = {name: {result: parameter for parameter, result in functions[name].inout} for name in free}
    for only_less in (True, False):
        waiting = dict.fromkeys(free)
        while waiting:
            name, _ = waiting.popitem()
            mine = passed_through(functions[name], found)
            if only_less:
                mine = {k: j for k, j in mine.items() if found[name].get(k) == j}
            if mine != found[name]:
                found[name] = mine
                waiting.update(dict.fromkeys(one for one in callers[name] if one not in fixed))
    return found


def passed_through(function: Function, handed: Handed) -> dict[int, int]:
    """Which results of a function are parameters, if those of the functions that it calls are as `handed` says."""
    places = {one.name: place for place, one in enumerate(function.parameters)}
    origin = _Origin(handed, {one: one for one in places}).of(function.body)
    return {k: places[one] for k, one in enumerate(origin) if one is not None}


class _Origin:
    """Which of the variables of a function are a parameter, by another name."""

    def __init__(self, handed: Handed, known: dict[str, str]) -> None:
        self.handed, self.known = handed, known

    def atom(self, atom: Atom) -> str | None:
        return self.known.get(atom.name) if isinstance(atom, Variable) else None

    def of(self, block: Block) -> list[str | None]:
        """The parameters that the results of a block are."""
        for statement in block.statements:
            self.statement(statement)
        return [self.atom(one) for one in block.results]

    def statement(self, statement: Let) -> None:
        match statement.right:
            case Call(name, arguments):
                found = {k: self.atom(arguments[j]) for k, j in self.handed.get(name, {}).items()}
            case For(_, _, carried, initial, body) | While(carried, initial, _, body):
                found = dict(enumerate(self.loop(carried, initial, body)))
            case If() | Case() as right:
                columns = zip(*(self.of(block) for _, block in blocks_of(right)), strict=True)
                found = {k: first if all(one == first for one in rest) else None for k, (first, *rest) in enumerate(columns)}
            case _:
                return
        self.known.update((statement.variables[k].name, one) for k, one in found.items() if one is not None)

    def loop(self, carried: tuple[Variable, ...], initial: tuple[Atom, ...], body: Block) -> list[str | None]:
        """What each trip hands on as it was before the first one."""
        starts = [self.atom(one) for one in initial]
        while True:
            inner = _Origin(self.handed, {**self.known, **{one.name: start for one, start in zip(carried, starts, strict=True)
                                                           if start is not None}})
            after = inner.of(body)
            kept = [start if start == end else None for start, end in zip(starts, after, strict=True)]
            if kept == starts:
                return kept
            starts = kept


class _Using:
    """One function, read from its start: results of calls that are arguments are replaced from there on."""

    def __init__(self, handed: Handed) -> None:
        self.handed = handed
        self.substitution = Substitution()

    def function(self, function: Function) -> Function:
        gone = self.handed.get(function.name, {})
        if not gone and not any(one in self.handed for one in functions_called(function.body)):
            return function
        body = self.block(function.body)
        place = [sum(k not in gone for k in range(end)) for end in range(len(function.results))]
        return replace(
            function, body=Block(body.statements, without(body.results, gone)), results=without(function.results, gone),
            inout=tuple((parameter, place[result]) for parameter, result in function.inout if result not in gone),
            result_labels=without(function.result_labels, gone))

    def block(self, block: Block) -> Block:
        statements = tuple(map(self.statement, block.statements))
        return Block(statements, tuple(map(self.substitution.atom, block.results)))

    def statement(self, statement: Let) -> Let:
        """Types are rewritten too: a size that a call handed back is the argument's."""
        substitution = self.substitution
        right = rebuild(statement.right, substitution.atom, self.block, substitution.binder, substitution.size, substitution.type)
        gone = self.handed.get(right.function, {}) if isinstance(right, Call) else {}
        for result, argument in gone.items():
            assert isinstance(right, Call)
            substitution.bind(statement.variables[result], right.arguments[argument])
        return replace(statement, variables=tuple(map(substitution.binder, without(statement.variables, gone))), right=right)


def without(items: tuple[T, ...], gone: Mapping[int, int]) -> tuple[T, ...]:
    """The items but for those at some places."""
    return tuple(one for place, one in enumerate(items) if place not in gone)
