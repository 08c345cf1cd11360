"""One walk up a function: statements, results of branches and carried values that nothing reads go away.

What can fail, write, or run forever stays, whatever becomes of its value.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from dynlang.core.nodes import (
    Arm,
    Atom,
    Block,
    Call,
    Case,
    Construct,
    For,
    Function,
    If,
    Jvp,
    Let,
    Operation,
    Right,
    Variable,
    Vjp,
    While,
)
from dynlang.core.walk import atoms_of, blocks_of, functions_called, sizes_in, statements_in
from dynlang.ops import OPS
from dynlang.types import Type, size_variables


def vanishing_functions(functions: Mapping[str, Function]) -> set[str]:
    """Functions whose calls may be left out: nothing in them fails, writes, loops without a bound, or recurs."""
    found = {name for name, function in functions.items() if all(is_quiet(one.right) for one in statements_in(function.body))}
    calls = {name: set(functions_called(functions[name].body)) for name in found}
    callers: dict[str, list[str]] = {}
    for name, called in calls.items():
        for one in called:
            callers.setdefault(one, []).append(name)
    open_calls = {name: len(called) for name, called in calls.items()}
    done: set[str] = set()
    waiting = [name for name, count in open_calls.items() if count == 0]
    while waiting:
        name = waiting.pop()
        done.add(name)
        for caller in callers.get(name, ()):
            open_calls[caller] -= 1
            if open_calls[caller] == 0:
                waiting.append(caller)
    return done


def is_quiet(right: Right) -> bool:
    """Whether a right-hand side by itself, without its blocks and callees, can't be noticed."""
    if isinstance(right, Operation):
        row = OPS[right.op]
        return not row.has("check") and not row.has("effect")
    return not isinstance(right, While)


def remove_dead(function: Function, vanishing: Collection[str]) -> Block:
    """The body without what nothing reads."""
    return _Sweep(vanishing).block(function.body, [True] * len(function.body.results))


class _Sweep:
    """Names are unique in a function, so one set holds all that is read below the point that the walk has reached."""

    def __init__(self, vanishing: Collection[str]) -> None:
        self.vanishing = vanishing
        self.live: set[str] = set()
        self._quiet: dict[int, tuple[Right, bool]] = {}

    def block(self, block: Block, wanted: Sequence[bool]) -> Block:
        """The block with those of its results that are wanted."""
        results = tuple(atom for atom, want in zip(block.results, wanted, strict=True) if want)
        self.read(results)
        kept: list[Let] = []
        for statement in reversed(block.statements):
            found = self.statement(statement)
            if found is not None:
                kept.append(found)
        kept.reverse()
        whole = len(kept) == len(block.statements) and len(results) == len(block.results)
        if whole and all(new is old for new, old in zip(kept, block.statements, strict=True)):
            return block
        return Block(tuple(kept), results)

    def read(self, atoms: Sequence[Atom]) -> None:
        for atom in atoms:
            if isinstance(atom, Variable):
                self.live.add(atom.name)
                self.read_type(atom.type)

    def read_type(self, kind: Type) -> None:
        self.live |= size_variables(kind)

    def wanted(self, variables: Sequence[Variable]) -> list[bool]:
        """Which are read; those whose value a kept type mentions are."""
        wants: list[bool] = []
        for one in reversed(variables):
            want = one.name in self.live
            if want:
                self.read_type(one.type)
            wants.append(want)
        return wants[::-1]

    def statement(self, statement: Let) -> Let | None:
        right = statement.right
        wanted = self.wanted(statement.variables)
        if not any(wanted) and self.quiet(right):
            return None
        match right:
            case If(condition, then, otherwise):
                changed: Right = If(condition, self.block(then, wanted), self.block(otherwise, wanted))
                self.read((condition,))
            case Case(scrutinee, arms):
                changed = Case(scrutinee, tuple(self.arm(arm, wanted) for arm in arms))
                self.read((scrutinee,))
            case For() | While():
                changed, wanted = self.loop(right, wanted)
            case _:
                self.read(atoms_of(right))
                self.live.update(sizes_in(right))
                return statement
        variables = tuple(one for one, want in zip(statement.variables, wanted, strict=True) if want)
        if all(wanted) and all(new is old for (_, new), (_, old) in zip(blocks_of(changed), blocks_of(right), strict=True)):
            return statement
        return Let(variables, changed, statement.span)

    def arm(self, arm: Arm, wanted: Sequence[bool]) -> Arm:
        body = self.block(arm.body, wanted)
        for field in arm.fields:
            self.read_type(field.type)
        return Arm(arm.constructor, arm.fields, body)

    def loop(self, right: For | While, wanted: list[bool]) -> tuple[Right, list[bool]]:
        """A carried value is needed if its last value is, or if a trip reads it for something that is needed."""
        wanted = list(wanted)
        while True:
            before = set(self.live)
            blocks = self.loop_blocks(right, wanted)
            more = [want or one.name in self.live for one, want in zip(right.carried, wanted, strict=True)]
            for one, want in zip(right.carried, more, strict=True):
                if want:
                    self.read_type(one.type)
            more = [want or one.name in self.live for one, want in zip(right.carried, more, strict=True)]
            if more == wanted:
                break
            wanted = more
            self.live = before | {one.name for one, want in zip(right.carried, wanted, strict=True) if want}
        carried = tuple(one for one, want in zip(right.carried, wanted, strict=True) if want)
        initial = tuple(one for one, want in zip(right.initial, wanted, strict=True) if want)
        self.read(initial)
        if isinstance(right, For):
            self.read((right.count,))
            return For(right.index, right.count, carried, initial, blocks[0], right.slots), wanted
        return While(carried, initial, blocks[0], blocks[1], right.slots), wanted

    def loop_blocks(self, right: For | While, wanted: Sequence[bool]) -> list[Block]:
        body = self.block(right.body, wanted)
        return [body] if isinstance(right, For) else [self.block(right.condition, [True]), body]

    def quiet(self, right: Right) -> bool:
        """Whether leaving a right-hand side out can't be noticed."""
        known = self._quiet.get(id(right))
        if known is not None:
            return known[1]
        answer = self._compute_quiet(right)
        self._quiet[id(right)] = (right, answer)
        return answer

    def _compute_quiet(self, right: Right) -> bool:
        match right:
            case Operation() | Construct():
                return is_quiet(right)
            case Call(function, _):
                return function in self.vanishing
            case Vjp() | Jvp():
                return right.function in self.vanishing
            case While():
                return False
        return all(self.quiet(one.right) for _, inner in blocks_of(right) for one in inner.statements)
