"""What is live in a module of generated functions: everything that can be reached from what stays.

A variable is reached from what reads it, a result of a generated function from a call that reads it, an argument from a
parameter that is live. Each variable, statement and call is entered once, so the work is proportional to the module,
however the functions call each other.
"""

from __future__ import annotations

from collections.abc import Callable

from dynlang.core.nodes import Atom, Block, Call, Case, For, Function, If, Let, Module, Right, Variable, While
from dynlang.core.walk import atoms_of, blocks_of, sizes_in
from dynlang.grad.dead import removable
from dynlang.types import Type, size_variables

MayGo = Callable[[str], bool]


class Facts:
    """One function: where its variables come from, and what is live in it."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.parameters = {one.name: k for k, one in enumerate(function.parameters)}
        self.results = {one.name: k for k, one in enumerate(function.results)}
        self.origins: dict[str, tuple[Let, int]] = {}
        """The statement that a variable is a result of, or the loop that carries it."""
        self.calls: list[tuple[Facts, Let]] = []
        """Live calls of the function."""
        self.live: set[str] = set()
        self.live_parameters: set[int] = set()
        self.live_results: set[int] = set()
        self.live_statements: set[int] = set()
        self._survey(function.body)

    def _survey(self, block: Block) -> None:
        for statement in block.statements:
            for k, one in enumerate(statement.variables):
                self.origins[one.name] = statement, k
            if isinstance(statement.right, (For, While)):
                for k, one in enumerate(statement.right.carried):
                    self.origins[one.name] = statement, k
            for _, inner in blocks_of(statement.right):
                self._survey(inner)


class Liveness:
    def __init__(self, module: Module, generated: frozenset[str], may_go: MayGo) -> None:
        self.generated = frozenset(name for name in generated if name in module.functions)
        self.functions = {name: Facts(one) for name, one in module.functions.items()}
        self.may_go = may_go
        self._removable: dict[int, bool] = {}
        self._waiting: list[tuple[Facts, str]] = []

    def solve(self) -> None:
        for name, facts in self.functions.items():
            if name in self.generated:
                self._acting(facts, facts.function.body)
            else:
                self._whole(facts, facts.function.body)
        while self._waiting:
            self._follow(*self._waiting.pop())

    # -- variables

    def _need(self, facts: Facts, name: str) -> None:
        if name not in facts.live:
            facts.live.add(name)
            self._waiting.append((facts, name))

    def _atom(self, facts: Facts, atom: Atom) -> None:
        if isinstance(atom, Variable):
            self._need(facts, atom.name)
            self._sizes(facts, atom.type)

    def _sizes(self, facts: Facts, kind: Type) -> None:
        for name in size_variables(kind):
            self._need(facts, name)

    def _follow(self, facts: Facts, name: str) -> None:
        """What a live variable needs."""
        if name in facts.parameters:
            self._parameter(facts, facts.parameters[name])
        elif name in facts.origins:
            statement, k = facts.origins[name]
            self._statement(facts, statement)
            self._kept(facts, statement, k)

    # -- calls

    def _parameter(self, facts: Facts, k: int) -> None:
        if facts.function.name in self.generated and k not in facts.live_parameters:
            facts.live_parameters.add(k)
            self._sizes(facts, facts.function.parameters[k].type)
            for caller, call in facts.calls:
                self._atom(caller, atoms_of(call.right)[k])

    def _result(self, facts: Facts, k: int) -> None:
        if k in facts.live_results:
            return
        facts.live_results.add(k)
        function = facts.function
        self._atom(facts, function.body.results[k])
        for name in size_variables(function.results[k].type):
            if name in facts.results:
                self._result(facts, facts.results[name])
            else:
                self._need(facts, name)
        for caller, call in facts.calls:
            self._sizes(caller, call.variables[k].type)

    # -- statements

    def _statement(self, facts: Facts, statement: Let) -> None:
        """What a live statement needs whichever of its results is read."""
        if id(statement) in facts.live_statements:
            return
        facts.live_statements.add(id(statement))
        right = statement.right
        if isinstance(right, Call) and right.function in self.generated:
            self._call(facts, statement, right)
        elif blocks := blocks_of(right):
            for atom in () if isinstance(right, While) else atoms_of(right)[:1]:
                self._atom(facts, atom)
            if isinstance(right, While):
                self._whole(facts, right.condition)
            for binders, inner in blocks:
                for one in binders if isinstance(right, Case) else ():
                    self._sizes(facts, one.type)
                self._acting(facts, inner)
        else:
            self._read(facts, statement, right)

    def _read(self, facts: Facts, statement: Let, right: Right) -> None:
        for atom in atoms_of(right):
            self._atom(facts, atom)
        for name in sizes_in(right):
            self._need(facts, name)
        for one in statement.variables:
            self._sizes(facts, one.type)

    def _call(self, facts: Facts, statement: Let, call: Call) -> None:
        called = self.functions[call.function]
        called.calls.append((facts, statement))
        for k in called.live_parameters:
            self._atom(facts, call.arguments[k])
        for k in called.live_results:
            self._sizes(facts, statement.variables[k].type)

    def _kept(self, facts: Facts, statement: Let, k: int) -> None:
        """What result k of a live statement needs."""
        right = statement.right
        self._sizes(facts, statement.variables[k].type)
        match right:
            case Call(name, _) if name in self.generated:
                self._result(self.functions[name], k)
            case Case() | If():
                for _, inner in blocks_of(right):
                    self._atom(facts, inner.results[k])
            case For() | While():
                self._need(facts, right.carried[k].name)
                self._sizes(facts, right.carried[k].type)
                self._atom(facts, right.initial[k])
                self._atom(facts, right.body.results[k])

    def _acting(self, facts: Facts, block: Block) -> None:
        """The statements of a block that stay even if nobody reads their results."""
        for one in block.statements:
            if not self._may_go(one.right):
                self._statement(facts, one)

    def _may_go(self, right: Right) -> bool:
        known = self._removable.get(id(right))
        if known is None:
            inner = [one.right for _, block in blocks_of(right) for one in block.statements]
            known = all(map(self._may_go, inner)) if isinstance(right, (Case, If, For)) else removable(right, self.may_go)
            self._removable[id(right)] = known
        return known

    def _whole(self, facts: Facts, block: Block) -> None:
        """A block that isn't cut down."""
        for statement in block.statements:
            self._statement(facts, statement)
            for k in () if isinstance(statement.right, Call) else range(len(statement.variables)):
                self._kept(facts, statement, k)
            for _, inner in blocks_of(statement.right):
                self._whole(facts, inner)
        for atom in block.results:
            self._atom(facts, atom)
