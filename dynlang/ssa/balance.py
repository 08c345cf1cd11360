"""Reference counts checked on paper: on every path each owned reference is consumed once, and nothing is used after that.

`check_balance(module)` holds for what `opt/count_references.py` makes. It follows who owns what through the structure, so it
is quick and needs no input; the interpreter's `count=True` is the same check on a run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from dynlang.ssa.nodes import Function, Module, Operation, Region, Value
from dynlang.ssa.ownership import consumed_operands
from dynlang.ssa.print import printed_operation
from dynlang.ssa.verify import InvalidSSA


def check_balance(module: Module) -> None:
    """Raise `InvalidSSA` where a reference is lost, consumed twice or used after its end."""
    for function in module.functions.values():
        _Balance(module.functions, function).run()


class _Balance:
    def __init__(self, functions: Mapping[str, Function], function: Function) -> None:
        self.functions = functions
        self.function = function
        self.held: Counter[Value] = Counter()
        """How many references this path owns to a value."""
        self.lender: dict[Value, Value] = {}
        """The box that a borrowed payload lives in."""
        self.lent: set[Value] = set()
        """Values that somebody outside keeps alive."""

    def run(self) -> None:
        for position, one in enumerate(self.function.parameters):
            if one.counted:
                self.held[one] += position in self.function.owned
                if position not in self.function.owned:
                    self.lent.add(one)
        self.region(self.function.body)
        self.nothing_held(self.function.parameters, self.function.body.operations[-1])

    def fail(self, one: Operation, value: Value, reason: str) -> InvalidSSA:
        return InvalidSSA(f"@{self.function.name}: %{value.name} {reason}\n{printed_operation(one, self.function)}", one.span)

    def alive(self, value: Value) -> bool:
        while self.held[value] <= 0 and value not in self.lent:
            if value not in self.lender:
                return False
            value = self.lender[value]
        return True

    def region(self, region: Region) -> None:
        made: list[Value] = []
        for one in region.operations:
            self.operation(one)
            made += (value for value in one.results if value.counted and value not in self.lent)
        self.nothing_held(made, region.operations[-1])

    def nothing_held(self, values: list[Value], where: Operation) -> None:
        for value in values:
            if self.held[value]:
                raise self.fail(where, value, "is never released")

    def operation(self, one: Operation) -> None:
        for value in one.operands:
            if value.counted and not self.alive(value):
                raise self.fail(one, value, "is used after its end")
        if one.name == "retain":
            self.held[one.operands[0]] += 1
            return
        if one.name in ("if", "switch"):
            self.branches(one)
        else:
            consumed = (0,) if one.name == "release" else consumed_operands(one, self.functions)
            for position in consumed:
                self.held[one.operands[position]] -= 1
                if self.held[one.operands[position]] < 0:
                    raise self.fail(one, one.operands[position], "is consumed, but not owned")
            if one.name in ("for", "while"):
                self.loop(one)
        for value in one.results:
            if value.counted and one.name == "constant":
                self.lent.add(value)
            elif value.counted:
                self.held[value] += 1

    def branches(self, one: Operation) -> None:
        """Every branch leaves the same references."""
        before, ends = self.held, []
        for region in one.regions:
            self.held = before.copy()
            for value in region.parameters:
                if value.counted:
                    self.lender[value] = one.operands[0]
            self.region(region)
            self.nothing_held(region.parameters, region.operations[-1])
            ends.append(+self.held)
        for end in ends[1:]:
            for value in end.keys() ^ ends[0].keys() | {each for each in end if end[each] != ends[0][each]}:
                raise self.fail(one, value, "is consumed in one branch and not in another")
        self.held = Counter(ends[0]) if ends else before

    def loop(self, one: Operation) -> None:
        """A turn owns what is carried, and leaves what is outside as it was."""
        before = +self.held
        for position, region in enumerate(one.regions):
            condition = one.name == "while" and position == 0
            for value in region.parameters:
                if value.counted and condition:
                    self.lent.add(value)
                elif value.counted:
                    self.held[value] += 1
            self.region(region)
            self.nothing_held([] if condition else region.parameters, region.operations[-1])
            for value in before.keys() | (+self.held).keys():
                if before[value] != self.held[value]:
                    raise self.fail(one, value, "is consumed by a turn of the loop, but not owned by it")
