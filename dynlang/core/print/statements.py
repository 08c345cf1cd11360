"""Ops that are statements: writes into arrays and lists, and checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dynlang.core.nodes import Let, Operation, Variable
from dynlang.core.print.spelling import CALL, CAST, Text, operation_text, quoted, window_text
from dynlang.diag import NotBuilt
from dynlang.types import ArrayType, ScalarType, Size

if TYPE_CHECKING:
    from dynlang.core.print.function import FunctionPrinter


def _changed(printer: FunctionPrinter, statement: Let, operation: Operation) -> str:
    """A variable that holds the first operand and may be changed: the operand's own, if this is its last use, else a copy."""
    return printer.change(statement.variables[0], operation.arguments[0])


def _update(printer: FunctionPrinter, statement: Let, operation: Operation) -> None:
    name = _changed(printer, statement, operation)
    indices = ", ".join(one.text for one in printer.atoms(operation.arguments[1:-1]))
    printer.write(f"{name}[{indices}] = {printer.atom(operation.arguments[-1]).text}")


def _windows(printer: FunctionPrinter, operation: Operation) -> str:
    """The place of the part that is written, the last operand: ``0:n, i:i + 2*m - 1:2``"""
    starts, whole, kind = operation.arguments[1:-1], operation.arguments[0].type, operation.arguments[-1].type
    assert isinstance(whole, ArrayType) and isinstance(kind, ArrayType)
    printer.settle(starts)
    steps = operation.attribute("steps")
    by = steps if isinstance(steps, tuple) else (1,) * len(starts)
    counts = [one for one in kind.shape if isinstance(one, Size)]
    known = {one.name: printer.known[one.name] for one in starts if isinstance(one, Variable) and one.name in printer.known}
    return ", ".join(window_text(start, printer.atom(start), count, printer.size, step, known, length)
                     for start, count, step, length in zip(starts, counts, by, whole.shape, strict=False))


def _update_slice(printer: FunctionPrinter, statement: Let, operation: Operation) -> None:
    name = _changed(printer, statement, operation)
    printer.write(f"{name}[{_windows(printer, operation)}] = {printer.atom(operation.arguments[-1]).text}")


def _accumulate_slice(printer: FunctionPrinter, statement: Let, operation: Operation) -> None:
    name, windows = _changed(printer, statement, operation), _windows(printer, operation)
    printer.write(f"{name}[{windows}] += {printer.atom(operation.arguments[-1]).text}")


def _accumulate_at(printer: FunctionPrinter, statement: Let, operation: Operation) -> None:
    name = _changed(printer, statement, operation)
    indices = ", ".join(one.text for one in printer.atoms(operation.arguments[1:-1]))
    printer.write(f"{name}[{indices}] += {printer.atom(operation.arguments[-1]).text}")


def _accumulate(printer: FunctionPrinter, statement: Let, operation: Operation) -> None:
    name = _changed(printer, statement, operation)
    printer.write(f"{name} += {printer.atom(operation.arguments[1]).text}")


def _reassigned(printer: FunctionPrinter, statement: Let, operation: Operation) -> None:
    """An op that has no short form: ``d = accumulate_outer(d, x, y)``."""
    name = _changed(printer, statement, operation)
    texts = [Text(name), *printer.atoms(operation.arguments[1:])]
    made = operation_text(operation, texts, printer.size, statement.variables[0].type)
    if made is None:
        raise NotBuilt(f"printing the op {operation.op}", statement.span)
    printer.write(f"{name} = {made.text}")


def _list_empty(printer: FunctionPrinter, statement: Let, operation: Operation) -> None:
    (result,) = statement.variables
    if result.name in printer.places.roots:
        printer.variable(result, Text("List()"))
    elif printer.is_read(result):
        printer.write(f"let {printer.declare(result)}: {printer.type(result.type)} = List()")


def _tuple(texts: Sequence[Text]) -> str:
    return texts[0].text if len(texts) == 1 else f"({', '.join(one.text for one in texts)})"


def _list_push(printer: FunctionPrinter, statement: Let, operation: Operation) -> None:
    name = _changed(printer, statement, operation)
    printer.write(f"{name}.push({_tuple(printer.atoms(operation.arguments[1:]))})")


def _list_pop(printer: FunctionPrinter, statement: Let, operation: Operation) -> None:
    name = _changed(printer, statement, operation)
    items = statement.variables[1:]
    names = [printer.declare(one) if printer.is_read(one) else "_" for one in items]
    printer.write(f"let {', '.join(names)} = {name}.pop()")


def _list_set(printer: FunctionPrinter, statement: Let, operation: Operation) -> None:
    name = _changed(printer, statement, operation)
    position, *values = printer.atoms(operation.arguments[1:])
    printer.write(f"{name}[{position.text}] = {_tuple(values)}")


def _check(printer: FunctionPrinter, statement: Let, operation: Operation) -> None:
    condition, *numbers = printer.atoms(operation.arguments)
    message = quoted(str(operation.attribute("message", "a check")))
    for one in numbers:
        message = message.replace("{}", f"{{{one.text}}}", 1)
    printer.write(f"assert {condition.text}, {'f' if numbers else ''}{message}")


def _check_index(printer: FunctionPrinter, statement: Let, operation: Operation) -> None:
    index, limit = operation.arguments
    (result,) = statement.variables
    bound = printer.atom(limit)
    name = printer.declare(result)
    if bound.level < CALL or not (bound.text.isidentifier() or bound.text.isdigit()) or bound.text in printer.mutable:
        known = printer.names.fresh("limit")
        printer.write(f"let {known} = {bound.text}")
        bound = Text(known)
    printer.write(f"let {name}: int = {printer.atom(index).at(CAST)} as idx<{bound.text}>")


STATEMENTS = {
    "update": _update, "update_slice": _update_slice, "list_empty": _list_empty, "list_push": _list_push, "list_pop": _list_pop,
    "list_set": _list_set, "check": _check, "check_index": _check_index,
}


IN_PLACE = {"accumulate": _accumulate, "accumulate_at": _accumulate_at, "accumulate_slice": _accumulate_slice}


def writer_of(operation: Operation, in_place: bool = False) -> Callable[[FunctionPrinter, Let, Operation], None] | None:
    """What writes an operation that isn't an expression, as one that changes its first operand `in_place` isn't; calls name no
    steps, so that adding to every other element isn't one either."""
    if operation.op == "accumulate_slice" and operation.attribute("steps") is not None:
        return _accumulate_slice
    written = STATEMENTS.get(operation.op)
    if written is not None or not in_place:
        return written
    return IN_PLACE.get(operation.op, _reassigned) if isinstance(operation.arguments[0].type, (ArrayType, ScalarType)) else _reassigned
