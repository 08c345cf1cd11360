"""Core with complex numbers: the derivative of an analytic function f along v is the imaginary part of f(x + ih v) / h, for h so
small that nothing of second order is left. Differences lose digits; this loses none.

Every float is a complex number here. Where the meaning of an op isn't analytic, a choice is made by the real parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dynlang.core.deep import on_deep_stack
from dynlang.core.evaluate import _literal, _Machine, first_dtype, represented, size_value
from dynlang.core.nodes import Atom, Let, Literal, Module, Operation, Variable
from dynlang.ops import OPS
from dynlang.types import FLOATS, ArrayType, ScalarType, Type

STEP = 1e-40


def is_float(kind: Type) -> bool:
    return isinstance(kind, ScalarType) and kind.dtype in FLOATS


def error_function(z: Any) -> Any:
    """By its series, to the last digit for the small arguments of tests."""
    term = total = np.asarray(z, np.complex128)
    for k in range(1, 80):
        term = -term * z * z / k
        total = total + term / (2 * k + 1)
    return total * 2 / np.sqrt(np.pi)


def chosen_along(pick: Any) -> Any:
    """A reduction that takes one element of each row, chosen by the real parts."""

    def meaning(operands: list[Any], attributes: dict[str, Any], sizes: Sequence[int]) -> Any:
        (x,) = operands
        axes = attributes.get("axes")
        axes = tuple(range(x.ndim)) if axes is None else tuple(axes)
        kept = [axis for axis in range(x.ndim) if axis not in axes]
        shape = [x.shape[axis] for axis in kept]
        rows = np.transpose(x, [*kept, *axes]).reshape(int(np.prod(shape)), int(np.prod([x.shape[axis] for axis in axes])))
        if rows.shape[1] == 0:
            return np.full(shape, -np.inf if pick is np.argmax else np.inf, np.complex128)
        return rows[np.arange(len(rows)), pick(np.real(rows), axis=1)].reshape(shape)

    return meaning


def dense_rows(operands: list[Any], attributes: dict[str, Any], sizes: Sequence[int]) -> Any:
    made = np.zeros(sizes, np.complex128)
    for index, row in operands[0]:
        made[index] += row
    return made


def converted(operands: list[Any], attributes: dict[str, Any], sizes: Sequence[int]) -> Any:
    if attributes["dtype"] in FLOATS:
        return operands[0]
    return OPS["convert"].meaning(np, [np.real(operands[0])], attributes, tuple(sizes))


MEANINGS: dict[str, Any] = {
    "abs": lambda a, *_: np.where(np.real(a[0]) < 0, -a[0], a[0]),
    "relu": lambda a, *_: np.where(np.real(a[0]) > 0, a[0], 0),
    "sigmoid": lambda a, *_: 1 / (1 + np.exp(-a[0])),
    "erf": lambda a, *_: error_function(a[0]),
    "maximum": lambda a, *_: np.where(np.real(a[0]) >= np.real(a[1]), a[0], a[1]),
    "minimum": lambda a, *_: np.where(np.real(a[0]) <= np.real(a[1]), a[0], a[1]),
    "multiply_add": lambda a, *_: a[0] * a[1] + a[2],
    "select": lambda a, *_: np.where(a[0], a[1], a[2]),
    "sign": lambda a, *_: np.sign(np.real(a[0])),
    "floor": lambda a, *_: np.floor(np.real(a[0])),
    "ceil": lambda a, *_: np.ceil(np.real(a[0])),
    "round": lambda a, *_: np.round(np.real(a[0])),
    "argmax": lambda a, attributes, sizes: OPS["argmax"].meaning(np, [np.real(a[0])], attributes, sizes),
    "argmin": lambda a, attributes, sizes: OPS["argmin"].meaning(np, [np.real(a[0])], attributes, sizes),
    "reduce_max": chosen_along(np.argmax),
    "reduce_min": chosen_along(np.argmin),
    "rows_dense": dense_rows,
    "convert": converted,
}


class ComplexMachine(_Machine):
    def atom(self, atom: Atom, values: Any) -> Any:
        return values[atom.name] if isinstance(atom, Variable) else self.literal(atom)

    def atoms(self, atoms: Sequence[Atom], values: Any) -> list[Any]:
        return [self.atom(one, values) for one in atoms]

    def literal(self, literal: Literal) -> Any:
        return np.complex128(literal.value) if is_float(literal.type) else _literal(literal)

    def operation(self, operation: Operation, statement: Let, values: Any) -> Sequence[Any]:
        row = OPS[operation.op]
        arguments = self.atoms(operation.arguments, values)
        sizes = tuple(size_value(size, values) for size in operation.sizes)
        attributes = dict(operation.attributes)
        if row.has("comparison"):
            arguments = [np.real(one) if np.iscomplexobj(one) else one for one in arguments]
        if row.name in MEANINGS:
            found = MEANINGS[row.name](arguments, attributes, sizes)
        else:
            found = row.mean(np, arguments, attributes, sizes, first_dtype(operation))
        results = found if isinstance(found, tuple) else (found,)
        return [complex_of(one, place.type) for one, place in zip(results, statement.variables, strict=True)]


def complex_of(value: Any, kind: Type) -> Any:
    """A value in the representation of its type, its floats complex."""
    if is_float(kind):
        return np.asarray(value, np.complex128)[()]
    if isinstance(kind, ArrayType) and is_float(kind.element):
        return np.asarray(value, np.complex128)
    return represented(value, kind)


def evaluate_complex(module: Module, function: str, arguments: Sequence[Any]) -> list[Any]:
    """The results of a function for complex arguments."""

    def run() -> list[Any]:
        with np.errstate(all="ignore"):
            places = module.functions[function].parameters
            given = [complex_of(one, place.type) for one, place in zip(arguments, places, strict=True)]
            return list(ComplexMachine(module, None).call(function, given))

    return on_deep_stack(run, 1_000_000)
