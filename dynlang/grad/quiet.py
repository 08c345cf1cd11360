"""Functions without what `debug` shows: for parts of a primal that a backward computes once more (rule 17: shown once)."""

from __future__ import annotations

from dataclasses import replace

from dynlang.core.nodes import Block, Call, Function, Let, Operation, Right
from dynlang.core.walk import functions_called, map_blocks, statements_in
from dynlang.grad.state import State
from dynlang.ops import OPS


class Quiet:
    """Makes a quiet copy of each function that shows something, itself or by what it calls."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._copies: dict[str, str] = {}

    def body(self, block: Block) -> Block:
        """A block that shows nothing."""

        def quiet(one: Block) -> Block:
            return Block(tuple(self.statement(each) for each in one.statements if not is_debug(each.right)), one.results)

        return map_blocks(block, quiet)

    def statement(self, one: Let) -> Let:
        if isinstance(one.right, Call) and self.shows(one.right.function, set()):
            return replace(one, right=replace(one.right, function=self.copy(one.right.function)))
        return one

    def copy(self, name: str) -> str:
        if name not in self._copies:
            self._copies[name] = made = self.state.function_names.fresh(f"{name}_again")
            function = self.state.functions[name]
            self.state.functions[made] = replace(function, name=made, body=self.body(function.body), export=None)
        return self._copies[name]

    def shows(self, name: str, seen: set[str]) -> bool:
        """Whether a call of a function can reach a `debug`."""
        function: Function | None = self.state.functions.get(name)
        if function is None or name in seen:
            return False
        seen.add(name)
        if any(is_debug(one.right) for one in statements_in(function.body)):
            return True
        return any(self.shows(callee, seen) for callee in functions_called(function.body))


def is_debug(right: Right) -> bool:
    return isinstance(right, Operation) and OPS[right.op].has("debug")
