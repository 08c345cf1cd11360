"""Loops as source: carried values are variables, assigned at the end of each trip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dynlang.core.nodes import Atom, For, Let, Operation, Variable, While
from dynlang.core.print.names import field_name
from dynlang.core.print.sizes import packed
from dynlang.core.print.spelling import NOT
from dynlang.core.print.statements import writer_of
from dynlang.ops import OPS
from dynlang.types import INT, size_variables

if TYPE_CHECKING:
    from dynlang.core.print.function import FunctionPrinter


class LoopPrinter:
    """A loop: its carried values as variables that are assigned at the end of each trip."""

    def __init__(self, printer: FunctionPrinter, statement: Let, right: For | While) -> None:
        self.printer, self.statement, self.right = printer, statement, right
        self.inner = {one.name for one in right.carried
                      if one.type == INT and any(one.name in size_variables(other.type) for other in right.carried)}

    def run(self) -> None:
        printer, right = self.printer, self.right
        names: list[str] = []
        printer.settle_changing(right)
        taken = printer.places.taken
        initial = [printer.atom(one) for one in right.initial]
        for place, value in zip(right.carried, initial, strict=True):
            if place.name in taken:
                names.append(value.text)
                continue
            name = printer.names.fresh(printer.module.short(field_name(place.name)))
            names.append(name)
            printer.mutable.add(name)
            printer.write(f"var {name}: {printer.type(packed(place.type, self.inner))} = {value.text}")
        if isinstance(right, For):
            count = printer.atom(right.count).text
            index = printer.declare(right.index) if printer.is_read(right.index) else "_"
            printer.write(f"for {index} in {self.scheduled(count)}:")
            printer.inner(right.body, lambda results: self.next(names, results), lambda: self.bind_carried(names))
        else:
            self.while_loop(right, names)
        outer = {one.name for one in self.statement.variables
                 if one.type == INT and any(one.name in size_variables(other.type) for other in self.statement.variables)}
        printer.take_over(self.statement.variables, names, outer)

    def scheduled(self, text: str) -> str:
        return text if self.right.slots is None else f"checkpoint({text}, slots={self.right.slots})"

    def while_loop(self, right: While, names: Sequence[str]) -> None:
        printer = self.printer
        plain = all(isinstance(one.right, Operation) and operation_is_plain(one.right) for one in right.condition.statements)
        single = plain and all(printer.uses.get(one.variables[0].name) == 1 for one in right.condition.statements)
        dependent = any(self.is_opened(place) for place in right.carried)
        if single and not dependent:
            self.bind_carried(names)
            printer.enter()
            printer.note_locals(right.condition)
            for statement in right.condition.statements:
                printer.statement(statement, right.condition)
            condition = printer.atom(right.condition.results[0])
            printer.scopes.pop()
            printer.write(f"while {self.scheduled(condition.text)}:")
            printer.inner(right.body, lambda results: self.next(names, results))
            return
        printer.write(f"while {self.scheduled('true')}:")
        printer.depth += 1
        self.bind_carried(names)
        printer.enter()
        printer.note_locals(right.condition)
        for statement in right.condition.statements:
            printer.statement(statement, right.condition)
        condition = printer.atom(right.condition.results[0])
        printer.write(f"if not {condition.at(NOT + 1)}:")
        printer.write("    break")
        printer.scopes.pop()
        printer.depth -= 1
        printer.inner(right.body, lambda results: self.next(names, results))

    def is_opened(self, place: Variable) -> bool:
        return place.name in self.printer.in_sizes or bool(size_variables(place.type) & self.inner)

    def bind_carried(self, names: Sequence[str]) -> None:
        self.printer.take_over(self.right.carried, names, self.inner)

    def next(self, names: Sequence[str], results: Sequence[Atom]) -> None:
        self.printer.assign(names, self.printer.atoms(results))


def operation_is_plain(operation: Operation) -> bool:
    row = OPS[operation.op]
    return not (row.has("check") or row.has("effect") or row.has("consumes")) and writer_of(operation) is None
