"""Requests for derivatives as they are written: ``let (y, k), (dx, dw) = vjp(f, x, w, 2, 1.0, wrt=(0, 1))``.

Core differentiates any of a function's results, the language all of them or the first; what can't be said there is shown in Core's own way,
``vjp(f, wrt=(0))(x)(_, g)``, with a cotangent for each result, and doesn't read back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dynlang.core.nodes import Atom, Function, Jvp, Let, Variable, Vjp
from dynlang.core.print.spelling import Text
from dynlang.types import FLOATS, INT, ArrayType, ScalarType, Type, size_variables

if TYPE_CHECKING:
    from dynlang.core.print.function import FunctionPrinter


def print_request(printer: FunctionPrinter, statement: Let, request: Vjp | Jvp) -> None:
    function = printer.module.module.functions[request.function]
    shown = as_vjp(printer, function, request) if isinstance(request, Vjp) else as_jvp(printer, function, request)
    count = len(function.results)
    if shown is None or not is_plain(printer, function, statement.variables):
        printer.bind(statement.variables, in_core(printer, request))
        return
    results, further = statement.variables[:count], statement.variables[count:]
    changes = further if isinstance(request, Vjp) else change_of_each(function, further)
    printer.write(f"let {pattern(printer, results)}, {pattern(printer, changes)} = {shown}")


def change_of_each(function: Function, changes: Sequence[Variable]) -> list[Variable | None]:
    """For each result its change; an int has none."""
    waiting = iter(changes)
    return [next(waiting) if carries(one.type) else None for one in function.results]


def pattern(printer: FunctionPrinter, variables: Sequence[Variable | None]) -> str:
    names = [printer.declare(one) if one is not None and printer.is_read(one) else "_" for one in variables]
    return names[0] if len(names) == 1 else "_" if set(names) == {"_"} else f"({', '.join(names)})"


def is_plain(printer: FunctionPrinter, function: Function, variables: Sequence[Variable]) -> bool:
    """Nothing lent, no size among the results."""
    inner = {one.name for one in variables if one.type == INT}
    return not printer.module.lent.get(function.name) and not any(size_variables(one.type) & inner for one in variables)


def carries(kind: Type) -> bool:
    """Whether a type is certainly floats; of others a request is shown in Core's way."""
    return (isinstance(kind, ScalarType) and kind.dtype in FLOATS) or (isinstance(kind, ArrayType) and carries(kind.element))


def is_sure(function: Function) -> bool:
    """Whether it is certain of each result that it has a derivative, or none."""
    return all(carries(one.type) or isinstance(one.type, ScalarType) for one in function.results)


def places(printer: FunctionPrinter, function: Function) -> list[int]:
    """The parameters that are written: sizes go without saying."""
    generics = printer.module.generics[function.name]
    return [k for k, one in enumerate(function.parameters) if one.name not in generics]


def named(printer: FunctionPrinter, function: Function, wrt: Sequence[int]) -> str:
    written = places(printer, function)
    found = [written.index(k) for k in wrt]
    return "" if found == [0] else f", wrt={found[0] if len(found) == 1 else tuple(found)}"


def as_vjp(printer: FunctionPrinter, function: Function, request: Vjp) -> str | None:
    first, *rest = request.cotangents
    given = [request.arguments[k] for k in places(printer, function)]
    if first is not None and all(one is None for one in rest) and carries(function.results[0].type):
        shown = arguments(printer, request.function, [*given, first])
    elif is_sure(function) and all((one is not None) == carries(result.type)
                                   for one, result in zip(request.cotangents, function.results, strict=True)):
        each = ", ".join("()" if one is None else printer.atom(one).text for one in request.cotangents)
        shown = f"{arguments(printer, request.function, given)}, ({each})"
    else:
        return None
    return f"vjp({shown}{named(printer, function, request.wrt)})"


def as_jvp(printer: FunctionPrinter, function: Function, request: Jvp) -> str | None:
    along = [(k, one) for k, one in enumerate(request.tangents) if one is not None]
    if not along or not is_sure(function):
        return None
    given = [request.arguments[k] for k in places(printer, function)]
    shown = arguments(printer, request.function, [*given, *(one for _, one in along)])
    return f"jvp({shown}{named(printer, function, [k for k, _ in along])})"


def arguments(printer: FunctionPrinter, function: str, atoms: Sequence[Atom]) -> str:
    return ", ".join([printer.module.functions[function], *(one.text for one in printer.atoms(atoms))])


def in_core(printer: FunctionPrinter, request: Vjp | Jvp) -> Text:
    along = request.cotangents if isinstance(request, Vjp) else request.tangents
    given = ", ".join(printer.atom(one).text if one is not None else "_" for one in along)
    shown = ", ".join(one.text for one in printer.atoms(request.arguments))
    name = printer.module.functions[request.function]
    if isinstance(request, Vjp):
        return Text(f"vjp({name}, wrt=({', '.join(map(str, request.wrt))}))({shown})({given})")
    return Text(f"jvp({name})({shown})({given})")
